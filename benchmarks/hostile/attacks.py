"""What a stranger sends: pieces without end, each attack by its name."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benchmarks.hostile.cargo import Cargo
from probe.reception.framing import slip
from shared.auth.keys import key_id
from shared.auth.profiles import DISCLOSURE_BYTES
from shared.auth.rotation import encode_rotation
from shared.auth.tesla import ChainKey, Disclosure, encode_disclosure
from shared.ccsds.cltu import encode_cltu
from shared.ccsds.coding import bch
from shared.ccsds.link import build_frame, data_fields, send
from shared.ccsds.segmentation import decode_segment, encode_segment
from shared.ccsds.space_packet import PACKET_HEADER_BYTES
from shared.ccsds.stack import Stack

HONEST = Stack(max_frame_bytes=80)
"""Segments without numbers, the harder case to tell apart."""
WHOLE = Stack()
SMALL_ORDER = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")
"""A public key of order 8: signatures that fit one message in eight need no secret."""


@dataclass(frozen=True)
class Target:
    """What a stranger knows: all but the secrets.

    Attributes:
        cargo: keys in it are used for what was made public only.
        envelope: the honest message that is about to be sent.
        counter: its counter.
        choose: randomness.
    """

    cargo: Cargo
    envelope: bytes
    counter: int
    choose: random.Random


Attack = Callable[[Target], Iterator[bytes]]


def nothing(_: Target) -> Iterator[bytes]:
    """The undisturbed run."""
    return iter(())


# --- frames -------------------------------------------------------------------------------------


def starts(_: Target) -> Iterator[bytes]:
    """Start sequences, 520 bytes of them in a datagram."""
    return itertools.repeat(WHOLE.channel.start_sequence * 260)


def codeblocks(target: Target) -> Iterator[bytes]:
    """One start sequence, then valid codewords without end."""
    yield WHOLE.channel.start_sequence
    while True:
        data = np.frombuffer(target.choose.randbytes(7 * 65), np.uint8).reshape(-1, 7)
        yield bch.encode(data).tobytes()


def noise(target: Target) -> Iterator[bytes]:
    """Random bytes."""
    while True:
        yield target.choose.randbytes(520)


def fill(_: Target) -> Iterator[bytes]:
    """A CLTU of zeros, which once was answered by a thousand datagrams."""
    return itertools.repeat(encode_cltu(bytes(1020), WHOLE.channel))


def forged_segments(target: Target) -> Iterator[bytes]:
    """Copies of the honest segments with other data, packet header kept."""
    fields = data_fields(target.envelope, HONEST)
    while True:
        for index, field in enumerate(fields):
            segment = decode_segment(field)
            kept = 0 if index else PACKET_HEADER_BYTES
            data = segment.data[:kept] + target.choose.randbytes(len(segment.data) - kept)
            frame = build_frame(encode_segment(replace(segment, data=data)), HONEST)
            yield encode_cltu(frame, HONEST.channel)


def framed(attack: Attack) -> Attack:
    """Messages of another attack, each in a CLTU."""
    return lambda target: (send(data, WHOLE)[0] for data in attack(target))


def in_slip(attack: Attack) -> Attack:
    """Messages of another attack, on a stream."""
    return lambda target: map(slip, attack(target))


def small(attack: Attack, size: int = 52) -> Attack:
    """Another attack in pieces as small as a stream brings them."""

    def cut(target: Target) -> Iterator[bytes]:
        for data in attack(target):
            yield from (data[at : at + size] for at in range(0, len(data), size))

    return cut


# --- messages -----------------------------------------------------------------------------------


def forged_messages(target: Target) -> Iterator[bytes]:
    """The honest message with another signature: it may follow one still to come."""
    while True:
        yield target.envelope[:-8] + target.choose.randbytes(8)


def many_counters(target: Target) -> Iterator[bytes]:
    """Messages of a stranger under every counter that is free."""
    for number in itertools.count():
        yield target.cargo.forged(target.cargo.recipes[number % 2], target.counter + number % 1000)


def pictures(target: Target) -> Iterator[bytes]:
    """Messages that name a generator which is on board."""
    for number in itertools.count():
        yield target.cargo.forged(target.cargo.picture, target.counter + number % 1000)


def rotations(target: Target) -> Iterator[bytes]:
    """Changes of keys, to a stranger's and signed by it, that name the key that is trusted."""
    cargo = target.cargo
    for number in itertools.count():
        keys = [cargo.stranger.public_key()]
        data = encode_rotation(keys, target.counter + number % 1000, cargo.stranger)
        yield bytes([key_id(cargo.key.public_key())]) + data[1:]


def small_orders(target: Target) -> Iterator[bytes]:
    """Changes of keys to one of small order, and signatures that fit such a key."""
    cargo, weak = target.cargo, Ed25519PublicKey.from_public_bytes(SMALL_ORDER)
    neutral = b"\x01" + bytes(63)
    for number in itertools.count():
        data = encode_rotation([weak], target.counter + number % 1000, cargo.stranger)
        yield bytes([key_id(cargo.key.public_key())]) + data[1:-64] + neutral
        yield target.envelope[:-64] + neutral


# --- chains -------------------------------------------------------------------------------------


def forged_disclosures(target: Target) -> Iterator[bytes]:
    """Keys of a chain that nobody has, for the interval that is due."""
    number, cargo = key_id(target.cargo.chain.commitment), target.cargo
    while True:
        shown = ChainKey(max(cargo.interval() - 1, 1), target.choose.randbytes(16))
        data = encode_disclosure(Disclosure(number, shown))
        yield data if target.choose.random() < 0.9 else target.choose.randbytes(DISCLOSURE_BYTES)


def known_disclosures(target: Target) -> Iterator[bytes]:
    """Keys that are public."""
    while True:
        yield target.cargo.disclosure(max(target.cargo.interval() - 2, 1))


def early_disclosures(target: Target) -> Iterator[bytes]:
    """Authentic keys of intervals that have not begun, as if somebody had stolen them."""
    while True:
        yield target.cargo.disclosure(target.cargo.interval() + 500)


def held_messages(target: Target) -> Iterator[bytes]:
    """Messages of the interval that nobody can check before its key is public."""
    cargo = target.cargo
    for number in itertools.count():
        key = cargo.interval_key(cargo.interval())
        yield cargo.envelope(0, target.counter + number % 1000, key)[:-8] + target.choose.randbytes(
            8
        )
