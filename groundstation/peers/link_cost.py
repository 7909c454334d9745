"""What a payload costs on the link: the bytes around it, and the seconds that they take."""

from __future__ import annotations

from shared.auth.profiles import KEY_ID_BYTES
from shared.digest import DIGEST_BYTES
from shared.message.envelope import SIGNATURE_BYTES
from shared.message.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.message.wire import encode_message
from shared.seeds.coins import SeedSource

RATES_BITS_PER_S = (16, 160)
"""Uplink rates that costs are told for: a very distant probe, and ten times as much."""


def overhead_bytes(counter: int = 1) -> int:
    """Bytes of an envelope that are neither payload nor signature, for a payload in one piece.

    Args:
        counter: of the message; up to 255 it takes one byte.
    """
    empty = Recipe(
        pin=bytes(DIGEST_BYTES),
        baseline=bytes(DIGEST_BYTES),
        patch_digest=bytes(PATCH_DIGEST_BYTES),
        seed_source=SeedSource.GREEDY,
        stream=b"",
    )
    return KEY_ID_BYTES + len(encode_message(empty, counter))


def wire_bytes(payload_bytes: int) -> int:
    """Size of the envelope around a payload in one piece."""
    return overhead_bytes() + payload_bytes + SIGNATURE_BYTES


def link_seconds(size_bytes: float, bits_per_s: int) -> float:
    """Seconds to transmit these bytes alone: no frames, no coding, no light time."""
    return 8 * size_bytes / bits_per_s


def ratio(ours: float | None, theirs: float | None) -> float | None:
    """``ours / theirs``; None where one is missing or there is nothing to divide by."""
    return None if ours is None or not theirs else ours / theirs


def duration(seconds: float) -> str:
    """A duration for people: seconds, minutes or hours with three digits."""
    for limit, size, unit in ((100, 1, "s"), (6000, 60, "min")):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 3600:.3g} h" if seconds < 3.6e6 else f"{seconds / 3600:.0f} h"
