"""What a listening probe says: events as frozen values, as JSON lines and as telemetry packets.

A packet is a CCSDS space packet (133.0-B-2) of type telemetry without secondary header; its data is
56 bytes, big-endian (docs/listen.md has the table):

    version 2 (1) | event (1) | step (1) | exit code (1) | counter (4) | tokens (4)
    milliseconds (4) | resident memory, KiB (4) | disk left, KiB (4) | digest (8)
    time, Unix seconds (6) | processor milliseconds (4) | operations (8) | millijoules (4)
    CRC-16 of all before it (2)

Version 1 had 40 bytes, without the three fields before the CRC; it is still read.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum

from shared.ccsds.space_packet import SEQUENCE_MODULUS, SpacePacket, decode_packet, encode_packet
from shared.ccsds.tc_frame import fecf
from shared.errors import InputError, MalformedMessage
from shared.message.envelope import NO_COUNTER

VERSION = 2
DATA_BYTES = 56
PACKET_BYTES = 6 + DATA_BYTES
"""With the header of a space packet."""
NO_COUNTER_FIELD = 0xFFFFFFFF
"""Stands for "no counter": the message has none, or nobody could tell."""

NO_ENERGY_FIELD = 0xFFFFFFFF
"""Stands for "nobody said how to estimate it"."""

_FIELDS = struct.Struct(">BBBBIIIII8s6sIQI")
_FIELDS_1 = struct.Struct(">BBBBIIIII8s6s")
_MOST = 0xFFFFFFFE


class Event(IntEnum):
    """What happened."""

    READY = 0
    PROGRESS = 1
    APPLIED = 2
    REFUSED = 3
    HELD = 4
    PARKED = 5
    DISCLOSED = 6
    ROTATED = 7
    FRAMES = 8
    STORAGE = 9
    SETTLED = 10
    DRAWN = 11


@dataclass(frozen=True)
class Telemetry:
    """One event.

    Attributes:
        event: what happened.
        time_s: when, Unix seconds.
        step: number of the check that refused (shared/message/checks.py), 8 for regeneration, 9 for
        the
            regenerated patch's digest, 10 for the disk, 0 where none did.
        exit_code: of the refusal's family; 0 if there is none.
        counter: of the message, or on record; ``NO_COUNTER`` if there is none.
        tokens: read and written by the model so far.
        milliseconds: of regeneration, wall time.
        memory_kib: resident memory of the probe at its highest.
        disk_kib: what the disk has left.
        cpu_milliseconds: of regeneration, processor time of all threads.
        operations: multiply-adds of the model (``shared.exact.work``).
        millijoules: estimate of what regeneration took; None where nobody said how to estimate it.
        digest: first 8 bytes of: the new tree (APPLIED), the tree in place (READY, SETTLED), the
            pixels (DRAWN), else the bytes that came.
        reason: in words; not in the packet.
    """

    event: Event
    time_s: float = 0.0
    step: int = 0
    exit_code: int = 0
    counter: int = NO_COUNTER
    tokens: int = 0
    milliseconds: int = 0
    memory_kib: int = 0
    disk_kib: int = 0
    digest: bytes = bytes(8)
    reason: str = ""
    cpu_milliseconds: int = 0
    operations: int = 0
    millijoules: int | None = None


def json_line(telemetry: Telemetry) -> bytes:
    """An event as one line of JSON."""
    counter = None if telemetry.counter == NO_COUNTER else telemetry.counter
    facts = {
        "event": telemetry.event.name.lower(),
        "time_s": telemetry.time_s,
        "step": telemetry.step,
        "exit_code": telemetry.exit_code,
        "counter": counter,
        "tokens": telemetry.tokens,
        "milliseconds": telemetry.milliseconds,
        "cpu_milliseconds": telemetry.cpu_milliseconds,
        "operations": telemetry.operations,
        "millijoules": telemetry.millijoules,
        "memory_kib": telemetry.memory_kib,
        "disk_kib": telemetry.disk_kib,
        "digest": telemetry.digest.hex(),
        "reason": telemetry.reason,
    }
    return json.dumps(facts, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def packet(telemetry: Telemetry, apid: int, sequence_count: int) -> bytes:
    """An event as a space packet of 62 bytes.

    Args:
        telemetry: the event; numbers that do not fit are sent as the largest that do.
        apid: application process of the probe, 0 to 2046.
        sequence_count: counts the packets; taken modulo 16,384.

    Raises:
        InputError: the application process does not fit.
    """
    none = telemetry.counter == NO_COUNTER
    numbers = (telemetry.tokens, telemetry.milliseconds, telemetry.memory_kib, telemetry.disk_kib)
    if len(telemetry.digest) != 8:
        raise InputError(f"{len(telemetry.digest)} bytes of a digest", expected="8")
    body = _FIELDS.pack(
        VERSION,
        telemetry.event,
        telemetry.step,
        telemetry.exit_code,
        NO_COUNTER_FIELD if none else telemetry.counter,
        *map(_fitting, numbers),
        telemetry.digest,
        int(telemetry.time_s).to_bytes(6, "big"),
        _fitting(telemetry.cpu_milliseconds),
        min(max(telemetry.operations, 0), (1 << 64) - 1),
        NO_ENERGY_FIELD if telemetry.millijoules is None else _fitting(telemetry.millijoules),
    )
    data = body + fecf(body)
    count = sequence_count % SEQUENCE_MODULUS
    return encode_packet(SpacePacket(apid, data, count, telecommand=False))


def _fitting(number: int) -> int:
    return min(max(number, 0), _MOST)


def read_packet(data: bytes) -> Telemetry:
    """The event of a packet, without its reason; what a ground station or a test bench needs.

    Raises:
        MalformedMessage: it is none, or was damaged on the way.
    """
    found = decode_packet(data)
    body, check = found.data[:-2], found.data[-2:]
    fields = {1: _FIELDS_1, VERSION: _FIELDS}.get(body[0] if body else 0)
    if found.telecommand or fields is None or len(body) != fields.size:
        raise MalformedMessage(
            f"a space packet with {len(found.data)} bytes of data",
            expected=f"telemetry of version {VERSION} with {DATA_BYTES}, or of version 1 with 40",
        )
    if fecf(body) != check:
        raise MalformedMessage("a telemetry packet whose CRC does not fit", expected=check.hex())
    values = fields.unpack(body)
    if fields is _FIELDS_1:
        values += (0, 0, NO_ENERGY_FIELD)
    _, event, step, code, counter, tokens, milliseconds, memory, disk, digest, when = values[:11]
    cpu_milliseconds, operations, millijoules = values[11:]
    if event not in set(Event):
        raise MalformedMessage(f"event {event} in telemetry", expected=f"at most {max(Event)}")
    return Telemetry(
        event=Event(event),
        time_s=float(int.from_bytes(when, "big")),
        step=step,
        exit_code=code,
        counter=NO_COUNTER if counter == NO_COUNTER_FIELD else counter,
        tokens=tokens,
        milliseconds=milliseconds,
        memory_kib=memory,
        disk_kib=disk,
        digest=digest,
        cpu_milliseconds=cpu_milliseconds,
        operations=operations,
        millijoules=None if millijoules == NO_ENERGY_FIELD else millijoules,
    )
