"""Files that need several windows: any number of hunks, near and far, comes back byte for byte."""

from __future__ import annotations

import pytest
from codec_ends import Recorder, check_round_trip, files, read, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_codec import random_model

from shared.prompts.language_model.model import LanguageModel
from shared.prompts.rewrite import Hunk, apply_hunks
from shared.prompts.settings import Settings, Shape

MODELS = (random_model(3), random_model(5, words=True))
NEW_LINES = st.lists(st.sampled_from([b"x\n", b"int y;\n", b"}\n", b"\n", b"+x\n"]), max_size=4)


@st.composite
def many_hunks(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Up to eight hunks in up to 150 lines, some of them near each other."""
    old = [b"line %d;\n" % number for number in range(draw(st.integers(20, 150)))]
    hunks: list[Hunk] = []
    place = -1
    for _ in range(draw(st.integers(2, 8))):
        start = place + 1 + draw(st.sampled_from([0, 1, 2, 5, 8, 15, 40]))
        end = start + draw(st.integers(0, 4))
        text = b"".join(draw(NEW_LINES))
        if end > len(old):
            break
        if end > start or text:
            hunks.append(Hunk(start, end, text))
            place = end
    return b"".join(old), apply_hunks(old, hunks)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    pair=many_hunks(),
    shape=st.sampled_from(list(Shape)),
    before=st.sampled_from([0, 1, 3, 3]),
    after=st.sampled_from([0, 2, 2]),
    inside=st.booleans(),
    model=st.sampled_from(MODELS),
)
def test_many_hunks_come_back(
    pair: tuple[bytes, bytes],
    shape: Shape,
    before: int,
    after: int,
    inside: bool,
    model: LanguageModel,
) -> None:
    old, new = pair
    if old == new:
        return
    chosen = Settings(shape, before, after)
    check_round_trip(files(a__c=old), files(a__c=new), model, chosen, inside=inside)


@pytest.mark.parametrize("shape", list(Shape), ids=lambda shape: shape.name.lower())
@pytest.mark.parametrize(("lines", "times"), [(1, 2), (6, 2), (7, 1), (60, 1)])
def test_a_large_hunk_is_not_shown_again(shape: Shape, lines: int, times: int) -> None:
    """Twelve lines may be shown above line 16; six are unchanged, so six new ones fit."""
    old = b"".join(b"%d\n" % number for number in range(1, 41))
    new = old.replace(b"\n9\n", b"\n" + b"new\n" * lines).replace(b"16\n", b"y\n")
    base, target = files(a=old), files(a=new)
    recorder = Recorder(MODELS[0])
    recipe = write(base, target, MODELS[0], Settings(shape, before=3, after=2))
    assert read(recipe, base, lambda: recorder).target == target
    (text,) = (recorder.read(k) for k in range(len(recorder.texts)))
    assert text.count(b"new\n") == times * lines
