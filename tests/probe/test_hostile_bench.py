"""The attack bench, small: strangers change no tree, honest messages come, what is right is."""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from listening import Line, events, listen
from powercut import Quick
from tinypin import tiny_pin
from world import World

from benchmarks.hostile import edge_attacks
from benchmarks.hostile.attacks import WHOLE, Attack, Target
from benchmarks.hostile.bench import Bench, Row, Run
from benchmarks.hostile.cargo import NAME, Cargo, prepare
from benchmarks.hostile.cases import CASES, SETTINGS
from benchmarks.hostile.edge import EdgeRow, Edges, Round
from benchmarks.hostile.listener import Took
from benchmarks.hostile.page import page
from probe.reception.framing import Ccsds, Datagrams, Framing, Slip, slip
from probe.trees.setup import Setup, initialise
from shared.auth.keys import TrustedKey
from shared.ccsds.link import send
from shared.exact.pin import load_pin

QUIET = Run(2.0, 0, 0, 4096, 1.0, 8.0)
ROW = Row("UDP", "x", (QUIET,) * 4, (QUIET,) * 3, Counter({"applied": 3}))


@pytest.fixture(scope="module")
def cargo(tmp_path_factory: pytest.TempPathFactory) -> Cargo:
    """Keys and messages by the real commands, with a pin of random weights."""
    folder = tmp_path_factory.mktemp("cargo")
    tiny_pin(folder / "pin")
    return prepare(folder, str(folder / "pin"))


@pytest.fixture
def probe(cargo: Cargo, tmp_path: Path) -> World:
    """A probe in the first state, that trusts the key and the chain."""
    made = World(tmp_path)
    shutil.copytree(cargo.tree, made.root)
    keys: list[bytes | TrustedKey] = [cargo.key.public_key().public_bytes_raw()]
    pin = load_pin(Path(cargo.model)).digest
    keys += [cargo.chain.commitment]
    setup = Setup(root=made.root, model=Path(cargo.model), pin=pin, keys=keys)
    initialise(made.state, setup, now_s=1.5, files=Quick())
    return made


@pytest.mark.parametrize(("where", "name", "attack"), CASES, ids=[f"{w}-{n}" for w, n, _ in CASES])
def test_an_attack_changes_no_tree_and_keeps_nobody_out(
    cargo: Cargo,
    probe: World,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    name: str,
    attack: Attack,
) -> None:
    """Each of its pieces gets one report at most."""
    del name
    monkeypatch.setattr("listening.NOW_S", time.time())
    honest = cargo.envelope(0, 5)
    pieces = list(itertools.islice(attack(Target(cargo, honest, 5, random.Random(1))), 12))
    assert all(0 < len(one) < 65_000 for one in pieces)
    streams = where in ("stdin", "serial")
    make: Callable[[], Framing] = Datagrams
    last = [honest]
    if "ccsds" in SETTINGS[where].words:
        make, last = (lambda: Ccsds(WHOLE)), list(send(honest, WHOLE))
    elif streams:
        make, last = (lambda: Slip(1 << 16)), [slip(honest)]
    before = probe.tree()
    said = listen(probe, Line(pieces, datagrams=not streams), make(), stack=WHOLE)
    assert probe.tree() == before
    assert not {"applied", "rotated", "drawn"} & {*events(said)}
    assert len(said) <= 1 + 2 * len(pieces)
    listen(probe, Line(pieces + last, datagrams=not streams), make(), stack=WHOLE)
    assert (probe.root / NAME).read_bytes() == cargo.states[1]


@pytest.mark.parametrize(("where", "attack"), [("frames", 4), ("stdin", 17)])
def test_a_real_listener_takes_every_message_and_answers_nobody(
    cargo: Cargo, tmp_path: Path, where: str, attack: int
) -> None:
    assert CASES[attack][0] == where
    with closing(Bench(cargo, tmp_path)) as bench:
        row = bench.row(SETTINGS[where], *CASES[attack][1:], rounds=1)
    assert [run.delay_s is not None for run in row.quiet + row.disturbed] == [True] * 3
    assert row.answered == 0
    assert row.disturbed[0].sent > 0


def test_a_real_edge_serves_on_and_closes_what_is_half(tmp_path: Path) -> None:
    rows = list(Edges(tmp_path).rows(["half headers", "SVG of the origin"], rounds=1))
    assert [(row.wrong, row.foreign) for row in rows] == [(0, 0)] * 2
    assert rows[0].closed["half"] + rows[0].closed.get("room", 0) > 0


def test_each_attack_on_the_edge_can_be_begun() -> None:
    asked: list[bytes] = []

    class DoneError(Exception):
        pass

    class Ear:
        def __enter__(self) -> Ear:
            return self

        def __exit__(self, *_: object) -> None:
            raise DoneError

        def sendall(self, data: bytes) -> None:
            asked.append(data)

        def settimeout(self, _: float) -> None:
            pass

        def recv(self, _: int) -> bytes:
            return b""

    for name in ("garbage", "a huge Accept", "HTML of the origin", "missing names"):
        with pytest.raises(DoneError):
            edge_attacks.ATTACKS[name](Ear)  # type: ignore[arg-type]
    assert len(asked) == 4
    assert all(0 < len(one) <= 16 << 10 for one in asked)


def test_what_holds() -> None:
    def row(**changes: object) -> Row:
        return replace(ROW, disturbed=(replace(QUIET, **changes),) * 3)  # type: ignore[arg-type]

    assert row().holds()
    assert row(delay_s=4.0).holds()
    assert not row(delay_s=4.1).holds()
    assert not row(delay_s=None).holds()
    assert not row(answered=1).holds()
    edge = Round((0.1,), 0, Took(), 1.0)
    quiet = EdgeRow("y", (edge,) * 2, (edge,), {}, 0, 0)
    assert quiet.holds()
    assert not replace(quiet, disturbed=(replace(edge, delays_s=(0.21,)),)).holds()
    assert not replace(quiet, disturbed=(replace(edge, wrong=1),)).holds()
    assert not replace(quiet, foreign=1).holds()
    text = page([row(delay_s=None)], [quiet])
    assert "| never | - |" in text
    assert "| y | 100.0 | 100.0 | 1.00 |" in text
