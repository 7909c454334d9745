"""Who has to sign a change of keys, and for which probe: against a rule written down once more."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.auth.keys import SharedKey, TrustedKey, fingerprint, key_id, to_text
from shared.auth.profiles import Profile
from shared.auth.rotation import (
    DOMAIN_1,
    add_signature,
    check_rotation,
    decode_rotation,
    encode_rotation,
)
from shared.auth.schedule import Schedule
from shared.auth.tesla import make_chain
from shared.errors import (
    BadSignature,
    InputError,
    MalformedMessage,
    NotClosed,
    Refusal,
    UnsupportedVersion,
)
from shared.message.envelope import open_envelope, sign

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(1, 7)]
PUBLIC = [key.public_key() for key in KEYS]
A, B, C, *_ = KEYS
SHARED = SharedKey(Profile.CMAC16, bytes(range(32)))
CHAIN = make_chain(Schedule(9, 10**12, 10**6, 2, 10, 0, 100), bytes(8), bytes(16)).commitment

names = st.one_of(
    st.just(""),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64),
)
some = st.sets(st.integers(0, 5), min_size=1)


@given(
    old=some,
    new=some,
    signers=st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True),
    before=st.integers(1, 4),
    after=st.integers(1, 4),
    identity=names,
    own=st.one_of(st.none(), names),
    extra=st.booleans(),
)
@settings(max_examples=300, deadline=None)
def test_the_rule(
    old: set[int],
    new: set[int],
    signers: list[int],
    before: int,
    after: int,
    identity: str,
    own: str | None,
    extra: bool,
) -> None:
    """Accepted if and only if every clause holds, whatever is drawn."""
    keys: list[TrustedKey] = [PUBLIC[n] for n in sorted(new)] + [CHAIN] * extra
    data = encode_rotation(keys, 7, *(KEYS[n] for n in signers), threshold=after, identity=identity)
    own = identity if own is None else own
    signed = set(signers)
    due = (
        own == identity
        and signers[0] in old  # the first is an old one
        and signed <= old | new  # every signature is by somebody who is known
        and len(signed & old) >= before
        and len(signed & new) >= after
        and (new <= old or bool(signed & (new - old)))  # one that comes new, if any does
    )
    trusted = [PUBLIC[n] for n in sorted(old)]
    try:
        got = check_rotation(decode_rotation(data), trusted, identity=own, threshold=before)
    except Refusal:
        assert not due
        return
    assert due
    assert [to_text(key) for key in got] == [to_text(key) for key in keys]


def test_old_and_new_key_are_both_needed() -> None:
    """TUF, 5.3.4: neither a thief of the old key alone nor a typing error in the new one."""
    keys = (B.public_key(),)
    check_rotation(decode_rotation(encode_rotation(keys, 7, A, B)), (A.public_key(),))
    for signers in ((A,), (A, A), (A, C), (B,), (B, A)):
        with pytest.raises(Refusal):
            check_rotation(decode_rotation(encode_rotation(keys, 7, *signers)), (A.public_key(),))


def test_two_of_three() -> None:
    old = (A.public_key(), B.public_key(), C.public_key())
    new = (*old[:2], KEYS[3].public_key())
    for signers in itertools.combinations((A, B, C), 2):
        data = encode_rotation(new, 7, *signers, KEYS[3], threshold=2)
        assert check_rotation(decode_rotation(data), old, threshold=2)
    data = encode_rotation(new, 7, A, KEYS[3], threshold=2)
    with pytest.raises(BadSignature, match="1 keys of the old trust store"):
        check_rotation(decode_rotation(data), old, threshold=2)
    with pytest.raises(MalformedMessage, match="twice"):
        check_rotation(decode_rotation(add_signature(data, A)), old, threshold=2)
    assert check_rotation(decode_rotation(add_signature(data, B)), old, threshold=2)


def test_the_same_key_twice_is_one_key() -> None:
    double = (A.public_key(), A.public_key())
    data = encode_rotation(double, 7, A, threshold=2)
    with pytest.raises(Refusal, match="no key could change"):
        check_rotation(decode_rotation(data), (A.public_key(),))


def test_it_is_for_one_probe() -> None:
    keys = (B.public_key(),)
    for mine, other in itertools.permutations(("", "probe-1", "probe-2", "Probe-1"), 2):
        data = encode_rotation(keys, 7, A, B, identity=mine)
        check_rotation(decode_rotation(data), (A.public_key(),), identity=mine)
        with pytest.raises(BadSignature, match="does not fit"):
            check_rotation(decode_rotation(data), (A.public_key(),), identity=other)
        assert mine.encode() not in data or not mine


@pytest.mark.parametrize("name", ["a b", "ä", "x" * 65, "\n", "a\0", "\u0430"])
def test_names_that_two_people_may_write_in_two_ways(name: str) -> None:
    with pytest.raises(InputError, match="the identity"):
        encode_rotation((B.public_key(),), 7, A, B, identity=name)
    with pytest.raises(InputError, match="the identity"):
        sign(b"m", bytes(32), bytes(32), A, name)


def version_1(keys: tuple[Ed25519PublicKey, ...], signer: Ed25519PrivateKey) -> bytes:
    body = bytes([key_id(signer.public_key())]) + b"\x00\x07"
    body += b"".join(b"\x00" + key.public_bytes_raw() for key in keys)
    return body + signer.sign(b"rehydration-uplink/trust/1\n" + body)


def test_version_1_is_decoded_and_refused_by_its_version() -> None:
    data = version_1((B.public_key(),), A)
    rotation = decode_rotation(data)
    assert (rotation.version, rotation.counter) == (1, 7)
    assert rotation.covered("any").startswith(DOMAIN_1)
    with pytest.raises(UnsupportedVersion, match="version 1") as caught:
        check_rotation(rotation, (A.public_key(),))
    assert "groundstation rotate" in str(caught.value)
    with pytest.raises(UnsupportedVersion):
        add_signature(data, B)


@pytest.mark.parametrize("text", ["01" + "00" * 31, "02" + "00" * 31, "00" * 31 + "80"])
def test_a_new_key_that_is_none_is_refused(text: str) -> None:
    """Signed by the old key, which may have been talked into it."""
    bad = Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
    data = encode_rotation((A.public_key(), bad), 7, A)
    with pytest.raises(Refusal, match="a key of the change of keys is"):
        check_rotation(decode_rotation(data), (A.public_key(),))


def test_a_forger_costs_one_signature_whatever_he_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are looked at, which costs milliseconds each, when an old key has signed them."""
    looked: list[bytes] = []
    monkeypatch.setattr("shared.auth.rotation.flaw_of", lambda raw: looked.append(raw))
    data = encode_rotation(PUBLIC, 7, B, *KEYS[2:])
    forged = fingerprint(A.public_key())[:1] + data[1:]
    with pytest.raises(BadSignature):
        check_rotation(decode_rotation(forged), (A.public_key(),))
    assert not looked


# --- envelopes ------------------------------------------------------------------------------------

MESSAGE = bytes.fromhex("51012c" + "0000" + "4de80d71962b58a4" + "1f8b26d40973e85a02c6b1")
PIN, TREE = bytes(32), bytes(32)


@given(name=names, other=names)
@settings(max_examples=60, deadline=None)
def test_an_envelope_is_for_one_probe(name: str, other: str) -> None:
    from shared.message.codec_version import binding

    message = MESSAGE[:3] + binding(PIN)[:1] + MESSAGE[4:]
    for key in (A, SHARED):
        data = sign(message, PIN, TREE, key, name)
        trust = [A.public_key(), SHARED]
        assert len(data) == len(sign(message, PIN, TREE, key))  # nothing of it on the wire
        opened = open_envelope(data, trust, PIN, TREE, identity=name)
        assert opened.counter == 300
        if other != name:
            with pytest.raises(BadSignature):
                open_envelope(data, trust, PIN, TREE, identity=other)


def test_without_a_name_the_bytes_are_what_they_were() -> None:
    from shared.message.envelope import signed_bytes

    covered = signed_bytes(7, b"m", PIN, TREE)
    assert covered.startswith(b"rehydration-uplink/envelope/2\n")
    assert len(covered) == 30 + 32 + 32 + 2
    named = signed_bytes(7, b"m", PIN, TREE, Profile.CMAC8, "p")
    assert named.startswith(b"rehydration-uplink/envelope/2/cmac8/identity\n")


def test_a_chain_waits_all_the_same() -> None:
    number = bytes([key_id(CHAIN)])
    with pytest.raises(NotClosed):
        open_envelope(number + MESSAGE + bytes(10), [CHAIN], PIN, TREE, identity="p")
