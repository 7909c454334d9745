"""Bundles: one file that is whole or refused, and a page that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from engines import browse, element, in_browser, in_node, node
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.media.judge.gate import Verdict
from groundstation.media.records.book import Book, Entry, write_book
from groundstation.media.records.bundle import read_bundle, viewer_page, write_bundle
from shared.errors import InputError, PinError, RehydrationError
from shared.media.container import Coder
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.message import Record, image_record, prompt_record
from shared.media.pixels import pixel_digest
from shared.media.prompt import Prompt, encode_prompt
from shared.media.render import Renderer

RUNNER = CliRunner()
PROMPTS = [
    Prompt((a, b), (c, d)) for a, b, c, d in [(0, 0, 0, 0), (2, 1, 5, -9), (1, 1, -127, 127)]
]
IMAGE = b"\x89PNG of nothing"


@pytest.fixture(scope="module")
def loaded(pocket_file: bytes) -> Loaded:
    return read_generator(pocket_file)


@pytest.fixture(scope="module")
def records(pocket: Basis) -> dict[str, Record]:
    draw = Renderer(pocket)
    found = {f"p{n}.png": prompt_record(pocket, p, draw(p)) for n, p in enumerate(PROMPTS)}
    return {**found, "kept/as file.png": image_record(IMAGE)}


@pytest.fixture(scope="module")
def whole(loaded: Loaded, records: dict[str, Record]) -> bytes:
    return write_bundle(loaded, records)


def test_all_of_it_comes_back(
    whole: bytes, loaded: Loaded, records: dict[str, Record], pocket: Basis
) -> None:
    found = read_bundle(whole)
    assert (found.family, found.known_as, found.records) == ("pocket", loaded.digest, records)
    again = write_generator(found.generator.generator, Coder.LZMA)
    assert again == write_generator(pocket)


@given(raw=st.lists(st.binary(min_size=1, max_size=12), min_size=4, max_size=4, unique=True))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_names_come_back_whatever_bytes_they_are(
    raw: list[bytes], loaded: Loaded, records: dict[str, Record]
) -> None:
    named = dict(zip(map(os.fsdecode, raw), records.values(), strict=True))
    assert read_bundle(write_bundle(loaded, named)).records == named


def test_damage_is_refused(whole: bytes) -> None:
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(RehydrationError):
            read_bundle(bytes(damaged))
    for size in range(len(whole)):
        with pytest.raises(RehydrationError):
            read_bundle(whole[:size])


def test_what_is_signed_by_a_digest_alone_is_still_read_with_care(whole: bytes) -> None:
    for place in range(0, len(whole) - 32, 7):
        damaged = bytearray(whole[:-32])
        damaged[place] ^= 0x10
        data = bytes(damaged)
        try:
            read_bundle(data + hashlib.sha256(data).digest())
        except (InputError, PinError, RehydrationError):
            continue


def test_a_record_of_another_picture_is_not_bundled(
    loaded: Loaded, records: dict[str, Record]
) -> None:
    wrong = {"p0.png": Record(b"none", records["p0.png"].stream)}
    with pytest.raises(RehydrationError):
        write_bundle(loaded, wrong)


class Reader(HTMLParser):
    """All that a page could fetch from."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "action")]


def test_the_page_stands_alone(whole: bytes) -> None:
    page = viewer_page(whole)
    assert Reader(page).found == []
    assert "http:" not in page
    assert "https:" not in page
    assert base64.b64encode(whole).decode() in page
    assert "default-src 'none'" in page
    assert "{{" not in page


@in_browser
def test_the_page_shows_a_picture(whole: bytes, pocket: Basis, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(viewer_page(whole), "utf-8")
    document = browse(tmp_path / "page.html")
    assert element(document, "error") == ""
    assert element(document, "family") == "pocket"
    facts = element(document, "facts")
    digest = pixel_digest(Renderer(pocket)(PROMPTS[0])).hex()
    stream = encode_prompt(pocket.grammar, PROMPTS[0])
    assert digest in facts
    assert f"{stream.hex() or '(empty)'}: {len(stream)} byte" in facts
    assert "as recorded" in facts
    assert document.count("<option") == 5
    assert document.count("<button") == 4
    assert 'width="20" height="12"' in document


@in_browser
def test_the_page_refuses_damage(whole: bytes, tmp_path: Path) -> None:
    damaged = bytearray(whole)
    damaged[-40] ^= 1
    (tmp_path / "page.html").write_text(viewer_page(bytes(damaged)), "utf-8")
    document = browse(tmp_path / "page.html")
    assert "damaged" in element(document, "error")
    assert element(document, "report") == ""


@in_browser
def test_the_page_without_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(viewer_page(), "utf-8")
    document = browse(tmp_path / "page.html")
    assert element(document, "error") == ""
    assert "Open a bundle" in element(document, "about")


@in_node
def test_prompts_are_coded_alike(whole: bytes, pocket: Basis, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(whole)
    rng = np.random.default_rng(8)
    asked = [
        Prompt(
            (int(rng.integers(3)), int(rng.integers(2))),
            (int(rng.integers(-127, 128)), int(rng.integers(-127, 128))),
        )
        for _ in range(200)
    ]
    (tmp_path / "asked.json").write_text(json.dumps([[p.choices, p.latents] for p in asked]))
    found = node(
        "const { generator } = await Rehydrate.readBundle(bytes(process.argv[1]));"
        "const asked = JSON.parse(new TextDecoder().decode(bytes(process.argv[2])));"
        "return asked.map(([choices, latents]) => {"
        "  const stream = Rehydrate.encodePrompt(generator, choices, latents);"
        "  const back = Rehydrate.decodePrompt(generator, stream);"
        "  return [Rehydrate.hex(stream), back.choices, back.latents]; });",
        tmp_path / "b",
        tmp_path / "asked.json",
    )
    expected = [
        [encode_prompt(pocket.grammar, p).hex(), list(p.choices), list(p.latents)] for p in asked
    ]
    assert found == expected


@in_node
def test_longer_forms_and_other_pixels_are_refused(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(whole)
    found = node(
        "const { generator, records } = await Rehydrate.readBundle(bytes(process.argv[1]));"
        "const said = [];"
        "const attempt = (action) => {"
        "  try { action(); said.push('done'); } catch (error) { said.push(error.message); } };"
        "attempt(() => Rehydrate.decodePrompt(generator, Uint8Array.of(...records[1].stream, 0)));"
        "attempt(() => Rehydrate.decodePrompt(generator, Uint8Array.of(...records[1].stream, 1)));"
        "attempt(() => Rehydrate.drawRecord(generator, { ...records[1], check: '00000000' }));"
        "attempt(() => Rehydrate.drawRecord(generator, records[1]));"
        "return said;",
        tmp_path / "b",
    )
    assert "a residual without bytes" in found[0]
    assert "longer form" in found[1]
    assert "p1.png comes out with" in found[2]
    assert found[3] == "done"


@in_node
def test_sha256_is_sha256(tmp_path: Path) -> None:
    data = np.random.default_rng(4).integers(0, 256, 700).astype(np.uint8).tobytes()
    (tmp_path / "data").write_bytes(data)
    found = node(
        "const data = bytes(process.argv[1]);"
        "return Array.from({ length: 300 }, (_, n) =>"
        " Rehydrate.hex(Rehydrate.sha256(data.subarray(0, n), data.subarray(n, 2 * n))));",
        tmp_path / "data",
    )
    assert found == [hashlib.sha256(data[: 2 * n]).hexdigest() for n in range(300)]


def test_the_command(pocket_file: bytes, records: dict[str, Record], tmp_path: Path) -> None:
    generator, book = tmp_path / "g", tmp_path / "book"
    out, page = tmp_path / "b.rhmb", tmp_path / "b.html"
    generator.write_bytes(pocket_file)
    verdict = Verdict(100.0, 0.0, (0, 0), float("inf"))
    entries = {name: Entry(name, "T0", record, verdict, 99) for name, record in records.items()}
    digest = read_generator(pocket_file).digest
    write_book(Book("pocket", digest, entries), book)
    arguments = ["media", "bundle", str(book), "--generator", str(generator), "--out", str(out)]
    done = RUNNER.invoke(app, [*arguments, "--html", str(page), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bundle_bytes"] == out.stat().st_size
    assert (found["pictures"], found["by_prompt"]) == (4, 3)
    assert read_bundle(out.read_bytes()).records == records
    assert page.read_text("utf-8") == viewer_page(out.read_bytes())
    write_book(Book("pocket", bytes(32), entries), book)
    assert RUNNER.invoke(app, arguments).exit_code == 4
