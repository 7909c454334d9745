"""The communications link control word: what the probe's FARM reports to the ground, in 4 bytes.

    type 0 (1 bit) | version 0 (2) | status (3) | COP in effect 1 (2) | VCID (6) | spare 0 (2)
    no RF (1) | no bit lock (1) | lockout (1) | wait (1) | retransmit (1) | FARM-B counter (2)
    spare 0 (1) | report value N(R) (8)

Source: CCSDS 232.0-B-4, 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import MalformedMessage

CLCW_BYTES = 4

_COP_1 = 1 << 24
_FIXED = 1 << 31 | 3 << 29 | 3 << 24 | 3 << 16 | 1 << 8
"""Bits that have one value each in a CLCW of COP-1: type, version, COP in effect, spares."""


@dataclass(frozen=True)
class Clcw:
    """A report.

    Attributes:
        report_value: N(R), the number of the frame that FARM expects next, 0 to 255.
        vcid: virtual channel, 0 to 63.
        lockout: FARM accepts no AD frame until it is unlocked.
        wait: FARM has no room for a frame now.
        retransmit: frames were lost or refused: send again from N(R).
        farm_b_counter: accepted BD and BC frames, modulo 4.
        no_rf: the physical channel is not available.
        no_bit_lock: the demodulator has no bit lock.
        status: 0 to 7, for the mission's own use.

    Raises:
        ValueError: a field does not fit.
    """

    report_value: int
    vcid: int = 0
    lockout: bool = False
    wait: bool = False
    retransmit: bool = False
    farm_b_counter: int = 0
    no_rf: bool = False
    no_bit_lock: bool = False
    status: int = 0

    def __post_init__(self) -> None:
        for name, value, bits in (
            ("report value", self.report_value, 8),
            ("VCID", self.vcid, 6),
            ("FARM-B counter", self.farm_b_counter, 2),
            ("status", self.status, 3),
        ):
            if not 0 <= value < 1 << bits:
                raise ValueError(f"{name} {value} does not fit {bits} bits")


def encode_clcw(clcw: Clcw) -> bytes:
    """The 4 bytes of a report."""
    word = (
        clcw.status << 26
        | _COP_1
        | clcw.vcid << 18
        | clcw.no_rf << 15
        | clcw.no_bit_lock << 14
        | clcw.lockout << 13
        | clcw.wait << 12
        | clcw.retransmit << 11
        | clcw.farm_b_counter << 9
        | clcw.report_value
    )
    return word.to_bytes(CLCW_BYTES, "big")


def decode_clcw(data: bytes) -> Clcw:
    """The report that 4 bytes are.

    Raises:
        MalformedMessage: not 4 bytes, another version, another COP, or spare bits set.
    """
    if len(data) != CLCW_BYTES:
        raise MalformedMessage(f"a CLCW of {len(data)} bytes", expected=f"{CLCW_BYTES}")
    word = int.from_bytes(data, "big")
    if word & _FIXED != _COP_1:
        raise MalformedMessage(
            f"{data.hex()} is no CLCW", expected="type 0, version 0, COP-1, spare bits 0"
        )
    return Clcw(
        report_value=word & 0xFF,
        vcid=word >> 18 & 0x3F,
        lockout=bool(word >> 13 & 1),
        wait=bool(word >> 12 & 1),
        retransmit=bool(word >> 11 & 1),
        farm_b_counter=word >> 9 & 3,
        no_rf=bool(word >> 15 & 1),
        no_bit_lock=bool(word >> 14 & 1),
        status=word >> 26 & 7,
    )
