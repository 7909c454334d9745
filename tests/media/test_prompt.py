"""Prompts: their bytes, their one form, and how few they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputError, RegenerationError
from shared.media.prompt import (
    Attribute,
    Grammar,
    Prompt,
    decode_prompt,
    encode_prompt,
    latent_frequencies,
)

PLAIN = Grammar((Attribute("lid", ("ash", "bay", "elm")), Attribute("foot", ("in", "out"))))
SHOE = Grammar(tuple(Attribute(f"part{n}", tuple(f"c{v}" for v in range(12))) for n in range(8)))


@st.composite
def grammar_and_prompt(draw: st.DrawFn) -> tuple[Grammar, Prompt]:
    sizes = draw(st.lists(st.integers(1, 40), max_size=6))
    decays = draw(st.lists(st.integers(1, 255), max_size=5))
    attributes = tuple(
        Attribute(f"a{n}", tuple(map(str, range(size)))) for n, size in enumerate(sizes)
    )
    choices = tuple(draw(st.integers(0, size - 1)) for size in sizes)
    latents = tuple(draw(st.integers(-127, 127)) for _ in decays)
    return Grammar(attributes, tuple(decays)), Prompt(choices, latents)


@given(grammar_and_prompt())
def test_prompts_come_back(pair: tuple[Grammar, Prompt]) -> None:
    grammar, prompt = pair
    assert decode_prompt(grammar, encode_prompt(grammar, prompt)) == prompt


def test_the_bytes_of_small_prompts() -> None:
    # six equal shares of [0, 1): elm and in is [4/6, 5/6), whose shortest byte is 0xab = 0.668
    assert encode_prompt(PLAIN, Prompt((2, 0))) == b"\xab"
    assert encode_prompt(PLAIN, Prompt((0, 0))) == b""
    assert encode_prompt(PLAIN, Prompt((0, 1))) == b"\x2b"


@given(st.lists(st.integers(0, 11), min_size=8, max_size=8))
def test_eight_parts_in_twelve_colours_fit_four_bytes(choices: list[int]) -> None:
    assert len(encode_prompt(SHOE, Prompt(tuple(choices)))) <= 4


@given(st.binary(max_size=4))
def test_other_forms_are_refused(data: bytes) -> None:
    try:
        prompt = decode_prompt(PLAIN, data)
    except RegenerationError:
        return
    assert encode_prompt(PLAIN, prompt) == data


def test_no_longer_form_is_read() -> None:
    for data in (b"\xab\x01", b"\xac", b"\xab\0"):
        with pytest.raises(RegenerationError):
            decode_prompt(PLAIN, data)


def test_latents_have_the_frequencies_of_their_recurrence() -> None:
    found = latent_frequencies(128)
    assert len(found) == 255
    assert found[127] == 1 << 20
    assert found[126] == found[128] == 1 << 19
    assert found[0] == found[254] == 1  # never 0: every latent can be said
    assert latent_frequencies(255)[129] == ((1 << 20) * 255 >> 8) * 255 >> 8


def test_names_are_looked_up() -> None:
    assert PLAIN.choose({"foot": "out", "lid": "bay"}) == (1, 1)
    assert PLAIN.named(Prompt((1, 1))) == {"lid": "bay", "foot": "out"}
    for wrong in ({"lid": "bay"}, {"lid": "oak", "foot": "in"}, {"lid": "ash", "arm": "in"}):
        with pytest.raises(InputError):
            PLAIN.choose(wrong)
    with pytest.raises(InputError):
        PLAIN.choose({"lid": "ash", "foot": "in", "arm": "x"})


@pytest.mark.parametrize("latent", [-128, 128, 1000])
def test_latents_out_of_range_are_refused(latent: int) -> None:
    with pytest.raises(ValueError, match="latent"):
        encode_prompt(Grammar((), (128,)), Prompt((), (latent,)))
