"""Recipe + baseline + pinned model -> patch: the one path that the ground and the probe share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shared.diff import unified_diff
from shared.errors import BudgetExceeded, RegenerationError
from shared.message.recipe import Recipe
from shared.message.wire import Message
from shared.prompts.changeset import transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.seeds.coins import seed_from_bytes
from shared.seeds.decisions import DecisionReader, Decisions
from shared.seeds.sampler import Frequencies
from shared.system.memory import blaming_memory
from shared.terminal import Report, silent
from shared.tree import Tree

Clock = Callable[[], float]

Observer = Callable[[Decisions], Decisions]
"""Gets the decisions of a message as they are read, returns the same for regeneration to take."""


@dataclass(frozen=True)
class Budget:
    """What regeneration may use.

    Attributes:
        max_tokens: tokens that the model reads or writes.
        max_seconds: wall time, from the first to the last decision.
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
        cpu_seconds: processor time of all threads; 0 where nobody took it.
        operations: multiply-adds of the model (``shared.exact.work``); 0 where nobody counted.
    """

    target: Tree
    patch: bytes
    tokens: int
    seconds: float
    cpu_seconds: float = 0.0
    operations: int = 0


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
        limit = self.budget.max_tokens
        if self.tokens > limit:
            raise _over("tokens", f"{self.tokens}", f"{limit}", "--max-tokens")
        self.check_time()
        self.check_memory()
        self.report("regenerating", self.tokens, 0)

    def finish_file(self, files: int) -> None:
        """Accounts for a file that is done, be it without any token.

        Raises:
            BudgetExceeded: a limit is passed.
        """
        self.check_time()
        self.check_memory()
        self.report("files", files, 0)

    def check_time(self) -> None:
        """Raises BudgetExceeded when the time is used up."""
        seconds, limit = self.seconds(), self.budget.max_seconds
        if seconds > limit:
            raise _over("seconds", f"{seconds:.1f}", f"{limit:g}", "--max-seconds")

    def check_memory(self) -> None:
        """Raises BudgetExceeded when the process has grown too large."""
        resident, limit = resident_bytes(), self.budget.max_memory_bytes
        if resident > limit:
            raise _over("bytes of memory", f"{resident}", f"{limit}", "--max-memory")

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


class _TimedReader(DecisionReader):
    """Reads decisions as long as there is time: deleting lines takes some, but no tokens."""

    def __init__(self, message: Message | Recipe, check_time: Callable[[], None]) -> None:
        seed = seed_from_bytes(message.seed) if message.seed else 0
        super().__init__(message.seed_source, message.stream, seed)
        self._check_time = check_time

    def prompt(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        self._check_time()
        return super().prompt(frequencies, wanted, label)


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
    observe: Observer = lambda decisions: decisions,
    admit: Callable[[str], None] = lambda _: None,
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
        observe: stands between the decisions and regeneration, for accounts of them; must not
            change any.
        admit: called with each new path before the model writes what is to be there; raises what
            refuses it.

    Raises:
        RegenerationError: the recipe leads nowhere.
        BudgetExceeded: it needs more than the budget.
        OutOfMemory: the machine has too little memory for it now.
    """
    meter = Meter(budget or Budget(), clock, report)
    with blaming_memory():
        target = _follow(message, baseline, open_model, meter, observe, admit)
        patch = unified_diff(baseline, target)
    return Regenerated(target, patch, meter.tokens, meter.seconds())


def _follow(
    message: Message | Recipe,
    baseline: Tree,
    open_model: Callable[[], LanguageModel],
    meter: Meter,
    observe: Observer,
    admit: Callable[[str], None],
) -> Tree:
    """The tree that a message leads to."""
    decisions = _TimedReader(message, meter.check_time)
    blobs = ReceivedBlobs(message.blobs)
    target = transcribe(
        observe(decisions),
        baseline,
        lambda settings: Desk(_once(open_model), settings, meter.spend),
        blobs,
        None,
        None,
        meter.finish_file,
        admit,
    )
    decisions.finish()
    if blobs.left():
        raise RegenerationError(f"{blobs.left()} bytes are left over after the last file")
    return target


def _once(open_model: Callable[[], LanguageModel]) -> Callable[[], LanguageModel]:
    opened: list[LanguageModel] = []

    def open_() -> LanguageModel:
        if not opened:
            opened.append(open_model())
        return opened[0]

    return open_
