"""Generators on board: digested when they are put there, not when a message asks.

A message names its generator by digest, and everybody can send messages.  So the digest of a file
is taken once and kept together with what the file system says of that file: device, inode, size and
the times of its last changes.  As long as all of these are the same the file is not read, except to
draw the picture of an authentic message; then its digest is taken again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from probe.disk.filesystem import Filesystem, durable_write
from probe.state.store import storing
from shared.digest import sha256
from shared.errors import PinError
from shared.media.container import MAX_BODY_BYTES
from shared.untrusted import PARSING_FAULTS, json_value

RECORD = "generators.json"
"""In the probe's state folder; without it digests are taken anew."""
_MODE = 0o600
_MOST_BYTES = 1 << 20
_MOST = 256

Mark = tuple[int, int, int, int, int]
"""What tells that a file is the one that was digested."""


@dataclass
class Digests:
    """The digests of generators' files, by path and mark.

    Attributes:
        record: file that keeps them from one run to the next, or None.
        files: how it is written.
        known: so far.
    """

    record: Path | None = None
    files: Filesystem = field(default_factory=Filesystem)
    known: dict[str, tuple[Mark, bytes]] = field(default_factory=dict)

    def of(self, path: Path) -> bytes:
        """The digest of a file, 32 bytes; read only if it is not the one that is known.

        Raises:
            PinError: it cannot be read, or is larger than any generator.
            StoreError: the record cannot be written.
        """
        mark = mark_of(path)
        name = os.path.realpath(path)
        if not self.known and self.record is not None:
            self.known = _read(self.record)
        found = self.known.get(name)
        if found is not None and found[0] == mark:
            return found[1]
        digest = sha256(read_generator_file(path))
        if mark_of(path) == mark:  # not while somebody writes it
            self.known[name] = (mark, digest)
            while len(self.known) > _MOST:
                del self.known[next(iter(self.known))]
            if self.record is not None:
                with storing(f"write {self.record.name}"):
                    durable_write(self.files, self.record, _written(self.known), _MODE)
        return digest


def digests_of(state: Path, files: Filesystem) -> Digests:
    """The digests that a probe's state folder keeps."""
    return Digests(state / RECORD, files)


def mark_of(path: Path) -> Mark:
    """What the file system says of a file.

    Raises:
        PinError: it says nothing.
    """
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def read_generator_file(path: Path) -> bytes:
    """The file of a generator, not looked into.

    Raises:
        PinError: it cannot be read, or is larger than any generator.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BODY_BYTES + 1)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(data) > MAX_BODY_BYTES:
        raise PinError(f"{path} is larger than any generator")
    return data


def _unreadable(path: Path, error: Exception) -> PinError:
    why = error.strerror if isinstance(error, OSError) else str(error)
    return PinError(
        f"the generator {path} cannot be read: {why}",
        remedy="name the file that the message was made for",
    )


def _written(known: dict[str, tuple[Mark, bytes]]) -> bytes:
    value = {name: [*mark, digest.hex()] for name, (mark, digest) in known.items()}
    return json.dumps(value, indent=1).encode("ascii")


def _read(record: Path) -> dict[str, tuple[Mark, bytes]]:
    """What a record says; a damaged one says nothing, since all of it can be found out again."""
    try:
        with record.open("rb") as file:
            value = json_value(file.read(_MOST_BYTES))
        found = {}
        for name, (*mark, digest) in value.items():
            dev, inode, size, mtime, ctime = map(int, mark)
            found[str(name)] = ((dev, inode, size, mtime, ctime), bytes.fromhex(digest))
        return {name: one for name, one in found.items() if len(one[1]) == 32}
    except (OSError, *PARSING_FAULTS):
        return {}
