"""Drawing by diffusion: against the definition in Python's integers, alike in every way."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from drops import by_definition, made
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.digest import to_hex
from shared.errors import DigestMismatch, PinError, RegenerationError
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.diffusion import LIMIT, MAX_TAPS, NORMAL, Diffusion
from shared.media.kinds.diffusion_drawing import (
    DiffusionDrawer,
    all_picks,
    from_squares,
    noise_pictures,
    pixels_of,
    to_squares,
)
from shared.media.kinds.diffusion_layers import Layer
from shared.media.kinds.diffusion_network import Shape
from shared.media.message import (
    NO_BASELINE,
    decode_record,
    encode_record,
    prompt_recipe,
    prompt_record,
    regenerate_image,
    regenerate_record,
)
from shared.media.pixels import pixel_digest
from shared.media.prompt import Attribute, Prompt, decode_prompt, encode_prompt
from shared.media.render import Renderer
from shared.message.envelope import open_envelope, sign
from shared.message.wire import encode_message

PROMPT = Prompt((1, 2), (), (3, 1))
GOLDEN = "e01ab4943fdf35d3a1108139dc254bb0008235f13768d1866ea73f237f775924"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def drops() -> Diffusion:
    return made()


@pytest.fixture(scope="module")
def drops_file(drops: Diffusion) -> bytes:
    return write_generator(drops)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"wild": True},
        {"seed": 4, "size": (4, 12)},
        {"shape": Shape((4,), 2, 1, 0), "size": (5, 3)},
        {"shape": Shape((4, 8, 4), 4, 1, 1), "size": (8, 4)},
        {"shape": Shape((2, 2), 1, 4, 3), "size": (8, 8), "steps": 2, "book": 1},
        {"shape": Shape((4, 8, 4), 4, 1, 1), "size": (4, 8), "wild": True},
    ],
)
def test_pixels_are_those_of_the_definition(options: dict[str, object]) -> None:
    generator = made(**options)  # type: ignore[arg-type]
    for choices in ((1, 2), (0, 0)):
        picks = tuple((7 * n + choices[0]) % size for n, size in enumerate(generator.grammar.books))
        prompt = Prompt(choices, (), picks)
        wanted = by_definition(generator, prompt)
        assert wanted.std() > 10
        assert Renderer(generator)(prompt).tolist() == wanted.tolist()


def test_a_number_stands_for_all_picks() -> None:
    generator = made(seeds=1000, steps=4)
    prompt = Prompt((0, 1), (), (777,))
    assert generator.grammar.books == (1000,)
    assert Renderer(generator)(prompt).tolist() == by_definition(generator, prompt).tolist()
    picked = Prompt(prompt.choices, (), all_picks(generator, prompt))
    other = made(steps=4)
    assert len(picked.picks) == 3
    assert (Renderer(other)(picked) == Renderer(generator)(prompt)).all()


def test_the_fixed_generator_draws_its_golden_picture(drops: Diffusion) -> None:
    assert to_hex(pixel_digest(Renderer(drops)(PROMPT))) == GOLDEN


def test_every_pick_and_choice_shows(drops: Diffusion) -> None:
    prompts = [
        PROMPT,
        Prompt((1, 2), (), (2, 1)),
        Prompt((1, 2), (), (3, 0)),
        Prompt((0, 2), (), (3, 1)),
    ]
    assert len({pixel_digest(Renderer(drops)(prompt)) for prompt in prompts}) == 4


def test_threads_of_the_libraries_do_not_show() -> None:
    code = (
        "from drops import made\n"
        "from shared.media.kinds.diffusion_network import Shape\n"
        "from shared.media.pixels import pixel_digest\n"
        "from shared.media.prompt import Prompt\n"
        "from shared.media.render import Renderer\n"
        "drawer = Renderer(made(shape=Shape((24, 40), 8, 2, 8), size=(64, 64)), threads=2)\n"
        "for _ in range(2):\n"
        "    print(pixel_digest(drawer(Prompt((1, 2), (), (3, 1)))).hex())\n"
    )
    found = set()
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        paths = os.pathsep.join([str(ROOT), str(Path(__file__).parent)])
        environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONPATH": paths}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        found |= set(done.stdout.split())
    assert len(found) == 1


def test_sums_are_exact_at_their_bound() -> None:
    for side in (-1, 1):
        layer = Layer(
            np.full((1, MAX_TAPS), -128.0), 1, np.full((1, 1), 32767.0), np.zeros((1, 1)), 26
        )
        image = np.full((MAX_TAPS, 1, 1), side * float(LIMIT))
        image[0] -= side * 1.0
        total = (-128 * side * (MAX_TAPS * LIMIT - 1)) * 32767
        exact = (total + (1 << 25)) >> 26
        assert layer(image).ravel().tolist() == [max(-LIMIT, min(LIMIT, exact))]
        narrow = dataclasses.replace(layer, shift=36)
        assert narrow(image).ravel().tolist() == [(total + (1 << 35)) >> 36]


def test_noise_is_normal_and_entries_differ(drops: Diffusion) -> None:
    table = np.arange(-128, 128).astype(np.int16)
    wide = made(size=(64, 64), shape=Shape((4, 6), 2, 2, 2))
    pictures = noise_pictures(dataclasses.replace(wide, normal=table), 1, range(4))
    flat = pictures.reshape(4, -1)
    assert abs(flat.mean()) < 1.5
    assert abs(flat.std() - 73.9) < 1
    assert np.abs(np.corrcoef(flat) - np.eye(4)).max() < 0.04
    again = noise_pictures(dataclasses.replace(wide, normal=table), 1, range(2, 3))
    assert (again[0] == pictures[2]).all()
    assert len(drops.normal) == NORMAL


def test_squares_go_there_and_back() -> None:
    image = np.arange(3 * 8 * 12, dtype=np.float64).reshape(3, 8, 12)
    squares = to_squares(image, 4)
    assert squares.shape == (48, 2, 3)
    assert squares[16 + 4 * 1 + 2, 1, 2] == image[1, 5, 10]
    assert (from_squares(squares, 4) == image).all()


def test_levels_become_the_nearest_bytes() -> None:
    levels = np.array([-4096.0, 0.0, 4096.0, 4080.0]).reshape(1, 1, 4).repeat(3, axis=0)
    assert pixels_of(levels)[0, :, 0].tolist() == [0, 128, 255, 255]


# --- file ---------------------------------------------------------------------------------------


def test_a_file_gives_the_same_pixels(drops: Diffusion, drops_file: bytes) -> None:
    found = read_generator(drops_file)
    assert write_generator(found.generator) == drops_file
    assert (Renderer(found.generator)(PROMPT) == Renderer(drops)(PROMPT)).all()


def test_files_cut_short_are_refused(drops_file: bytes) -> None:
    for size in range(len(drops_file)):
        if size < 200 or size % 37 == 0 or size > len(drops_file) - 40:
            with pytest.raises(PinError):
                read_generator(drops_file[:size])


def test_flipped_bits_are_refused_or_show_in_the_name(drops_file: bytes) -> None:
    name = read_generator(drops_file).digest
    for place in range(0, len(drops_file), 53):
        damaged = bytearray(drops_file)
        damaged[place] ^= 1 << place % 8
        try:
            found = read_generator(bytes(damaged))
        except PinError:
            continue
        assert found.digest != name


CHANGES: list[Callable[[Diffusion], dict[str, object]] | dict[str, object]] = [
    lambda g: {"width": 0 * g.width},
    lambda g: {"width": g.width + 2},
    {"height": 516},
    {"shape": Shape((), 2, 2, 2)},
    {"shape": Shape((4, 6), 0, 2, 2)},
    {"shape": Shape((4, 6), 2, 0, 2)},
    {"shape": Shape((4, 6), 2, -2, 2)},
    {"shape": Shape((4, 6), 4, 2, 2)},
    {"shape": Shape((4, 8), 2, 2, 2)},
    {"shape": Shape((4, 6), 2, 2, 3)},
    {"shape": Shape((512, 512), 2, 2, 2)},
    {"shape": Shape((200, 200, 200, 200), 2, 2, 2), "width": 512, "height": 512},
    {"shape": Shape((200,) * 6, 2, 2, 2), "width": 64, "height": 64},
    {"book": 0},
    {"book": 4097},
    {"seeds": -1},
    {"seeds": 2**32 + 1},
    lambda g: {"path": g.path[:1]},
    lambda g: {"path": g.path[:, :4]},
    lambda g: {"path": g.path[::-1]},
    lambda g: {"path": g.path + 2**15},
    lambda g: {"times": g.times[1:]},
    lambda g: {"times": g.times[:, 1:]},
    lambda g: {"tables": g.tables[:1]},
    lambda g: {"tables": (g.tables[0], g.tables[1][:2])},
    lambda g: {"attributes": (g.attributes[0], Attribute("lid", ("a", "b", "c")))},
    lambda g: {"attributes": (g.attributes[0], Attribute("foot", ("a", "b", "a")))},
    lambda g: {"canvas": g.canvas[:, 1:]},
    {"canvas_step": 2048},
    {"canvas_step": -1},
    lambda g: {"weights": g.weights[1:]},
    lambda g: {"scales": g.scales[1:]},
    lambda g: {"scales": 0 * g.scales},
    lambda g: {"biases": g.biases[1:]},
    lambda g: {"shifts": g.shifts[1:]},
    lambda g: {"shifts": (41, *g.shifts[1:])},
    lambda g: {"shifts": (-1, *g.shifts[1:])},
    lambda g: {"gains": g.gains[1:]},
    lambda g: {"offsets": g.offsets[1:]},
    lambda g: {"sigmoid": g.sigmoid[1:]},
    lambda g: {"sigmoid": g.sigmoid[::-1]},
    lambda g: {"sigmoid": g.sigmoid - 20000},
    lambda g: {"normal": g.normal[1:]},
]


@pytest.mark.parametrize("place", range(len(CHANGES)))
def test_parts_that_do_not_fit_are_refused(drops: Diffusion, place: int) -> None:
    change = CHANGES[place]
    changed = change if isinstance(change, dict) else change(drops)
    with pytest.raises(PinError, match="inconsistent") as caught:
        dataclasses.replace(drops, **changed)  # type: ignore[arg-type]
    assert caught.value.remedy


@pytest.mark.parametrize("kernel", ["c", "cuda"])
def test_kernels_that_are_not_there_are_refused(drops: Diffusion, kernel: str) -> None:
    with pytest.raises(ValueError, match="numpy"):
        Renderer(drops, kernel=kernel)


# --- prompts ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_prompts_with_picks_come_back(data: st.DataObject) -> None:
    steps = data.draw(st.integers(2, 40))
    book = data.draw(st.integers(1, 4096))
    grammar = dataclasses.replace(
        _SMALL,
        book=book,
        path=np.resize(_SMALL.path[:1] * [1, 1, 1, 1, 0], (steps, 5)).astype(np.int32),
        times=np.resize(_SMALL.times, (steps, _SMALL.shape.embedding)),
    ).grammar
    picks = data.draw(st.lists(st.integers(0, book - 1), min_size=steps - 1, max_size=steps - 1))
    prompt = Prompt((data.draw(st.integers(0, 1)), data.draw(st.integers(0, 2))), (), tuple(picks))
    stream = encode_prompt(grammar, prompt)
    assert decode_prompt(grammar, stream) == prompt
    assert len(stream) <= -(-((2 * 3 * book ** (steps - 1)).bit_length() + 2) // 8)


_SMALL = made()


def test_a_record_of_a_picture_is_checked_when_it_is_drawn(drops: Diffusion) -> None:
    renderer = Renderer(drops)
    record = prompt_record(drops, PROMPT, renderer(PROMPT))
    assert len(encode_record(record)) <= 5 + 2
    again = decode_record(encode_record(record))
    assert (regenerate_record(again, renderer) == renderer(PROMPT)).all()
    with pytest.raises(DigestMismatch):
        regenerate_record(again, Renderer(made(seed=4)))


def test_a_picture_goes_over_the_link(drops: Diffusion, drops_file: bytes) -> None:
    loaded = read_generator(drops_file)
    renderer = Renderer(loaded.generator)
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    recipe = prompt_recipe(loaded, PROMPT, renderer(PROMPT))
    envelope = sign(encode_message(recipe, 7), loaded.digest, NO_BASELINE, key)
    trusted = [key.public_key()]
    message = open_envelope(envelope, trusted, loaded.digest, NO_BASELINE, last_counter=6)
    assert (regenerate_image(message, renderer) == Renderer(drops)(PROMPT)).all()


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt((1, 2)),
        Prompt((1, 2), (), (3, 5)),
        Prompt((1, 2), (), (3,)),
        Prompt((1, 2), (1,), (3, 1)),
    ],
)
def test_prompts_of_another_grammar_are_refused(drops: Diffusion, prompt: Prompt) -> None:
    with pytest.raises(RegenerationError) as caught:
        Renderer(drops)(prompt)
    assert "2 picks" in str(caught.value.expected)


def test_a_drawer_draws_what_its_steps_give(drops: Diffusion) -> None:
    drawer = DiffusionDrawer(drops)
    told, state = drawer.told(PROMPT.choices), drawer.start()
    for step, pick in enumerate(PROMPT.picks):
        state = drawer.after(
            state, drawer.clean(state, step, told), step, drawer.noise(step + 1, pick)
        )
    assert (pixels_of(drawer.clean(state, 2, told)) == drawer(PROMPT)).all()
