"""Release archives of strangers: bounded in what they unpack to, and errors of one family."""

from __future__ import annotations

import io
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundstation.corpus.sources import archives
from groundstation.corpus.sources.archives import read_members
from shared.errors import InputError

FILES = {"pkg-1/pkg/__init__.py": b"x = 1\n" * 40, "pkg-1/README": b"text\n", "pkg-1/e": b""}


def wheel(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return out.getvalue()


def sdist(files: Mapping[str, bytes], mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{mode}") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


REAL = {
    "wheel": [wheel(FILES), wheel(FILES, zipfile.ZIP_BZIP2), wheel(FILES, zipfile.ZIP_LZMA)],
    "sdist": [sdist(FILES, mode) for mode in ("", "gz", "bz2", "xz")] + [wheel(FILES)],
}


def test_real_ones_are_read() -> None:
    assert all(read_members(data, "wheel") == FILES for data in REAL["wheel"])
    short = {name.partition("/")[2]: body for name, body in FILES.items()}
    assert all(read_members(data, "sdist") == short for data in REAL["sdist"])


@pytest.mark.parametrize("kind", ["wheel", "gz", "bz2", "xz"])
def test_a_bomb_takes_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Many members, each within its own bound: 96 MiB out of some hundred kilobytes."""
    files = {f"p-1/{n}": bytes(6 << 20) for n in range(16)}
    data = wheel(files) if kind == "wheel" else sdist(files, kind)
    assert len(data) < 1 << 20
    monkeypatch.setattr(archives, "_TAR_ROOM", 1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="unpacks to"):
            read_members(data, "wheel" if kind == "wheel" else "sdist", most_bytes=8 << 20)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_member_that_lies_about_its_size_is_not_read_to_its_end() -> None:
    data = bytearray(wheel({"a": bytes(32 << 20)}))
    size = struct.pack("<I", 32 << 20)
    while (place := data.find(size)) >= 0:
        data[place : place + 4] = struct.pack("<I", 5)
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            read_members(bytes(data), "wheel")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@settings(max_examples=400)
@given(st.data())
def test_damaged_ones_are_one_family_of_errors(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(REAL)))
    body = bytearray(data.draw(st.sampled_from(REAL[kind])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
        if not body:
            body = bytearray(b"PK")
    try:
        found = read_members(bytes(body), kind)
    except InputError as error:
        assert error.remedy
        return
    assert sum(map(len, found.values())) <= archives.MAX_UNPACKED_BYTES
