"""From an authored recipe to a signed envelope, and every byte of it accounted for."""

from __future__ import annotations

from dataclasses import dataclass

from groundstation.authoring.result import Authored
from shared.auth.keys import SigningKey, profile_of
from shared.auth.profiles import Profile
from shared.message.codec_version import CODEC
from shared.message.envelope import sign
from shared.message.wire import encode_message


@dataclass(frozen=True)
class Sent:
    """An envelope and what its bytes are for.

    Attributes:
        authored: the recipe inside.
        counter: the message's counter.
        envelope: the bytes to transmit.
        profile: of the key that signed it.
    """

    authored: Authored
    counter: int
    envelope: bytes
    profile: Profile = Profile.ED25519

    @property
    def signature_bytes(self) -> int:
        """What authenticates the message, with TESLA without the later disclosure."""
        return self.profile.tail_bytes

    @property
    def overhead_bytes(self) -> int:
        """All bytes that are neither prompt, seed, delta nor signature."""
        return len(self.envelope) - self.authored.payload_bytes - self.signature_bytes

    def as_dict(self) -> dict[str, object]:
        """The account, for ``--json`` output."""
        authored = self.authored
        settings = authored.settings
        return {
            "patch_bytes": len(authored.patch),
            "prompt_bytes": authored.prompt_bytes,
            "seed_bytes": authored.seed_bytes,
            "delta_bytes": authored.delta_bytes,
            "payload_bytes": authored.payload_bytes,
            "overhead_bytes": self.overhead_bytes,
            "signature_bytes": self.signature_bytes,
            "total_bytes": len(self.envelope),
            "seed_source": authored.recipe.seed_source.name.lower(),
            "search_s": round(authored.search_s, 3),
            "counter": self.counter,
            "patch_digest": authored.recipe.patch_digest.hex(),
            "pin": authored.recipe.pin.hex(),
            "codec": CODEC,
            "baseline": authored.recipe.baseline.hex(),
            "prompt_bits": round(authored.prompt_bits, 2),
            "token_bits": round(authored.token_bits, 2),
            "bits_by_cause": {
                cause or "text": round(bits, 2) for cause, bits in authored.bits_of.items()
            },
            "tokens": authored.tokens,
            "surprises": authored.surprises,
            "candidates": authored.candidates,
            "interrupted": authored.interrupted,
            "moves": [
                {
                    "kind": move.kind,
                    "what": move.what,
                    "where": move.where,
                    "bits_before": round(move.bits_before, 2),
                    "bits_after": round(move.bits_after, 2),
                }
                for move in authored.moves
            ],
            "settings": {
                "shape": settings.shape.name.lower(),
                "lines_before": settings.lines_before,
                "lines_after": settings.lines_after,
                "recall_shift": settings.recall_shift,
                "inverse_temperature": settings.inverse_temperature,
            },
            "files": [
                {
                    "path": file.path,
                    "kind": file.kind,
                    "codec": file.codec,
                    "bits": round(file.bits, 2),
                    "classical_bytes": file.classical_bytes,
                    "hunks": file.hunks,
                    "references": [
                        {"path": path, "line": line, "lines": lines}
                        for path, line, lines in file.references
                    ],
                    "hint": file.hint,
                }
                for file in authored.files
            ],
        }


def send(authored: Authored, counter: int, key: SigningKey, identity: str = "") -> Sent:
    """Signs a recipe.

    Args:
        authored: the recipe.
        counter: above every counter sent to this probe before, below 2**32.
        key: the ground's key; of a chain, that of the interval in which it is sent.
        identity: of the probe; "" if it has none.
    """
    recipe = authored.recipe
    message = encode_message(recipe, counter)
    envelope = sign(message, recipe.pin, recipe.baseline, key, identity)
    return Sent(authored, counter, envelope, profile_of(key))
