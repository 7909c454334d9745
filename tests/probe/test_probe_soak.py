"""Soak: a real process, real lines with weather on them; exactly the valid messages, in order."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from powercut import Quick
from world import BASE, TARGET, THIRD, World

from benchmarks.soak.bench import KINDS, Kind, Memory, Soak, SoakError, check, soak
from benchmarks.soak.page import page
from probe.listen.telemetry import Event, Telemetry, json_line, packet
from shared.auth.rotation import check_rotation, decode_rotation
from shared.digest import sha256
from shared.errors import (
    BadSignature,
    DigestMismatch,
    MalformedMessage,
    OversizedMessage,
    Refusal,
    RegenerationError,
    Replayed,
    UnknownKey,
    UnsupportedVersion,
    WrongBaseline,
    WrongPin,
)
from shared.message.checks import Record, authenticate, check_baseline, check_patch, check_pin
from shared.message.envelope import check_size
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import regenerate
from shared.tree import Tree
from sims.hil.ground import Ear, Framer, Said
from sims.hil.impairments import Datagrams, Stream, Tally, Weather
from sims.hil.messages import HOSTILE, KEY, LIMITS, VALID, first_tree, items
from sims.hil.tiny import tiny_pin

BOUND_KIB = 8 << 10
"""The first messages of a short soak load what later ones use; the long one has a tighter bound."""


@pytest.mark.parametrize(
    "kind", [KINDS[0], KINDS[3]], ids=lambda kind: f"{kind.line} {kind.form} {kind.telemetry}"
)
def test_exactly_the_valid_messages_in_order(tmp_path: Path, kind: Kind) -> None:
    found = soak(kind, tmp_path, messages=40, valid=16, seed=7, marks=(20,))
    assert found.applied == found.kinds[VALID] == 16
    assert sum(found.kinds.values()) == 40
    assert set(found.kinds) == {VALID, *HOSTILE}
    assert found.up.lost > 0 < found.up.damaged
    assert found.repeated > 0
    assert found.grown_kib(20) < BOUND_KIB


def test_a_soak_notices_what_was_applied_wrongly(world: World) -> None:
    folder = world.folder
    with pytest.raises(SoakError, match="0 trees were put in place, 2 were valid"):
        check(folder, [TARGET, THIRD])
    world.put(TARGET, 3, Quick())
    world.put(THIRD, 6, Quick())
    assert check(folder, [TARGET, THIRD]) == 2
    for wrong in ([THIRD, TARGET], [TARGET], [TARGET, THIRD, BASE]):
        with pytest.raises(SoakError, match="put in place"):
            check(folder, wrong)
    (world.root / "app/main.c").write_bytes(b"not what the history says\n")
    with pytest.raises(SoakError):
        check(folder, [TARGET, THIRD])


REFUSED = {
    "noise": (OversizedMessage, MalformedMessage, UnsupportedVersion, UnknownKey),
    "cut short": (MalformedMessage, BadSignature, Replayed),
    "one bit flipped": (Refusal,),
    "bytes appended": (MalformedMessage, BadSignature),
    "longer than allowed": (OversizedMessage,),
    "signed by a stranger": (UnknownKey, BadSignature),
    "signed by a stranger in the ground's name": (BadSignature,),
    "an earlier message again": (Replayed, MalformedMessage),
    "signed, counter used up": (Replayed,),
    "signed, counter too far ahead": (Replayed,),
    "signed, for a tree that never was": (WrongBaseline, BadSignature),
    "signed, for another model": (WrongPin, BadSignature),
    "signed, another patch than it says": (DigestMismatch,),
    "signed, decisions that lead nowhere": (RegenerationError, DigestMismatch),
    "change of keys by a stranger": (MalformedMessage, BadSignature),
    "disclosed key of no chain": (Refusal,),
}
"""Why a probe refuses each kind that comes in its moment."""


def test_every_message_is_what_it_is_called(tmp_path: Path) -> None:
    """By the probe's own checks, each in its moment, without a line between."""
    model = PinnedModel.open(tiny_pin(tmp_path / "pin"))
    tree, counter, applied = first_tree(), 0, list[bytes]()
    made = list(items(110, 30, model, random.Random(2)))
    assert made[-1].kind == VALID
    assert set(REFUSED) == set(HOSTILE) == {item.kind for item in made} - {VALID}
    for item in made:
        record = Record(
            keys=(KEY.public_key(),),
            limits=LIMITS,
            counter=counter,
            pin=model.digest,
            tree=tree.digest,
            applied=applied,
        )
        if item.target is None:
            with pytest.raises(REFUSED[item.kind]):
                followed(item.data, record, tree, model)
            continue
        assert followed(item.data, record, tree, model) == item.target
        tree, counter = item.target, counter + 3
        applied.append(sha256(item.data))
    assert len(applied) == 30


def followed(data: bytes, record: Record, tree: Tree, model: PinnedModel) -> Tree:
    check_size(data, record.limits)
    if len(data) > 1 and data[1] in range(4):
        check_rotation(decode_rotation(data), record.keys)
    message = authenticate(data, record)
    check_pin(message, record, record.pin)
    check_baseline(message, record, tree.digest)
    made = regenerate(message, tree, lambda: model)
    if not check_patch(message, made.patch):
        raise DigestMismatch("another patch")
    return made.target


# --- the line -------------------------------------------------------------------------------------


def through(line: Datagrams | Stream, units: list[bytes]) -> list[bytes]:
    return [out for unit in units for out in line.carry(unit)] + line.quiet()


UNITS = [b"%d " % number * 20 for number in range(2000)]


def test_a_line_without_weather_changes_nothing() -> None:
    for line in (Datagrams(Weather(), random.Random(1)), Stream(Weather(), random.Random(1))):
        assert through(line, UNITS) == UNITS
        assert (line.tally.lost, line.tally.damaged) == (0, 0)


@pytest.mark.parametrize("chance", ["lose", "damage", "double", "overtake"])
def test_each_chance_does_what_it_is_called_and_no_more(chance: str) -> None:
    line = Datagrams(replace(Weather(), **{chance: 0.2}), random.Random(5))
    out = through(line, UNITS)
    same = [unit for unit in out if unit in set(UNITS)]
    counts = {
        "lose": max(0, 2000 - len(out)),
        "damage": len(out) - len(same),
        "double": max(0, len(out) - 2000),
        "overtake": sum(a > b for a, b in zip(order(same), order(same)[1:], strict=False)),
    }
    # Five standard deviations of 2,000 draws; fewer inversions, since held ones may leave together.
    assert abs(counts[chance] - 400) < 90 + 80 * (chance == "overtake")
    assert [name for name, count in counts.items() if count] == [chance]
    tally = line.tally
    told = {
        "lose": tally.lost,
        "damage": tally.damaged,
        "double": tally.doubled,
        "overtake": tally.overtaken,
    }
    assert told[chance] == counts[chance] or chance == "overtake"
    assert [name for name, count in told.items() if count] == [chance]


def order(units: list[bytes]) -> list[int]:
    return [int(unit.split()[0]) for unit in units]


def test_a_stream_drops_bytes_and_flips_bits() -> None:
    data = random.Random(2).randbytes(40_000)
    dropping = Stream(Weather(drop_byte=0.01), random.Random(3))
    kept = b"".join(dropping.carry(data))
    assert len(data) - len(kept) == dropping.tally.lost
    assert 300 < dropping.tally.lost < 500
    rest = iter(data)
    assert all(byte in rest for byte in kept)  # in order, nothing new
    flipping = Stream(Weather(flip_byte=0.01), random.Random(3))
    changed = b"".join(flipping.carry(data))
    flips = [(a ^ b).bit_count() for a, b in zip(data, changed, strict=True) if a != b]
    assert set(flips) == {1}
    assert 300 < len(flips) == flipping.tally.damaged < 500


# --- telemetry over a bad line --------------------------------------------------------------------

SAID = Telemetry(Event.APPLIED, exit_code=0, digest=bytes.fromhex("0123456789abcdef"))


@pytest.mark.parametrize("form", ["json", "packet"])
def test_telemetry_is_found_again_behind_damage(form: str) -> None:
    one = json_line(SAID) if form == "json" else packet(SAID, 1, 5)
    expected = Said(SAID.event, 0, SAID.digest)
    stream = one[3:] + one + one[:20] + b"\xff" + one[21:] + one
    ear, heard = Ear(form), []
    for at in range(0, len(stream), 7):
        heard += ear.hear(stream[at : at + 7], datagram=False)
    assert heard == [expected, expected]
    assert Ear(form).hear(one, datagram=True) == [expected]
    assert Ear(form).hear(one[:-1], datagram=True) == []


def test_framed_messages_count_on() -> None:
    framer = Framer("ccsds", datagrams=True)
    for _ in range(40):
        framer.frame(bytes(400))
    assert framer.count == 40
    assert 0 <= framer.number < 256
    assert Framer("bare", datagrams=True).frame(b"a\xc0") == [b"a\xc0"]
    assert Framer("bare", datagrams=False).frame(b"a\xc0") == [bytes.fromhex("c061dbdcc0")]


def test_the_page() -> None:
    memory = [Memory(n, 70_000 + n, 71_000, n / 10) for n in (100, 200, 300)]
    kinds = {VALID: 2, "noise": 1}
    made = Soak(KINDS[0], kinds, 2, 9, 4, 7, Tally(10, 3, 2, 1, 5), Tally(), memory)
    assert made.grown_kib(100) == 200
    text = page([made], 11, 100, 4096)
    assert "**2 of 2 valid messages were applied, in order; of 1 hostile ones none.**" in text
    assert "| UDP, a datagram each | json | 3 | 9 | 4 | 10 | 3 | 2 | 1 | 5 | 7 | 2 |" in text
    assert "| UDP, a datagram each | 68.5 | 68.6 | 68.7 | +0.2 | 69.3 | 30.0 |" in text
