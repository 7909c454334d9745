"""Every decision of a message with its bits, read as the probe reads it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from groundstation.replay.observe import regenerate_observed
from shared.message.wire import Message
from shared.prompts.language_model.model import LanguageModel
from shared.regenerate import Regenerated
from shared.seeds.decisions import Decisions
from shared.seeds.sampler import Frequencies, most_frequent, symbol_interval
from shared.terminal import Report, silent
from shared.tree import Tree

BIT = 1 << 20
"""Bits are told in multiples of 1/BIT: sums of such floats are exact, in whatever order."""


def exact_bits(freq: int, total: int) -> float:
    """-log2 of a decision's probability, to the nearest 1/BIT."""
    return round((math.log2(total) - math.log2(freq)) * BIT) / BIT


@dataclass(frozen=True)
class Decided:
    """One decision of a message.

    Attributes:
        label: what it was about; "" for the tokens of the new text.
        is_token: whether the model made its frequencies.
        index: what was decided.
        bits: what that costs, ideally.
        expected: the most frequent index.
        outcomes: how many indices there were.
    """

    label: str
    is_token: bool
    index: int
    bits: float
    expected: int
    outcomes: int


@dataclass
class _Recorder:
    """Hands on decisions and keeps them."""

    reader: Decisions
    decided: list[Decided] = field(default_factory=list)

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.prompt(frequencies, wanted, label)
        self._keep(label, False, frequencies, index)
        return index

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.uniform(total, wanted, label)
        self.decided.append(Decided(label, False, index, exact_bits(1, total), 0, total))
        return index

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = self.reader.token(frequencies, wanted, label)
        self._keep(label, True, frequencies, index)
        return index

    def _keep(self, label: str, is_token: bool, frequencies: Frequencies, index: int) -> None:
        _, freq, total = symbol_interval(frequencies, index)
        bits, first = exact_bits(freq, total), most_frequent(frequencies)
        self.decided.append(Decided(label, is_token, index, bits, first, len(frequencies)))


def record(
    message: Message,
    baseline: Tree,
    model: LanguageModel,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Regenerated, tuple[Decided, ...]]:
    """Reads a message as the probe does; returns what came of it and every decision.

    Raises:
        RegenerationError: the message leads nowhere.
        OutOfMemory: there is too little memory now.
    """
    made, recorder = regenerate_observed(message, baseline, lambda: model, _Recorder, report, clock)
    return made, tuple(recorder.decided)
