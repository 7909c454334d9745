"""Coded residuals: by the definition, in their one form, and chosen where they are smaller."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Refusal, RegenerationError
from shared.media.coding.coefficients import MAGNITUDE_LIMIT
from shared.media.coding.residual import (
    Residual,
    corrected,
    decode_residual,
    encode_residual,
    step_count,
)
from shared.media.coding.transform import WAVES, ZIGZAG
from shared.media.fixed import U8
from shared.media.kinds.basis import Basis
from shared.media.message import decode_record, encode_record, prompt_record, regenerate_record
from shared.media.prompt import Attribute, Grammar, Prompt, decode_prompt, encode_prompt
from shared.media.render import Renderer
from shared.message.recipe import Kind

GRAMMAR = Grammar((Attribute("lid", ("ash", "bay", "elm")), Attribute("foot", ("in", "out"))))


def picture(channels: int, seed: int = 3) -> U8:
    """19 x 11 pixels, flat in one half."""
    pixels = np.random.default_rng(seed).integers(0, 256, (11, 19, channels)).astype(np.uint8)
    pixels[:, :9] = 77
    return pixels


@st.composite
def residuals(draw: st.DrawFn, channels: int) -> Residual:
    codes = tuple(draw(st.integers(0, 30)) for _ in range(step_count(channels)))
    places = st.tuples(st.integers(0, channels - 1), st.integers(0, 5))
    wave = st.one_of(st.just(0), st.integers(-20, 20), st.sampled_from([-MAGNITUDE_LIMIT, 900]))
    waves = st.lists(wave, min_size=64, max_size=64).filter(any)
    blocks = draw(st.dictionaries(places, waves, min_size=1, max_size=8))
    needed = {(0, 1, 1, 2)[plane] for plane, _ in blocks}
    return Residual(tuple(c if n in needed else 0 for n, c in enumerate(codes)), blocks)


@pytest.mark.parametrize(("plane", "steps"), [(0, "090000"), (2, "000b00"), (3, "000002")])
def test_a_step_that_no_wave_needs_is_zero(plane: int, steps: str) -> None:
    drawn = picture(4)
    block = {(plane, 1): [3, -1] + [0] * 62}
    data = encode_residual(drawn, Residual((9, 11, 2), block))
    assert data[:3].hex() == steps
    assert corrected(drawn, data).shape == drawn.shape
    for place in range(3):
        for value in (1, 30):
            if not data[place]:
                with pytest.raises(RegenerationError, match="no wave needs"):
                    corrected(drawn, data[:place] + bytes([value]) + data[place + 1 :])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_residuals_come_back(channels: int) -> None:
    drawn = picture(channels)

    @settings(max_examples=40, deadline=None)
    @given(residuals(channels))
    def check(residual: Residual) -> None:
        data = encode_residual(drawn, residual)
        assert decode_residual(drawn, data) == residual
        assert (corrected(drawn, data) == by_definition(drawn, residual)).all()

    check()


def by_definition(drawn: U8, residual: Residual) -> U8:
    """Integers of Python alone."""
    height, width, channels = drawn.shape
    columns = -(-width // 8)
    cosines = [[int(v) for v in row] for row in WAVES]
    planes: dict[tuple[int, int, int], int] = {}
    for (plane, block), waves in residual.blocks.items():
        code = residual.codes[0 if plane == 0 else 2 if plane == 3 else 1]
        step = (8 + code % 8) << (3 + code // 8)
        x = [0] * 64
        for n, at in enumerate(ZIGZAG.tolist()):
            x[at] = waves[n] * (step * (16 + 2 * (at // 8 + at % 8)) // 16)
        down = [
            sum(cosines[u][i] * x[8 * u + j] for u in range(8)) + 2**11 >> 12
            for i in range(8)
            for j in range(8)
        ]
        for i in range(8):
            for j in range(8):
                total = sum(down[8 * i + v] * cosines[v][j] for v in range(8)) + 2**14 >> 15
                planes[plane, block // columns * 8 + i, block % columns * 8 + j] = total
    out = np.empty_like(drawn)
    for y in range(height):
        for x_at in range(width):
            p = [planes.get((plane, y, x_at), 0) for plane in range(channels)]
            if channels > 1:
                p = [p[0] + p[1] - p[2], p[0] + p[2], p[0] - p[1] - p[2], *p[3:]]
            for channel, more in enumerate(p):
                level = int(drawn[y, x_at, channel]) + (more + 8 >> 4)
                out[y, x_at, channel] = min(255, max(0, level))
    return out


def test_golden_bytes() -> None:
    drawn = np.full((8, 8, 3), 100, np.uint8)
    waves = [5, 0, -1] + [0] * 61
    data = encode_residual(drawn, Residual((24, 30), {(0, 0): waves, (2, 0): [-2] + [0] * 63}))
    assert data.hex() == "181efa5a56"
    made = corrected(drawn, data)
    assert made[0, 0].tolist() == made[0, 7].tolist()


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    drawn = picture(4)
    try:
        found = decode_residual(drawn, data)
        made = corrected(drawn, data)
    except RegenerationError:
        return
    assert made.shape == drawn.shape
    if found.blocks:
        assert encode_residual(drawn, found) == data


def test_prompts_carry_residuals() -> None:
    plain = Prompt((2, 0))
    whole = replace(plain, residual=b"\x01\x02\x07")
    assert encode_prompt(GRAMMAR, plain) == b"\xab"
    assert encode_prompt(GRAMMAR, whole) == b"\xab\x01\x02\x07\x01\x00"
    assert decode_prompt(GRAMMAR, b"\xab\x01\x02\x07\x01\x00") == whole
    bare = Prompt((0, 0), residual=b"\0")
    assert encode_prompt(GRAMMAR, bare) == b"\0\0\0"
    assert decode_prompt(GRAMMAR, b"\0\0\0") == bare


@pytest.mark.parametrize(
    "data",
    [b"\0", b"\0\0", b"\xab\x01\0", b"\xab\x09\x02\0", b"\xac\x07\x01\0", b"\0\7\1\0"],
)
def test_other_forms_of_prompts_are_refused(data: bytes) -> None:
    with pytest.raises(RegenerationError):
        decode_prompt(GRAMMAR, data)


def test_long_prompts_take_no_residual() -> None:
    grammar = Grammar(tuple(Attribute(f"a{n}", ("x", "y")) for n in range(2080)))
    prompt = Prompt((1,) * 2080, residual=b"\1")
    with pytest.raises(ValueError, match="takes no residual"):
        encode_prompt(grammar, prompt)


def test_damage_never_gives_a_picture(pocket: Basis) -> None:
    renderer, prompt = Renderer(pocket), Prompt((2, 1), (5, -9))
    drawn = renderer(prompt)
    residual = Residual((20, 25), {(0, 1): [3, -1] + [0] * 62, (1, 2): [-7] + [0] * 63})
    whole = replace(prompt, residual=encode_residual(drawn, residual))
    data = encode_record(prompt_record(pocket, whole, renderer(whole)))
    assert (regenerate_record(decode_record(data), renderer) == renderer(whole)).all()
    refused = 0
    damaged = [data[:size] for size in range(1, len(data))]
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(flipped))
    for one in damaged:
        try:  # where levels are clipped, other steps may give the very same pixels
            assert (regenerate_record(decode_record(one), renderer) == renderer(whole)).all()
        except Refusal:
            refused += 1
    assert refused > 0.98 * len(damaged)


def test_the_cheapest_that_passes_is_kept(pocket: Basis, tmp_path: Path) -> None:
    images = pytest.importorskip("groundstation.media.images")
    from groundstation.media.family import Member
    from groundstation.media.judge.gate import Gate, judge
    from groundstation.media.records.encode import encode_original, totals

    pocket = replace(pocket, curves=np.stack([np.arange(1, 256) * 4000] * 3).astype(np.int32))
    renderer, gate = Renderer(pocket), Gate(score=60.0, block_levels=4.0)
    values = {"lid": "elm", "foot": "out"}
    drawn = renderer(pocket.grammar.plain(pocket.grammar.choose(values)))
    near = drawn.copy()
    near[:8, :8] = np.clip(near[:8, :8].astype(int) + 30, 0, 255)
    other = np.random.default_rng(4).integers(0, 256, drawn.shape).astype(np.uint8)
    entries = []
    for pixels, tier in ((drawn, "T0"), (near, "T2")):
        file = images.encode_picture(pixels, "PNG")
        entry = encode_original(Member(tmp_path / "one.png", values), file, renderer, gate)
        assert entry.tier == tier
        assert entry.size_bytes < len(file)
        if tier == "T2":
            made = regenerate_record(entry.record, renderer)
            assert gate.passes(judge(pixels, made))
            unknown = {"lid": "oak", "foot": "out"}
            found = encode_original(Member(tmp_path / "o.png", unknown), file, renderer, gate)
            assert found.tier == "T2"
        entries.append(entry)
    file = images.encode_picture(other, "PNG")
    strange = {"lid": "oak", "foot": "off"}  # two values that were not learned: no prompt is near
    last = encode_original(Member(tmp_path / "f.png", strange), file, renderer, gate)
    assert last.tier == "T3"
    summed = totals([*entries, last])
    assert (summed.pictures, summed.by_prompt, summed.corrected) == (3, 2, 1)


def test_messages_of_media_may_end_in_the_mark(pocket_file: bytes) -> None:
    from shared.errors import MalformedMessage
    from shared.media.generator import read_generator
    from shared.media.message import prompt_recipe, regenerate_image
    from shared.message.wire import decode_message, encode_message

    loaded = read_generator(pocket_file)
    renderer, prompt = Renderer(loaded.generator), Prompt((2, 1), (5, -9))
    residual = Residual((20, 25), {(0, 1): [3, -1] + [0] * 62})
    whole = replace(prompt, residual=encode_residual(renderer(prompt), residual))
    pixels = renderer(whole)
    assert not (pixels == renderer(prompt)).all()
    recipe = prompt_recipe(loaded, whole, pixels)
    assert (regenerate_image(decode_message(encode_message(recipe, 1)), renderer) == pixels).all()
    with pytest.raises(ValueError, match="zero byte"):
        replace(recipe, kind=Kind.CODE)
    code = bytearray(encode_message(recipe, 1))
    code[0] &= ~0x20  # of kind code
    with pytest.raises(MalformedMessage, match="zero byte"):
        decode_message(bytes(code))
