"""The files of the inbox: what came together, in one file, so that one durable write keeps all.

    "rui batch 1" LF | items | SHA-256 of all before it (32)

An item is, big-endian, kind (1: 0 a message, 1 a segment), order (8), size of its data (4), of a
segment also sequence flags (1), MAP (1) and number of its frame (2, FFFF for none), then the data.

Earlier versions wrote a file for each: ``N.message``, and ``N.M.K.F.segment`` with MAP, number of
the frame or "-", and sequence flags.  These are still read.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from probe.reception.framing import Piece
from probe.reception.reassembly import Kept
from shared.ccsds.segmentation import Segment, SequenceFlags

SUFFIX = ".batch"
_MAGIC = b"rui batch 1\n"
EMPTY_BYTES = len(_MAGIC) + 32
"""What a batch takes beside its items."""
_HEAD = struct.Struct(">BQI")
_PLACE = struct.Struct(">BBH")
_MESSAGE, _SEGMENT = range(2)
_NO_NUMBER = 0xFFFF

_NUMBERED = re.compile(r"(?a:(\d{1,18}))\.")
_BATCH_NAME = re.compile(r"(?a:\d{1,18})\.batch")
_MESSAGE_NAME = re.compile(r"(?a:(?P<order>\d{1,18}))\.message")
_SEGMENT_NAME = re.compile(
    r"(?a:(?P<order>\d{1,18})\.(?P<map_id>\d{1,2})\.(?P<number>-|\d{1,3})\.(?P<flags>[0-3]))"
    r"\.segment"
)


@dataclass(frozen=True)
class Waiting:
    """A message that waits.

    Attributes:
        order: its place in the order of arrival.
        data: its bytes.
        stored: whether it was on disk when it was handed on; says nothing of what it is.
    """

    order: int
    data: bytes
    stored: bool = field(default=True, compare=False)


Item = Waiting | Kept


def batch_name(number: int) -> str:
    """The name of a batch."""
    return f"{number}{SUFFIX}"


def next_number(names: Iterable[str]) -> int:
    """A number above that of every file, whosever it is: no batch takes the place of another's."""
    numbers = [int(found[1]) for name in names if (found := _NUMBERED.match(name))]
    return max(numbers, default=0) + 1


def packed_bytes(item: Item) -> int:
    """What an item takes in a batch."""
    return len(_packed(item))


def write_batch(items: Sequence[Item]) -> bytes:
    """The file of these items; nothing for none."""
    if not items:
        return b""
    body = _MAGIC + b"".join(map(_packed, items))
    return body + hashlib.sha256(body).digest()


def read_items(name: str, data: bytes) -> list[Item]:
    """What a file holds; nothing if it is damaged or none of this program's."""
    if _BATCH_NAME.fullmatch(name):
        return _unpacked(data)
    if found := _MESSAGE_NAME.fullmatch(name):
        return [Waiting(int(found["order"]), data)]
    if found := _SEGMENT_NAME.fullmatch(name):
        number = None if found["number"] == "-" else int(found["number"])
        segment = Segment(SequenceFlags(int(found["flags"])), int(found["map_id"]), data)
        return [Kept(int(found["order"]), Piece(segment, number))]
    return []


def _packed(item: Item) -> bytes:
    if isinstance(item, Waiting):
        return _HEAD.pack(_MESSAGE, item.order, len(item.data)) + item.data
    segment, number = item.piece.segment, item.piece.number
    place = _PLACE.pack(segment.flags, segment.map_id, _NO_NUMBER if number is None else number)
    return _HEAD.pack(_SEGMENT, item.order, len(segment.data)) + place + segment.data


def _unpacked(data: bytes) -> list[Item]:
    body, digest = data[:-32], data[-32:]
    if not body.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        return []
    items: list[Item] = []
    at = len(_MAGIC)
    try:
        while at < len(body):
            kind, order, size = _HEAD.unpack_from(body, at)
            at += _HEAD.size
            place = (0, 0, 0)
            if kind == _SEGMENT:
                place = _PLACE.unpack_from(body, at)
                at += _PLACE.size
            content = body[at : at + size]
            at += size
            if kind not in (_MESSAGE, _SEGMENT) or at > len(body):
                return []
            if kind == _MESSAGE:
                items.append(Waiting(order, content))
                continue
            flags, map_id, number = place
            segment = Segment(SequenceFlags(flags), map_id, content)
            items.append(Kept(order, Piece(segment, None if number == _NO_NUMBER else number)))
    except (struct.error, ValueError):
        return []
    return items
