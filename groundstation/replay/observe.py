"""A message read to its end under the eyes of a recorder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from shared.message.recipe import Recipe
from shared.message.wire import Message
from shared.prompts.language_model.model import LanguageModel
from shared.regenerate import Budget, Regenerated, regenerate
from shared.seeds.decisions import Decisions
from shared.terminal import Report, silent
from shared.tree import Tree

Recorder = TypeVar("Recorder", bound=Decisions)


def regenerate_observed(
    message: Message | Recipe,
    baseline: Tree,
    open_model: Callable[[], LanguageModel],
    new_recorder: Callable[[Decisions], Recorder],
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Regenerated, Recorder]:
    """Reads a message as ``shared.regenerate.regenerate``, without limits of tokens or time.

    Args:
        message: the message or the recipe in it.
        baseline: the tree on board.
        open_model: opens the pinned model.
        new_recorder: makes what stands between the decisions and regeneration.
        report: told of progress, in tokens.
        clock: seconds from any fixed moment.

    Returns:
        What came of it, and the recorder, which has seen every decision.

    Raises:
        RegenerationError: the message leads nowhere.
        OutOfMemory: there is too little memory now.
    """
    recorders: list[Recorder] = []

    def observe(decisions: Decisions) -> Decisions:
        recorders.append(new_recorder(decisions))
        return recorders[0]

    budget = Budget(max_tokens=1 << 62, max_seconds=math.inf)
    made = regenerate(message, baseline, open_model, budget, report, clock, observe)
    return made, recorders[0]
