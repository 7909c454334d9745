"""Envelopes: signed by whom, for what, in which order refused."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from groundstation.signing.inspect import inspect_envelope
from groundstation.signing.keys import write_key_pair
from shared.auth.trust_file import key_id
from shared.errors import (
    BadSignature,
    MalformedMessage,
    OversizedMessage,
    Refusal,
    Replayed,
    UnknownKey,
    UnsupportedVersion,
    WrongBaseline,
    WrongPin,
)
from shared.message.codec_version import CODEC
from shared.message.envelope import (
    NO_COUNTER,
    Limits,
    check_baseline,
    check_counter,
    check_pin,
    check_signature,
    keys_named,
    open_envelope,
    parse_envelope,
    sign,
    signed_bytes,
)
from shared.message.recipe import Recipe
from shared.message.wire import decode_message, encode_message
from shared.seeds.coins import SeedSource, seed_to_bytes

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(0x60, 0x80)))
TRUSTED = (OTHER.public_key(), KEY.public_key())
PIN = bytes(range(0xA0, 0xC0))
BASELINE = bytes(range(0x10, 0x30))
RECIPE = Recipe(
    PIN, BASELINE, bytes.fromhex("0123456789abcdef"), SeedSource.CODED, bytes.fromhex("fedc00ba98")
)
MESSAGE = encode_message(RECIPE, 5)
ENVELOPE = sign(MESSAGE, PIN, BASELINE, KEY)


def bound(pin: bytes, codec: str = CODEC) -> bytes:
    """What stands for a pin in messages of a codec."""
    return hashlib.sha256(codec.encode() + b"\n" + pin).digest()


def changed(data: bytes, offset: int) -> bytes:
    """The same with one byte different."""
    return data[:offset] + bytes([data[offset] ^ 0x01]) + data[offset + 1 :]


# --- bytes ------------------------------------------------------------------------------------


def test_layout() -> None:
    assert ENVELOPE[0] == key_id(KEY.public_key())
    assert ENVELOPE[1:-64] == MESSAGE
    assert len(ENVELOPE) == 1 + 17 + 64


def test_what_is_signed() -> None:
    KEY.public_key().verify(
        ENVELOPE[-64:],
        b"rehydration-uplink/envelope/2\n" + bound(PIN) + BASELINE + ENVELOPE[:1] + MESSAGE,
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    files = write_key_pair(tmp_path, KEY)
    signed = b"rehydration-uplink/envelope/2\n" + bound(PIN) + BASELINE + ENVELOPE[:-64]

    def verifies(data: bytes) -> bool:
        (tmp_path / "signed").write_bytes(data)
        (tmp_path / "signature").write_bytes(ENVELOPE[-64:])
        command = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", files.public]
        command += ["-in", tmp_path / "signed", "-sigfile", tmp_path / "signature"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    assert verifies(signed)
    assert not verifies(changed(signed, 40))


@given(
    st.integers(0, 2**28 - 1),
    st.binary(max_size=127).map(lambda data: data.rstrip(b"\0")),
    st.sampled_from([SeedSource.GREEDY, SeedSource.CODED]),
)
def test_overhead_is_at_most_16_bytes(counter: int, stream: bytes, source: SeedSource) -> None:
    recipe = replace(RECIPE, seed_source=source, stream=stream)
    envelope = sign(encode_message(recipe, counter), PIN, BASELINE, KEY)
    assert len(envelope) - 64 - len(stream) <= 16


@given(
    st.integers(0, 2**24 - 1),
    st.binary(max_size=127).map(lambda data: data.rstrip(b"\0")),
    st.one_of(
        st.tuples(st.just(SeedSource.DRAWN), st.integers(0, 2**63 - 1), st.just(b"")),
        st.tuples(st.just(SeedSource.CODED), st.just(0), st.binary(min_size=1, max_size=50)),
    ),
)
def test_overhead_with_one_more_part_is_at_most_16_bytes(
    counter: int, stream: bytes, rest: tuple[SeedSource, int, bytes]
) -> None:
    source, seed, blobs = rest
    recipe = replace(
        RECIPE, seed_source=source, stream=stream, seed=seed_to_bytes(seed), blobs=blobs
    )
    envelope = sign(encode_message(recipe, counter), PIN, BASELINE, KEY)
    assert len(envelope) - 64 - len(stream) - len(recipe.seed) - len(blobs) <= 16


def test_overhead_of_the_first_256_messages_is_13_bytes() -> None:
    for counter in (0, 255):
        envelope = sign(encode_message(RECIPE, counter), PIN, BASELINE, KEY)
        assert len(envelope) - 64 - len(RECIPE.stream) == 13


# --- accepted ---------------------------------------------------------------------------------


def test_opened() -> None:
    assert open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE) == decode_message(MESSAGE)
    assert open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, last_counter=4).counter == 5


def test_two_trusted_keys_may_share_an_id() -> None:
    twin = next(
        key
        for number in range(10_000)
        if key_id(
            (key := Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))).public_key()
        )
        == key_id(KEY.public_key())
    )
    trusted = (twin.public_key(), KEY.public_key())
    assert open_envelope(ENVELOPE, trusted, PIN, BASELINE).counter == 5
    assert open_envelope(sign(MESSAGE, PIN, BASELINE, twin), trusted, PIN, BASELINE).counter == 5
    with pytest.raises(BadSignature):
        open_envelope(ENVELOPE, trusted[:1], PIN, BASELINE)


# --- damage -----------------------------------------------------------------------------------


BLOBS = replace(RECIPE, seed_source=SeedSource.DRAWN, seed=b"\x09\x87", blobs=bytes(range(9)))


@pytest.mark.parametrize("recipe", [RECIPE, BLOBS])
def test_every_truncation_and_extension_is_refused(recipe: Recipe) -> None:
    envelope = sign(encode_message(recipe, 5), PIN, BASELINE, KEY)
    variants = [envelope[:size] for size in range(len(envelope))]
    variants += [envelope[cut:] for cut in range(1, len(envelope))]
    variants += [envelope + b"\0", envelope + envelope[-1:], b"\0" + envelope, envelope * 2]
    for variant in variants:
        with pytest.raises(Refusal):
            open_envelope(variant, TRUSTED, PIN, BASELINE)


@pytest.mark.parametrize("recipe", [RECIPE, BLOBS])
def test_every_flipped_bit_is_refused(recipe: Recipe) -> None:
    envelope = sign(encode_message(recipe, 5), PIN, BASELINE, KEY)
    kinds = set()
    for bit in range(8 * len(envelope)):
        flipped = bytearray(envelope)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        with pytest.raises(Refusal) as caught:
            open_envelope(bytes(flipped), TRUSTED, PIN, BASELINE)
        kinds.add(type(caught.value))
    expected = {BadSignature, UnknownKey, UnsupportedVersion, MalformedMessage}
    assert kinds == expected | {WrongPin, WrongBaseline}


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal):
        open_envelope(data, TRUSTED, PIN, BASELINE)


# --- each refusal -----------------------------------------------------------------------------


def test_too_large() -> None:
    limits = Limits(max_envelope_bytes=len(ENVELOPE))
    assert open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, limits=limits).counter == 5
    with pytest.raises(OversizedMessage):
        open_envelope(ENVELOPE + b"\1", TRUSTED, PIN, BASELINE, limits=limits)


def test_default_limit_is_a_mebibyte() -> None:
    recipe = replace(RECIPE, blobs=bytes(2**20 - 1 - 64 - 18))
    envelope = sign(encode_message(recipe, 5), PIN, BASELINE, KEY)
    assert len(envelope) == 2**20
    assert open_envelope(envelope, TRUSTED, PIN, BASELINE).blobs == recipe.blobs
    with pytest.raises(OversizedMessage):
        open_envelope(envelope + b"\0", TRUSTED, PIN, BASELINE)


@pytest.mark.parametrize("size", [0, 1, 64, 65])
def test_too_short_for_a_message(size: int) -> None:
    with pytest.raises(MalformedMessage):
        open_envelope(ENVELOPE[:size], TRUSTED, PIN, BASELINE)


def test_unknown_key() -> None:
    with pytest.raises(UnknownKey):
        open_envelope(ENVELOPE, (OTHER.public_key(),), PIN, BASELINE)
    with pytest.raises(UnknownKey):
        open_envelope(ENVELOPE, (), PIN, BASELINE)


def test_another_key_under_a_known_id() -> None:
    forged = OTHER.sign(signed_bytes(ENVELOPE[0], MESSAGE, PIN, BASELINE))
    with pytest.raises(BadSignature):
        open_envelope(ENVELOPE[:-64] + forged, TRUSTED, PIN, BASELINE)


def test_the_key_id_is_signed() -> None:
    moved = bytes([key_id(OTHER.public_key())]) + MESSAGE
    by_other = OTHER.sign(signed_bytes(ENVELOPE[0], MESSAGE, PIN, BASELINE))
    with pytest.raises(BadSignature):
        open_envelope(moved + by_other, TRUSTED, PIN, BASELINE)


def test_signature_of_another_message() -> None:
    other = sign(encode_message(RECIPE, 6), PIN, BASELINE, KEY)
    with pytest.raises(BadSignature):
        open_envelope(ENVELOPE[:-64] + other[-64:], TRUSTED, PIN, BASELINE)


def test_the_malleable_twin_of_a_signature_is_refused() -> None:
    """S and S + L verify alike unless the verifier checks S < L (RFC 8032, 5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(ENVELOPE[-32:], "little") + order
    with pytest.raises(BadSignature):
        open_envelope(ENVELOPE[:-32] + scalar.to_bytes(32, "little"), TRUSTED, PIN, BASELINE)


@pytest.mark.parametrize("offset", range(32))
def test_every_byte_of_pin_and_baseline_is_bound(offset: int) -> None:
    other = changed(PIN, offset)
    with pytest.raises(BadSignature if bound(other)[0] == bound(PIN)[0] else WrongPin):
        open_envelope(ENVELOPE, TRUSTED, other, BASELINE)
    with pytest.raises(WrongBaseline if offset == 0 else BadSignature):
        open_envelope(ENVELOPE, TRUSTED, PIN, changed(BASELINE, offset))


def test_a_pin_with_the_same_prefix_is_a_bad_signature() -> None:
    pins = (hashlib.sha256(b"%d" % number).digest() for number in range(10_000))
    twin = next(pin for pin in pins if bound(pin)[0] == bound(PIN)[0])
    with pytest.raises(BadSignature, match=f"these bytes with {CODEC};"):
        open_envelope(ENVELOPE, TRUSTED, twin, BASELINE)


def of_codec(codec: str, pin: bytes) -> bytes:
    """The envelope of a program with another codec, put together by hand."""
    message = MESSAGE[:2] + bound(pin, codec)[:1] + MESSAGE[3:]
    signed = b"rehydration-uplink/envelope/2\n" + bound(pin, codec) + BASELINE
    return ENVELOPE[:1] + message + KEY.sign(signed + ENVELOPE[:1] + message)


OTHER_CODECS = ("rehydration-codec/2", "rehydration-codec/4", "rehydration-codec/30")


def test_the_envelope_by_hand_is_right() -> None:
    assert of_codec(CODEC, PIN) == ENVELOPE


@pytest.mark.parametrize("codec", OTHER_CODECS)
def test_another_codec_is_refused(codec: str) -> None:
    """With a good signature, for this very model."""
    with pytest.raises(WrongPin, match="another pin or another codec version") as caught:
        open_envelope(of_codec(codec, PIN), TRUSTED, PIN, BASELINE)
    assert bound(PIN, codec)[:1].hex() in caught.value.found
    assert caught.value.expected is not None
    assert CODEC in caught.value.expected
    assert PIN.hex()[:16] in caught.value.expected
    assert caught.value.remedy is not None
    assert "program version" in caught.value.remedy


@pytest.mark.parametrize("codec", OTHER_CODECS)
def test_another_codec_with_the_same_prefix_is_refused_all_the_same(codec: str) -> None:
    """One in 256 pins; the signature tells."""
    pins = (number.to_bytes(32, "little") for number in range(10_000))
    pin = next(pin for pin in pins if bound(pin, codec)[0] == bound(pin)[0])
    with pytest.raises(BadSignature, match=f"these bytes with {CODEC};") as caught:
        open_envelope(of_codec(codec, pin), TRUSTED, pin, BASELINE)
    assert "program version" in str(caught.value.remedy)


def test_an_envelope_from_before_codecs_had_a_version_is_refused() -> None:
    """Then the pin's digest itself was signed, and its first byte travelled."""
    message = MESSAGE[:2] + PIN[:1] + MESSAGE[3:]
    signed = b"rehydration-uplink/envelope/1\n" + PIN + BASELINE + ENVELOPE[:1] + message
    with pytest.raises(WrongPin):
        open_envelope(ENVELOPE[:1] + message + KEY.sign(signed), TRUSTED, PIN, BASELINE)


def test_both_wrong_names_the_pin() -> None:
    with pytest.raises(WrongPin):
        open_envelope(ENVELOPE, TRUSTED, changed(PIN, 0), changed(BASELINE, 0))


@pytest.mark.parametrize(("last", "accepted"), [(4, True), (5, False), (6, False), (2**32, False)])
def test_counter_must_rise(last: int, accepted: bool) -> None:
    if accepted:
        assert open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, last_counter=last).counter == 5
    else:
        with pytest.raises(Replayed):
            open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, last_counter=last)


def test_counter_must_not_jump_too_far() -> None:
    limits = Limits(max_counter_jump=3)
    assert open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, last_counter=2, limits=limits)
    for last in (1, NO_COUNTER):
        with pytest.raises(Replayed):
            open_envelope(ENVELOPE, TRUSTED, PIN, BASELINE, last_counter=last, limits=limits)


def test_the_first_counter_may_be_zero() -> None:
    envelope = sign(encode_message(RECIPE, 0), PIN, BASELINE, KEY)
    assert open_envelope(envelope, TRUSTED, PIN, BASELINE).counter == 0
    with pytest.raises(Replayed):
        open_envelope(envelope, TRUSTED, PIN, BASELINE, last_counter=0)


def test_a_message_sent_twice_is_called_replayed_though_the_tree_has_changed() -> None:
    after = changed(BASELINE, 0)
    with pytest.raises(Replayed):
        open_envelope(ENVELOPE, TRUSTED, PIN, after, last_counter=5)
    with pytest.raises(WrongBaseline):
        open_envelope(ENVELOPE, TRUSTED, PIN, after, last_counter=4)


def test_a_bad_signature_comes_before_the_counter() -> None:
    with pytest.raises(BadSignature):
        open_envelope(changed(ENVELOPE, len(ENVELOPE) - 40), TRUSTED, PIN, BASELINE, last_counter=9)


def test_wrong_prefix_with_a_bad_signature_is_still_refused() -> None:
    for offset, refusal in ((3, WrongPin), (4, WrongBaseline)):
        with pytest.raises(refusal):
            open_envelope(changed(ENVELOPE, offset), TRUSTED, PIN, BASELINE)


def test_prefixes_that_contradict_a_good_signature() -> None:
    """Only a defective author signs this; the signature alone must not let it through."""
    for recipe, refusal in (
        (replace(RECIPE, pin=changed(PIN, 0)), WrongPin),
        (replace(RECIPE, baseline=changed(BASELINE, 0)), WrongBaseline),
    ):
        envelope = sign(encode_message(recipe, 5), PIN, BASELINE, KEY)
        with pytest.raises(refusal):
            open_envelope(envelope, TRUSTED, PIN, BASELINE)


# --- the steps alone --------------------------------------------------------------------------


def test_each_step_alone() -> None:
    envelope = parse_envelope(ENVELOPE)
    assert envelope.message_bytes == MESSAGE
    keys = keys_named(envelope, TRUSTED)
    assert [key.public_bytes_raw() for key in keys] == [KEY.public_key().public_bytes_raw()]
    check_signature(envelope, keys, PIN, BASELINE)
    with pytest.raises(WrongBaseline):  # without counters the prefix decides
        check_signature(envelope, keys, PIN, changed(BASELINE, 0))
    with pytest.raises(BadSignature):
        check_signature(envelope, (), PIN, BASELINE)
    check_counter(envelope.message, 4, Limits())
    check_pin(envelope.message, PIN)
    check_baseline(envelope.message, BASELINE)
    with pytest.raises(WrongPin):
        check_pin(envelope.message, changed(PIN, 0))


@pytest.mark.parametrize(("pin", "baseline"), [(PIN[:31], BASELINE), (PIN, BASELINE + b"\0")])
def test_digests_are_whole(pin: bytes, baseline: bytes) -> None:
    with pytest.raises(ValueError):
        sign(MESSAGE, pin, baseline, KEY)


# --- the specification ------------------------------------------------------------------------


def table_rows(text: str) -> list[list[str]]:
    """Cells of every row of a Markdown table, code marks removed."""
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def test_worked_examples_of_the_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    document = Path(__file__).parent.parent.joinpath("docs", "wire-format.md").read_text("utf-8")
    example = document.split("## Worked example")[1].split("\n## ")[0]
    inputs = {row[0]: row[1] for row in table_rows(example) if len(row) == 2}
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(inputs["private key"]))
    pin, baseline = (bytes.fromhex(inputs[f"{name} digest"]) for name in ("pin", "baseline"))
    assert bound(pin, inputs["codec"]).hex() == inputs["binding"]
    # the example holds for its codec, whatever this program's is
    monkeypatch.setattr("shared.message.codec_version.CODEC", inputs["codec"])
    assert pin == hashlib.sha256(b"example pin").digest()
    assert baseline == hashlib.sha256(b"example baseline").digest()
    patch = hashlib.sha256(b"example patch").digest()[:8]
    coded = Recipe(pin, baseline, patch, SeedSource.CODED, bytes.fromhex("1f8b26d40973e85a02c6b1"))
    drawn = Recipe(
        pin,
        baseline,
        patch,
        SeedSource.DRAWN,
        bytes.fromhex("1f8b26"),
        seed=(1234).to_bytes(2, "big"),
        blobs=bytes.fromhex("28b52ffd"),
    )
    parts = example.split("| offset |")[1:]
    assert len(parts) == 2
    for part, recipe, counter in zip(parts, (coded, drawn), (300, 7), strict=True):
        rows = [row for row in table_rows(part) if row[0].isdigit()]
        envelope = sign(encode_message(recipe, counter), pin, baseline, key)
        assert b"".join(bytes.fromhex(hexes) for _, _, hexes in rows) == envelope
        assert [(offset, name) for offset, name, _ in rows] == [
            (str(field.offset), field.name) for field in inspect_envelope(envelope).fields
        ]
        assert open_envelope(envelope, [key.public_key()], pin, baseline).counter == counter
