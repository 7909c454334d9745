"""What a stranger sends: datagrams without end, each attack by its name."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from shared.auth.profiles import DISCLOSURE_BYTES
from shared.ccsds.cltu import encode_cltu
from shared.ccsds.coding import bch
from shared.ccsds.link import build_frame, data_fields, send
from shared.ccsds.segmentation import decode_segment, encode_segment
from shared.ccsds.space_packet import PACKET_HEADER_BYTES
from shared.ccsds.stack import Stack

HONEST = Stack(max_frame_bytes=80)
"""Segments without numbers, the harder case to tell apart."""
WHOLE = Stack()

Attack = Callable[[bytes, random.Random], Iterator[bytes]]
"""Datagrams, given the honest envelope and a source of randomness."""


def nothing(_: bytes, __: random.Random) -> Iterator[bytes]:
    """The undisturbed run."""
    return iter(())


def starts(_: bytes, __: random.Random) -> Iterator[bytes]:
    """Start sequences, 520 bytes of them in a datagram."""
    return itertools.repeat(WHOLE.channel.start_sequence * 260)


def codeblocks(_: bytes, choose: random.Random) -> Iterator[bytes]:
    """One start sequence, then valid codewords without end."""
    yield WHOLE.channel.start_sequence
    while True:
        data = np.frombuffer(choose.randbytes(7 * 65), np.uint8).reshape(-1, 7)
        yield bch.encode(data).tobytes()


def noise(_: bytes, choose: random.Random) -> Iterator[bytes]:
    """Random bytes."""
    while True:
        yield choose.randbytes(520)


def fill(_: bytes, __: random.Random) -> Iterator[bytes]:
    """A CLTU of zeros, which once was answered by a thousand datagrams."""
    return itertools.repeat(encode_cltu(bytes(1020), WHOLE.channel))


def forged_segments(envelope: bytes, choose: random.Random) -> Iterator[bytes]:
    """Copies of the honest segments with other data, packet header kept."""
    fields = data_fields(envelope, HONEST)
    while True:
        for index, field in enumerate(fields):
            segment = decode_segment(field)
            kept = 0 if index else PACKET_HEADER_BYTES
            data = segment.data[:kept] + choose.randbytes(len(segment.data) - kept)
            frame = build_frame(encode_segment(replace(segment, data=data)), HONEST)
            yield encode_cltu(frame, HONEST.channel)


def forged_messages(envelope: bytes, choose: random.Random) -> Iterator[bytes]:
    """Whole envelopes whose signature does not fit: they may follow one still to come."""
    while True:
        yield send(envelope[:-8] + choose.randbytes(8), WHOLE)[0]


def forged_disclosures(_: bytes, choose: random.Random) -> Iterator[bytes]:
    """Keys of a chain that nobody has."""
    while True:
        yield send(choose.randbytes(DISCLOSURE_BYTES), WHOLE)[0]


ATTACKS: dict[str, Attack] = {
    "undisturbed": nothing,
    "start sequences": starts,
    "endless valid codewords": codeblocks,
    "noise": noise,
    "frames of zeros": fill,
    "forged copies of segments": forged_segments,
    "forged messages": forged_messages,
    "forged disclosures": forged_disclosures,
}
