"""The fixed block that says where an archive's index lies; three times in a file, two at its head.

    "RHMA" | version (1) | 0 (3) | index size (4) | archive size (8) | tail index (8) | sha256 (32)
    | check (8)

Integers are little endian.  The index of so many bytes, with that sha256, lies in a section
(``shards``) right after the two blocks at the head, and once more where ``tail index`` says.  The
check is the first bytes of the sha256 of what stands before it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from groundstation.media.archive.index import MAX_INDEX_BYTES
from groundstation.media.archive.shards import Layout
from shared.digest import sha256
from shared.errors import InputError

MAGIC: Final = b"RHMA"
VERSION: Final = 1
_BODY: Final = struct.Struct("<4sB3xIQQ32s")
_CHECK_BYTES: Final = 8
LOCATOR_BYTES: Final = _BODY.size + _CHECK_BYTES
HEAD_COPIES: Final = 2
HEAD_INDEX: Final = HEAD_COPIES * LOCATOR_BYTES
"""Where the first copy of the index begins."""


@dataclass(frozen=True)
class Locator:
    """Where things lie.

    Attributes:
        index_bytes: of the compressed index.
        archive_bytes: of the whole file.
        tail_index: where the second copy of the index begins.
        index_digest: sha256 of the compressed index, 32 bytes.
    """

    index_bytes: int
    archive_bytes: int
    tail_index: int
    index_digest: bytes

    @property
    def after_head(self) -> int:
        """Where the first copy of the index ends."""
        return HEAD_INDEX + Layout(self.index_bytes).stored_bytes


def encode_locator(locator: Locator) -> bytes:
    """The block."""
    body = _BODY.pack(
        MAGIC,
        VERSION,
        locator.index_bytes,
        locator.archive_bytes,
        locator.tail_index,
        locator.index_digest,
    )
    return body + sha256(body)[:_CHECK_BYTES]


def decode_locator(data: bytes) -> Locator | None:
    """The locator in a block, or None if these bytes are none or damaged.

    Raises:
        InputError: a sound one of another version.
    """
    body, check = data[: _BODY.size], data[_BODY.size :]
    if len(data) != LOCATOR_BYTES or body[:4] != MAGIC or check != sha256(body)[:_CHECK_BYTES]:
        return None
    _, version, index_bytes, archive_bytes, tail_index, digest = _BODY.unpack(body)
    if version != VERSION:
        raise InputError(
            f"an archive of version {version}",
            expected=f"version {VERSION}",
            remedy="update this program",
        )
    locator = Locator(index_bytes, archive_bytes, tail_index, digest)
    if not 0 < index_bytes <= MAX_INDEX_BYTES or tail_index < locator.after_head:
        return None
    end = tail_index + Layout(index_bytes).stored_bytes + LOCATOR_BYTES
    return locator if end == archive_bytes else None
