"""Archives: what comes back, what damage costs, and when an original may go."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import json
import math
import shutil
import struct
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

pytest.importorskip("ssimulacra2")
from groundstation.cli import app
from groundstation.media.archive import restore
from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.disk import Disk
from groundstation.media.archive.index import Index, Keep, Kind, decode_index, encode_index, is_safe
from groundstation.media.archive.locator import LOCATOR_BYTES, decode_locator, encode_locator
from groundstation.media.archive.parity import filled, parity_of
from groundstation.media.archive.reader import Archive
from groundstation.media.archive.restore import remove_originals
from groundstation.media.archive.shards import Layout, protected, recovered
from groundstation.media.archive.writer import write_archive
from groundstation.media.family import read_family
from groundstation.media.images import decode_picture, encode_picture, read_picture
from groundstation.media.judge.gate import Gate, judge
from shared.digest import sha256
from shared.errors import InputError, RehydrationError
from shared.media.generator import write_generator
from shared.media.kinds.basis import Basis
from shared.media.pixels import pixel_digest
from shared.media.prompt import Attribute, Grammar, Prompt, decode_prompt, encode_prompt
from shared.media.render import Renderer
from shared.terminal import silent

RUNNER = CliRunner()
WHEN = "2031-04-05T06:07:08Z"


@pytest.fixture(scope="module")
def pocket() -> Basis:
    """A smaller one than other tests have, since some of these open it thousands of times."""
    rng = np.random.default_rng(17)
    waves = np.rint(rng.laplace(0, 2, (3 * 2, 64)) / (1 + np.arange(64) / 3))
    waves[:, 0] += 30
    return Basis(
        name="pocket",
        width=14,
        height=7,
        grammar=Grammar(
            (Attribute("lid", ("ash", "bay", "elm")), Attribute("foot", ("in", "out")))
        ),
        tables=(
            rng.integers(900, 7000, (3, 1, 3)).astype(np.int16),
            rng.integers(900, 7000, (2, 1, 3)).astype(np.int16),
        ),
        gains=np.zeros((0, 3), np.int16),
        terms=((), (0,), (0, 1)),
        steps=(19, 7, 6),
        coded=np.ones((3, 2), bool),
        waves=waves.astype(np.int16),
        curves=np.stack([np.arange(1, 256)] * 3).astype(np.int32),
        notes={"licence": "CC0"},
    )


@pytest.fixture(scope="module")
def pocket_file(pocket: Basis) -> bytes:
    return write_generator(pocket)


@pytest.fixture(scope="module")
def originals(pocket: Basis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five that the generator draws as they are, one with a value that it never learned, and one of
    another size, which nothing that is drawn can be corrected to."""
    place = tmp_path_factory.mktemp("originals")
    draw = Renderer(pocket)
    lids, feet = (attribute.values for attribute in pocket.grammar.attributes)
    for (a, lid), (b, foot) in itertools.product(enumerate(lids), enumerate(feet)):
        pixels = draw(Prompt((a, b)))
        if (lid, foot) == ("elm", "out"):
            lid = "fir"
            pixels = np.random.default_rng(3).integers(0, 256, pixels.shape).astype(np.uint8)
        suffix = ".bmp" if lid == "bay" else ".png"
        data = encode_picture(pixels, "BMP" if lid == "bay" else "PNG")
        (place / f"lid-{lid}_foot-{foot}{suffix}").write_bytes(data)
    wide = np.random.default_rng(4).integers(0, 256, (7, 15, 3)).astype(np.uint8)
    (place / "lid-gum_foot-out.png").write_bytes(encode_picture(wide, "PNG"))
    return place


def archived(
    folder: Path, generator: bytes, out: Path, keep: Keep = Keep.QUALITY, disk: Disk | None = None
) -> Index:
    return write_archive(
        folder,
        read_family(folder).members,
        generator,
        out,
        gate=Gate(),
        keep=keep,
        created=WHEN,
        notes={"source": "made for a test"},
        report=silent,
        disk=disk or Disk(),
    )


@pytest.fixture(scope="module")
def whole(originals: Path, pocket_file: bytes, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("archive") / "pocket.rhma"
    archived(originals, pocket_file, out)
    assert sorted(path.name for path in out.parent.iterdir()) == ["pocket.rhma"]
    return out.read_bytes()


def contents(data: bytes) -> tuple[list[str], dict[str, bytes], set[str]]:
    """Damage that was noticed, pictures that came back, and names of those that were lost."""
    archive = Archive(io.BytesIO(data))
    archive.check_frame()
    found, lost = {}, set()
    for picture in archive.index.pictures:
        try:
            found[picture.name] = archive.restore(picture).file()
        except ArchiveDamaged:
            lost.add(picture.name)
    return archive.damage, found, lost


# --- the erasure code ----------------------------------------------------------------------------


def slow_product(a: int, b: int) -> int:
    """By the schoolbook: shift, add, reduce."""
    found = 0
    for bit in range(8):
        if b >> bit & 1:
            found ^= a << bit
    for bit in range(14, 7, -1):
        if found >> bit & 1:
            found ^= 0x11D << (bit - 8)
    return found


def test_parity_by_the_schoolbook() -> None:
    data = np.array([[7, 200], [255, 0], [1, 129]], np.uint8)
    parity = parity_of(data, 2)
    for row, column in itertools.product(range(2), range(2)):
        expected = 0
        for number in range(3):
            inverse = next(v for v in range(256) if slow_product(v, (3 + row) ^ number) == 1)
            expected ^= slow_product(inverse, int(data[number, column]))
        assert parity[row, column] == expected


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 9), st.randoms(use_true_random=False))
def test_any_shards_of_the_wanted_number_do(data_count: int, parity: int, choose: Any) -> None:
    data = np.array(
        [[choose.randrange(256) for _ in range(5)] for _ in range(data_count)], np.uint8
    )
    every = [*data, *parity_of(data, parity)]
    left = choose.sample(range(len(every)), data_count)
    assert (filled({n: every[n] for n in left}, data_count, parity) == data).all()
    with pytest.raises(ValueError, match="gone"):
        filled({n: every[n] for n in left[1:]}, data_count, parity)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 640, 12_800, 12_801, 170_573])
def test_sections_mend_what_their_parity_covers(size: int) -> None:
    layout = Layout(size)
    data = np.random.default_rng(size).integers(0, 256, size).astype(np.uint8).tobytes()
    section = protected(data)
    assert len(section) == layout.stored_bytes
    assert layout.data + layout.parity <= 256
    assert recovered([section], size).data == data
    step = 8 + layout.shard_bytes
    damaged = bytearray(section)
    total = layout.data + layout.parity
    hit = sorted({number * total // layout.parity for number in range(layout.parity)})
    for number in hit:
        damaged[number * step + 9] ^= 0x40
    found = recovered([bytes(damaged)], size)
    assert (found.data, found.bad) == (data, (tuple(hit),))
    assert len(hit) == layout.parity
    for number in range(layout.data + layout.parity):
        damaged[number * step] ^= 1 << number % 8
    assert recovered([bytes(damaged)], size).data is None
    assert recovered([bytes(damaged), section], size).data == data


def by_the_page(section: bytes, size: int) -> bytes:
    """What a whole section protects, read as docs/media-archive.md says."""
    length = max(64, math.ceil(size / 200))
    data = math.ceil(size / length)
    parity = max(2, math.ceil(data / 8))
    assert len(section) == (data + parity) * (8 + length)
    shards = []
    for number in range(data + parity):
        start = number * (8 + length)
        shard = section[start + 8 : start + 8 + length]
        domain = b"rehydration-archive/1 shard\n" + struct.pack("<I", number)
        assert section[start : start + 8] == hashlib.sha256(domain + shard).digest()[:8]
        shards.append(shard)
    whole = b"".join(shards[:data])
    assert set(whole[size:]) <= {0}
    return whole[:size]


def test_the_file_is_as_the_page_says(
    whole: bytes, pocket: Basis, pocket_file: bytes, originals: Path
) -> None:
    first = whole[:68]
    magic, version, index_size, total, tail, digest = struct.unpack("<4sB3xIQQ32s", first[:60])
    assert (magic, version, total) == (b"RHMA", 1, len(whole))
    assert first[60:] == hashlib.sha256(first[:60]).digest()[:8]
    assert whole[68:136] == whole[-68:] == first
    section = len(whole) - 68 - tail
    assert whole[136 : 136 + section] == whole[tail : tail + section]
    packed = by_the_page(whole[tail : tail + section], index_size)
    assert hashlib.sha256(packed).digest() == digest
    index = json.loads(zlib.decompress(packed))
    assert index["generator"]["sha256"] == hashlib.sha256(pocket_file).hexdigest()
    files = [item for item in index["pictures"] if item["kind"] == "file"]
    (fir,) = (item for item in index["pictures"] if item["kind"] == "corrected")
    body = 136 + section
    start = body + min(item["offset"] for item in (*files, fir))
    assert by_the_page(whole[body:start], index["generator"]["bytes"]) == pocket_file
    for item in files:
        data = whole[body + item["offset"] : body + item["offset"] + item["bytes"]]
        assert item["check"] == item["result"] == hashlib.sha256(data).hexdigest()[:32]
    residual = whole[body + fir["offset"] : body + fir["offset"] + fir["bytes"]]
    assert fir["check"] == hashlib.sha256(residual).hexdigest()[:32]
    code = bytes.fromhex(fir["prompt"])
    assert code in {encode_prompt(pocket.grammar, Prompt((lid, 1))) for lid in range(3)}
    said = decode_prompt(pocket.grammar, code + residual + bytes([len(code), 0]))
    assert fir["result"] == pixel_digest(Renderer(pocket)(said)).hex()[:32]
    assert tail == start + sum(item["bytes"] for item in (*files, fir))
    for item in index["pictures"]:
        original = (originals / item["name"]).read_bytes()
        assert item["original"] == hashlib.sha256(original).hexdigest()[:32]
        assert item["original_bytes"] == len(original)


def test_a_quarter_megabyte_costs_an_eighth() -> None:
    assert Layout(250_000).stored_bytes < 250_000 * 1.133


# --- what comes back -----------------------------------------------------------------------------


def test_quality_gives_back_what_was_judged(
    originals: Path, pocket_file: bytes, whole: bytes
) -> None:
    damage, found, lost = contents(whole)
    assert (damage, lost) == ([], set())
    assert set(found) == {path.name for path in originals.iterdir()}
    archive = Archive(io.BytesIO(whole))
    assert archive.generator_file() == pocket_file
    assert archive.index.notes == {"licence": "CC0", "source": "made for a test"}
    assert archive.index.created == WHEN
    kinds = {picture.name: picture.kind for picture in archive.index.pictures}
    assert kinds.pop("lid-gum_foot-out.png") is Kind.FILE
    assert kinds.pop("lid-fir_foot-out.png") is Kind.CORRECTED
    assert set(kinds.values()) == {Kind.PROMPT}
    for name, data in found.items():
        verdict = judge(read_picture(originals / name), decode_picture(data))
        assert Gate().passes(verdict)


@pytest.mark.parametrize("keep", [Keep.PIXELS, Keep.EXACT])
def test_exact_means_exact(keep: Keep, originals: Path, pocket_file: bytes, tmp_path: Path) -> None:
    out = tmp_path / "a.rhma"
    index = archived(originals, pocket_file, out, keep)
    damage, found, lost = contents(out.read_bytes())
    assert (damage, lost) == ([], set())
    for name, data in found.items():
        original = (originals / name).read_bytes()
        if keep is Keep.EXACT:
            assert data == original
        else:
            assert (decode_picture(data) == decode_picture(original)).all()
    kinds = {picture.kind for picture in index.pictures}
    whole = {Kind.FILE, Kind.PACKED, Kind.SHARED}
    assert kinds <= (whole if keep is Keep.EXACT else set(Kind))
    if keep is Keep.PIXELS:
        assert Kind.RESIDUAL in kinds  # what the prompt draws needs next to no residual
    else:
        assert not index.generator  # nothing would be drawn by it
        assert kinds & {Kind.PACKED, Kind.SHARED}


@pytest.mark.parametrize("keep", [Keep.QUALITY, Keep.PIXELS])
def test_a_generator_that_does_not_pay_is_left_out(
    keep: Keep, originals: Path, pocket_file: bytes, tmp_path: Path
) -> None:
    folder, out = tmp_path / "two", tmp_path / "a.rhma"
    folder.mkdir()
    for name in ("lid-ash_foot-in.png", "lid-elm_foot-in.png"):
        shutil.copy(originals / name, folder / name)
    index = archived(folder, pocket_file, out, keep)
    assert (index.generator, {picture.kind for picture in index.pictures}) == (b"", {Kind.FILE})
    damage, found, lost = contents(out.read_bytes())
    assert (damage, lost) == ([], set())
    for name, data in found.items():
        verdict = judge(read_picture(folder / name), decode_picture(data))
        assert Gate().passes(verdict)
        assert keep is Keep.QUALITY or verdict.block_levels == 0


def test_names_that_would_meet_are_kept_apart(
    originals: Path, pocket_file: bytes, tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    folder.mkdir()
    pixels = read_picture(originals / "lid-ash_foot-in.png")
    for suffix, name in ((".bmp", "BMP"), (".png", "PNG"), (".webp", "WEBP")):
        data = encode_picture(pixels, name, **({"lossless": True} if name == "WEBP" else {}))
        (folder / f"lid-ash_foot-in{suffix}").write_bytes(data)
    index = archived(folder, pocket_file, tmp_path / "a.rhma")
    names = {picture.name: picture.restored_as for picture in index.pictures}
    stem = "lid-ash_foot-in"
    assert names == {
        f"{stem}.bmp": f"{stem}.bmp.png",
        f"{stem}.png": f"{stem}.png",
        f"{stem}.webp": f"{stem}.webp.png",
    }


# --- damage --------------------------------------------------------------------------------------


def test_every_byte_that_flips_is_noticed_and_costs_no_other_picture(whole: bytes) -> None:
    _, before, _ = contents(whole)
    archive = Archive(io.BytesIO(whole))
    start = archive.body
    owners = {
        place: picture.name
        for picture in archive.index.pictures
        for place in range(start + picture.offset, start + picture.offset + picture.size_bytes)
    }
    assert len(owners) > 250
    outcomes = set()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        damage, found, lost = contents(bytes(damaged))
        touched = {owners[place]} if place in owners else set()
        assert lost == touched
        assert bool(damage) != bool(touched)  # what is mended is told, too
        assert found == {name: data for name, data in before.items() if name not in touched}
        outcomes |= {text.split(":")[0] for text in damage}
    assert outcomes == {
        *(f"locator {number} of 3" for number in (1, 2, 3)),
        *("index at the head", "index at the tail", "generator"),
    }


def test_every_truncation_is_noticed(whole: bytes) -> None:
    _, before, _ = contents(whole)
    first, some = None, 0
    for size in range(len(whole)):
        behind = [whole[len(whole) - size :]] if size % 4 == 0 else []
        for cut in (whole[:size], *behind):
            try:
                damage, found, lost = contents(cut)
            except RehydrationError:
                assert size < len(whole) * 0.8
                continue
            assert damage
            assert found.keys() | lost == before.keys()
            assert all(before[name] == data for name, data in found.items())
            some += 0 < len(found) < len(before)
            first = first if first is not None or lost else size
    assert first is not None  # from some length on nothing is lost at all
    assert some  # and in between some pictures come back without the others


def test_a_gap_costs_what_stood_in_it(whole: bytes) -> None:
    archive = Archive(io.BytesIO(whole))
    (file,) = (p for p in archive.index.pictures if p.kind is Kind.FILE)
    place = archive.body + file.offset
    damage, found, lost = contents(whole[: place + 5] + whole[place + 9 :])
    assert lost == {file.name}
    assert len(found) == 6
    assert damage
    damage, found, lost = contents(whole[:place] + b"more" + whole[place:])
    assert lost == set()
    assert damage
    damage, found, lost = contents(whole + b"x")
    assert (lost, len(damage)) == (set(), 1)


def test_a_lost_generator_leaves_the_files(whole: bytes) -> None:
    archive = Archive(io.BytesIO(whole))
    layout = Layout(archive.index.generator_bytes)
    place = archive.body
    burst = bytearray(whole)
    burst[place : place + layout.parity * (8 + layout.shard_bytes)] = bytes(
        layout.parity * (8 + layout.shard_bytes)
    )
    damage, found, lost = contents(bytes(burst))
    assert (lost, len(found)) == (set(), 7)
    assert any(text.startswith("generator") for text in damage)
    burst[place : place + layout.stored_bytes] = bytes(layout.stored_bytes)
    damage, found, lost = contents(bytes(burst))
    assert list(found) == ["lid-gum_foot-out.png"]
    assert "the generator is lost" in damage


def test_indexes_complement_each_other(whole: bytes) -> None:
    archive = Archive(io.BytesIO(whole))
    locator = archive._locator
    layout = Layout(locator.index_bytes)
    step = 8 + layout.shard_bytes
    damaged = bytearray(whole)
    for number in range(layout.data + layout.parity):  # each copy loses every second shard
        start = (2 * LOCATOR_BYTES, locator.tail_index)[number % 2]
        damaged[start + number * step + 11] ^= 0x80
    damage, found, lost = contents(bytes(damaged))
    assert (len(found), lost, len(damage)) == (7, set(), 2)


def test_other_files_are_refused(whole: bytes) -> None:
    for data in (b"", b"RHMA", bytes(5000), whole[:60], b"x" * 3 + whole[:-3]):
        with pytest.raises((InputError, ArchiveDamaged)):
            contents(data)
    later = bytearray(encode_locator(Archive(io.BytesIO(whole))._locator)[:-8])
    later[4] = 2
    with pytest.raises(InputError, match="version 2"):
        decode_locator(bytes(later) + sha256(bytes(later))[:8])


@pytest.mark.parametrize("name", ["/a", "../a", "a/../b", "a//b", "", ".", "a\0", "a\n", "a\\b"])
def test_names_stay_in_their_folder(name: str, whole: bytes) -> None:
    assert not is_safe(name)
    index = Archive(io.BytesIO(whole)).index
    first = index.pictures[0]
    for bad in (
        dataclasses.replace(first, name=name),
        dataclasses.replace(first, restored_as=name),
    ):
        with pytest.raises(InputError):
            decode_index(encode_index(dataclasses.replace(index, pictures=(bad,))))


# --- originals go only when they have come back --------------------------------------------------


class PowerCut(BaseException):
    """Not an Exception: nothing may catch it and go on."""


class CutDisk(Disk):
    """Stops before operation number ``at``; what was not synced by then is lost, or is not.

    Args:
        at: from 1; 0 for never.
        lost: names of the folders in which what was not synced is lost.
    """

    def __init__(self, at: int = 0, *, lost: Collection[str] = ()) -> None:
        self.at, self.lost, self.operations = at, lost, 0
        self.unsynced: set[Path] = set()
        self.undo: dict[Path, list[Callable[[], None]]] = {}

    def _step(self) -> None:
        self.operations += 1
        if self.operations == self.at:
            raise PowerCut

    def settle(self) -> None:
        """What the disk holds when power returns."""
        for path in self.unsynced:
            if path.exists() and path.parent.name in self.lost:
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        for folder, steps in self.undo.items():
            for step in reversed(steps if folder.name in self.lost else ()):
                step()

    def create(self, path: Path) -> BinaryIO:
        self._step()
        self.unsynced.add(path)
        return super().create(path)

    def sync(self, path: Path) -> None:
        self._step()
        super().sync(path)
        self.unsynced.discard(path)

    def sync_folder(self, path: Path) -> None:
        self._step()
        super().sync_folder(path)
        self.undo.pop(path, None)

    def rename(self, source: Path, path: Path) -> None:
        self._step()
        assert source not in self.unsynced, "a name for bytes that are not durable"
        super().rename(source, path)
        self.undo.setdefault(path.parent, []).append(lambda: path.unlink(missing_ok=True))

    def remove(self, path: Path) -> None:
        self._step()
        data = path.read_bytes()
        super().remove(path)

        def put_back() -> None:
            path.write_bytes(data)

        self.undo.setdefault(path.parent, []).append(put_back)


def both(folder: Path, generator: bytes, out: Path, disk: Disk) -> restore.Pruned:
    """What ``media archive --delete-originals`` does, first time and again."""
    if not out.exists():
        archived(folder, generator, out, disk=disk)
    return remove_originals(out, folder, silent, disk)


@pytest.mark.parametrize("lost", [(), ("cold",), ("o",), ("cold", "o")])
def test_power_may_fail_at_any_time(
    lost: tuple[str, ...], originals: Path, pocket_file: bytes, whole: bytes, tmp_path: Path
) -> None:
    names = {path.name: path.read_bytes() for path in originals.iterdir()}
    _, pictures, _ = contents(whole)
    outcomes = set()
    for at in itertools.count(1):
        place = tmp_path / str(at)
        folder, out = place / "o", place / "cold" / "a.rhma"
        shutil.copytree(originals, folder)
        out.parent.mkdir()
        disk = CutDisk(at, lost=lost)
        try:
            both(folder, pocket_file, out, disk)
            break
        except PowerCut:
            disk.settle()
        left = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert left.items() <= names.items()
        if len(left) < len(names):
            assert contents(out.read_bytes()) == ([], pictures, set())
        outcomes.add((out.exists(), len(left)))
        again = both(folder, pocket_file, out, Disk())
        assert (again.kept, list(folder.iterdir())) == ({}, [])
        assert contents(out.read_bytes()) == ([], pictures, set())
        shutil.rmtree(place)
    assert (False, 7) in outcomes
    assert (True, 7) in outcomes
    assert "o" in lost or {(True, n) for n in range(1, 7)} <= outcomes


def test_an_archive_that_is_reported_is_durable(
    originals: Path, pocket_file: bytes, tmp_path: Path
) -> None:
    disk = CutDisk()
    archived(originals, pocket_file, tmp_path / "a.rhma", disk=disk)
    assert tmp_path not in disk.undo
    assert tmp_path / "a.rhma.part" not in disk.unsynced


def test_a_kill_and_then_a_power_cut(
    originals: Path, pocket_file: bytes, whole: bytes, tmp_path: Path
) -> None:
    """What a killed run had not synced may still go when the next one has begun to remove."""
    names = {path.name for path in originals.iterdir()}
    _, pictures, _ = contents(whole)
    removing = 0
    for first, second in itertools.product((5, 7), range(3, 12)):
        place = tmp_path / f"{first} {second}"
        folder, out = place / "o", place / "cold" / "a.rhma"
        shutil.copytree(originals, folder)
        out.parent.mkdir()
        disk = CutDisk(first, lost=("cold",))
        with pytest.raises(PowerCut):
            both(folder, pocket_file, out, disk)
        disk.at = disk.operations + second
        try:
            both(folder, pocket_file, out, disk)
        except PowerCut:
            removing += 0 < len(list(folder.iterdir())) < len(names)
        disk.settle()
        left = {path.name for path in folder.iterdir()}
        if left < names:
            assert contents(out.read_bytes()) == ([], pictures, set())
        shutil.rmtree(place)
    assert removing > 8


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_indexes_of_others_never_break_the_program(whole: bytes, data: st.DataObject) -> None:
    text = zlib.decompress(encode_index(Archive(io.BytesIO(whole)).index)).decode()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    new = data.draw(
        st.sampled_from(["", "0", "-1", "[]", "{}", "null", '"', ",", "1e999", "\\ud800"])
    )
    changed = zlib.compress((text[:start] + new + text[end:]).encode())
    try:
        decode_index(changed)
    except InputError as error:
        assert error.remedy


def test_a_disk_that_lies_costs_no_original(
    originals: Path, pocket_file: bytes, tmp_path: Path
) -> None:
    """A bit changes on its way to the disk: the archive never gets its name."""

    class Lying(Disk):
        def __init__(self, place: int) -> None:
            self.place = place

        def sync(self, path: Path) -> None:
            data = bytearray(path.read_bytes())
            data[self.place] ^= 2
            path.write_bytes(data)

    archived(originals, pocket_file, tmp_path / "x.rhma")
    for place in range(3, (tmp_path / "x.rhma").stat().st_size, 397):
        out = tmp_path / "a.rhma"
        with pytest.raises(ArchiveDamaged):
            archived(originals, pocket_file, out, disk=Lying(place))
        assert not out.exists()


def test_what_changed_since_stays(originals: Path, pocket_file: bytes, tmp_path: Path) -> None:
    folder, out = tmp_path / "o", tmp_path / "a.rhma"
    shutil.copytree(originals, folder)
    archived(folder, pocket_file, out)
    changed = folder / "lid-ash_foot-in.png"
    changed.write_bytes(changed.read_bytes() + b"\0")
    moved = folder / "lid-ash_foot-out.png"
    moved.rename(tmp_path / "elsewhere.png")
    moved.symlink_to(tmp_path / "elsewhere.png")
    (folder / "lid-elm_foot-in.png").unlink()
    pruned = remove_originals(out, folder, silent, Disk())
    assert set(pruned.kept) == {changed.name, moved.name}
    assert pruned.gone == ["lid-elm_foot-in.png"]
    assert {path.name for path in folder.iterdir()} == {changed.name, moved.name}


def test_a_picture_that_is_lost_keeps_its_original(
    originals: Path, whole: bytes, tmp_path: Path
) -> None:
    folder, out = tmp_path / "o", tmp_path / "a.rhma"
    shutil.copytree(originals, folder)
    archive = Archive(io.BytesIO(whole))
    (file,) = (p for p in archive.index.pictures if p.kind is Kind.FILE)
    damaged = bytearray(whole)
    damaged[archive.body + file.offset + 7] ^= 1
    out.write_bytes(damaged)
    pruned = remove_originals(out, folder, silent, Disk())
    assert list(pruned.kept) == [file.name] == [path.name for path in folder.iterdir()]


# --- the commands --------------------------------------------------------------------------------


def run(*arguments: object, code: int = 0) -> Any:
    result = RUNNER.invoke(app, ["media", *map(str, arguments), "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


@pytest.fixture
def copied(originals: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(originals, tmp_path / "o")
    yield tmp_path / "o"


def test_the_commands(copied: Path, pocket_file: bytes, tmp_path: Path) -> None:
    generator, out, back = tmp_path / "g", tmp_path / "a.rhma", tmp_path / "back"
    generator.write_bytes(pocket_file)
    names = {path.name: path.read_bytes() for path in copied.iterdir()}
    common = (copied, "--generator", generator, "--out", out)
    made = run("archive", *common, "--keep", "exact", "--note", "licence=CC0 1.0")
    assert (made["pictures"], made["note licence"], made["keep"]) == (7, "CC0 1.0", "exact")
    assert made["archive_bytes"] == out.stat().st_size
    run("archive", *common, code=4)
    assert {path.name for path in copied.iterdir()} == set(names)
    gone = run("archive", *common, "--delete-originals")
    assert (gone["originals_removed"], gone["went_on"]) == (7, True)
    assert list(copied.iterdir()) == []
    first = run("restore", out, "--out", back, "--only", "lid-ash_foot-in.png")
    assert (first["restored"], first["already_there"]) == (1, 0)
    rest = run("restore", out, "--out", back)
    assert (rest["restored"], rest["already_there"], rest["lost"]) == (6, 1, {})
    assert {path.name: path.read_bytes() for path in back.iterdir()} == names
    assert run("restore", out, "--check")["damage"] == []
    (back / "lid-ash_foot-in.png").write_bytes(b"mine")
    assert "other content" in run("restore", out, "--out", back, code=4)["found"]
    assert (back / "lid-ash_foot-in.png").read_bytes() == b"mine"
    run("restore", out, "--check", "--only", "none.png", code=4)
    run("restore", out, code=4)
    run("restore", generator, "--check", code=4)
    run("restore", tmp_path / "none", "--check", code=4)
    run("archive", copied, "--generator", generator, "--out", tmp_path / "b.rhma", code=4)
    damaged = bytearray(out.read_bytes())
    damaged[200] ^= 1
    out.write_bytes(damaged)
    mended = run("restore", out, "--out", tmp_path / "more")
    assert (mended["restored"], len(mended["damage"])) == (7, 1)
    run("restore", out, "--check", code=3)
    for path, data in names.items():
        (copied / path).write_bytes(data)
    run("archive", *common, "--delete-originals", code=4)
    assert {path.name for path in copied.iterdir()} == set(names)
