"""The media demo's input: an inventory of pictures that anybody can fetch.

Microsoft's Fluent emoji, rendered in three dimensions, as npm's ``@lobehub/fluent-emoji-3d`` has
them: 3,391 WebP files of 256 x 256 with alpha (MIT).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.digest import sha256
from shared.errors import DownloadError, InputError
from shared.exact.pin import cache_home

PACKAGE: Final = "@lobehub/fluent-emoji-3d@1.1.0"
LICENCE: Final = "MIT, Microsoft (Fluent Emoji), packed by LobeHub"
SHA256: Final = "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58"
ASSETS: Final = "package/assets/"
_TONES: Final = {
    "1f3fb": "light",
    "1f3fc": "medium-light",
    "1f3fd": "medium",
    "1f3fe": "medium-dark",
    "1f3ff": "dark",
}
_SILENT: Final = ("fe0f", "200d")


def fetch_inventory() -> Path:
    """The folder of the pictures, from the cache or from npm.

    Raises:
        DownloadError: it cannot be fetched, or is not what it was.
        InputError: npm is not installed.
    """
    home = cache_home() / "downloads"
    folder = home / "fluent-emoji-3d-1.1.0"
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            "the pictures come from npm, and there is no npm here",
            remedy="install it (Debian: apt install npm), then run the command again",
        )
    home.mkdir(parents=True, exist_ok=True)
    packed = subprocess.run(
        [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(home)],
        capture_output=True,
        text=True,
        check=False,
    )
    if packed.returncode:
        told = packed.stderr.strip().splitlines() or ["nothing said"]
        raise DownloadError(
            f"npm cannot fetch {PACKAGE}: {told[-1]}",
            expected="a file from npm, or from the registry that npm is configured to use",
            remedy="check the network and `npm config list`, then run the command again",
        )
    archive = home / packed.stdout.split()[-1]
    data = archive.read_bytes()
    if sha256(data).hex() != SHA256:
        raise DownloadError(
            f"{archive} has sha256 {sha256(data).hex()}",
            expected=SHA256,
            remedy="delete it and run the command again",
        )
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    with tarfile.open(archive) as pack:
        for item in pack:
            name = item.name.removeprefix(ASSETS)
            if item.isfile() and item.name.startswith(ASSETS) and "/" not in name:
                content = pack.extractfile(item)
                if content is not None:
                    (draft / name).write_bytes(content.read())
    draft.rename(folder)
    archive.unlink()
    return folder


def catalogue(names: Sequence[str]) -> str:
    """A table of the pictures' attributes, as ``media train`` reads it: in words, what each shows.

    The survey found them by their shape; only here names are read.
    """
    lines = ["file,shows"]
    for name in names:
        points = Path(name).stem.split("-")
        tone = next((_TONES[point] for point in points if point in _TONES), "yellow")
        rest = [p for p in points if p not in _TONES and p not in _SILENT]
        words = [unicodedata.name(chr(int(point, 16)), point).lower() for point in rest]
        drawing = " ".join(words).replace(" sign", "").replace(" ", "-")
        lines.append(f"{name},{tone} {drawing}")
    return "\n".join(lines) + "\n"


def licence_note() -> str:
    """For ``--note``."""
    return "licence=" + re.sub(r"[^ -~]", "", LICENCE)
