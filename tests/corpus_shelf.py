"""A folder that pip takes for the whole package index, and archives to put into it."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest


def sdist(folder: Path, name: str, version: str, members: Mapping[str, bytes]) -> None:
    """Writes a source distribution."""
    top = f"{name}-{version}"
    with tarfile.open(folder / f"{top}.tar.gz", "w:gz") as archive:
        for path, data in members.items():
            info = tarfile.TarInfo(f"{top}/{path}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def wheel(folder: Path, name: str, version: str, members: Mapping[str, bytes]) -> None:
    """Writes a wheel for every platform."""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)


def use_shelf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pip see that folder and nothing else."""
    folder.mkdir(exist_ok=True)
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))


def source(seed: str, version: int, lines: int = 60) -> bytes:
    """A C file that each version changes in a few places of its own."""
    text = [f"static int {seed}_{n} = {n * 7};" for n in range(lines)]
    for done in range(version):
        text[(done * 11 + 3) % lines] = f"static long {seed}_v{'abcdefgh'[done % 8]}(void);"
    return "".join(f"{line}\n" for line in text).encode()
