"""Messages: literal bytes, and one encoding for each."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedMessage, Refusal, UnsupportedVersion
from shared.message.codec_version import CODEC
from shared.message.recipe import Kind, Recipe
from shared.message.wire import MAX_COUNTER, Message, decode_message, encode_message, pieces
from shared.seeds.coins import SeedSource, seed_to_bytes

PIN = bytes(range(0xA0, 0xC0))
BASELINE = bytes(range(0x10, 0x30))
DIGEST = bytes.fromhex("0123456789abcdef")
STREAM = bytes.fromhex("fedc00ba98")
CODED = Recipe(PIN, BASELINE, DIGEST, SeedSource.CODED, STREAM)


def bound(pin: bytes) -> bytes:
    """What stands for a pin in messages of this program's codec."""
    return hashlib.sha256(CODEC.encode() + b"\n" + pin).digest()


BOUND = bound(PIN)[:1].hex()


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    source = draw(st.sampled_from(SeedSource))
    seed = draw(st.integers(0, 2**64 - 1)) if source is SeedSource.DRAWN else 0
    return Recipe(
        pin=draw(st.binary(min_size=32, max_size=32)),
        baseline=draw(st.binary(min_size=32, max_size=32)),
        patch_digest=draw(st.binary(min_size=8, max_size=8)),
        seed_source=source,
        stream=draw(st.binary(max_size=300)).rstrip(b"\0"),
        seed=seed_to_bytes(seed),
        blobs=draw(st.binary(max_size=40)),
        kind=draw(st.sampled_from(Kind)),
    )


COUNTERS = st.one_of(
    st.integers(0, MAX_COUNTER),
    st.sampled_from([0, 1, 255, 256, 65535, 65536, 2**24 - 1, 2**24, 2**28 - 1, MAX_COUNTER]),
)


# --- literal bytes ----------------------------------------------------------------------------


def test_coded_literal() -> None:
    assert encode_message(CODED, 5).hex() == f"5005{BOUND}100123456789abcdeffedc00ba98"


def test_greedy_with_blobs_literal() -> None:
    recipe = replace(CODED, seed_source=SeedSource.GREEDY, blobs=b"\x00\x77\x00")
    assert encode_message(recipe, 0x1234).hex() == (
        f"451234{BOUND}100123456789abcdef05fedc00ba98007700"
    )


def test_drawn_media_with_blobs_literal() -> None:
    recipe = replace(
        CODED,
        seed_source=SeedSource.DRAWN,
        seed=bytes.fromhex("012345"),
        stream=b"",
        blobs=b"\x77",
        kind=Kind.MEDIA,
    )
    # 0x012345 in groups of seven bits, lowest first: 1000101 1000110 0000100
    assert encode_message(recipe, 0xFEDCBA98).hex() == (
        f"6ffedcba98{BOUND}100123456789abcdefc5c6040077"
    )


def test_a_stream_size_of_two_bytes() -> None:
    recipe = replace(CODED, stream=b"\x11" * 300, blobs=b"\x77")
    assert encode_message(recipe, 0)[12:15].hex() == "ac0211"


# --- round trip and canonical form -----------------------------------------------------------


@given(recipes(), COUNTERS)
def test_round_trip(recipe: Recipe, counter: int) -> None:
    data = encode_message(recipe, counter)
    assert decode_message(data) == Message(
        version=1,
        kind=recipe.kind,
        seed_source=recipe.seed_source,
        counter=counter,
        pin_prefix=bound(recipe.pin)[:1],
        baseline_prefix=recipe.baseline[:1],
        patch_digest=recipe.patch_digest,
        stream=recipe.stream,
        seed=recipe.seed,
        blobs=recipe.blobs,
    )
    assert b"".join(part for _, part in pieces(decode_message(data))) == data


PINS = [number.to_bytes(32, "big") for number in range(5000)]
"""So many that every prefix has one."""


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=40).map(lambda tail: b"\x4d" + tail)))
def test_whatever_is_accepted_is_the_one_encoding(data: bytes) -> None:
    try:
        message = decode_message(data)
    except Refusal:
        return
    recipe = Recipe(
        next(pin for pin in PINS if bound(pin)[:1] == message.pin_prefix),
        message.baseline_prefix + bytes(31),
        message.patch_digest,
        message.seed_source,
        message.stream,
        message.seed,
        message.blobs,
        message.kind,
    )
    assert encode_message(recipe, message.counter) == data


PREFIXES = "a0100123456789abcdef"  # of pin and baseline, and the digest


@pytest.mark.parametrize(
    "data",
    [
        pytest.param("", id="nothing"),
        pytest.param("510005" + PREFIXES + "fe", id="a counter longer than needed"),
        pytest.param("5005" + PREFIXES + "fe00", id="a stream that ends in zero"),
        pytest.param("5005" + PREFIXES + "00", id="an empty stream written as zero"),
        pytest.param("5405" + PREFIXES + "01fe", id="a blobs bit without blobs"),
        pytest.param("5405" + PREFIXES + "8100fe77", id="a stream size of two bytes for one"),
        pytest.param("5405" + PREFIXES + "7ffe77", id="a stream size past the end"),
        pytest.param("5405" + PREFIXES + "ff" * 12, id="a stream size that never ends"),
        pytest.param("5405" + PREFIXES + "80808080808080808002fe", id="a stream size of 2**64"),
        pytest.param("4805" + PREFIXES + "8100fe", id="a seed longer than needed"),
        pytest.param("4805" + PREFIXES + "80808080808080808002fe", id="a seed of 2**64"),
        pytest.param("4805" + PREFIXES + "ff" * 12, id="a seed that never ends"),
    ],
)
def test_other_forms_are_malformed(data: str) -> None:
    with pytest.raises(MalformedMessage):
        decode_message(bytes.fromhex(data))


@pytest.mark.parametrize("head", ["10", "90", "d0", "00", "ff", "58"])
def test_other_versions_and_sources_are_named_as_such(head: str) -> None:
    with pytest.raises(UnsupportedVersion):
        decode_message(bytes.fromhex(head + "05" + PREFIXES + "fe"))


def test_an_unknown_version_is_named_even_when_nothing_follows() -> None:
    with pytest.raises(UnsupportedVersion):
        decode_message(b"\x90")


RECIPES = [
    CODED,
    replace(CODED, blobs=b"\x77\x88", stream=b"\x11" * 130),
    replace(CODED, seed_source=SeedSource.DRAWN, seed=b"\x03\x45", blobs=b"\x77"),
    replace(CODED, seed_source=SeedSource.GREEDY, kind=Kind.MEDIA),
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_truncations_never_read_as_the_same_message(recipe: Recipe) -> None:
    data = encode_message(recipe, 0x1234)
    whole = decode_message(data)
    refused = 0
    for size in range(len(data)):
        try:
            assert decode_message(data[:size]) != whole
        except Refusal:
            refused += 1
    assert refused >= 13  # everything that ends before the last field


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_flipped_bit_reads_as_the_same_message(recipe: Recipe) -> None:
    data = encode_message(recipe, 0x1234)
    whole = decode_message(data)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        try:
            assert decode_message(bytes(flipped)) != whole
        except Refusal:
            continue


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("counter", [-1, 2**32])
def test_counters_out_of_range(counter: int) -> None:
    with pytest.raises(ValueError):
        encode_message(CODED, counter)


@pytest.mark.parametrize(
    "change",
    [
        {"pin": PIN[:31]},
        {"baseline": BASELINE + b"\1"},
        {"patch_digest": DIGEST[:7]},
        {"stream": b"\x12\x00"},
        {"seed": b"\x05"},
        {"seed_source": SeedSource.DRAWN, "seed": b"\x00\x05"},
        {"seed_source": SeedSource.DRAWN, "seed": b"\x05" * 9},
    ],
)
def test_recipes_have_one_form(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        replace(CODED, **change)  # type: ignore[arg-type]
