"""A recipe: everything the probe needs, beside what it already has, to write a patch itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from shared.digest import DIGEST_BYTES
from shared.seeds.coins import SeedSource, seed_from_bytes

PATCH_DIGEST_BYTES = 8
"""Enough against accidents, which is all it is for: the signature covers it against intent."""


class Kind(IntEnum):
    """What a message rehydrates into; the value is the wire code."""

    CODE = 0
    MEDIA = 1


@dataclass(frozen=True)
class Recipe:
    """What the ground authors; ``wire.encode_message`` makes it a message.

    Attributes:
        pin: sha256 that names the model, 32 bytes; both ends have it, it does not travel.
        baseline: sha256 that names the onboard tree, 32 bytes; does not travel either.
        patch_digest: the first 8 bytes of the sha256 of what must be regenerated.
        seed_source: where the coins of the token decisions come from.
        stream: interval code of the prompt decisions and, with coded seeds, of the tokens too.
        seed: the drawn number, big-endian without leading zero bytes; empty unless drawn.
        blobs: classical deltas and stored bytes, joined; the stream knows where each ends.
        kind: what the recipe is for.
    """

    pin: bytes
    baseline: bytes
    patch_digest: bytes
    seed_source: SeedSource
    stream: bytes
    seed: bytes = b""
    blobs: bytes = b""
    kind: Kind = Kind.CODE

    def __post_init__(self) -> None:
        """Checks what has one right form.

        Raises:
            ValueError: a digest has another length, the stream ends in a zero byte (then a shorter
                one says the same; of kind media it marks a residual and is allowed), or the seed
                is not in its shortest form or not wanted.
        """
        for name, size in (
            ("pin", DIGEST_BYTES),
            ("baseline", DIGEST_BYTES),
            ("patch_digest", PATCH_DIGEST_BYTES),
        ):
            if len(getattr(self, name)) != size:
                raise ValueError(f"{name} has {len(getattr(self, name))} bytes, not {size}")
        if self.stream[-1:] == b"\0" and self.kind is not Kind.MEDIA:
            raise ValueError("the stream ends in a zero byte")
        if self.seed and self.seed_source is not SeedSource.DRAWN:
            raise ValueError(f"a {self.seed_source.name.lower()} recipe has no seed")
        seed_from_bytes(self.seed)
