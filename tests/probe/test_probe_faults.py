"""Noise without end is told once a second at most; the first is told at once, none is lost."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import FIRST, STACK, Line, events, listen
from world import TARGET, World

from probe.listen.faults import EACH_S, MOST_KINDS, Faults
from probe.listen.telemetry import Event
from probe.reception.framing import Ccsds, Framing, Slip, slip
from shared.ccsds.link import send

FRAMES = b"".join(send(FIRST, STACK))
CASES: dict[str, tuple[Callable[[], Framing], bytes, bytes]] = {
    "slip": (lambda: Slip(1 << 12), b"\xdb\x00\xc0" * 20, slip(FIRST)),
    "ccsds": (lambda: Ccsds(STACK), b"\xeb\x90" + random.Random(3).randbytes(90), FRAMES),
}


class Ticking:
    """A clock on which each look takes a while."""

    def __init__(self, step_s: float) -> None:
        self.now_s, self._step_s = 1000.0, step_s

    def __call__(self) -> float:
        self.now_s += self._step_s
        return self.now_s


@pytest.mark.parametrize("kind", CASES)
def test_noise_on_a_stream_is_a_report_a_second(world: World, kind: str) -> None:
    """Each read was a report: a thousand of them in these fifteen seconds."""
    framing, noise, honest = CASES[kind]
    clock = Ticking(0.015)
    line = Line([noise] * 500 + [honest] + [noise] * 500, datagrams=False)
    said = listen(world, line, framing(), clock=clock)
    assert world.tree() == TARGET
    passed_s = clock.now_s - 1000.0
    assert 1 < events(said).count("frames") <= passed_s / EACH_S + 2


def count(report: str) -> int:
    """How many faults a report of "a" to "e" tells of."""
    total = 0
    for part in report.split(" | "):
        more = re.fullmatch(r"and (\d+) other faults", part)
        times = re.search(r" \((\d+) times\)$", part)
        total += int(more[1]) if more else int(times[1]) if times else 1
    return total


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.lists(st.sampled_from("abcde"), max_size=9))))
def test_every_fault_is_counted_and_none_waits_longer_than_it_must(
    steps: list[tuple[float, list[str]]],
) -> None:
    said: list[tuple[float, str]] = []
    now_s, noted = 0.0, 0
    faults = Faults(lambda report: said.append((now_s, report)), lambda: now_s)
    for pause_s, reasons in steps:
        now_s += pause_s
        quiet = not said or now_s >= said[-1][0] + EACH_S
        before = len(said)
        faults.note(reasons)
        faults.report()
        noted += len(reasons)
        waiting = noted > sum(count(report) for _, report in said[:before])
        assert len(said) - before == (quiet and waiting)
    faults.report(at_once=True)
    assert sum(count(report) for _, report in said) == noted
    times = [when for when, _ in said][:-1]
    assert all(late >= early + EACH_S for early, late in pairwise(times))


def test_a_fault_of_a_new_kind_each_time_takes_no_memory() -> None:
    said: list[str] = []
    faults = Faults(said.append, lambda: 0.0)
    faults.note(["the first"])
    faults.report()
    for number in range(10_000):
        faults.note([f"frame {number}"])
    assert len(faults._kinds) <= MOST_KINDS + 1
    faults.report(at_once=True)
    assert said[0] == "the first"
    assert count(said[1]) == 10_000


def test_the_last_of_a_line_is_told_before_its_end(world: World) -> None:
    said = listen(world, Line([b"\xdb\x00\xc0"] * 5, datagrams=False), Slip(99), clock=lambda: 7.0)
    told = [one.reason for one in said if one.event is Event.FRAMES]
    assert sum(map(count, told)) == 5
    assert len(told) == 2
