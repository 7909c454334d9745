"""A signed batch: records for the key-value store of an edge, all of them or none.

    key id (1) | head (1) | counter (4) | generator (32) | [size | file] | entries | tail
    entry: shared | size | end of the name | size | record

Head is 0x10, or 0x11 if the generator's own file comes along.  Sizes are varints (LEB128).  Names
are in ascending order of their UTF-8 bytes; ``shared`` is how many of them a name has in common
with the one before it.  A record of no bytes takes the name away.  There is one encoding of a
batch and no other is accepted.

The tail is that of envelopes (``shared.auth``), under a domain of its own.  It also covers the
sha256 of the *site*, a text that publisher and edge agree on and that does not travel: what was
signed for a rehearsal is no good in production.  docs/edge.md has all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.auth.keys import (
    SharedKey,
    SigningKey,
    TrustedKey,
    key_id,
    profile_of,
    trusted,
)
from shared.auth.profiles import KEY_ID_BYTES, Profile
from shared.auth.tags import fits, make_tail
from shared.auth.tesla import Commitment
from shared.digest import DIGEST_BYTES, sha256
from shared.errors import (
    BadSignature,
    InputError,
    MalformedMessage,
    OversizedMessage,
    UnknownKey,
    UnsupportedVersion,
)
from shared.media.container import generator_digest
from shared.media.message import decode_record
from shared.media.names import MAX_BATCH_BYTES, MAX_NAME_BYTES, normal_name
from shared.message.envelope import NO_COUNTER, Limits, check_number
from shared.message.wire import MAX_COUNTER

_HEAD: Final = 0x10
_WITH_FILE: Final = 0x01
_COUNTER_BYTES: Final = 4
_FIXED: Final = KEY_ID_BYTES + 1 + _COUNTER_BYTES + DIGEST_BYTES

BatchKey = Ed25519PublicKey | SharedKey
"""What checks a batch."""


@dataclass(frozen=True)
class Batch:
    """What an edge is to store.

    Attributes:
        generator: digest of the generator that draws the prompts, 32 bytes.
        counter: must rise from batch to batch.
        records: the bytes of ``shared.media.message.encode_record`` by normal name; none to remove.
        file: the generator's file, or empty where the edge has it.
    """

    generator: bytes
    counter: int
    records: Mapping[str, bytes]
    file: bytes = b""


def sign_batch(batch: Batch, site: str, key: SigningKey) -> bytes:
    """The bytes of a batch.

    Args:
        batch: what to send.
        site: for which edges.
        key: of any profile but TESLA, whose tags cannot be checked when they come.

    Raises:
        InputError: the batch has something that no edge takes; or the key is of a chain.
    """
    profile = profile_of(key)
    if profile is Profile.TESLA:
        raise InputError(
            "a batch cannot be signed with a TESLA chain: an edge answers at once",
            expected="a key of the profile ed25519, cmac16 or cmac8",
            remedy="make one with `groundstation keygen`",
        )
    for name, record in batch.records.items():
        if normal_name(name) != name:
            raise InputError(f"the name {name!r} is not in its normal form")
        if record:
            decode_record(record)
    if batch.file and generator_digest(batch.file) != batch.generator:
        raise InputError("the generator's file is not the one that the batch names")
    covered = bytes([key_id(trusted(key))]) + _body(batch)
    return covered + make_tail(key, _signed(covered, site, profile))


def open_batch(
    data: bytes,
    keys: Sequence[TrustedKey],
    site: str,
    *,
    last_counter: int = NO_COUNTER,
    limits: Limits | None = None,
    max_bytes: int = MAX_BATCH_BYTES,
) -> Batch:
    """Every check that needs no generator, cheapest first; nothing unsigned is parsed.

    Args:
        data: what came.
        keys: whom the edge trusts.
        site: the edge's.
        last_counter: the last one accepted.
        limits: how far a counter may jump.
        max_bytes: longer batches are refused.

    Raises:
        Refusal: the family member named by the step that failed.
    """
    # 1. size
    if len(data) > max_bytes:
        raise OversizedMessage(
            f"the batch has {len(data)} bytes",
            expected=f"at most {max_bytes}",
            remedy="publish fewer records at a time, or raise the edge's limit",
        )
    # 2. key
    named = _keys_named(data, keys)
    # 3. signature
    covered = _authentic(data, named, site)
    # 4. counter
    start = KEY_ID_BYTES + 1
    counter = int.from_bytes(covered[start : start + _COUNTER_BYTES], "big")
    if covered[KEY_ID_BYTES] & ~_WITH_FILE != _HEAD:
        raise UnsupportedVersion(
            f"a batch with head {covered[KEY_ID_BYTES]:#04x}",
            expected=f"{_HEAD:#04x} or {_HEAD | _WITH_FILE:#04x}",
            remedy="update the edge",
        )
    check_number(counter, last_counter, limits or Limits())
    # 5. form
    batch = _parsed(covered, counter)
    if _body(batch) != covered[KEY_ID_BYTES:]:
        raise MalformedMessage("the batch is not in its one encoding")
    return batch


def _keys_named(data: bytes, keys: Sequence[TrustedKey]) -> list[BatchKey]:
    if not data:
        raise MalformedMessage("the batch is empty", remedy="publish it again")
    usable = [key for key in keys if not isinstance(key, Commitment)]
    named = [key for key in usable if data[:1] == bytes([key_id(key)])]
    if not named:
        known = ", ".join(sorted(f"{key_id(key):#04x}" for key in usable)) or "none"
        raise UnknownKey(
            f"the batch names key {data[0]:#04x}",
            expected=f"a trusted key: {known}",
            remedy="sign with a key that the edge trusts, of another profile than tesla",
        )
    return named


def _authentic(data: bytes, keys: Sequence[BatchKey], site: str) -> bytes:
    """All but the tail, if one of the keys signed it for this site."""
    for key in keys:
        profile = profile_of(key)
        covered, tail = data[: -profile.tail_bytes], data[-profile.tail_bytes :]
        if len(covered) < _FIXED:
            continue
        if fits(key, tail, _signed(covered, site, profile)):
            return covered
    if len(data) < _FIXED + min(profile_of(key).tail_bytes for key in keys):
        raise MalformedMessage(f"{len(data)} bytes are no batch", expected="a whole one")
    raise BadSignature(
        "the signature does not fit the batch and this edge's site",
        expected=f"one by key {data[0]:#04x} over exactly these bytes, for the site {site!r}",
        remedy="publish it again, with the --site that the edge was started with",
    )


def _signed(covered: bytes, site: str, profile: Profile) -> bytes:
    name = "" if profile is Profile.ED25519 else f"/{profile.value}"
    domain = f"rehydration-uplink/batch/1{name}\n".encode("ascii")
    return domain + sha256(site.encode("utf-8")) + covered


def _body(batch: Batch) -> bytes:
    if not 0 <= batch.counter <= MAX_COUNTER or len(batch.generator) != DIGEST_BYTES:
        raise InputError(f"a batch with counter {batch.counter}")
    parts = [
        bytes([_HEAD | bool(batch.file)]),
        batch.counter.to_bytes(_COUNTER_BYTES, "big"),
        batch.generator,
    ]
    if batch.file:
        parts += [_varint(len(batch.file)), batch.file]
    before = b""
    for name, record in sorted((name.encode(), record) for name, record in batch.records.items()):
        pairs = zip(before, name, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        end = name[same:]
        parts += [_varint(same), _varint(len(end)), end, _varint(len(record)), record]
        before = name
    return b"".join(parts)


def _parsed(covered: bytes, counter: int) -> Batch:
    rest = _Rest(covered, KEY_ID_BYTES + 1 + _COUNTER_BYTES)
    generator = rest.take(DIGEST_BYTES)
    file = rest.take(rest.varint()) if covered[KEY_ID_BYTES] & _WITH_FILE else b""
    if file and generator_digest(file) != generator:
        raise MalformedMessage("the generator in the batch is not the one that the batch names")
    records: dict[str, bytes] = {}
    before = b""
    while len(rest):
        same = rest.varint()
        before = before[:same] + rest.take(rest.varint())
        record = rest.take(rest.varint())
        if len(before) > MAX_NAME_BYTES:
            raise MalformedMessage("a name in the batch is too long")
        if record:
            decode_record(record)
        records[_name(before)] = record
    return Batch(generator, counter, records, file)


def _name(data: bytes) -> str:
    try:
        name = data.decode("utf-8")
        if normal_name(name) == name:
            return name
    except (UnicodeDecodeError, InputError):
        pass
    raise MalformedMessage(
        f"the batch has the name {data[:80]!r}",
        expected="names in normal form",
        remedy="publish with the program version of the edge",
    )


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Rest:
    """What of a batch is not read yet."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._data, self._offset = data, offset

    def __len__(self) -> int:
        return len(self._data) - self._offset

    def take(self, size: int) -> bytes:
        if size > len(self):
            raise MalformedMessage("the batch ends inside an entry")
        self._offset += size
        return self._data[self._offset - size : self._offset]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedMessage("a size in the batch is too large")
