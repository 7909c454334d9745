"""From a book on the ground to pictures at an edge, by the commands that people type."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from edge_world import ask, batch, jars, origin, records, trust_file
from PIL import Image
from typer.testing import CliRunner

from benchmarks.edge.stack import Running, edge_server, environment
from groundstation.cli import app as ground
from groundstation.media.judge.gate import Verdict
from groundstation.media.records.book import Book, Entry, write_book
from probe.cli import app as probe
from shared.media.message import decode_record

VERDICT = Verdict(91.5, 3.25, (8, 16), 44.0)


@dataclass(frozen=True)
class Desk:
    """What lies on the ground: a key pair, a generator, a book of all jars."""

    folder: Path
    key: Path
    trust: Path
    generator: Path
    book: Path

    def publish(self, *options: object, code: int = 0) -> dict[str, object]:
        """Runs the command with ``--json``."""
        arguments = ["media", "publish", str(self.book), "--generator", str(self.generator)]
        arguments += ["--key", str(self.key), "--json", *map(str, options)]
        result = CliRunner().invoke(ground, arguments)
        assert result.exit_code == code, result.output
        return dict(json.loads(result.stdout))


def book(path: Path, content: Sequence[str]) -> Path:
    entries = {
        name: Entry(name, "T0", decode_record(records()[name]), VERDICT, 5000) for name in content
    }
    write_book(Book("jars", jars().loaded.digest, entries), path)
    return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    result = CliRunner().invoke(ground, ["keygen", "--out", str(tmp_path / "keys"), "--json"])
    assert result.exit_code == 0, result.output
    (private,) = (p for p in (tmp_path / "keys").iterdir() if p.suffix != ".pub")
    (public,) = (tmp_path / "keys").glob("*.pub")
    generator = tmp_path / "jars.gen"
    generator.write_bytes(jars().file)
    return Desk(tmp_path, private, public, generator, book(tmp_path / "jars.book", list(records())))


def shown(edge: Running, path: str) -> np.ndarray:
    reply = ask(edge.url, path)
    assert reply.status == 200
    with Image.open(io.BytesIO(reply.body)) as image:
        return np.asarray(image.convert("RGB"))


def test_published_pictures_are_served_and_nothing_comes_in_twice(desk: Desk) -> None:
    stores = [str(desk.folder / name) for name in ("one", "two")]
    name, prompt = next(iter(jars().prompts.items()))
    with (
        edge_server(stores[0], "--trust", desk.trust) as one,
        edge_server(stores[1], "--trust", desk.trust) as two,
    ):
        first = desk.publish("--to", one.url, "--prefix", "shop/")
        assert first["generator_bytes"] == len(jars().file)
        assert first["edges"][one.url]["added"] == 60  # type: ignore[index]
        assert (shown(one, f"/shop/{name}") == jars().renderer(prompt)).all()
        # the generator is there by now and stays at home
        second = desk.publish("--to", one.url, "--prefix", "shop/")
        assert second["generator_bytes"] == 0
        assert second["edges"][one.url]["same"] == 60  # type: ignore[index]
        assert second["counter"] == int(str(first["counter"])) + 1
        # a second edge lacks it: it goes along for both
        third = desk.publish("--to", one.url, "--to", two.url, "--remove", f"shop/{name}")
        assert third["generator_bytes"] == len(jars().file)
        assert ask(one.url, f"/shop/{name}").status == 404
        assert (shown(two, f"/{name}") == jars().renderer(prompt)).all()
        # the counter of a batch that was taken, and a smaller one: refused by both, told for each
        for counter in (first["counter"], third["counter"]):
            replay = desk.publish(*("--to", one.url, "--to", two.url, "--counter", counter), code=6)
            for url in (one.url, two.url):
                answer = replay["edges"][url]  # type: ignore[index]
                assert "refuses (counter)" in answer["found"]
        wrong = desk.publish("--to", one.url, "--site", "elsewhere", code=6)
        assert "site" in str(wrong["edges"])


def test_a_batch_in_a_file_is_loaded_beside_a_running_edge(desk: Desk, place: str) -> None:
    out = desk.folder / "jars.batch"
    made = desk.publish("--out", out)
    assert made["batch_bytes"] == out.stat().st_size
    assert made["generator_bytes"] == len(jars().file)
    command = ["edge", "load", str(out), "--store", place, "--trust", str(desk.trust), "--json"]
    with edge_server(place) as edge:
        assert ask(edge.url, "/jars/11.webp").status == 404
        loaded = subprocess.run(
            [sys.executable, "-m", "probe", *command],
            env=environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(loaded.stdout)["batches"][0]["added"] == 60
        prompt = jars().prompts["jars/11.webp"]
        assert (shown(edge, "/jars/11.webp") == jars().renderer(prompt)).all()
    again = CliRunner().invoke(probe, command)
    assert again.exit_code == 16
    status = CliRunner().invoke(probe, ["edge", "status", "--store", place, "--json"])
    found = json.loads(status.stdout)
    assert (found["prompts"], found["batches"], found["counter"]) == (60, 1, made["counter"])
    assert found["generators"] == [jars().loaded.digest.hex()]
    check = CliRunner().invoke(probe, ["edge", "check", "--store", place, "--json"])
    assert (check.exit_code, json.loads(check.stdout)) == (0, {"records": 60, "bad": {}})


def test_check_finds_what_is_not_as_it_was_signed(tmp_path: Path) -> None:
    right = records()["jars/00.webp"]
    data = batch(1, {"good": right, "bad": right[:3] + bytes([right[3] ^ 1]) + right[4:]})
    (tmp_path / "batch").write_bytes(data)
    store = ("--store", str(tmp_path / "store"))
    trust = ("--trust", str(trust_file(tmp_path)))
    loaded = CliRunner().invoke(probe, ["edge", "load", str(tmp_path / "batch"), *store, *trust])
    assert loaded.exit_code == 0, loaded.output
    check = CliRunner().invoke(probe, ["edge", "check", *store, "--json"])
    assert check.exit_code == 21
    found = json.loads(check.stdout)
    assert found["records"] == 2
    assert list(found["bad"]) == ["bad"]


def test_what_cannot_be_published_is_told_before_anything_is_sent(desk: Desk) -> None:
    arguments = ["media", "publish", str(desk.book), "--generator", str(desk.generator)]
    arguments += ["--key", str(desk.key)]
    for options, text in [
        ((), "where to"),
        (("--to", "edge.example"), "URL"),
        (("--to", "http://127.0.0.1:1"), "does not answer"),
        (("--out", str(desk.folder / "x"), "--prefix", "a//"), "empty segment"),
        (("--out", str(desk.folder / "x"), "--remove", "jars/01.webp"), "twice"),
        (("--out", str(desk.book)), "overwrite"),
        (("--out", str(desk.key)), "overwrite"),
    ]:
        result = CliRunner().invoke(ground, [*arguments, *options])
        assert result.exit_code in (4, 6), options
        assert text in " ".join(result.output.split())
        assert "Traceback" not in result.output
    with origin() as stranger:
        stranger.pages["/originals/status"] = (200, {}, b'{"counter": "x", "generators": 1}')
        result = CliRunner().invoke(ground, [*arguments, "--to", stranger.url])
        assert result.exit_code == 6
        stranger.pages["/originals/status"] = (302, {"Location": "http://127.0.0.1:1/"}, b"")
        result = CliRunner().invoke(ground, [*arguments, "--to", stranger.url])
        assert result.exit_code == 6
        assert "302" in result.output
    assert not (desk.folder / "x").exists()
