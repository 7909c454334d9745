"""The bytes of a message: one encoding for each, and no other is accepted.

    head | counter | pin prefix | baseline prefix | patch digest [| seed] [| stream size] | stream
    [| blobs]

The layout, what each byte is for and a worked example are in docs/wire-format.md.  Output bytes
are an interface: a change here is a new version in the head.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import MalformedMessage, UnsupportedVersion
from shared.message.codec_version import binding
from shared.message.recipe import PATCH_DIGEST_BYTES, Kind, Recipe
from shared.seeds.coins import SeedSource, seed_from_bytes, seed_to_bytes

WIRE_VERSION = 1
PIN_PREFIX_BYTES = 1
BASELINE_PREFIX_BYTES = 1
MAX_COUNTER = 2**32 - 1

_VERSION_SHIFT = 6
_KIND_SHIFT = 5
_SOURCE_SHIFT = 3
_BLOBS_BIT = 1 << 2
_COUNTER_SIZE_MASK = 3  # bytes of the counter, less one
_MAX_VARINT = 2**64 - 1


@dataclass(frozen=True)
class Message:
    """A message as it was read; nothing in it is trusted before its signature is.

    Attributes:
        version: of the wire format.
        kind: what it rehydrates into.
        seed_source: where the coins of the token decisions come from.
        counter: must rise from message to message.
        pin_prefix: the first byte of what binds it to pin and codec (``codec.binding``).
        baseline_prefix: the first byte of the baseline's digest.
        patch_digest: the first 8 bytes of the sha256 of what must be regenerated.
        stream: see ``Recipe``.
        seed: see ``Recipe``.
        blobs: see ``Recipe``.
    """

    version: int
    kind: Kind
    seed_source: SeedSource
    counter: int
    pin_prefix: bytes
    baseline_prefix: bytes
    patch_digest: bytes
    stream: bytes
    seed: bytes
    blobs: bytes


def encode_message(recipe: Recipe, counter: int) -> bytes:
    """The message of a recipe.

    Raises:
        ValueError: the counter is not in [0, 2**32).
    """
    if not 0 <= counter <= MAX_COUNTER:
        raise ValueError(f"counter {counter} is not in [0, 2**32)")
    return _joined(
        Message(
            version=WIRE_VERSION,
            kind=recipe.kind,
            seed_source=recipe.seed_source,
            counter=counter,
            pin_prefix=binding(recipe.pin)[:PIN_PREFIX_BYTES],
            baseline_prefix=recipe.baseline[:BASELINE_PREFIX_BYTES],
            patch_digest=recipe.patch_digest,
            stream=recipe.stream,
            seed=recipe.seed,
            blobs=recipe.blobs,
        )
    )


def decode_message(data: bytes) -> Message:
    """Reads a message that must be in its one encoding.

    Raises:
        MalformedMessage: cut short, or not in the shortest form.
        UnsupportedVersion: another version, or a seed source that this version has not.
    """
    rest = _Rest(data)
    head = rest.take(1, "head")[0]
    version, source = head >> _VERSION_SHIFT, head >> _SOURCE_SHIFT & 3
    if version != WIRE_VERSION:
        raise UnsupportedVersion(
            f"the message has wire version {version}",
            expected=f"version {WIRE_VERSION}",
            remedy="author it for the version that the probe runs, or update the probe first",
        )
    if source not in set(SeedSource):
        raise UnsupportedVersion(
            f"the message names seed source {source}",
            expected="0 (greedy), 1 (drawn) or 2 (coded)",
            remedy="author it for the version that the probe runs, or update the probe first",
        )
    seed_source = SeedSource(source)
    counter = int.from_bytes(rest.take((head & _COUNTER_SIZE_MASK) + 1, "counter"), "big")
    pin_prefix = rest.take(PIN_PREFIX_BYTES, "pin prefix")
    baseline_prefix = rest.take(BASELINE_PREFIX_BYTES, "baseline prefix")
    patch_digest = rest.take(PATCH_DIGEST_BYTES, "patch digest")
    seed = seed_to_bytes(rest.varint("seed")) if seed_source is SeedSource.DRAWN else b""
    has_blobs = head & _BLOBS_BIT
    stream = rest.take(rest.varint("stream size") if has_blobs else len(rest), "stream")
    kind = Kind(head >> _KIND_SHIFT & 1)
    if stream[-1:] == b"\0" and kind is not Kind.MEDIA:  # there the mark of a residual
        raise MalformedMessage(
            "the stream ends in a zero byte", expected="the shortest stream, without it"
        )
    message = Message(
        version=version,
        kind=kind,
        seed_source=seed_source,
        counter=counter,
        pin_prefix=pin_prefix,
        baseline_prefix=baseline_prefix,
        patch_digest=patch_digest,
        stream=stream,
        seed=seed,
        blobs=rest.take(len(rest), "blobs"),
    )
    # One rule for every other way to say the same in other bytes: long counters, long sizes, a
    # blobs bit without blobs.
    if _joined(message) != data:
        raise MalformedMessage("the message is not in its shortest form")
    return message


def pieces(message: Message) -> tuple[tuple[str, bytes], ...]:
    """The fields in the order in which they travel, with their bytes; absent fields are left out.

    Joined they are the message; ``inspect`` shows them one by one.
    """
    counter = message.counter.to_bytes(max(1, (message.counter.bit_length() + 7) // 8), "big")
    head = (
        message.version << _VERSION_SHIFT
        | message.kind << _KIND_SHIFT
        | message.seed_source << _SOURCE_SHIFT
        | (_BLOBS_BIT if message.blobs else 0)
        | (len(counter) - 1)
    )
    fields = [
        ("head", bytes([head])),
        ("counter", counter),
        ("pin prefix", message.pin_prefix),
        ("baseline prefix", message.baseline_prefix),
        ("patch digest", message.patch_digest),
    ]
    if message.seed_source is SeedSource.DRAWN:
        fields.append(("seed", _varint(seed_from_bytes(message.seed))))
    if message.blobs:
        fields.append(("stream size", _varint(len(message.stream))))
    fields.append(("stream", message.stream))
    if message.blobs:
        fields.append(("blobs", message.blobs))
    return tuple(fields)


def _joined(message: Message) -> bytes:
    return b"".join(data for _, data in pieces(message))


def _varint(value: int) -> bytes:
    """Seven bits a byte, lowest first, the top bit set on all but the last (LEB128)."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Rest:
    """What of the bytes is not read yet."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def __len__(self) -> int:
        return len(self._data) - self._offset

    def take(self, size: int, name: str) -> bytes:
        if size > len(self):
            raise MalformedMessage(
                f"the message ends inside its {name}, at byte {len(self._data)}",
                expected=f"{size} bytes from byte {self._offset}",
            )
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def varint(self, name: str) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1, name)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
        else:
            value = _MAX_VARINT + 1
        if value > _MAX_VARINT:
            raise MalformedMessage(f"the {name} is too large", expected="at most 2**64 - 1")
        return value
