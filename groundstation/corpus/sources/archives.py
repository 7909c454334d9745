"""Release archives by package name, version and kind: found and fetched by pip, only ever read.

``pip download`` runs a source distribution's build backend to learn its metadata, which means
executing somebody's ``setup.py`` for a file that is only to be read.  So this module uses the
parts of pip that find a link and hold the connection (index, mirrors, certificates and proxies as
configured for pip), stores the bytes and never unpacks them to disk.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundstation.corpus.choice.ranking import is_final
from shared.errors import DownloadError, InputError
from shared.files import make_folder, replace_file

KINDS = ("wheel", "sdist")
MAX_ARCHIVE_BYTES = 64 << 20
MAX_MEMBER_BYTES = 8 << 20
MAX_UNPACKED_BYTES = 512 << 20
"""Of an archive's files together: some compress a thousand times over."""
MAX_MEMBERS = 100_000
_TAR_ROOM = 64 << 20


class TooLargeError(DownloadError):
    """An archive is larger than the caller wants."""


def corpus_home() -> Path:
    """Where archives are kept: ``$XDG_CACHE_HOME`` or ``~/.cache``, then this project's folder."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "rehydration-uplink" / "corpus"


@dataclass(frozen=True)
class Link:
    """One archive that the package index offers; ``handle`` is pip's own link object."""

    package: str
    version: str
    kind: str
    filename: str
    handle: Any


class PackageIndex:
    """The package index as pip is configured to see it."""

    def __init__(self, finder: Any, session: Any) -> None:
        self._finder = finder
        self._session = session

    def links(self, package: str) -> list[Link]:
        """Every archive of ``package`` that this interpreter could use, in version order.

        Raises:
            DownloadError: the index has no such package, or cannot be reached.
        """
        found = [
            Link(
                package=package,
                version=str(candidate.version),
                kind="wheel" if candidate.link.is_wheel else "sdist",
                filename=candidate.link.filename,
                handle=candidate.link,
            )
            for candidate in sorted(
                self._finder.find_all_candidates(package),
                key=lambda candidate: (candidate.version, candidate.link.filename),
            )
        ]
        if not found:
            raise DownloadError(
                f"the package index lists no archive of {package}",
                expected="a package on PyPI or on the index that pip is configured for",
                remedy="check the connection with: python -m pip index versions " + package,
            )
        return found

    def fetch(self, link: Link, most_bytes: int = MAX_ARCHIVE_BYTES) -> bytes:
        """The archive's bytes, checked against the index's own digest where it gives one.

        Raises:
            TooLargeError: it is larger than ``most_bytes``, by what the index or the reply says.
            DownloadError: the transfer failed, is too large or is not what the index promised.
        """
        url: str = link.handle.url_without_fragment
        if url.startswith("file:"):
            path = Path(link.handle.file_path)
            _refuse_large(link, path.stat().st_size, most_bytes)
            data = path.read_bytes()
        else:
            with self._session.get(
                url, headers={"Accept-Encoding": "identity"}, stream=True
            ) as reply:
                if reply.status_code != 200:
                    raise DownloadError(f"{link.filename}: HTTP status {reply.status_code}")
                told = reply.headers.get("Content-Length", "")
                _refuse_large(link, int(told) if told.isdigit() else 0, most_bytes)
                data = reply.content
        _refuse_large(link, len(data), most_bytes)
        promised = link.handle.hash if link.handle.hash_name == "sha256" else None
        if promised and hashlib.sha256(data).hexdigest() != promised:
            raise DownloadError(
                f"{link.filename} has another sha256 than the index promised",
                remedy="try again; the transfer was damaged",
            )
        return data


def _refuse_large(link: Link, size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise TooLargeError(
            f"{link.filename} has {size} bytes", expected=f"at most {most_bytes} bytes"
        )


@contextmanager
def open_index() -> Iterator[PackageIndex]:
    """pip's finder and connection, for as long as the context lasts.

    Raises:
        DownloadError: this interpreter has no pip, or one whose inner parts have moved.
    """
    logging.getLogger("pip").setLevel(logging.ERROR)
    try:
        from pip._internal.commands import create_command

        command: Any = create_command("download")
        options, _ = command.parse_args(["--no-deps", "--ignore-requires-python", "-q", "-q", "x"])
        context = command.main_context()
    except (ImportError, AttributeError, KeyError) as error:
        raise DownloadError(
            f"pip cannot be used as a downloader here ({error})",
            expected="pip 23 or later in this environment",
            remedy="python -m ensurepip --upgrade, or pip install --upgrade pip",
        ) from error
    with context:
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session, ignore_requires_python=True)
        yield PackageIndex(finder, session)


class ArchiveCache:
    """Archives on disk by file name; what is missing comes from the index, once."""

    def __init__(
        self,
        folder: Path,
        index: PackageIndex | None = None,
        *,
        most_bytes: int = MAX_ARCHIVE_BYTES,
    ) -> None:
        self._folder = folder
        self._index = index
        self._most_bytes = most_bytes
        self._links: dict[str, list[Link]] = {}

    def links(self, package: str) -> list[Link]:
        """As ``PackageIndex.links``, asked once a package."""
        if self._index is None:
            raise DownloadError(f"{package} is not in the cache and there is no package index")
        if package not in self._links:
            self._links[package] = self._index.links(package)
        return self._links[package]

    def versions(self, package: str, kind: str, *, refresh: bool = False) -> list[str]:
        """Releases that have an archive of that kind, oldest first.

        The index is asked once and its answer kept, so that a later call sees the same releases.
        Where it was never asked and there is none, those count that are in the cache.

        Raises:
            DownloadError: the index has no such package, or cannot be reached.
        """
        kept = self._folder / f"{package}-{kind}.releases"
        if kept.exists() and not (refresh and self._index is not None):
            return kept.read_text("utf-8").split()
        if self._index is not None:
            listed = (link.version for link in self.links(package) if link.kind == kind)
            found = list(dict.fromkeys(listed))
            make_folder(self._folder)
            text = "".join(f"{version}\n" for version in found)
            replace_file(kept, text.encode(), durable=False)
            return found
        names = (path.name for path in self._folder.glob(f"{package}-*-{kind}"))
        stored = (name[len(package) + 1 : -len(kind) - 1] for name in names)
        known = sorted(filter(is_final, stored), key=lambda text: [*map(int, text.split("."))])
        if not known:
            raise DownloadError(f"no {kind} of {package} is in the cache, and no index is asked")
        return known

    def members(self, package: str, version: str, kind: str) -> dict[str, bytes]:
        """The regular files of one archive, the top folder of an sdist left out of their paths.

        Raises:
            DownloadError: no such archive, or it cannot be fetched.
            InputError: the archive is damaged.
        """
        stored = self._folder / f"{package}-{version}-{kind}"
        if not stored.exists():
            data = self._fetch(package, version, kind)
            make_folder(self._folder)
            replace_file(stored, data, durable=False)
        return read_members(stored.read_bytes(), kind)

    def _fetch(self, package: str, version: str, kind: str) -> bytes:
        of_kind = [x for x in self.links(package) if (x.version, x.kind) == (version, kind)]
        if not of_kind or self._index is None:
            raise DownloadError(
                f"the package index has no {kind} of {package} {version}",
                remedy="leave the row out; its release may have been withdrawn",
            )
        return self._index.fetch(preferred(of_kind), self._most_bytes)


def preferred(links: list[Link]) -> Link:
    """Of several archives of one release the smallest name: stable, and pure Python if there."""
    return min(links, key=lambda link: ("py3-none-any" not in link.filename, link.filename))


def read_members(data: bytes, kind: str, most_bytes: int = MAX_UNPACKED_BYTES) -> dict[str, bytes]:
    """The regular files inside an archive's bytes, without writing any to disk.

    Members larger than ``MAX_MEMBER_BYTES`` are left out, as they always were.  What the archive
    says of sizes is added up before a byte is unpacked, and what comes out is counted too, since
    an archive may say anything.

    Args:
        data: the archive.
        kind: "wheel" or "sdist".
        most_bytes: of all files together, and of their names.

    Raises:
        InputError: ``data`` is no archive of that kind, or unpacks to more.
    """
    try:
        if kind == "wheel" or data[:2] == b"PK":
            found = _from_zip(data, most_bytes)
        else:
            found = _from_tar(data, most_bytes)
    except InputError:
        raise
    except (
        *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError),
        # the standard library's readers raise these of damaged fields, unknown methods, passwords
        *(ValueError, NotImplementedError, RuntimeError, IndexError, KeyError, struct.error),
        *(OverflowError, TypeError, AttributeError),
    ) as error:
        raise InputError(
            f"not a readable {kind}: {type(error).__name__} {error}",
            remedy="delete it and fetch it again",
        ) from error
    if kind == "sdist":
        found = {path.partition("/")[2]: body for path, body in found.items() if "/" in path}
    return found


def _from_zip(data: bytes, most_bytes: int) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = [
            info
            for info in archive.infolist()
            if not info.is_dir() and info.file_size <= MAX_MEMBER_BYTES
        ]
        _refuse_more(len(archive.infolist()), sum(info.file_size for info in infos), most_bytes)
        found: dict[str, bytes] = {}
        left = most_bytes
        for info in infos:
            with archive.open(info) as member:
                # no further than it says: zipfile reads a member of a wrong size to its end
                body = member.read(info.file_size + 1)
            left -= len(body)
            if len(body) != info.file_size or left < 0:
                raise zipfile.BadZipFile(f"{info.filename!r} is not as large as it says")
            found[info.filename] = body
    return found


def _from_tar(data: bytes, most_bytes: int) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    count = total = 0
    with tarfile.open(fileobj=io.BytesIO(_inflated(data, most_bytes)), mode="r:") as archive:
        for member in archive:
            count += 1
            if not member.isfile() or member.size > MAX_MEMBER_BYTES:
                continue
            total += member.size
            _refuse_more(count, total, most_bytes)
            stream = archive.extractfile(member)
            if stream is not None:
                body = stream.read(member.size)
                if len(body) != member.size:
                    raise tarfile.ReadError(f"{member.name!r} is cut short")
                found[member.name] = body
    return found


def _inflated(data: bytes, most_bytes: int) -> bytes:
    """The tar in a compressed one, or the tar itself."""
    openers = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\0", lzma.open))
    for mark, opener in openers:
        if data.startswith(mark):
            with opener(io.BytesIO(data)) as stream:
                # tar's own blocks come on top of the files
                body = stream.read(most_bytes + _TAR_ROOM + 1)
            if len(body) > most_bytes + _TAR_ROOM:
                _refuse_more(0, len(body), most_bytes)
            return body
    return data


def _refuse_more(members: int, size: int, most_bytes: int) -> None:
    if size > most_bytes or members > MAX_MEMBERS:
        raise InputError(
            f"the archive unpacks to {members} members of more than {size} bytes",
            expected=f"at most {MAX_MEMBERS} members and {most_bytes} bytes",
            remedy="leave this release out: it holds something else than a package's sources",
        )
