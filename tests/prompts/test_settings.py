"""Settings: every one has exactly one spelling, and no stream is wasted on another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.prompts.settings import (
    INVERSE_TEMPERATURES,
    LINES_AFTER,
    LINES_BEFORE,
    RECALL_SHIFTS,
    Settings,
    Shape,
    transcribe_settings,
)
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionReader, DecisionWriter

RANGES = (
    Shape,
    range(len(LINES_BEFORE)),
    range(len(LINES_AFTER)),
    range(len(RECALL_SHIFTS)),
    range(len(INVERSE_TEMPERATURES)),
)
ALL = [Settings(*values) for values in itertools.product(*RANGES)]


class Guided:
    """Decides as told, and multiplies the probabilities of what it was told."""

    def __init__(self, path: list[int]) -> None:
        self.path = iter(path)
        self.chance = Fraction(1)

    def prompt(
        self,
        frequencies: NDArray[np.int64],
        wanted: int | None = None,
        label: str = "",  # noqa: ARG002
    ) -> int:
        choice = next(self.path, None) if wanted is None else wanted
        if choice is None:
            raise _MoreNeededError(len(frequencies))
        self.chance *= Fraction(int(frequencies[choice]), int(frequencies.sum()))
        return choice

    uniform = token = None


class _MoreNeededError(Exception):
    """The path is too short; holds how many ways go on."""


def leaves(path: list[int]) -> Iterator[tuple[Settings, Fraction]]:
    """Every sequence of decisions that begins so, where it leads, and its probability."""
    guided = Guided(path)
    try:
        yield transcribe_settings(guided, None), guided.chance  # type: ignore[arg-type]
    except _MoreNeededError as needed:
        for choice in range(needed.args[0]):
            yield from leaves([*path, choice])


def test_every_setting_has_one_spelling_and_together_they_have_them_all() -> None:
    possible = [(setting, chance) for setting, chance in leaves([]) if chance]
    assert len(possible) == len(ALL) == 768
    assert {setting for setting, _ in possible} == set(ALL)
    assert sum(chance for _, chance in possible) == 1
    assert dict(possible)[Settings()] == Fraction(7, 10)


def test_writing_costs_what_reading_expects() -> None:
    chances = {setting: chance for setting, chance in leaves([]) if chance}
    for setting in ALL:
        guided = Guided([])
        assert transcribe_settings(guided, setting) == setting  # type: ignore[arg-type]
        assert guided.chance == chances[setting]
    # by hand: not usual; diff; 12 lines before; 12 after; recall doubled; 0.875
    assert chances[Settings(Shape.DIFF, 3, 0, 1, 2)] == Fraction(
        3 * 4 * 2 * 8 * 3 * 2, 10 * 16 * 16 * 16 * 17 * 18
    )
    # nothing else is unusual: 1.125 is 4 of 8, not 4 of 18
    assert chances[Settings(temperature=1)] == Fraction(
        3 * 8 * 8 * 8 * 10 * 4, 10 * 16 * 16 * 16 * 17 * 8
    )


@given(st.sampled_from(ALL))
def test_settings_come_back(setting: Settings) -> None:
    writer = DecisionWriter(SeedSource.CODED)
    transcribe_settings(writer, setting)
    reader = DecisionReader(SeedSource.CODED, writer.finish())
    assert transcribe_settings(reader, None) == setting
