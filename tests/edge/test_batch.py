"""Signed batches: whole, in one encoding, from whom they should be, and never twice."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from edge_world import KEY, STRANGER, jars
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.auth.keys import IntervalKey, SharedKey, SigningKey, TrustedKey, key_id, trusted
from shared.auth.profiles import Profile
from shared.auth.schedule import Schedule
from shared.auth.tags import make_tail
from shared.auth.tesla import make_chain
from shared.digest import sha256
from shared.errors import (
    BadSignature,
    InputError,
    MalformedMessage,
    OversizedMessage,
    Refusal,
    Replayed,
    UnknownKey,
    UnsupportedVersion,
)
from shared.media.batch import Batch, open_batch, sign_batch
from shared.media.message import Record, encode_record, image_record
from shared.message.envelope import Limits

KEYS: dict[str, SigningKey] = {
    "ed25519": KEY,
    "cmac16": SharedKey(Profile.CMAC16, bytes(range(7, 39))),
    "cmac8": SharedKey(Profile.CMAC8, bytes(range(8, 40))),
}
SMALL = {"a": encode_record(Record(b"abcd", b"\x05")), "ab": b"", "b": b"\x10zzzz"}
GENERATOR = bytes(range(100, 132))
PUBLIC: tuple[TrustedKey, ...] = (KEY.public_key(),)


def small(counter: int = 7, key: SigningKey = KEY, site: str = "default") -> bytes:
    return sign_batch(Batch(GENERATOR, counter, SMALL), site, key)


def by_hand(body: bytes, key: SigningKey = KEY, site: str = "default") -> bytes:
    """Any bytes, rightly signed."""
    covered = bytes([key_id(trusted(key))]) + body
    domain = b"rehydration-uplink/batch/1\n"
    return covered + make_tail(key, domain + sha256(site.encode()) + covered)


HEAD = b"\x10" + (7).to_bytes(4, "big") + GENERATOR


def test_the_bytes_of_a_batch() -> None:
    """As docs/edge.md has them."""
    body = HEAD + (
        b"\x00\x01a\x06\x10abcd\x05"  # nothing in common, one byte, a record of six
        b"\x01\x01b\x00"  # the a in common, then b; taken away
        b"\x00\x01b\x05\x10zzzz"
    )
    assert small() == by_hand(body)
    assert open_batch(small(), PUBLIC, "default") == Batch(GENERATOR, 7, SMALL)


@pytest.mark.parametrize("profile", KEYS)
def test_every_cut_and_every_flipped_bit_is_refused(profile: str) -> None:
    key = KEYS[profile]
    keys = [trusted(key)]
    data = small(key=key)
    assert open_batch(data, keys, "default").records == SMALL
    for size in range(len(data)):
        with pytest.raises(Refusal):
            open_batch(data[:size], keys, "default")
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises((BadSignature, UnknownKey)):
            open_batch(bytes(damaged), keys, "default")
    with pytest.raises(BadSignature):
        open_batch(data + b"\0", keys, "default")


def test_who_may_publish() -> None:
    for wrong in (small(key=STRANGER), small(key=KEYS["cmac16"])):
        with pytest.raises(UnknownKey):
            open_batch(wrong, PUBLIC, "default")
    with pytest.raises(UnknownKey):
        open_batch(small(), (), "default")
    with pytest.raises(MalformedMessage, match="empty"):
        open_batch(b"", PUBLIC, "default")
    # an envelope's domain is not a batch's: a signature of one is none of the other
    covered = small()[:-64]
    other = covered + KEY.sign(b"rehydration-uplink/envelope/2\n" + sha256(b"default") + covered)
    with pytest.raises(BadSignature):
        open_batch(other, PUBLIC, "default")


def test_a_batch_is_for_one_site() -> None:
    assert open_batch(small(site="shop"), PUBLIC, "shop").counter == 7
    for site in ("default", "sho", "shop ", ""):
        with pytest.raises(BadSignature, match="site"):
            open_batch(small(site="shop"), PUBLIC, site)


def test_counters() -> None:
    for last in (-1, 0, 6):
        assert open_batch(small(), PUBLIC, "default", last_counter=last).counter == 7
    for last in (7, 8, 2**31):
        with pytest.raises(Replayed):
            open_batch(small(), PUBLIC, "default", last_counter=last)
    limits = Limits(max_counter_jump=3)
    assert open_batch(small(), PUBLIC, "default", last_counter=4, limits=limits)
    with pytest.raises(Replayed):
        open_batch(small(), PUBLIC, "default", last_counter=3, limits=limits)


def test_size() -> None:
    data = small()
    assert open_batch(data, PUBLIC, "default", max_bytes=len(data))
    with pytest.raises(OversizedMessage):
        open_batch(data, PUBLIC, "default", max_bytes=len(data) - 1)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"\x20" + HEAD[1:], UnsupportedVersion),
        (b"\x12" + HEAD[1:], UnsupportedVersion),
        (HEAD + b"\x00\x01b\x00" + b"\x00\x01a\x00", MalformedMessage),  # not ascending
        (HEAD + b"\x00\x01a\x00" + b"\x01\x00\x00", MalformedMessage),  # twice
        (HEAD + b"\x00\x01a\x00" + b"\x00\x02ab\x00", MalformedMessage),  # less in common
        (HEAD + b"\x01\x01a\x00", MalformedMessage),  # in common with nothing
        (HEAD + b"\x80\x00\x01a\x00", MalformedMessage),  # a longer varint
        (HEAD + b"\x00\x01a\xff\xff\xff\xff\xff\x00", MalformedMessage),
        (HEAD + b"\x00\x02a", MalformedMessage),
        (HEAD + b"\x00\x00\x00", MalformedMessage),  # no name
        (HEAD + b"\x00\x02..\x00", MalformedMessage),
        (HEAD + b"\x00\x01\xff\x00", MalformedMessage),
        (HEAD + b"\x00\x07metrics\x00", MalformedMessage),
        (HEAD + b"\x00\x01a\x02\x10z", MalformedMessage),  # half a record
        (HEAD + b"\x00\x01a\x06\x20abcd\x05", UnsupportedVersion),
        (HEAD + b"\x00\x01a\x06\x11abcd\x05", Refusal),  # a file with another digest
        (b"\x11" + HEAD[1:] + b"\x00", MalformedMessage),  # an empty generator
        (b"\x11" + HEAD[1:] + b"\x03abc", MalformedMessage),  # another generator
    ],
)
def test_signed_bytes_in_any_other_encoding_are_refused(
    body: bytes, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        open_batch(by_hand(body), PUBLIC, "default")


@settings(max_examples=300)
@given(st.binary(max_size=40), st.booleans())
def test_no_signed_bytes_end_in_anything_but_a_refusal(tail: bytes, along: bool) -> None:
    body = bytes([0x10 | along]) + HEAD[1:] + tail
    try:
        found = open_batch(by_hand(body), PUBLIC, "default")
    except Refusal:
        return
    assert sign_batch(found, "default", KEY) == by_hand(body)


NAMES = st.text("ab/é?=", min_size=1, max_size=12).filter(lambda name: _is_name(name))


def _is_name(name: str) -> bool:
    from shared.media.names import normal_name

    try:
        return normal_name(name) == name
    except InputError:
        return False


RECORDS = st.one_of(
    st.just(b""),
    st.binary(min_size=4, max_size=12).filter(lambda b: b[-1] != 0).map(lambda b: b"\x10" + b),
    st.binary(min_size=1, max_size=300).map(lambda b: encode_record(image_record(b))),
)


@given(st.dictionaries(NAMES, RECORDS, max_size=8), st.integers(0, 2**20 - 1), st.booleans())
def test_what_is_signed_is_what_is_opened(
    content: dict[str, bytes], counter: int, along: bool
) -> None:
    jar = jars()
    made = Batch(jar.loaded.digest, counter, content, jar.file if along else b"")
    assert open_batch(sign_batch(made, "s", KEY), PUBLIC, "s") == made


def test_a_thousand_names_alike_take_few_bytes() -> None:
    content = {f"shoes/front/{n:05d}.webp": b"\x10abcdefgh" for n in range(1000)}
    data = sign_batch(Batch(GENERATOR, 1, content), "default", KEY)
    assert open_batch(data, PUBLIC, "default").records == content
    assert len(data) < 1000 * (9 + 3 + len("0.webp") + 2)


def test_what_no_edge_takes_is_not_signed() -> None:
    chain = make_chain(Schedule(4, 0, 1000, 2, 100, 0, 100), bytes(8), bytes(16))
    with pytest.raises(InputError, match="TESLA"):
        small(key=IntervalKey(chain.commitment, chain.key(1), 1))
    with pytest.raises(UnknownKey):
        open_batch(small(), [chain.commitment], "default")
    for bad in ({"a//b": b""}, {"e\u0301": b""}):
        with pytest.raises(InputError):
            sign_batch(Batch(GENERATOR, 1, bad), "default", KEY)
    with pytest.raises(Refusal):
        sign_batch(Batch(GENERATOR, 1, {"a": b"\x10"}), "default", KEY)
    with pytest.raises(InputError):
        sign_batch(Batch(GENERATOR, 1, {}, b"x"), "default", KEY)
    for counter in (-1, 2**32):
        with pytest.raises(InputError):
            sign_batch(Batch(GENERATOR, counter, {}), "default", KEY)


def test_of_keys_with_one_id_the_right_one_is_found() -> None:
    """A key id is a byte: two of 300 keys surely share one."""
    by_id: dict[int, Ed25519PrivateKey] = {}
    for number in range(300):
        key = Ed25519PrivateKey.from_private_bytes(sha256(bytes([number // 256, number % 256])))
        other = by_id.setdefault(key_id(key.public_key()), key)
        if other is not key:
            both = (other.public_key(), key.public_key())
            assert open_batch(small(key=key), both, "default")
            assert open_batch(small(key=other), both, "default")
            return
    raise AssertionError("no two ids alike")
