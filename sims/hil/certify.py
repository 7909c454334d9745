"""Certifying a probe: the suite's messages go in, and what comes out is compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from probe.listen.telemetry import Event
from sims.hil.device import ProbeFailed, ProbeUnderTest
from sims.hil.ground import Said
from sims.hil.messages import VALID
from sims.hil.suite import Case, Suite

SPOKEN = (Event.APPLIED, Event.REFUSED, Event.PARKED, Event.HELD, Event.ROTATED, Event.DISCLOSED)
"""What a probe says of a message; the rest is about itself."""


@dataclass(frozen=True)
class Finding:
    """What came of a case.

    Attributes:
        case: which.
        fault: what was wrong; "" for nothing.
    """

    case: Case
    fault: str = ""

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"name": self.case.name, "held": not self.fault, "fault": self.fault}


def certify(probe: ProbeUnderTest, suite: Suite, *, tries: int = 3) -> Iterator[Finding]:
    """Every case in order; what is applied though it must not be is a fault of its case.

    Args:
        probe: as ``suite.write_setup`` leaves it, and nothing sent to it but noise.
        suite: what to send.
        tries: how often a message is sent if no answer comes.

    Raises:
        ProbeFailed: it does not answer at all.
    """
    probe.question(1)
    for case in suite.cases:
        yield Finding(case, _fault(probe, case, suite.message(case), tries))


def _fault(probe: ProbeUnderTest, case: Case, message: bytes, tries: int) -> str:
    before = len(probe.heard)
    digest = bytes.fromhex(case.digest)

    def answers(said: Said) -> bool:
        if not digest:
            return said.event in (*SPOKEN, Event.FRAMES)
        return said.event is Event.APPLIED or (said.event in SPOKEN and said.digest == digest)

    try:
        said = probe.deliver(message, answers, "an answer", tries=tries)
    except ProbeFailed:
        return "no answer"
    while not (fault := _compared(case, said)) and probe.listen(0.05):
        # what follows at once: a hostile message must not be applied after its refusal either
        wrong = [s for s in probe.heard[before:] if s.event is Event.APPLIED]
        if case.kind != VALID and wrong:
            return f"it was refused, and then a tree was applied: {wrong[0].digest.hex()}"
    return fault


def _compared(case: Case, said: Said) -> str:
    event = said.event.name.lower()
    if event not in case.events:
        return f"{event} ({said.reason or said.digest.hex()}); expected {' or '.join(case.events)}"
    if case.digest and said.digest.hex() != case.digest:
        return f"{event} with digest {said.digest.hex()}; expected {case.digest}"
    if said.event is Event.REFUSED and (said.step, said.exit_code) != (case.step, case.exit_code):
        return (
            f"refused in step {said.step} with code {said.exit_code}; "
            f"expected step {case.step}, code {case.exit_code}"
        )
    return ""
