"""Bytes in shards, each with a check, and parity: what all pictures of an archive hang on.

    shard    check (8 bytes) | bytes, all of one length, the last data shard filled up with zeros
    section  data shards | parity shards: one for eight, at least two

The check is the first 8 bytes of the sha256 of a domain, the shard's number (32 bits, little
endian) and its bytes.  How many shards there are follows from the size alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from groundstation.media.archive.parity import filled, parity_of
from shared.digest import sha256
from shared.media.fixed import U8

CHECK_BYTES: Final = 8
MIN_SHARD_BYTES: Final = 64
MAX_DATA_SHARDS: Final = 200
DATA_PER_PARITY: Final = 8
MIN_PARITY: Final = 2
_DOMAIN: Final = b"rehydration-archive/1 shard\n"


@dataclass(frozen=True)
class Layout:
    """How so many bytes lie in a section.

    Attributes:
        size_bytes: of what is protected, at least 1.
    """

    size_bytes: int

    @property
    def shard_bytes(self) -> int:
        """Of a shard, without its check."""
        return max(MIN_SHARD_BYTES, -(-self.size_bytes // MAX_DATA_SHARDS))

    @property
    def data(self) -> int:
        """Number of data shards."""
        return -(-self.size_bytes // self.shard_bytes)

    @property
    def parity(self) -> int:
        """Number of parity shards: so many shards may be lost."""
        return max(MIN_PARITY, -(-self.data // DATA_PER_PARITY))

    @property
    def stored_bytes(self) -> int:
        """Of the section."""
        return (self.data + self.parity) * (CHECK_BYTES + self.shard_bytes)


@dataclass(frozen=True)
class Recovered:
    """What came out of a section.

    Attributes:
        data: the bytes, or None if too much is lost.
        bad: the numbers of the shards that are damaged or missing, for each copy.
    """

    data: bytes | None
    bad: tuple[tuple[int, ...], ...]


def protected(data: bytes) -> bytes:
    """The section of some bytes, at least one."""
    layout = Layout(len(data))
    whole = np.frombuffer(data.ljust(layout.data * layout.shard_bytes, b"\0"), np.uint8)
    shards = whole.reshape(layout.data, layout.shard_bytes)
    every = [*shards, *parity_of(shards, layout.parity)]
    return b"".join(
        _check(number, row.tobytes()) + row.tobytes() for number, row in enumerate(every)
    )


def recovered(copies: Sequence[bytes], size_bytes: int) -> Recovered:
    """The bytes of a section.

    Args:
        copies: the section as it was read, whole or cut; several complement each other.
        size_bytes: of what was protected.
    """
    layout = Layout(size_bytes)
    count, step = layout.data + layout.parity, CHECK_BYTES + layout.shard_bytes
    good: dict[int, U8] = {}
    bad = []
    for copy in copies:
        missing = []
        for number in range(count):
            shard = copy[number * step : (number + 1) * step]
            body = shard[CHECK_BYTES:]
            if len(shard) == step and shard[:CHECK_BYTES] == _check(number, body):
                good.setdefault(number, np.frombuffer(body, np.uint8))
            else:
                missing.append(number)
        bad.append(tuple(missing))
    if len(good) < layout.data:
        return Recovered(None, tuple(bad))
    data = filled(good, layout.data, layout.parity).tobytes()[:size_bytes]
    return Recovered(data, tuple(bad))


def _check(number: int, body: bytes) -> bytes:
    return sha256(_DOMAIN, struct.pack("<I", number), body)[:CHECK_BYTES]
