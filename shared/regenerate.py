"""Recipe + baseline + pinned model -> patch: the one path that the ground and the probe share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.diff import unified_diff
from shared.errors import BudgetExceeded, RegenerationError
from shared.prompts.changeset import transcribe
from shared.prompts.desk import Desk
from shared.prompts.model import LanguageModel
from shared.recipe import Recipe
from shared.seeds.coins import seed_from_bytes
from shared.seeds.decisions import DecisionReader
from shared.terminal import Report, silent
from shared.tree import Tree
from shared.wire import Message

Clock = Callable[[], float]


@dataclass(frozen=True)
class Budget:
    """What regeneration may use.

    Attributes:
        max_tokens: tokens that the model reads or writes.
        max_seconds: wall time, from the first to the last token.
        max_memory_bytes: resident memory of this process.
    """

    max_tokens: int = 200_000
    max_seconds: float = 24 * 3600.0
    max_memory_bytes: int = 1 << 40


@dataclass(frozen=True)
class Regenerated:
    """What came of a message.

    Attributes:
        target: the tree after the patch.
        patch: the canonical patch.
        tokens: tokens that the model read and wrote.
        seconds: wall time.
    """

    target: Tree
    patch: bytes
    tokens: int
    seconds: float


@dataclass
class Meter:
    """Counts what is used and stops what would use too much.

    Attributes:
        budget: the limits.
        clock: seconds from any fixed moment.
        report: told the number of tokens.
    """

    budget: Budget
    clock: Clock
    report: Report
    tokens: int = 0
    started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self.started_s = self.clock()

    def spend(self, tokens: int) -> None:
        """Accounts for tokens before the model reads them.

        Raises:
            BudgetExceeded: a limit is, or would be, passed.
        """
        self.tokens += tokens
        budget = self.budget
        if self.tokens > budget.max_tokens:
            raise _over("tokens", f"{self.tokens}", f"{budget.max_tokens}", "--max-tokens")
        seconds = self.seconds()
        if seconds > budget.max_seconds:
            raise _over("seconds", f"{seconds:.1f}", f"{budget.max_seconds:g}", "--max-seconds")
        resident = resident_bytes()
        if resident > budget.max_memory_bytes:
            limit = f"{budget.max_memory_bytes}"
            raise _over("bytes of memory", f"{resident}", limit, "--max-memory")
        self.report("regenerating", self.tokens, 0)

    def seconds(self) -> float:
        """Wall time so far."""
        return self.clock() - self.started_s


def _over(what: str, found: str, limit: str, option: str) -> BudgetExceeded:
    return BudgetExceeded(
        f"regeneration needs {found} {what}",
        expected=f"at most {limit}",
        remedy=f"raise {option}, or author the patch with fewer lines around the hunks",
    )


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    try:
        pages = Path("/proc/self/statm").read_bytes().split()[1]
    except OSError:
        return 0
    return int(pages) * 4096


@dataclass
class ReceivedBlobs:
    """The blobs of a message, handed out in order."""

    data: bytes
    place: int = 0

    def left(self) -> int:
        return len(self.data) - self.place

    def take(self, size: int, wanted: bytes | None) -> bytes:  # noqa: ARG002
        self.place += size
        return self.data[self.place - size : self.place]


def regenerate(
    message: Message | Recipe,
    baseline: Tree,
    open_model: Callable[[], LanguageModel],
    budget: Budget | None = None,
    report: Report = silent,
    clock: Clock = time.monotonic,
) -> Regenerated:
    """Follows a message from the tree on board to the patch.

    The caller has checked signature, counter, pin and baseline before, and checks the digest of
    the patch after.

    Args:
        message: the message or the recipe in it.
        baseline: the tree on board.
        open_model: opens the pinned model; called once, when the first token is needed.
        budget: limits; the defaults where None.
        report: told of progress, in tokens.
        clock: seconds from any fixed moment.

    Raises:
        RegenerationError: the recipe leads nowhere.
        BudgetExceeded: it needs more than the budget.
    """
    meter = Meter(budget or Budget(), clock, report)
    decisions = DecisionReader(
        message.seed_source, message.stream, seed_from_bytes(message.seed) if message.seed else 0
    )
    blobs = ReceivedBlobs(message.blobs)
    target = transcribe(
        decisions,
        baseline,
        lambda settings: Desk(_once(open_model), settings, meter.spend),
        blobs,
        None,
        None,
        lambda files: report("files", files, 0),
    )
    decisions.finish()
    if blobs.left():
        raise RegenerationError(f"{blobs.left()} bytes are left over after the last file")
    return Regenerated(target, unified_diff(baseline, target), meter.tokens, meter.seconds())


def _once(open_model: Callable[[], LanguageModel]) -> Callable[[], LanguageModel]:
    opened: list[LanguageModel] = []

    def open_() -> LanguageModel:
        if not opened:
            opened.append(open_model())
        return opened[0]

    return open_
