"""What files have in common is kept once: exact, never worse, and mended like the generator."""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from groundstation.cli import app
from groundstation.media.archive.common import common_bytes, packed, unpacked
from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.disk import Disk
from groundstation.media.archive.index import Index, Keep, Kind
from groundstation.media.archive.reader import Archive, open_archive
from groundstation.media.archive.shards import Layout
from groundstation.media.archive.writer import write_archive
from groundstation.media.family import pictures_below
from groundstation.media.images import encode_picture
from groundstation.media.judge.gate import Gate
from shared.terminal import silent

NOISE = random.Random(4).randbytes
MAGIC = b"\x28\xb5\x2f\xfd"


def siblings(folder: Path, count: int = 5, side: int = 96) -> Path:
    """Lossy pictures of other colours with one noisy outline, which is most of each file."""
    folder.mkdir()
    rng = np.random.default_rng(8)
    alpha = rng.integers(0, 256, (side, side, 1))
    for number in range(count):
        colour = np.broadcast_to(rng.integers(0, 256, 3), (side, side, 3))
        pixels = np.concatenate([colour, alpha], axis=2).astype(np.uint8)
        data = encode_picture(pixels, "WEBP", quality=60, alpha_quality=100)
        (folder / f"toy-{number}.webp").write_bytes(data)
    return folder


def archived(folder: Path, out: Path, keep: Keep = Keep.EXACT) -> Index:
    return write_archive(
        folder,
        pictures_below(folder).members,
        None,
        out,
        gate=Gate(),
        keep=keep,
        created="2026-01-31T07:05:03Z",
        notes={},
        report=silent,
        disk=Disk(),
    )


@given(st.binary(max_size=3000), st.binary(max_size=3000), st.integers(0, 2000))
def test_files_come_back(file: bytes, common: bytes, cut: int) -> None:
    for data in (file, common[cut:] + file, common):
        assert unpacked(packed(data, common), common, len(data)) == data


def test_zstd_of_the_system_reads_it() -> None:
    """With the four bytes that were left off, and the common bytes for a prefix."""
    common, file = NOISE(5000), b"head" + NOISE(5000)[100:3100] + b"tail"
    file = b"head" + common[100:3100] + b"tail"
    stored = packed(file, common)
    assert len(stored) < 40
    prefix = zstandard.ZstdCompressionDict(common, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    reader = zstandard.ZstdDecompressor(dict_data=prefix).stream_reader(MAGIC + stored)
    assert reader.read() == file


def test_other_bytes_or_sizes_are_refused() -> None:
    common, file = NOISE(900), b"x" * 40
    stored = packed(file + common, common)
    for size in (len(file) + len(common) - 1, len(file) + len(common) + 1):
        with pytest.raises(ValueError, match="unpacks to"):
            unpacked(stored, common, size)
    with pytest.raises(ValueError, match="unpack"):
        unpacked(b"\xff" * 20, common, 40)


def test_what_is_shared_is_chosen_and_nothing_else() -> None:
    outline = NOISE(4000)
    files = [NOISE(500) + outline for _ in range(6)]
    common = common_bytes(files)
    assert outline in common and len(common) == 4500  # one file is enough
    assert common_bytes([NOISE(4000) for _ in range(6)]) == b""
    assert common_bytes([b"", b""]) == b"" == common_bytes([])
    # two outlines among twelve: one file of each
    other = NOISE(4000)
    mixed = files + [NOISE(500) + other for _ in range(6)]
    assert len(common_bytes(mixed)) == 9000


@pytest.mark.parametrize("keep", list(Keep))
def test_an_archive_keeps_it_once(tmp_path: Path, keep: Keep) -> None:
    folder = siblings(tmp_path / "toys")
    originals = {path.name: path.read_bytes() for path in folder.iterdir()}
    total = sum(map(len, originals.values()))
    out = tmp_path / "toys.rhma"
    index = archived(folder, out, keep)
    assert index.family == "toys" and not index.generator
    assert {picture.kind for picture in index.pictures} == {Kind.SHARED}
    assert out.stat().st_size < 0.45 * total  # five outlines, kept once, with an eighth of parity
    opened = open_archive(out)
    back = {p.restored_as: opened.restore(p).file() for p in index.pictures}
    assert back == originals
    assert opened.parts()["common bytes"] == index.common_bytes > 0.15 * total


def test_nothing_shared_costs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    rng = np.random.default_rng(2)
    for number in range(3):
        pixels = rng.integers(0, 256, (40, 40, 3), np.uint8)
        (folder / f"{number}.png").write_bytes(encode_picture(pixels, "PNG"))
    index = archived(folder, tmp_path / "odd.rhma")
    assert (index.common, index.common_bytes) == (b"", 0)
    assert Kind.SHARED not in {picture.kind for picture in index.pictures}


def test_damage_to_what_is_shared_is_mended_and_beyond_that_named(tmp_path: Path) -> None:
    index = archived(siblings(tmp_path / "toys"), tmp_path / "toys.rhma")
    whole = (tmp_path / "toys.rhma").read_bytes()
    layout = Layout(index.common_bytes)
    start = Archive(io.BytesIO(whole)).body
    rng = random.Random(6)
    for _ in range(60):
        place = start + rng.randrange(layout.stored_bytes)
        torn = bytearray(whole)
        torn[place] ^= 1 << rng.randrange(8)
        opened = Archive(io.BytesIO(bytes(torn)))
        opened.check_frame()
        assert opened.damage == [f"common part: 1 of {layout.data + layout.parity} shards"]
        for picture in index.pictures:
            assert opened.restore(picture).stored is not None
    torn = bytearray(whole)
    torn[start : start + layout.stored_bytes // 2] = bytes(layout.stored_bytes // 2)
    opened = Archive(io.BytesIO(bytes(torn)))
    opened.check_frame()
    assert any("common part is lost" in said for said in opened.damage)
    for picture in index.pictures:
        with pytest.raises(ArchiveDamaged, match="lost"):
            opened.restore(picture)


def test_the_command(tmp_path: Path) -> None:
    folder, out = siblings(tmp_path / "toys"), tmp_path / "toys.rhma"
    arguments = ["media", "archive", str(folder), "--out", str(out), "--keep", "exact", "--json"]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 0, ran.output
    facts = json.loads(ran.stdout)
    assert facts["kept as shared"] == 5 and facts["common_bytes"] > 0
    assert "remark" not in facts
    back = tmp_path / "back"
    ran = CliRunner().invoke(app, ["media", "restore", str(out), "--out", str(back), "--json"])
    assert ran.exit_code == 0, ran.output
    assert {p.name: p.read_bytes() for p in back.iterdir()} == {
        p.name: p.read_bytes() for p in folder.iterdir()
    }
    ran = CliRunner().invoke(app, ["media", "archive", str(tmp_path / "no"), "--out", "x.rhma"])
    assert ran.exit_code != 0 and "Traceback" not in ran.output
