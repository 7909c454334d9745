// Pictures from prompts, the same to the last bit as docs/media.md ("Exact") says.
//
// Sums are below 2^47, so binary64 holds them exactly in any order; only the interval code of
// prompts needs integers of any size.  No library, nothing fetched; runs in browsers and in Node.
"use strict";

const Rehydrate = (() => {
  const BLOCK = 8;
  const WAVES = BLOCK * BLOCK;
  const LATENT_LIMIT = 127;
  const TERM_LIMIT = 32767;
  const PLANE_LIMIT = 2 ** 20;
  const COEFFICIENT_LIMIT = 2 ** 26;
  const MAX_BODY_BYTES = 2 ** 28;

  const text = new TextDecoder("utf-8", { fatal: true });
  const bytesOf = (string) => new TextEncoder().encode(string);
  const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");

  function demand(holds, what) {
    if (!holds) throw new Error(what);
  }

  // --- SHA-256 (FIPS 180-4): crypto.subtle is not there for a page that was opened as a file ---

  const K = new Int32Array(64);
  const START = new Int32Array(8);
  {
    // fractions of the cube and square roots of the first primes, found with whole numbers
    const root = (value, power) => {
      let low = 0n;
      let high = 1n << 80n;
      while (low + 1n < high) {
        const middle = (low + high) >> 1n;
        if (middle ** power <= value) low = middle;
        else high = middle;
      }
      return Number(low & 0xffffffffn) | 0;
    };
    let found = 0;
    for (let number = 2; found < 64; number++) {
      let prime = true;
      for (let d = 2; d * d <= number; d++) prime &&= number % d !== 0;
      if (!prime) continue;
      if (found < 8) START[found] = root(BigInt(number) << 64n, 2n);
      K[found++] = root(BigInt(number) << 96n, 3n);
    }
  }

  function sha256(...parts) {
    const size = parts.reduce((sum, part) => sum + part.length, 0);
    const padded = new Uint8Array(Math.ceil((size + 9) / 64) * 64);
    let place = 0;
    for (const part of parts) {
      padded.set(part, place);
      place += part.length;
    }
    padded[size] = 0x80;
    const view = new DataView(padded.buffer);
    view.setUint32(padded.length - 8, Math.floor(size / 2 ** 29));
    view.setUint32(padded.length - 4, (size * 8) >>> 0);
    const state = Int32Array.from(START);
    const w = new Int32Array(64);
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getInt32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + t1) | 0;
        d = c;
        c = b;
        b = a;
        a = (t1 + t2) | 0;
      }
      const next = [a, b, c, d, e, f, g, h];
      for (let i = 0; i < 8; i++) state[i] = (state[i] + next[i]) | 0;
    }
    const out = new Uint8Array(32);
    const digest = new DataView(out.buffer);
    state.forEach((word, i) => digest.setInt32(4 * i, word));
    return out;
  }

  // --- files ---

  /** The bytes of a zlib stream; at most `limit` of them. */
  async function inflate(data, limit) {
    const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = stream.getReader();
    const parts = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      demand(size <= limit, "a compressed part is larger than it says");
      parts.push(value);
    }
    const out = new Uint8Array(size);
    let place = 0;
    for (const part of parts) {
      out.set(part, place);
      place += part.length;
    }
    return out;
  }

  const viewOf = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);

  const READERS = {
    i1: [1, (view, at) => view.getInt8(at)],
    u1: [1, (view, at) => view.getUint8(at)],
    i2: [2, (view, at) => view.getInt16(at, true)],
    i4: [4, (view, at) => view.getInt32(at, true)],
  };

  /** A generator from its file; only coder 1 (zlib) is known here. */
  async function readGenerator(data) {
    const head = viewOf(data);
    demand(data.length > 10 && text.decode(data.subarray(0, 4)) === "RHMG", "no generator");
    demand(data[4] === 1, `a generator of version ${data[4]}`);
    demand(data[5] === 1, "a generator that is not compressed by zlib");
    const size = head.getUint32(6, true);
    demand(size <= MAX_BODY_BYTES, "a generator that is too large");
    const body = await inflate(data.subarray(10), size);
    demand(body.length === size && size >= 4, "a generator that is cut short");
    const view = viewOf(body);
    const headerSize = view.getUint32(0, true);
    const header = JSON.parse(text.decode(body.subarray(4, 4 + headerSize)));
    const kinds = ["basis", "network"];
    demand(header.format === "rehydration-media/1" && kinds.includes(header.kind), "another kind");
    const arrays = {};
    let place = 4 + headerSize;
    for (const [name, code, shape] of header.arrays) {
      const [width, read] = READERS[code];
      const count = shape.reduce((product, n) => product * n, 1);
      demand(place + width * count <= size, `the array ${name} does not fit`);
      const values = new Int32Array(count);
      for (let i = 0; i < count; i++) values[i] = read(view, place + width * i);
      arrays[name] = { values, shape };
      place += width * count;
    }
    demand(place === size, "bytes follow the last array");
    return generatorOf(header, arrays);
  }

  function generatorOf(header, arrays) {
    const { width, height, terms, steps, decays } = header;
    const planes = steps.length;
    const attributes = header.attributes.map(([name, values]) => ({ name, values }));
    const channels = arrays.curves.shape[0];
    const rows = Math.ceil(height / BLOCK);
    const columns = Math.ceil(width / BLOCK);
    const blocks = rows * columns;
    const tables = attributes.map((_, n) => arrays[`table${n}`]);
    tables.forEach((table, n) => {
      const [values, , across] = table.shape;
      demand(values === attributes[n].values.length && across === channels, "a table of factors");
    });
    const curves = [];
    for (let channel = 0; channel < channels; channel++) {
      let sum = 0;
      const steps255 = arrays.curves.values.subarray(channel * 255, (channel + 1) * 255);
      curves.push(Int32Array.from(steps255, (step) => (sum += step)));
    }
    const rowBytes = Math.ceil(blocks / 8);
    demand(arrays.coded.values.length === planes * rowBytes, "the map of blocks");
    const isCoded = (term, block) =>
      (arrays.coded.values[term * rowBytes + (block >> 3)] >> (7 - (block & 7))) & 1;
    const generator = {
      name: header.name, notes: header.notes, width, height, channels, rows, columns,
      attributes, decays, tables, gains: arrays.gains.values, terms,
      layers: header.kind === "network" ? layersOf(header, arrays, planes) : null,
    };
    generator.curves = curveTables(curves);
    Object.assign(generator, planesOf(steps, blocks, isCoded, arrays.low, arrays.high));
    return generator;
  }

  /** The dense layers of a style network; the last one gives the weight of each plane. */
  function layersOf(header, arrays, planes) {
    const layers = header.shifts.map((shift, n) => {
      const [outputs, inputs] = arrays[`weights${n}`].shape;
      const [weights, scales, biases] = ["weights", "scales", "biases"].map(
        (part) => arrays[part + n].values,
      );
      demand(scales.length === outputs && biases.length === outputs, "a layer of its network");
      return { outputs, inputs, weights, scales, biases, shift };
    });
    demand(layers[layers.length - 1].outputs === planes, "its output layer");
    return layers;
  }

  /** Entry v of a table is the byte of a sum v, and of all above for the last one. */
  function curveTables(curves) {
    const entries = 1 + Math.max(...curves.map((curve) => curve[curve.length - 1]));
    return curves.map((curve) => {
      const table = new Uint8Array(entries);
      let passed = 0;
      for (let value = 0; value < entries; value++) {
        while (passed < curve.length && curve[passed] <= value) passed++;
        table[value] = passed;
      }
      return table;
    });
  }

  // --- planes ---

  const COSINES = [1448, 2009, 1892, 1703, 1448, 1138, 784, 400];
  const COSINE = new Float64Array(WAVES); // [wave, position]
  for (let wave = 0; wave < BLOCK; wave++) {
    for (let position = 0; position < BLOCK; position++) {
      let angle = ((2 * position + 1) * wave) % 32; // in sixteenths of pi
      angle = Math.min(angle, 32 - angle);
      const sign = angle <= 8 ? 1 : -1;
      angle = angle <= 8 ? angle : 16 - angle;
      COSINE[wave * BLOCK + position] = angle === 8 ? 0 : sign * COSINES[angle];
    }
  }

  const ZIGZAG = Array.from({ length: WAVES }, (_, i) => i).sort((a, b) => {
    const [ay, by] = [a >> 3, b >> 3];
    return ay + (a & 7) - (by + (b & 7)) || ay - by;
  });

  /** v / 2^bits to the nearest integer, ties up; exact while |v| is below 2^52. */
  const rounded = (v, bits) => Math.floor(v / 2 ** bits + 0.5);

  /** The planes' blocks that are not zero, and which of them lie in each block of the picture. */
  function planesOf(steps, blocks, isCoded, low, high) {
    const count = low.shape[0];
    const planes = new Int32Array(count * WAVES);
    const active = Array.from({ length: blocks }, () => []);
    const x = new Float64Array(WAVES);
    const y = new Float64Array(WAVES);
    let row = 0;
    for (let term = 0; term < steps.length; term++) {
      for (let block = 0; block < blocks; block++) {
        if (!isCoded(term, block)) continue;
        demand(row < count, "the number of blocks");
        for (let i = 0; i < WAVES; i++) {
          const q = ((high.values[row * WAVES + i] * 256 + low.values[row * WAVES + i]) << 16) >> 16;
          x[ZIGZAG[i]] = q * steps[term];
          demand(Math.abs(x[ZIGZAG[i]]) <= COEFFICIENT_LIMIT, "a coefficient is too large");
        }
        inverse(x, y, planes, row * WAVES);
        active[block].push(term, row * WAVES);
        row++;
      }
    }
    demand(row === count, "the number of blocks");
    return { planes, active: active.map((pairs) => Int32Array.from(pairs)) };
  }

  function inverse(x, y, planes, place, limit = PLANE_LIMIT) {
    for (let i = 0; i < BLOCK; i++) {
      for (let j = 0; j < BLOCK; j++) {
        let sum = 0;
        for (let u = 0; u < BLOCK; u++) sum += COSINE[u * BLOCK + i] * x[u * BLOCK + j];
        y[i * BLOCK + j] = rounded(sum, 12);
      }
    }
    for (let i = 0; i < BLOCK; i++) {
      for (let j = 0; j < BLOCK; j++) {
        let sum = 0;
        for (let v = 0; v < BLOCK; v++) sum += y[i * BLOCK + v] * COSINE[v * BLOCK + j];
        const value = rounded(sum, 15);
        demand(Math.abs(value) <= limit, "a plane leaves its range");
        planes[place + i * BLOCK + j] = value;
      }
    }
  }

  // --- prompts: an interval code over integers of any size ---

  const bitLength = (value) => (value === 0n ? 0 : value.toString(2).length);
  const ceilDivided = (a, b) => (a + b - 1n) / b; // a is not negative

  function shortest(low, width, scale) {
    const size = Math.floor(bitLength(scale / width) / 8) + 1;
    const shift = BigInt(8 * size);
    const first = ceilDivided(low << shift, scale);
    const last = ceilDivided((low + width) << shift, scale) - 1n;
    if (first === 0n) return new Uint8Array(0);
    const spare = Math.floor((bitLength((first - 1n) ^ last) - 1) / 8);
    const digits = ceilDivided(first, 1n << BigInt(8 * spare)).toString(16);
    const whole = digits.padStart(2 * (size - spare), "0");
    return Uint8Array.from(whole.match(/../g), (pair) => parseInt(pair, 16));
  }

  function narrowed([low, width, scale], [start, freq, total]) {
    return [low * total + width * start, width * freq, scale * total];
  }

  function cumulative(decay) {
    const side = [2 ** 20];
    for (let i = 0; i < LATENT_LIMIT; i++) side.push(Math.max(1, (side[i] * decay) >> 8));
    const starts = [0];
    for (let latent = -LATENT_LIMIT; latent <= LATENT_LIMIT; latent++) {
      starts.push(starts[starts.length - 1] + side[Math.abs(latent)]);
    }
    return starts;
  }

  /** The part of the code that a position takes among cumulated frequencies. */
  function share(starts, position) {
    const [from, to, total] = [starts[position], starts[position + 1], starts[starts.length - 1]];
    return [BigInt(from), BigInt(to - from), BigInt(total)];
  }

  const evenly = (count) => Array.from({ length: count + 1 }, (_, i) => i);

  function decisions(generator) {
    const choices = generator.attributes.map((attribute) => evenly(attribute.values.length));
    return [...choices, ...generator.decays.map(cumulative)];
  }

  /** The bytes of a prompt: positions of the values, then latents. */
  function encodePrompt(generator, choices, latents = []) {
    const positions = [...choices, ...latents.map((latent) => latent + LATENT_LIMIT)];
    let part = [0n, 1n, 1n];
    decisions(generator).forEach((starts, n) => {
      demand(starts[positions[n] + 1] !== undefined, "a choice that there is not");
      part = narrowed(part, share(starts, positions[n]));
    });
    return shortest(...part);
  }

  /** Positions, latents and residual of a prompt's bytes, which must be in their one form. */
  function decodePrompt(generator, whole) {
    const marked = whole[whole.length - 1] === 0; // code, residual, size of the code, 0
    const size = marked ? (whole[whole.length - 2] ?? 0) : whole.length;
    const stream = whole.subarray(0, size);
    const residual = marked ? whole.subarray(size, Math.max(size, whole.length - 2)) : null;
    demand(!marked || residual.length > 0, "a residual without bytes");
    let numerator = stream.length ? BigInt("0x" + hex(stream)) : 0n;
    let denominator = 1n << BigInt(8 * stream.length);
    let part = [0n, 1n, 1n];
    const positions = decisions(generator).map((starts) => {
      const total = starts[starts.length - 1];
      const target = Number((numerator * BigInt(total)) / denominator);
      const position = starts.findIndex((_, i) => target < starts[i + 1]);
      const [start, freq] = share(starts, position);
      numerator = numerator * BigInt(total) - start * denominator;
      denominator *= freq;
      part = narrowed(part, share(starts, position));
      return position;
    });
    demand(hex(shortest(...part)) === hex(stream), `the prompt ${hex(stream)} has a longer form`);
    const count = generator.attributes.length;
    return {
      choices: positions.slice(0, count),
      latents: positions.slice(count).map((position) => position - LATENT_LIMIT),
      residual,
    };
  }

  // --- residuals: a binary range coder that learns, and the blocks that it codes ---

  const WORD = 0xffffffff;
  const MEMORY = 30;
  const RATES = Array.from({ length: MEMORY + 1 }, (_, seen) => Math.floor(65536 / (seen + 2)));

  class RangeDecoder {
    constructor(data, contexts) {
      this.shares = new Int32Array(contexts).fill(32768);
      this.seen = new Uint8Array(contexts);
      this.data = data;
      this.read = 4;
      const first = [0, 1, 2, 3].reduce((word, n) => word * 256 + (data[n] ?? 0), 0);
      this.beyond = first >= WORD;
      this.offset = Math.min(first, WORD - 1);
      this.range = WORD;
    }

    bit(context) {
      const share = this.shares[context];
      const bound = Math.floor(this.range / 4096) * Math.min(Math.max(share >> 4, 1), 4095);
      const rate = RATES[this.seen[context]];
      const value = this.offset >= bound ? 1 : 0;
      if (value) this.shares[context] = share - Math.floor((share * rate) / 65536);
      else this.shares[context] = share + Math.floor(((65536 - share) * rate) / 65536);
      if (this.seen[context] < MEMORY) this.seen[context]++;
      return this.taken(value, bound);
    }

    even() {
      const half = Math.floor(this.range / 2);
      return this.taken(this.offset >= half ? 1 : 0, half);
    }

    taken(value, bound) {
      this.offset -= value ? bound : 0;
      this.range = value ? this.range - bound : bound;
      while (this.range < 2 ** 24) {
        this.offset = this.offset * 256 + (this.data[this.read++] ?? 0);
        this.range *= 256;
      }
      return value;
    }

    isWhole() {
      const { data, read, offset, range } = this;
      if (this.beyond || read < data.length || data[data.length - 1] === 0) return false;
      let word = 0;
      for (let n = read - 4; n < read; n++) word = word * 256 + (data[n] ?? 0);
      const low = (((word - offset) % 2 ** 32) + 2 ** 32) % 2 ** 32;
      for (let bits = 32; bits > 0; bits -= 8) {
        const number = Math.ceil(low / 2 ** bits) * 2 ** bits;
        if (number < low + range) return number - low === offset;
      }
      return offset === 0;
    }
  }

  const STEP_COUNT = 72;
  const stepOf = (code) => (8 + (code % 8)) * 2 ** (3 + Math.floor(code / 8));
  const LOWER = ZIGZAG.map((n) => {
    const near = [];
    if (n & 7) near.push(ZIGZAG.indexOf(n - 1));
    if (n >> 3) near.push(ZIGZAG.indexOf(n - 8));
    return near;
  });
  const BANDS = ZIGZAG.map((_, n) => [1, 3, 6, 10, 21, 64].findIndex((end) => n < end));
  const UNARY = 14;
  const LONGEST = 13;
  const THERE = 4 * 4 * 4 * 2;
  const MORE = THERE + 4 * 6 * 3 * 3;
  const LARGER = MORE + 4 * 6 * 2 * 3;
  const LENGTH = LARGER + 4 * 3 * 3;
  const CONTEXTS = LENGTH + LONGEST;

  /** How much happens in each block of a picture, 0 to 3. */
  function busyBlocks({ width, height, channels, data }, rows, columns) {
    const busy = new Uint8Array(rows * columns);
    for (let block = 0; block < busy.length; block++) {
      const top = Math.floor(block / columns) * BLOCK;
      const left = (block % columns) * BLOCK;
      let spread = 0;
      for (let c = 0; c < channels; c++) {
        let [least, most] = [255, 0];
        for (let y = top; y < Math.min(top + BLOCK, height); y++) {
          for (let x = left; x < Math.min(left + BLOCK, width); x++) {
            const level = data[(y * width + x) * channels + c];
            least = Math.min(least, level);
            most = Math.max(most, level);
          }
        }
        spread = Math.max(spread, most - least);
      }
      busy[block] = (spread >= 4) + (spread >= 16) + (spread >= 64);
    }
    return busy;
  }

  function readBlock(coder, kind, detail) {
    const block = new Int32Array(WAVES);
    let some = 0;
    let larger = 0;
    for (let n = 0; n < WAVES; n++) {
      const band = kind * 6 + BANDS[n];
      const lower = LOWER[n].reduce((sum, near) => sum + Math.abs(block[near]), 0);
      const there = THERE + (band * 3 + Math.min(lower, 2)) * 3 + detail;
      if (n < WAVES - 1 && !coder.bit(there)) continue;
      const context = LARGER + (kind * 3 + Math.min(larger, 2)) * 3;
      let size = 1;
      while (size <= UNARY && coder.bit(context + Math.min(size - 1, 2))) size++;
      if (size > UNARY) {
        let length = 0;
        while (length < LONGEST && coder.bit(LENGTH + length)) length++;
        let number = 1;
        for (let i = 0; i < length; i++) number = number * 2 + coder.even();
        size += number - 1;
      }
      block[n] = coder.even() ? -size : size;
      larger += size > 1;
      const more = MORE + (band * 2 + some) * 3 + detail;
      some = 1;
      if (n === WAVES - 1 || !coder.bit(more)) break;
    }
    return block;
  }

  /** A drawn picture with what its residual adds. */
  function corrected(picture, residual) {
    const { width, height, channels, data } = picture;
    const planeSteps = { 1: [0], 3: [0, 1, 1], 4: [0, 1, 1, 2] }[channels];
    const count = planeSteps[channels - 1] + 1;
    const codes = Array.from(residual.subarray(0, count));
    demand(residual.length > count && codes.every((code) => code < STEP_COUNT), "a step");
    const [rows, columns] = [Math.ceil(height / BLOCK), Math.ceil(width / BLOCK)];
    const busy = busyBlocks(picture, rows, columns);
    const coder = new RangeDecoder(residual.subarray(count), CONTEXTS);
    const x = new Float64Array(WAVES);
    const y = new Float64Array(WAVES);
    const planes = planeSteps.map(() => new Map());
    let above = planeSteps.map(() => new Uint8Array(columns + 2));
    for (let row = 0; row < rows; row++) {
      const here = planeSteps.map(() => new Uint8Array(columns + 2));
      for (let column = 0; column < columns; column++) {
        const number = row * columns + column;
        let others = 0;
        for (let plane = 0; plane < channels; plane++) {
          const line = above[plane];
          let near = here[plane][column] + line[column + 1];
          if (near === 0 && line[column] + line[column + 2]) near = 3;
          if (!coder.bit(((plane * 4 + near) * 4 + busy[number]) * 2 + others)) continue;
          here[plane][column + 1] = others = 1;
          planes[plane].set(number, readBlock(coder, plane, Math.max(0, busy[number] - 1)));
        }
      }
      above = here;
    }
    demand(coder.isWhole(), "the residual is not in its shortest form");
    const needed = (step) => planes.some((blocks, n) => planeSteps[n] === step && blocks.size);
    demand(codes.every((code, step) => code === 0 || needed(step)), "a step that no wave needs");
    const shown = planes.map((blocks, plane) => {
      const step = stepOf(codes[planeSteps[plane]]);
      const out = new Float64Array(rows * columns * WAVES);
      for (const [number, block] of blocks) {
        for (let n = 0; n < WAVES; n++) {
          const at = ZIGZAG[n];
          const weight = 16 + 2 * ((at >> 3) + (at & 7));
          x[at] = block[n] * Math.floor((step * weight) / 16);
          demand(Math.abs(x[at]) <= COEFFICIENT_LIMIT, "a wave of the residual is too large");
        }
        inverse(x, y, out, number * WAVES, Infinity);
      }
      return out;
    });
    const out = new Uint8Array(data.length);
    for (let top = 0; top < height; top++) {
      for (let left = 0; left < width; left++) {
        const block = (top >> 3) * columns + (left >> 3);
        const at = block * WAVES + (top & 7) * BLOCK + (left & 7);
        const place = (top * width + left) * channels;
        const more = shown.map((plane) => plane[at]);
        const [light, orange, green, alpha] = more;
        const sums =
          channels === 1
            ? more
            : [light + orange - green, light + green, light - orange - green, alpha];
        for (let c = 0; c < channels; c++) {
          out[place + c] = Math.max(0, Math.min(255, data[place + c] + rounded(sums[c], 4)));
        }
      }
    }
    return { ...picture, data: out };
  }

  // --- pixels ---

  const clipped = (v) => Math.max(-TERM_LIMIT, Math.min(TERM_LIMIT, v));

  /** The factors that a prompt gives, each an array over channels. */
  function factorValues(generator, choices, latents) {
    const { channels, tables, gains } = generator;
    const factors = [];
    tables.forEach((table, n) => {
      const [, count] = table.shape;
      for (let f = 0; f < count; f++) {
        const at = (choices[n] * count + f) * channels;
        factors.push(table.values.subarray(at, at + channels));
      }
    });
    latents.forEach((latent, n) => {
      const gain = gains.subarray(n * channels, (n + 1) * channels);
      factors.push(Array.from(gain, (value) => value * latent));
    });
    return factors;
  }

  /** What a style network weighs the planes with; sums are below 2^49. */
  function networkWeights({ channels, layers }, factors) {
    let values = factors.map((factor) => Float64Array.from(factor, clipped));
    layers.forEach(({ outputs, inputs, weights, scales, biases, shift }, n) => {
      demand(inputs === values.length, "a layer of its network");
      const made = [];
      for (let o = 0; o < outputs; o++) {
        const row = new Float64Array(channels);
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (let i = 0; i < inputs; i++) sum += weights[o * inputs + i] * values[i][c];
          row[c] = clipped(rounded(sum * scales[o], shift) + biases[o]);
        }
        made.push(row);
      }
      const squared = (row) => row.map((v) => clipped(rounded(v * v, 12)));
      values = n === layers.length - 1 ? made : [...values, ...made.map(squared)];
    });
    return values;
  }

  function termValues(generator, choices, latents) {
    const { channels, terms, layers } = generator;
    const factors = factorValues(generator, choices, latents);
    if (layers) return networkWeights(generator, factors);
    return terms.map((term) => {
      const values = new Float64Array(channels).fill(4096);
      for (const factor of term) {
        for (let c = 0; c < channels; c++) {
          const product = rounded(values[c] * factors[factor][c], 12);
          values[c] = Math.max(-TERM_LIMIT, Math.min(TERM_LIMIT, product));
        }
      }
      return values;
    });
  }

  /** The pixels of a prompt: rows from the top, channels together. */
  function draw(generator, choices, latents = []) {
    const { width, height, channels, columns, planes, active, curves } = generator;
    const weights = termValues(generator, choices, latents);
    const last = curves[0].length - 1;
    const out = new Uint8Array(width * height * channels);
    const sums = new Float64Array(WAVES);
    active.forEach((pairs, block) => {
      const top = Math.floor(block / columns) * BLOCK;
      const left = (block % columns) * BLOCK;
      const [down, across] = [Math.min(BLOCK, height - top), Math.min(BLOCK, width - left)];
      for (let c = 0; c < channels; c++) {
        sums.fill(0);
        for (let p = 0; p < pairs.length; p += 2) {
          const weight = weights[pairs[p]][c];
          const place = pairs[p + 1];
          for (let i = 0; i < WAVES; i++) sums[i] += weight * planes[place + i];
        }
        for (let i = 0; i < down; i++) {
          for (let j = 0; j < across; j++) {
            const value = Math.max(0, Math.min(last, rounded(sums[i * BLOCK + j], 12)));
            out[((top + i) * width + left + j) * channels + c] = curves[c][value];
          }
        }
      }
    });
    return { width, height, channels, data: out };
  }

  function pixelDigest({ width, height, channels, data }) {
    const shape = new DataView(new ArrayBuffer(12));
    [width, height, channels].forEach((value, n) => shape.setUint32(4 * n, value, true));
    return sha256(bytesOf("rehydration-pixels/1\n"), new Uint8Array(shape.buffer), data);
  }

  // --- bundles ---

  /** A bundle: its generator and the records of its pictures, all checked by the digest at its end. */
  async function readBundle(data) {
    demand(data.length > 44 && text.decode(data.subarray(0, 4)) === "RHMB", "no bundle");
    demand(data[4] === 1, `a bundle of version ${data[4]}`);
    const end = data.length - 32;
    const found = hex(sha256(data.subarray(0, end)));
    demand(found === hex(data.subarray(end)), "the bundle is damaged: its digest is another");
    const headerSize = viewOf(data).getUint32(8, true);
    const header = await inflate(data.subarray(12, 12 + headerSize), MAX_BODY_BYTES);
    const bundle = JSON.parse(text.decode(header));
    demand(bundle.format === "rehydration-bundle/1", `the format ${bundle.format}`);
    let place = 12 + headerSize;
    const take = (size) => data.subarray(place, (place += size));
    const generator = await readGenerator(take(bundle.generator_bytes));
    const records = bundle.pictures.map(([name, size]) => ({ name, ...readRecord(take(size)) }));
    demand(place === end, "the bundle has other parts than it says");
    return { family: bundle.family, notes: bundle.notes, generator, records };
  }

  function readRecord(data) {
    const check = hex(data.subarray(1, 5));
    const rest = data.subarray(5);
    if (data[0] === 0x10) return { check, stream: rest };
    demand(data[0] === 0x11 && rest.length > 0, "a record of another kind");
    demand(hex(sha256(rest)).startsWith(check), "a picture file in the bundle is damaged");
    return { check, file: rest };
  }

  /** The picture of a record with a prompt; other pixels than were recorded are refused. */
  function drawRecord(generator, record) {
    const { choices, latents, residual } = decodePrompt(generator, record.stream);
    const plain = draw(generator, choices, latents);
    const picture = residual ? corrected(plain, residual) : plain;
    const digest = hex(pixelDigest(picture));
    demand(digest.startsWith(record.check), `${record.name} comes out with the digest ${digest}`);
    return { ...picture, digest, choices, latents };
  }

  return {
    decodePrompt, draw, drawRecord, encodePrompt, hex, pixelDigest, readBundle, readGenerator,
    sha256,
  };
})();

if (typeof module !== "undefined") module.exports = Rehydrate;
