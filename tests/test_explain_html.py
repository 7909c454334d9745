"""The page of an explanation: read by a parser, and by a browser where one is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from codec_ends import files, plans, write
from test_explain import enveloped, part, tokens_of
from tiny_codec import random_model
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.explain.account import Explanation, explain
from groundstation.explain.dearest import dearest
from groundstation.explain.html import as_page
from groundstation.explain.spelling import shown_line
from shared.exact.pin import resolve_pin
from shared.prompts.settings import Settings
from shared.tree import Entry, Mode, write_tree

MODEL = random_model(3)
ODD = 'b "><i>&.py'
BASE = files(a__c=b"int x;\nint y;\n}\n").replace({ODD: Entry(Mode.REGULAR, b"x\n")})
NASTY = b"<script src=//example.invalid/x.js></script><img src='//example.invalid/i'>&amp;\x1b\n"
TARGET = BASE.replace(
    {
        "a.c": Entry(Mode.REGULAR, b"int x;\nint z\t;\n\n}\n"),
        ODD: Entry(Mode.REGULAR, b"x\n" + NASTY),
    }
)
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
in_browser = pytest.mark.skipif(
    BROWSER is None, reason="chromium is not installed: the page is read by a parser only"
)
FETCHING = {"src", "srcset", "data", "poster", "background", "action", "formaction", "ping"}


@dataclass
class Reader(HTMLParser):
    """What tests look at in a page."""

    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lines: dict[str, str] = field(default_factory=dict)
    _line: str | None = None
    _cell: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag == "tr":
            self._line = found.get("id")
            self._cell = False
        elif tag == "td":
            self._cell = found.get("class") == "c"

    def handle_endtag(self, tag: str) -> None:
        if tag in {"tr", "table"}:
            self._line = None

    def handle_data(self, data: str) -> None:
        if self._line and self._cell:
            self.lines[self._line] = self.lines.get(self._line, "") + data

    def bits(self, name: str) -> dict[str, float]:
        """Bits of the elements that have this attribute, by its value."""
        return {
            found[name]: float(found["data-bits"])
            for _, found in self.tags
            if name in found and "data-bits" in found
        }


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def found() -> Explanation:
    recipe = write(BASE, TARGET, MODEL, Settings(), wanted=plans(BASE, TARGET, MODEL))
    return explain(enveloped(recipe), BASE, MODEL)


@pytest.fixture(scope="module")
def page(found: Explanation) -> str:
    return as_page(found, dearest(found, 5))


def check(reader: Reader, found: Explanation) -> None:
    """The page's totals are the explanation's, and its lines are the new text."""
    parts = reader.bits("data-part")
    assert parts == {part.name: part.bits for part in found.parts}
    assert sum(parts.values()) == 8 * found.total_bytes
    ((_, body),) = ((tag, attrs) for tag, attrs in reader.tags if tag == "body")
    assert float(body["data-total-bits"]) == 8 * found.total_bytes
    lines = {name: bits for name, bits in reader.bits("id").items() if name.startswith("f")}
    expected = {
        f"f{number}l{line.number}": line
        for number, file in enumerate(found.files)
        for line in file.lines
    }
    assert lines == {name: line.bits for name, line in expected.items()}
    assert sum(lines.values()) == found.text_bits == part(found, "text")
    for name, line in expected.items():
        text = reader.lines[name].replace("⏎", "").replace("→\t", "\t")
        assert text.replace("·", "") == shown_line(line.text)


def check_alone(reader: Reader) -> None:
    """Nothing in the page asks a browser to fetch or run anything."""
    assert not {tag for tag, _ in reader.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "base",
        "object",
    }
    for tag, attrs in reader.tags:
        assert not FETCHING & set(attrs), tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert attrs.get("href", "#").startswith("#")
        assert "url(" not in attrs.get("style", "")


def test_parsed(page: str, found: Explanation) -> None:
    reader = read(page)
    check(reader, found)
    check_alone(reader)
    style = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style
    assert "prefers-color-scheme: dark" in style


def test_links_lead_to_lines(page: str, found: Explanation) -> None:
    reader = read(page)
    links = {attrs["href"][1:] for tag, attrs in reader.tags if tag == "a"}
    assert links
    assert links <= set(reader.lines)
    titles = [attrs.get("title", "") for tag, attrs in reader.tags if tag == "span"]
    assert sum("bits" in title for title in titles) >= len(tokens_of(found)) - 4  # but for seams


def test_what_the_model_was_shown_stands_before_what_it_wrote(page: str) -> None:
    first = page.index("<details>")
    assert "a.c (old version):\n```c\nint x;" in page[first:]
    assert page.index("</details>") < page.index('id="f0l2"')


def test_a_text_cannot_break_out(page: str) -> None:
    assert "<script" not in page
    assert "&lt;script src=" in page
    assert "<i>" not in page
    assert "\x1b" not in page


# --- in a browser -----------------------------------------------------------------------------


def browse(folder: Path, page: str, *options: str) -> str:
    """The standard output of a browser without a window that opens a page."""
    assert BROWSER is not None
    (folder / "page.html").write_text(page, "utf-8")
    always = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    always += [f"--user-data-dir={folder / 'profile'}", "--no-first-run"]
    url = (folder / "page.html").as_uri()
    done = subprocess.run(
        [BROWSER, *always, *options, url], cwd=folder, capture_output=True, check=True, timeout=300
    )
    return done.stdout.decode()


def requested(folder: Path, page: str) -> set[str]:
    """Every address that the browser asked for while the page was opened, but for its own."""
    log = folder / "net.json"
    browse(folder, page, f"--log-net-log={log}", "--dump-dom")
    text = log.read_text("utf-8")
    events = json.loads(text)["events"]
    urls = {event.get("params", {}).get("url", "") for event in events}
    urls |= {event.get("params", {}).get("host", "") for event in events}
    return {url for url in urls if "example.invalid" in url}


@in_browser
def test_the_browser_s_document_has_the_totals(
    tmp_path: Path, page: str, found: Explanation
) -> None:
    reader = read(browse(tmp_path, page, "--dump-dom"))
    check(reader, found)
    check_alone(reader)


@in_browser
def test_the_browser_fetches_nothing(tmp_path: Path, page: str) -> None:
    for folder in ("ours", "other"):
        (tmp_path / folder).mkdir()
    assert requested(tmp_path / "ours", page) == set()
    fetching = "<!doctype html><img src='http://example.invalid/i'>"
    assert requested(tmp_path / "other", fetching) != set(), "else the log shows nothing at all"


@in_browser
def test_light_and_dark(tmp_path: Path, page: str) -> None:
    """The page behind the text is near white or near black, and nearly all of it is that."""
    from matplotlib.image import imread

    for scheme, number in (("light", 1), ("dark", 0)):
        folder = tmp_path / scheme
        folder.mkdir()
        picture = folder / "p.png"
        options = [f"--blink-settings=preferredColorScheme={number}", "--window-size=700,500"]
        browse(folder, page, f"--screenshot={picture}", *options)
        pixels = imread(picture)[..., :3].mean(axis=2)
        assert pixels.shape == (500, 700)
        behind = float(np.median(pixels))
        assert behind > 0.95 if scheme == "light" else behind < 0.15
        assert pixels.max() - pixels.min() > 0.6, "there is text to read"


# --- the real model ---------------------------------------------------------------------------


@pytest.mark.model
def test_a_real_patch_and_the_real_model(tmp_path: Path) -> None:
    old = b'"""Queue."""\n\nLIMIT = 8\n\n\ndef push(queue, item):\n    queue.append(item)\n'
    new = old.replace(b"LIMIT = 8", b"LIMIT = 9").replace(
        b"    queue.append",
        b"    if len(queue) >= LIMIT:\n        return xylophone\n    queue.append",
    )
    write_tree(files(q__py=old), tmp_path / "base")
    write_tree(files(q__py=new), tmp_path / "target")
    words = ["--base", tmp_path / "base", "--target", tmp_path / "target", "--budget", "0"]
    words += ["--model", resolve_pin("smollm2-135m"), "--html", tmp_path / "p.html"]
    done = CliRunner().invoke(app, ["explain", *map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert sum(each["bits"] for each in told["parts"]) == 8 * told["total_bytes"]
    reader = read((tmp_path / "p.html").read_text("utf-8"))
    assert reader.bits("data-part") == {each["name"]: each["bits"] for each in told["parts"]}
    (file,) = told["files"]
    lines = {line["line"]: line for hunk in file["hunks"] for line in hunk["lines"]}
    assert {number: line["text"] for number, line in lines.items()} == {
        3: "LIMIT = 9\n",
        7: "    if len(queue) >= LIMIT:\n",
        8: "        return xylophone\n",
    }
    # a name that nobody would guess costs most, and what follows from the rest costs little
    best = told["dearest"]["words"][0]
    assert (best["text"], best["line"]) == ("xylophone", 8)
    assert best["bits"] > 8
    assert told["dearest"]["lines"][0]["line"] in {7, 8}
