"""CROSS.md: which machine computed what, written by the command that compared it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

HEADING = """\
# Other processors

Written by `make cross`; do not edit. [docs/cross.md](../docs/cross.md) says what is compared and
how to repeat it on a board.

Each machine below computes what [golden.json](cross/golden.json) promises, with its own Python,
numpy and BLAS. All but the first are emulated by qemu in user mode, on one thread, so that the
seconds say nothing of the processor. *equal* means: the same digest of every logit and frequency,
the same tokens, the same patch, the same tree.
"""


@dataclass(frozen=True)
class Run:
    """One machine.

    Attributes:
        title: its name.
        emulator: what played it; empty for this machine.
        facts: see ``check.machine``.
        outcomes: as ``check`` prints them.
    """

    title: str
    emulator: str
    facts: dict[str, Any]
    outcomes: tuple[dict[str, Any], ...]

    @property
    def wrong(self) -> int:
        """Checks that found something else."""
        return sum(not each["equal"] for each in self.outcomes)


def page(runs: Sequence[Run], asked: int) -> str:
    """The report; ``asked`` is how many checks there are for each machine."""
    lines = [
        HEADING,
        "| machine | byte order | Python | numpy | BLAS | emulator | checks done |",
        "|" + "---|" * 7,
    ]
    for run in runs:
        facts = run.facts
        lines.append(
            f"| {run.title} ({facts['machine']}) | {facts['byteorder']} | {facts['python']} | "
            f"{facts['numpy']} | {facts['blas']} | {run.emulator or 'none'} | "
            f"{len(run.outcomes)} of {asked} |"
        )
    lines += ["", "| machine | kernel | pin | check | equal | seconds |", "|" + "---|" * 6]
    for run in runs:
        for each in run.outcomes:
            lines.append(
                f"| {run.title} | {each['kernel']} | {each['model']} | {described(each)} | "
                f"{verdict(each)} | {each['seconds']:.0f} |"
            )
    total, wrong = sum(len(run.outcomes) for run in runs), sum(run.wrong for run in runs)
    return "\n".join([*lines, "", f"{total} checks, {total - wrong} equal, {wrong} not.", ""])


def described(outcome: dict[str, Any]) -> str:
    """A check in words."""
    kind, name = outcome["check"], outcome["name"]
    if kind == "logits":
        return "logits and frequencies of given tokens"
    if kind == "pin":
        return f"pin made of {name}"
    return f"envelope: {name}"


def verdict(outcome: dict[str, Any]) -> str:
    """What a check found."""
    return "equal" if outcome["equal"] else "DIFFERENT: " + "; ".join(outcome["different"])
