"use strict";

const byId = (id) => document.getElementById(id);
const state = { bundle: null, choices: [] };

function fromBase64(string) {
  return Uint8Array.from(atob(string.trim()), (character) => character.charCodeAt(0));
}

function show(picture) {
  const { width, height, channels, data } = picture;
  const canvas = byId("canvas");
  const image = new ImageData(width, height);
  for (let i = 0, o = 0; i < data.length; i += channels, o += 4) {
    image.data[o] = data[i];
    image.data[o + 1] = data[channels > 1 ? i + 1 : i];
    image.data[o + 2] = data[channels > 1 ? i + 2 : i];
    image.data[o + 3] = channels === 4 ? data[i + 3] : 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d").putImageData(image, 0, 0);
  canvas.hidden = false;
  byId("file").hidden = true;
}

function tell(facts) {
  byId("facts").replaceChildren(
    ...Object.entries(facts).flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      dt.textContent = name;
      dd.textContent = value;
      return [dt, dd];
    }),
  );
}

function plural(count) {
  return `${count.toLocaleString("en")} byte${count === 1 ? "" : "s"}`;
}

/** A long prompt is mostly residual. */
function brief(prompt) {
  return prompt.length > 64 ? `${prompt.slice(0, 64)}...` : prompt;
}

function drawChosen(shown) {
  const { generator, records } = state.bundle;
  const latents = generator.decays.map(() => 0);
  const stream = shown?.stream ?? Rehydrate.encodePrompt(generator, state.choices, latents);
  const start = performance.now();
  const picture = shown
    ? Rehydrate.drawRecord(generator, shown)
    : Rehydrate.draw(generator, state.choices, latents);
  const milliseconds = performance.now() - start;
  show(picture);
  const prompt = Rehydrate.hex(stream);
  const record = records.find((r) => r.stream && Rehydrate.hex(r.stream) === prompt);
  const digest = Rehydrate.hex(Rehydrate.pixelDigest(picture));
  tell({
    prompt: `${brief(prompt) || "(empty)"}: ${plural(stream.length)}`,
    "sha256 of the pixels": digest,
    picture: record
      ? `${record.name}: ${digest.startsWith(record.check) ? "as recorded" : "NOT AS RECORDED"}`
      : "a combination that is in no record",
    drawn: `${picture.width} x ${picture.height} in ${milliseconds.toFixed(0)} ms`,
  });
  mark(record);
}

function mark(record) {
  for (const button of byId("records").children) {
    button.setAttribute("aria-pressed", String(record !== undefined && button.record === record));
  }
}

function choose(record) {
  if (record.file) {
    const image = byId("file");
    image.src = URL.createObjectURL(new Blob([record.file]));
    image.hidden = false;
    byId("canvas").hidden = true;
    tell({ picture: record.name, kept: `as a file: ${plural(record.file.length)}` });
    mark(record);
    return;
  }
  state.choices = Rehydrate.decodePrompt(state.bundle.generator, record.stream).choices;
  document.querySelectorAll("#attributes select").forEach((select, n) => {
    select.selectedIndex = state.choices[n];
  });
  drawChosen(record);
}

function selects(generator) {
  return generator.attributes.map(({ name, values }, n) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.append(...values.map((value) => new Option(value)));
    select.onchange = () => {
      state.choices[n] = select.selectedIndex;
      drawChosen();
    };
    label.append(name, select);
    return label;
  });
}

function buttons(records) {
  return records.map((record) => {
    const button = document.createElement("button");
    button.record = record;
    button.textContent = `${record.name} (${plural((record.stream ?? record.file).length)})`;
    button.onclick = () => choose(record);
    return button;
  });
}

async function open(data) {
  state.bundle = await Rehydrate.readBundle(data);
  const { family, notes, generator, records } = state.bundle;
  state.choices = generator.attributes.map(() => 0);
  document.title = family;
  byId("family").textContent = family;
  const possible = generator.attributes.reduce((product, a) => product * a.values.length, 1);
  byId("about").textContent =
    `${plural(data.length)} draw ${possible.toLocaleString("en")} pictures; ` +
    `${records.length.toLocaleString("en")} are recorded. ` +
    Object.entries(notes).map(([key, value]) => `${key}: ${value}`).join("; ");
  byId("attributes").replaceChildren(...selects(generator));
  byId("records").replaceChildren(...buttons(records));
  if (records.length) choose(records[0]);
  else drawChosen();
}

/** For tests: what every record draws, as JSON in the document. */
function report() {
  const { generator, records } = state.bundle;
  const drawn = records.filter((record) => record.stream);
  const digests = drawn.map((record) => [record.name, Rehydrate.drawRecord(generator, record).digest]);
  byId("report").textContent = JSON.stringify(Object.fromEntries(digests));
}

async function begin() {
  byId("load").onchange = async ({ target }) => {
    await attempt(async () => open(new Uint8Array(await target.files[0].arrayBuffer())));
  };
  const embedded = byId("bundle").textContent;
  if (!embedded.trim()) {
    byId("about").textContent = "Open a bundle to see its pictures.";
    return;
  }
  await open(fromBase64(embedded));
  if (location.hash === "#report") report();
}

async function attempt(action) {
  byId("error").textContent = "";
  try {
    await action();
  } catch (error) {
    byId("error").textContent = error.message;
  }
}

attempt(begin);
