"""``inspect``: every byte of an envelope is accounted for, in order."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from groundstation.commands.inspect import inspect
from groundstation.signing.inspect import inspect_envelope
from shared.errors import MalformedMessage
from shared.message.codec_version import CODEC
from shared.message.envelope import sign
from shared.message.recipe import Kind, Recipe
from shared.message.wire import encode_message
from shared.seeds.coins import SeedSource

app = typer.Typer()
app.command()(inspect)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60)))
PIN = bytes(range(0xA0, 0xC0))
BOUND = hashlib.sha256(CODEC.encode() + b"\n" + PIN).hexdigest()[:2]
BASELINE = bytes(range(0x10, 0x30))
CODED = Recipe(
    PIN, BASELINE, bytes.fromhex("0123456789abcdef"), SeedSource.CODED, bytes.fromhex("fedc00ba98")
)
DRAWN = replace(
    CODED,
    seed_source=SeedSource.DRAWN,
    seed=b"\x03\x45",
    blobs=bytes(range(0x20, 0x40)),
    kind=Kind.MEDIA,
)


def envelope(recipe: Recipe) -> bytes:
    return sign(encode_message(recipe, 0x1234), PIN, BASELINE, KEY)


@pytest.mark.parametrize("recipe", [CODED, DRAWN])
def test_fields_cover_the_file(recipe: Recipe) -> None:
    data = envelope(recipe)
    found = inspect_envelope(data)
    offset = 0
    for field in found.fields:
        assert field.offset == offset
        assert data[offset : offset + len(field.data)] == field.data
        offset += len(field.data)
    assert offset == len(data) == found.total_bytes


def test_names_and_meanings() -> None:
    found = inspect_envelope(envelope(DRAWN))
    assert [(field.name, field.offset, field.data[:2].hex()) for field in found.fields][1:-1] == [
        ("head", 1, "6d"),
        ("counter", 2, "1234"),
        ("pin prefix", 4, BOUND),
        ("baseline prefix", 5, "10"),
        ("patch digest", 6, "0123"),
        ("seed", 14, "c506"),
        ("stream size", 16, "05"),
        ("stream", 17, "fedc"),
        ("blobs", 22, "2021"),
    ]
    meaning = {field.name: field.meaning for field in found.fields}
    assert meaning["head"] == "version 1, media, drawn seed, with blobs"
    assert (meaning["counter"], meaning["seed"]) == (str(0x1234), str(0x345))


def test_json(tmp_path: Path) -> None:
    data = envelope(DRAWN)
    (tmp_path / "file").write_bytes(data)
    run = CliRunner().invoke(app, [str(tmp_path / "file"), "--json"])
    assert run.exit_code == 0
    report = json.loads(run.stdout)
    fields = report.pop("fields")
    assert "".join(field["hex"] for field in fields) == data.hex()
    assert [field["offset"] for field in fields][:3] == [0, 1, 2]
    assert report == {
        "total_bytes": len(data),
        "overhead_bytes": len(data) - 64 - 5 - 2 - 32,
        "signature_bytes": 64,
        "stream_bytes": 5,
        "seed_bytes": 2,
        "blobs_bytes": 32,
        "version": 1,
        "kind": "media",
        "seed_source": "drawn",
        "counter": 0x1234,
        "key_id": f"{data[0]:02x}",
        "pin_prefix": BOUND,
        "own_codec": CODEC,
        "baseline_prefix": "10",
        "patch_digest": "0123456789abcdef",
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def test_for_people(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(envelope(DRAWN))
    run = CliRunner().invoke(app, [str(tmp_path / "file")])
    assert run.exit_code == 0
    lines = run.stdout.splitlines()
    assert lines[3].split() == ["2", "2", "counter", "1234", "4660"]
    assert lines[-3].split()[-1] == "Ed25519"
    assert "2021222324252627" in run.stdout
    assert "not checked" in lines[-2]
    assert CODEC in lines[-1]


@pytest.mark.parametrize(("data", "code"), [(b"", 11), (b"\x01\x90" + bytes(80), 13)])
def test_refusals_keep_their_exit_codes(tmp_path: Path, data: bytes, code: int) -> None:
    (tmp_path / "file").write_bytes(data)
    run = CliRunner().invoke(app, [str(tmp_path / "file"), "--json"])
    assert run.exit_code == code
    assert json.loads(run.stdout)["exit_code"] == code


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, [str(tmp_path / "file")]).exit_code == 4


def test_every_truncation_is_malformed_or_shorter() -> None:
    data = envelope(DRAWN)
    for size in range(len(data)):
        try:
            assert inspect_envelope(data[:size]).total_bytes == size
        except MalformedMessage:
            continue
