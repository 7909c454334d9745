"""Envelopes under every profile: bytes, refusals, and no way from one profile to another."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from groundstation.signing.inspect import inspect_envelope
from groundstation.signing.resign import resign
from shared.auth.keys import (
    CheckingKey,
    IntervalKey,
    SharedKey,
    SigningKey,
    blocks,
    from_text,
    key_id,
    profile_of,
    to_pem,
    to_text,
    trusted,
)
from shared.auth.profiles import DISCLOSURE_BYTES, Profile, overhead_table, overheads
from shared.auth.schedule import Schedule
from shared.auth.tesla import Disclosure, encode_disclosure, make_chain
from shared.auth.trust_file import load_trusted_keys
from shared.errors import BadSignature, InputError, NotClosed, Refusal, WrongBaseline, WrongPin
from shared.message.codec_version import binding
from shared.message.envelope import (
    check_signature,
    open_envelope,
    parse_envelope,
    sign,
    signed_bytes,
)
from shared.message.recipe import Recipe
from shared.message.wire import decode_message, encode_message
from shared.seeds.coins import SeedSource

PAGE = Path(__file__).parents[2] / "docs/authentication.md"
PIN, BASELINE = bytes(range(0xA0, 0xC0)), bytes(range(0x10, 0x30))
RECIPE = Recipe(
    PIN, BASELINE, bytes.fromhex("0123456789abcdef"), SeedSource.CODED, bytes.fromhex("fedc00ba98")
)
MESSAGE = encode_message(RECIPE, 5)
SECRET = bytes(range(0xC0, 0xE0))
CHAIN = make_chain(
    Schedule(
        intervals=700,
        start_ms=10**12,
        interval_ms=60_000,
        delay=2,
        clock_error_ms=1_000,
        light_min_ms=3_000,
        light_max_ms=9_000,
    ),
    bytes(range(8)),
    bytes(range(16)),
)
KEYS: dict[Profile, SigningKey] = {
    Profile.ED25519: Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60))),
    Profile.CMAC16: SharedKey(Profile.CMAC16, SECRET),
    Profile.CMAC8: SharedKey(Profile.CMAC8, SECRET),
    Profile.TESLA: IntervalKey(CHAIN.commitment, CHAIN.key(0x123), 0x123),
}
EACH = pytest.mark.parametrize("profile", list(Profile))
MACS = [profile for profile in Profile if profile is not Profile.ED25519]


def envelope(profile: Profile) -> bytes:
    return sign(MESSAGE, PIN, BASELINE, KEYS[profile])


def checking(profile: Profile) -> CheckingKey:
    key = KEYS[profile]
    return key.public_key() if isinstance(key, Ed25519PrivateKey) else key


def check(data: bytes, profile: Profile, as_key: Profile | None = None) -> None:
    """What the probe does with an envelope whose key id names this key; a chain's is disclosed."""
    key = checking(as_key or profile)
    parsed = parse_envelope(data, profile)
    if parsed.key_id != key_id(trusted(KEYS[profile])):
        raise BadSignature("another key id")
    if profile is Profile.TESLA and isinstance(key, IntervalKey):
        named = int.from_bytes(parsed.signature[:2], "big")
        if named != key.interval:
            raise BadSignature("another interval")
    check_signature(parsed, [key], PIN, BASELINE)


@EACH
def test_layout(profile: Profile) -> None:
    data = envelope(profile)
    tail = {"ed25519": 64, "cmac16": 16, "cmac8": 8, "tesla": 10}[profile.value]
    assert data[0] == key_id(trusted(KEYS[profile]))
    assert data[1:-tail] == MESSAGE
    assert len(data) == 1 + 17 + tail
    if profile is Profile.TESLA:
        assert data[-10:-8].hex() == "0123"
    check(data, profile)


def test_an_ed25519_envelope_has_the_bytes_it_always_had() -> None:
    key = KEYS[Profile.ED25519]
    assert isinstance(key, Ed25519PrivateKey)
    public = hashlib.sha256(key.public_key().public_bytes_raw()).digest()
    covered = b"rehydration-uplink/envelope/2\n" + binding(PIN) + BASELINE + public[:1] + MESSAGE
    assert envelope(Profile.ED25519) == public[:1] + MESSAGE + key.sign(covered)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize("profile", MACS)
def test_openssl_makes_the_same_tag(tmp_path: Path, profile: Profile) -> None:
    data = envelope(profile)
    name = f"rehydration-uplink/envelope/2/{profile.value}\n".encode()
    (tmp_path / "covered").write_bytes(name + binding(PIN) + BASELINE + data[:1] + MESSAGE)
    secret, cipher = SECRET, "AES-256-CBC"
    if profile is Profile.TESLA:
        text = b"rehydration-uplink/tesla/1/mac\n" + bytes(range(8)) + b"\x01\x23"
        secret = hashlib.sha256(text + CHAIN.key(0x123).key).digest()[:16]
        cipher = "AES-128-CBC"
    command = ["openssl", "mac", "-cipher", cipher, "-macopt", f"hexkey:{secret.hex()}"]
    command += ["-in", str(tmp_path / "covered"), "CMAC"]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    tag = data[-profile.tag_bytes :]
    assert run.stdout.strip().lower().startswith(tag.hex())


@EACH
def test_every_truncation_and_extension_is_refused(profile: Profile) -> None:
    data = envelope(profile)
    variants = [data[:size] for size in range(len(data))] + [data[cut:] for cut in range(1, 20)]
    for variant in (*variants, data + b"\0", data + data[-1:], b"\0" + data, data * 2):
        with pytest.raises(Refusal):
            check(variant, profile)


@EACH
def test_every_flipped_bit_is_refused(profile: Profile) -> None:
    data = envelope(profile)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(Refusal):
            check(bytes(flipped), profile)


@EACH
def test_pin_codec_and_baseline_are_bound(profile: Profile) -> None:
    parsed = parse_envelope(envelope(profile), profile)
    for offset in range(32):
        other = PIN[:offset] + bytes([PIN[offset] ^ 1]) + PIN[offset + 1 :]
        with pytest.raises((BadSignature, WrongPin)):
            check_signature(parsed, [checking(profile)], other, BASELINE)
        other = BASELINE[:offset] + bytes([BASELINE[offset] ^ 1]) + BASELINE[offset + 1 :]
        with pytest.raises((BadSignature, WrongBaseline)):
            check_signature(parsed, [checking(profile)], PIN, other)


@pytest.mark.parametrize("one", list(Profile))
@pytest.mark.parametrize("other", list(Profile))
def test_no_envelope_of_one_profile_is_one_of_another(one: Profile, other: Profile) -> None:
    """Even where the secret is the same, and whatever the key id is made to say."""
    if one is other:
        return
    number = bytes([key_id(trusted(KEYS[other]))])
    tagged = envelope(one)
    moved = sign_as(one, number[0])
    for data in (tagged, number + tagged[1:], moved, moved + bytes(64), moved[: -other.tag_bytes]):
        with pytest.raises(Refusal):
            check(data, other)


def sign_as(profile: Profile, number: int) -> bytes:
    """An envelope of one profile that names another key, tag made for exactly that."""
    from shared.auth.tags import make_tail

    covered = signed_bytes(number, MESSAGE, PIN, BASELINE, profile)
    return bytes([number]) + MESSAGE + make_tail(KEYS[profile], covered)


def test_a_short_tag_of_a_key_for_long_ones_is_refused() -> None:
    """The downgrade: the first 8 bytes of a good MAC, or a good 8-byte MAC with that secret."""
    long = SharedKey(Profile.CMAC16, SECRET)
    for data in (envelope(Profile.CMAC16)[:-8], sign_as(Profile.CMAC8, key_id(long))):
        with pytest.raises(Refusal):
            open_envelope(data, [long], PIN, BASELINE)
    assert open_envelope(envelope(Profile.CMAC16), [long], PIN, BASELINE) == decode_message(MESSAGE)


@EACH
def test_opened_by_a_store_of_all_kinds(profile: Profile) -> None:
    store = [trusted(key) for key in KEYS.values()]
    if profile is Profile.TESLA:
        with pytest.raises(NotClosed):
            open_envelope(envelope(profile), store, PIN, BASELINE)
        return
    assert open_envelope(envelope(profile), store, PIN, BASELINE).counter == 5


@given(st.binary(max_size=120), st.sampled_from(list(Profile)))
def test_noise_is_refused(data: bytes, profile: Profile) -> None:
    store = [trusted(key) for key in KEYS.values()]
    named = bytes([key_id(trusted(KEYS[profile]))]) + data
    for noise in (data, named):
        with pytest.raises(Refusal):
            open_envelope(noise, store, PIN, BASELINE)


@EACH
def test_the_fields_that_inspect_shows(profile: Profile) -> None:
    data = envelope(profile)
    found = inspect_envelope(data, profile)
    assert b"".join(field.data for field in found.fields) == data
    assert found.as_dict()["signature_bytes"] == profile.tail_bytes
    assert found.overhead_bytes == 13
    names = [field.name for field in found.fields]
    assert ("interval" in names) == (profile is Profile.TESLA)


@EACH
def test_signed_again_under_another_profile(profile: Profile) -> None:
    data = resign(
        envelope(Profile.ED25519),
        KEYS[profile],
        was=Profile.ED25519,
        counter=600,
        pin=PIN,
        baseline=BASELINE,
    )
    assert data == sign(encode_message(RECIPE, 600), PIN, BASELINE, KEYS[profile])
    with pytest.raises(WrongPin):
        resign(data, KEYS[profile], was=profile, counter=1, pin=bytes(32), baseline=BASELINE)
    with pytest.raises(WrongBaseline):
        resign(data, KEYS[profile], was=profile, counter=1, pin=PIN, baseline=bytes(32))


# --- keys as text and in files -------------------------------------------------------------------


@EACH
def test_keys_come_back_from_text(profile: Profile) -> None:
    key = trusted(KEYS[profile])
    text = to_text(key)
    again = from_text(text)
    assert (to_text(again), key_id(again), profile_of(again)) == (text, key_id(key), profile)
    assert text.count(":") == (profile is not Profile.ED25519)
    for wrong in (text[:-2], "other:" + text, text + "zz"):
        with pytest.raises(ValueError):
            from_text(wrong)


@pytest.mark.parametrize("profile", MACS)
def test_trust_files(profile: Profile) -> None:
    key = trusted(KEYS[profile])
    assert not isinstance(key, type(checking(Profile.ED25519)))
    pem = to_pem(key)  # type: ignore[arg-type]
    assert load_trusted_keys(b"a comment\n" + pem) == (key,)
    for place in range(pem.index(b"KEY-----\n") + 9, pem.index(b"\n-----END")):
        for letter in (b"", b"!") if pem[place] != ord("\n") else ():
            with pytest.raises(InputError):
                load_trusted_keys(pem[:place] + letter + pem[place + 1 :])
    for cut in (pem[:-10], pem.replace(b"REHYDRATION", b"REHYDRATION X")):
        with pytest.raises(InputError):
            load_trusted_keys(cut)


def test_the_secret_of_a_chain_is_not_for_the_probe() -> None:
    pem = to_pem(CHAIN)
    assert blocks(pem) == (CHAIN,)
    with pytest.raises(InputError, match="private key"):
        load_trusted_keys(pem)
    other = make_chain(CHAIN.commitment.schedule, bytes(range(8)), bytes(16))
    mixed = to_pem(type(CHAIN)(other.commitment, CHAIN.last))
    with pytest.raises(ValueError, match="does not lead to its root"):
        blocks(mixed)


def test_one_secret_and_one_key_id_have_one_profile() -> None:
    both = to_pem(SharedKey(Profile.CMAC16, SECRET)) + to_pem(SharedKey(Profile.CMAC8, SECRET))
    with pytest.raises(InputError, match="could mean two keys"):
        load_trusted_keys(both)
    first = SharedKey(Profile.CMAC16, SECRET)
    twin = next(
        key
        for number in range(10_000)
        if key_id(key := SharedKey(Profile.CMAC8, number.to_bytes(32, "big"))) == key_id(first)
    )
    with pytest.raises(InputError, match="could mean two keys"):
        load_trusted_keys(to_pem(first) + to_pem(twin))
    same_kind = next(
        key
        for number in range(10_000)
        if key_id(key := SharedKey(Profile.CMAC16, number.to_bytes(32, "big"))) == key_id(first)
    )
    store = load_trusted_keys(to_pem(same_kind) + to_pem(first))
    assert open_envelope(envelope(Profile.CMAC16), store, PIN, BASELINE).counter == 5


@pytest.mark.parametrize("size", [0, 15, 16, 31, 33])
def test_short_shared_keys_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match="not 32"):
        SharedKey(Profile.CMAC16, bytes(size))
    with pytest.raises(ValueError, match="has no shared key"):
        SharedKey(Profile.ED25519, bytes(32))


def test_secrets_do_not_show() -> None:
    for key in (SharedKey(Profile.CMAC8, SECRET), CHAIN.key(9), CHAIN):
        assert repr(SECRET) not in repr(key)
        assert repr(CHAIN.key(9).key) not in repr(key)
        assert repr(CHAIN.last.key) not in repr(key)


# --- the page ------------------------------------------------------------------------------------


def test_overheads_are_those_of_real_bytes() -> None:
    for row in overheads():
        assert row.with_message == len(envelope(row.profile)) - len(MESSAGE)
    shown = encode_disclosure(Disclosure(1, CHAIN.key(9)))
    assert len(shown) == DISCLOSURE_BYTES == 19
    assert len(shown) < min(len(envelope(profile)) for profile in Profile) - 5  # the stream's 5


def test_the_table_on_the_page_is_the_one_that_is_computed() -> None:
    assert overhead_table() in PAGE.read_text("utf-8")
