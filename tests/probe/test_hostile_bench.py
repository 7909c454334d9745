"""The attack bench: what it sends is no message, and what it calls right is."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from listening import FIRST, Line, events, listen
from world import BASE, World

from benchmarks.hostile.__main__ import holds, page
from benchmarks.hostile.attacks import ATTACKS, WHOLE
from benchmarks.hostile.bench import Run
from probe.reception.framing import Ccsds

QUIET = Run(2.0, 0, 0, 4096, 1.0, 8.0)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_changes_no_tree(world: World, name: str) -> None:
    """And each of its datagrams gets one report of faults at most."""
    datagrams = list(itertools.islice(ATTACKS[name](FIRST, random.Random(1)), 12))
    assert all(0 < len(one) < 65_000 for one in datagrams)
    said = events(listen(world, Line(datagrams), Ccsds(WHOLE), stack=WHOLE))
    assert "applied" not in said
    assert said.count("frames") <= len(datagrams) + 1
    assert world.tree() == BASE


def test_what_holds() -> None:
    assert holds(QUIET, QUIET)
    assert holds(replace(QUIET, delay_s=4.0), QUIET)
    assert not holds(replace(QUIET, delay_s=4.1), QUIET)
    assert not holds(replace(QUIET, delay_s=None), QUIET)
    assert not holds(replace(QUIET, answered=1), QUIET)
    assert "| never | - |" in page({"undisturbed": QUIET, "x": replace(QUIET, delay_s=None)})
