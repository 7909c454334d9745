"""The message that changes whom the probe trusts: bytes, refusals, crashes."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from shared.auth.keys import SharedKey, TrustedKey, fingerprint, to_text
from shared.auth.profiles import Profile
from shared.auth.rotation import check_rotation, decode_rotation, encode_rotation
from shared.auth.schedule import Schedule
from shared.auth.tesla import make_chain
from shared.errors import (
    BadSignature,
    MalformedMessage,
    Refusal,
    UnknownKey,
    UnsupportedVersion,
)
from shared.message.envelope import open_envelope
from shared.message.wire import decode_message

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60)))
NEW = Ed25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
SHARED = SharedKey(Profile.CMAC8, bytes(range(0xC0, 0xE0)))
PLAN = Schedule(9, 10**12, 10**6, 2, 10, 0, 100)
CHAIN = make_chain(PLAN, bytes(range(8)), bytes(range(16))).commitment
OLD: tuple[TrustedKey, ...] = (KEY.public_key(), SHARED)
STORE: tuple[TrustedKey, ...] = (NEW.public_key(), CHAIN, SHARED)
DATA = encode_rotation(STORE, 300, KEY, NEW)


def texts(keys: tuple[TrustedKey, ...]) -> list[str]:
    return [to_text(key) for key in keys]


def test_bytes_by_hand() -> None:
    body = fingerprint(KEY.public_key())[:1] + b"\x05\x01\x2c" + b"\x01\x03"
    body += b"\x00" + NEW.public_key().public_bytes_raw()
    body += b"\x01" + CHAIN.pack()
    body += b"\x02" + fingerprint(SHARED)[:8]
    covered = b"rehydration-uplink/trust/2\n" + hashlib.sha256(b"").digest() + body
    second = fingerprint(NEW.public_key())[:1] + NEW.sign(covered)
    assert body + KEY.sign(covered) + second == DATA
    assert SHARED.key not in DATA
    rotation = decode_rotation(DATA)
    assert rotation.counter == 300
    assert texts(check_rotation(rotation, OLD)) == texts(STORE)


def test_the_size_on_the_page() -> None:
    assert len(encode_rotation((KEY.public_key(), CHAIN), 7, KEY)) == 155
    assert len(encode_rotation((NEW.public_key(),), 7, KEY, NEW)) == 167


def test_every_truncation_and_extension_is_refused() -> None:
    variants = [DATA[:size] for size in range(len(DATA))] + [DATA[cut:] for cut in range(1, 90)]
    for variant in (*variants, DATA + b"\0", b"\0" + DATA, DATA * 2):
        with pytest.raises(Refusal):
            check_rotation(decode_rotation(variant), OLD)


def test_every_flipped_bit_is_refused() -> None:
    for bit in range(8 * len(DATA)):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(Refusal):
            check_rotation(decode_rotation(bytes(flipped)), OLD)


@given(st.binary(max_size=150))
def test_noise_is_refused(noise: bytes) -> None:
    for data in (noise, DATA[:4] + noise, DATA[:1] + b"\x00\x07" + noise):
        with pytest.raises(Refusal):
            check_rotation(decode_rotation(data), OLD)


def test_who_may_not_sign() -> None:
    with pytest.raises(UnknownKey):
        check_rotation(decode_rotation(DATA), (SHARED, CHAIN))
    with pytest.raises(BadSignature):
        forged = DATA[:1] + encode_rotation(STORE, 300, NEW, KEY)[1:]
        check_rotation(decode_rotation(forged), OLD)
    named = fingerprint(SHARED)[:1] + DATA[1:]
    with pytest.raises(UnknownKey, match="no other may change"):
        check_rotation(decode_rotation(named), OLD)


def test_what_is_not_held_cannot_be_kept() -> None:
    with pytest.raises(Refusal, match="is not held here"):
        check_rotation(decode_rotation(DATA), OLD[:1])


def test_a_store_that_could_never_be_changed_again_is_refused() -> None:
    stores: tuple[tuple[TrustedKey, ...], ...] = ((SHARED,), (CHAIN,), (SHARED, CHAIN))
    for keys in stores:
        data = encode_rotation(keys, 300, KEY)
        with pytest.raises(Refusal, match="no key could change"):
            check_rotation(decode_rotation(data), (*OLD, SHARED))
    assert check_rotation(
        decode_rotation(encode_rotation((CHAIN, NEW.public_key()), 300, KEY, NEW)), OLD
    )


def test_a_long_counter_and_an_empty_store() -> None:
    for head in (b"\x01\x00\x07\x02", b"\x05\x00\x07\x01\x01\x02"):
        with pytest.raises(MalformedMessage, match="long counter"):
            decode_rotation(DATA[:1] + head + bytes(8) + bytes(64))
    for counter in (0, 255, 256, 2**32 - 1):
        assert decode_rotation(encode_rotation(STORE, counter, KEY)).counter == counter
        with pytest.raises(ValueError, match="0 keys"):
            encode_rotation((), counter, KEY)
    empty = DATA[:4] + b"\x01\x00" + KEY.sign(b"")
    with pytest.raises(MalformedMessage):
        decode_rotation(empty)


def test_it_is_no_envelope_and_no_envelope_is_one() -> None:
    with pytest.raises(UnsupportedVersion):
        open_envelope(DATA, OLD, bytes(32), bytes(32))
    with pytest.raises(UnsupportedVersion):
        decode_message(DATA[1:])
    with pytest.raises(MalformedMessage):
        decode_rotation(DATA[:1] + b"\x50" + DATA[2:])
