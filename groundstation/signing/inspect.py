"""What an envelope holds, field by field; needs no key and trusts nothing."""

from __future__ import annotations

from dataclasses import dataclass

from groundstation.signing.given_envelope import taken_apart
from shared.auth.profiles import INTERVAL_BYTES, KEY_ID_BYTES, Profile
from shared.auth.tags import interval_of
from shared.digest import sha256
from shared.message.codec_version import CODEC
from shared.message.envelope import Envelope
from shared.message.wire import pieces
from shared.seeds.coins import SeedSource, seed_from_bytes

_SHOWN_BYTES = 16
_SIGNATURES = {
    Profile.ED25519: "Ed25519",
    Profile.CMAC16: "AES-256-CMAC",
    Profile.CMAC8: "AES-256-CMAC, the first 8 bytes",
    Profile.TESLA: "AES-128-CMAC, the first 8 bytes; its key comes later",
}


@dataclass(frozen=True)
class FieldView:
    """One field of an envelope.

    Attributes:
        name: as in docs/wire-format.md.
        offset: of its first byte in the file.
        data: its bytes.
        meaning: for people.
    """

    name: str
    offset: int
    data: bytes
    meaning: str


@dataclass(frozen=True)
class Inspection:
    """An envelope laid open.

    Attributes:
        envelope: taken apart, not verified.
        fields: all of them, in order; joined they are the file.
        sha256: of the file.
    """

    envelope: Envelope
    fields: tuple[FieldView, ...]
    sha256: bytes

    @property
    def total_bytes(self) -> int:
        """Size of the file."""
        return sum(len(field.data) for field in self.fields)

    @property
    def signature_bytes(self) -> int:
        """What stands behind the message."""
        return self.envelope.profile.tail_bytes

    @property
    def overhead_bytes(self) -> int:
        """What is neither stream, seed, blobs nor signature."""
        message = self.envelope.message
        payload = len(message.stream) + len(message.seed) + len(message.blobs)
        return self.total_bytes - payload - self.signature_bytes

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        message = self.envelope.message
        return {
            "total_bytes": self.total_bytes,
            "overhead_bytes": self.overhead_bytes,
            "signature_bytes": self.signature_bytes,
            "stream_bytes": len(message.stream),
            "seed_bytes": len(message.seed),
            "blobs_bytes": len(message.blobs),
            "version": message.version,
            "kind": message.kind.name.lower(),
            "seed_source": message.seed_source.name.lower(),
            "counter": message.counter,
            "key_id": f"{self.envelope.key_id:02x}",
            "pin_prefix": message.pin_prefix.hex(),
            "own_codec": CODEC,
            "baseline_prefix": message.baseline_prefix.hex(),
            "patch_digest": message.patch_digest.hex(),
            "sha256": self.sha256.hex(),
            "fields": [
                {
                    "name": field.name,
                    "offset": field.offset,
                    "bytes": len(field.data),
                    "hex": field.data.hex(),
                    "meaning": field.meaning,
                }
                for field in self.fields
            ],
        }

    def lines(self) -> list[str]:
        """A table for people: offset, size, name, bytes, meaning."""
        rows = [
            f"{'offset':>6} {'bytes':>6}  {'field':<15}  {'hex':<{2 * _SHOWN_BYTES + 3}}  meaning"
        ]
        for field in self.fields:
            shown = field.data[:_SHOWN_BYTES].hex() + "..." * (len(field.data) > _SHOWN_BYTES)
            rows.append(
                f"{field.offset:>6} {len(field.data):>6}  {field.name:<15}  "
                f"{shown:<{2 * _SHOWN_BYTES + 3}}  {field.meaning}"
            )
        rows.append(
            f"{self.total_bytes} bytes: {self.overhead_bytes} overhead, "
            f"{self.signature_bytes} signature, "
            f"{self.total_bytes - self.overhead_bytes - self.signature_bytes} payload; "
            "the signature is not checked here"
        )
        rows.append(
            f"this program has {CODEC}; the pin prefix tells whether the message has: compare it "
            "with `model info` or `probe status`"
        )
        return rows


def inspect_envelope(data: bytes, profile: Profile = Profile.ED25519) -> Inspection:
    """Lays an envelope open.

    Args:
        data: the envelope.
        profile: of the key that signed it, which does not show.

    Raises:
        MalformedMessage: the bytes are no envelope.
        UnsupportedVersion: a version or feature that this program does not know.
    """
    envelope = taken_apart(data, profile)
    split = INTERVAL_BYTES if profile is Profile.TESLA else 0
    named = [
        ("key id", data[:KEY_ID_BYTES]),
        *pieces(envelope.message),
        *([("interval", envelope.signature[:split])] if split else []),
        ("signature", envelope.signature[split:]),
    ]
    fields = []
    offset = 0
    for name, part in named:
        fields.append(FieldView(name, offset, part, _meaning(name, envelope)))
        offset += len(part)
    return Inspection(envelope, tuple(fields), sha256(data))


def _meaning(name: str, envelope: Envelope) -> str:
    message = envelope.message
    source = message.seed_source.name.lower()
    coded = message.seed_source is SeedSource.CODED
    blobs = "with blobs" if message.blobs else "no blobs"
    return {
        "key id": "first byte of the public key's sha256"
        if envelope.profile is Profile.ED25519
        else "first byte of the key's fingerprint",
        "head": f"version {message.version}, {message.kind.name.lower()}, {source} seed, {blobs}",
        "counter": str(message.counter),
        "pin prefix": "first byte of a digest of codec and model",
        "baseline prefix": "first byte of the onboard tree's digest",
        "patch digest": "first bytes of the sha256 of what is regenerated",
        "seed": str(seed_from_bytes(message.seed)),
        "stream size": str(len(message.stream)),
        "stream": "prompt and coded seed" if coded else "prompt",
        "blobs": "classical deltas and stored bytes",
        "interval": str(interval_of(envelope.signature)),
        "signature": _SIGNATURES[envelope.profile],
    }[name]
