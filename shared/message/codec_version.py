"""The version of everything that gives a stream its meaning, bound to the pin.

A stream is a list of decisions.  What each of them decides is fixed by code that both ends must
have alike: prompt shapes and their order, locus and path weights (``shared/prompts``), sampler,
coins and interval code (``shared/seeds``), frequencies (``shared/exact``), classical deltas
(``shared/diff/zstd_delta.py``) and the canonical patch (``shared/diff``).  ``CODEC`` is the version
of all that together.

Raise it with every change after which some message leads to another patch or is written in other
bytes; not with one that only changes which message the ground chooses, nor with one that only
makes either end faster.  A new pin or another arithmetic needs no new codec: the pin's digest
names both.  tests/test_golden_messages.py fails where it notices that raising was forgotten.

The name does not travel.  It stands for itself in ``binding``, which is signed and of which a
message carries a byte: docs/decisions/0006-codec-bound-to-the-pin.md.
"""

from __future__ import annotations

from shared.digest import DIGEST_BYTES, sha256

CODEC = "rehydration-codec/3"


def binding(pin: bytes) -> bytes:
    """What a message is bound to: a pin, read with this program's codec.

    The sha256 of the codec's name, a line feed and the pin's digest.

    Args:
        pin: digest of the model, 32 bytes.

    Returns:
        32 bytes.

    Raises:
        ValueError: the digest is not 32 bytes.
    """
    if len(pin) != DIGEST_BYTES:
        raise ValueError(f"a pin's digest of {len(pin)} bytes, not {DIGEST_BYTES}")
    return sha256(CODEC.encode("ascii"), b"\n", pin)
