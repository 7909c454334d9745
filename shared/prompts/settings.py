"""The few choices that a message makes about its prompts, and what each costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

from shared.prompts.frequencies import weights
from shared.seeds.decisions import Decisions


class Shape(IntEnum):
    """How the old and the new text are shown to the model."""

    FENCED = 0
    PLAIN = 1
    DIFF = 2


LINES_BEFORE = (80, 30, 160, 12)
LINES_AFTER = (12, 30, 4, 100)
RECALL_SHIFTS: tuple[int | None, ...] = (0, 8, -8, None)
"""How much more what is recalled counts, in eighths of an octave; None leaves it out."""
INVERSE_TEMPERATURES = (1.0, 1.125, 0.875, 1.25)
_WEIGHTS = (8, 4, 2, 2)
_RECALL_WEIGHTS = (10, 3, 3, 1)
_TEMPERATURE_WEIGHTS = (10, 4, 2, 2)


@dataclass(frozen=True)
class Settings:
    """Prompt and sampler settings of a message.

    Attributes:
        shape: how old and new text are shown.
        before: index into LINES_BEFORE: unchanged lines shown before a window's first hunk.
        after: index into LINES_AFTER: lines shown after it.
        recall: index into RECALL_SHIFTS.
        temperature: index into INVERSE_TEMPERATURES.
    """

    shape: Shape = Shape.FENCED
    before: int = 0
    after: int = 0
    recall: int = 0
    temperature: int = 0

    @property
    def lines_before(self) -> int:
        """Unchanged lines shown before a window's first hunk."""
        return LINES_BEFORE[self.before]

    @property
    def lines_after(self) -> int:
        """Old lines shown after the first hunk of a window."""
        return LINES_AFTER[self.after]

    @property
    def recall_shift(self) -> int | None:
        """How much more what is recalled counts, in eighths of an octave; None for not at all."""
        return RECALL_SHIFTS[self.recall]

    @property
    def inverse_temperature(self) -> float:
        return INVERSE_TEMPERATURES[self.temperature]


def transcribe_settings(decisions: Decisions, wanted: Settings | None) -> Settings:
    """Writes or reads the settings; the defaults cost half a bit in all, and have one spelling."""
    usual = None if wanted is None else int(wanted == Settings())
    if decisions.prompt(weights(3, 7), usual, "settings"):
        return Settings()

    def choose(likely: tuple[int, ...], value: int | None) -> int:
        return decisions.prompt(weights(*likely), value, "settings")

    chosen = Settings(
        shape=Shape(choose((8, 4, 4), None if wanted is None else wanted.shape)),
        before=choose(_WEIGHTS, None if wanted is None else wanted.before),
        after=choose(_WEIGHTS, None if wanted is None else wanted.after),
        recall=choose(_RECALL_WEIGHTS, None if wanted is None else wanted.recall),
    )
    # something is unusual, else one bit would have said so
    first = 0 if chosen == Settings() else _TEMPERATURE_WEIGHTS[0]
    temperature = choose(
        (first, *_TEMPERATURE_WEIGHTS[1:]), None if wanted is None else wanted.temperature
    )
    return replace(chosen, temperature=temperature)
