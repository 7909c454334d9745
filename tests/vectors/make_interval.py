"""Writes interval.json: decisions and the bytes that they must become.

Computed from the definition alone, with fractions and a search for the shortest string, sharing no
code with the library.  Run it from the repository's root:

    python tests/vectors/make_interval.py
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

TARGET = Path(__file__).with_name("interval.json")

Decision = tuple[int, int, int]  # start, freq, total


def numbers(name: str) -> itertools.chain[int]:
    """Endless 64-bit numbers that only depend on a name."""
    return itertools.chain.from_iterable(
        (
            int.from_bytes(hashlib.sha256(f"{name} {i}".encode()).digest()[at : at + 8], "big")
            for at in (0, 8, 16, 24)
        )
        for i in itertools.count()
    )


def shortest(decisions: list[Decision]) -> bytes:
    """The shortest, then smallest, string whose value is in the interval of the decisions."""
    low, width = Fraction(0), Fraction(1)
    for start, freq, total in decisions:
        low += width * Fraction(start, total)
        width *= Fraction(freq, total)
    for size in itertools.count():
        value = math.ceil(low * 256**size)
        if value < (low + width) * 256**size:
            return value.to_bytes(size, "big")
    raise AssertionError


def skewed(name: str, count: int, total_bits: int) -> list[Decision]:
    """Decisions of which most are likely and some are not."""
    source = numbers(name)
    decisions = []
    for _ in range(count):
        total = 2**total_bits - next(source) % 2 ** (total_bits - 2)
        share = next(source) % 12
        freq = max(1, total >> share) if next(source) % 3 else max(1, total - (total >> 6))
        decisions.append((next(source) % (total - freq + 1), freq, total))
    return decisions


def cases() -> dict[str, list[Decision]]:
    """Cases by name."""
    return {
        "nothing": [],
        "no choice": [(0, 7, 7), (0, 1, 1)],
        "always the first": [(0, 3, 5)] * 40,
        "always the last": [(2, 3, 5)] * 40,
        "three bytes as they are": [(0x12, 1, 256), (0x34, 1, 256), (0x56, 1, 256)],
        "a trailing zero byte is dropped": [(0x12, 1, 256), (0x34, 1, 256), (0, 1, 256)],
        "thirds": [(1, 1, 3), (2, 1, 3), (0, 1, 3), (1, 1, 3)],
        "just below a byte boundary": [(127, 1, 256), (255, 1, 256), (254, 2, 256)],
        "largest total": [(2**62 - 3, 1, 2**62 - 1), (1, 2**62 - 3, 2**62 - 1)],
        "tokens of a small model": skewed("small", 60, 41),
        "narrow totals": skewed("narrow", 90, 5),
        "wide totals": skewed("wide", 25, 61),
    }


def document() -> str:
    """The file's text."""
    entries = [
        {"name": name, "decisions": decisions, "bytes": shortest(decisions).hex()}
        for name, decisions in cases().items()
    ]
    lines = ",\n".join("  " + json.dumps(entry) for entry in entries)
    return f"[\n{lines}\n]\n"


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="ascii")
