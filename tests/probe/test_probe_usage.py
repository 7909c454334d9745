"""What a patch took: tokens, times, multiply-adds and an estimate of energy, in telemetry."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from powercut import Quick
from tinypin import tiny_pin, written
from world import BASE, KEY, TARGET, THIRD, World, classical, envelope

from probe.listen.service import Doing, completed
from probe.listen.telemetry import Event, Telemetry
from probe.messages.apply import apply
from probe.messages.model import budget_of, regenerator
from probe.reception.framing import slip
from probe.resources.energy import Energy
from probe.trees.onboard import open_probe
from shared.exact import reference
from shared.exact.pin import load_pin
from shared.message.wire import decode_message, encode_message
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import Regenerated, regenerate


@pytest.fixture
def modelled(world: World) -> bytes:
    """The world with a model in it; an envelope that needs it."""
    pin = tiny_pin(world.folder / "pin")
    keys = [KEY.public_key().public_bytes_raw()]
    world.initialise(renew=True, model=pin.folder, pin=pin.digest, keys=keys)
    return envelope(written(BASE, TARGET, pin), 5)


def products(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every product that the plain forward pass makes from now on."""
    made: list[int] = []
    dense, mix = reference.dense, reference.ReferenceKernel._mix

    def counting_dense(integers: Any, scale: Any, high: Any, *more: Any) -> Any:
        made.append(integers.size * len(high))
        return dense(integers, scale, high, *more)

    def counting_mix(kernel: Any, queries: Any, *more: Any) -> Any:
        made.append(2 * int(np.count_nonzero(~more[-1])) * queries[0].size)
        return mix(kernel, queries, *more)

    monkeypatch.setattr(reference, "dense", counting_dense)
    monkeypatch.setattr(reference.ReferenceKernel, "_mix", counting_mix)
    return made


def test_operations_are_those_of_the_model(
    world: World, modelled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_probe(world.state, Quick()) as probe:
        follow = regenerator(probe.config, budget_of(200_000, 3600.0, 4096), lambda *_: None)
        done = apply(probe, modelled, follow, lambda: 2.5).regenerated
    assert done.target == TARGET
    assert done.tokens > 100
    made = products(monkeypatch)
    recipe = written(BASE, TARGET, load_pin(world.folder / "pin"))
    made.clear()  # writing it computes as well
    message = decode_message(encode_message(recipe, 5))
    model = PinnedModel.open(load_pin(world.folder / "pin"), kernel="numpy")
    again = regenerate(message, BASE, lambda: model)
    assert again.tokens == done.tokens
    assert sum(made) == done.operations > 0
    assert (again.operations, again.cpu_seconds) == (0, 0.0)  # nobody counted


def test_processor_time_is_that_of_regeneration(world: World, modelled: bytes) -> None:
    began = time.process_time()
    with open_probe(world.state, Quick()) as probe:
        follow = regenerator(probe.config, budget_of(200_000, 3600.0, 4096), lambda *_: None)
        done = apply(probe, modelled, follow, lambda: 2.5).regenerated
    assert 0 < done.cpu_seconds < time.process_time() - began


def test_a_message_without_model_text_computes_nothing(world: World) -> None:
    with open_probe(world.state, Quick()) as probe:
        follow = regenerator(probe.config, budget_of(200_000, 3600.0, 4096), lambda *_: None)
        done = apply(probe, envelope(classical(BASE, TARGET), 5), follow, lambda: 2.5)
    assert done.regenerated.operations == done.regenerated.tokens == 0


# --- what stays in memory when a patch is done ----------------------------------------------------


def test_a_model_is_gone_when_its_patch_is_done(
    world: World, modelled: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a service would hold a tokenizer and a map for each of the last many patches."""
    opened: list[weakref.ref[object]] = []
    real = PinnedModel.open

    def noting(*arguments: Any, **options: Any) -> PinnedModel:
        model = real(*arguments, **options)
        opened.extend((weakref.ref(model.vocabulary), weakref.ref(model.transformer)))
        return model

    monkeypatch.setattr(PinnedModel, "open", noting)
    with open_probe(world.state, Quick()) as probe:
        follow = regenerator(probe.config, budget_of(200_000, 3600.0, 4096), lambda *_: None)
        apply(probe, modelled, follow, lambda: 2.5)
    assert len(opened) == 2
    assert [one() for one in opened] == [None, None]


WORDS = """
import sys
from pathlib import Path
from tokenizers import Tokenizer
from probe.messages.model import without_cache
from shared.regenerate import resident_bytes
text = Path(sys.argv[1]).read_text()
def use(number):
    tokenizer = Tokenizer.from_str(text)
    without_cache(tokenizer)
    return len(tokenizer.encode("".join(f"w{number}x{n} " for n in range(3000))).ids)
for number in range(5): use(number)
before = resident_bytes()
for number in range(30): use(number)
print(resident_bytes() - before)
"""


def test_words_are_not_remembered_from_one_patch_to_the_next(world: World) -> None:
    """30 times 3,000 words are 20 MB where they are."""
    pin = tiny_pin(world.folder / "pin")
    words = [sys.executable, "-c", WORDS, str(pin.folder / "tokenizer.json")]
    told = subprocess.run(
        words, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert int(told.stdout) < 4 << 20


# --- energy ---------------------------------------------------------------------------------------


def test_energy_by_either_way() -> None:
    assert Energy().joules(3.0, 10**9) is None
    assert Energy(watts=7.0).joules(3.0, 10**9) == 21.0
    assert Energy(joules_per_operation=2e-11).joules(3.0, 10**9) == pytest.approx(0.02)
    assert Energy(watts=0.0).joules(3.0, 10**9) == 0.0


def test_energy_is_said_of_what_was_regenerated(world: World) -> None:
    doing = Doing(world.state, Quick(), lambda: 9.0, lambda *_: follow, print, Energy(watts=2.5))
    told = Telemetry(Event.APPLIED, milliseconds=1200, operations=77)
    assert completed(told, doing).millijoules == 3000
    assert completed(replace(told, event=Event.DISCLOSED), doing).millijoules == 3000
    assert completed(replace(told, event=Event.REFUSED), doing).millijoules is None
    assert completed(told, replace(doing, energy=Energy())).millijoules is None


def follow(*_: object) -> Regenerated:
    raise AssertionError


def listened(world: World, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-m", "probe", "listen", "--state", str(world.state), "--stdin"]
    folder = Path(__file__).parents[2]
    return subprocess.run([*words, *options], input=data, capture_output=True, cwd=folder)


def test_the_service_says_all_of_it(world: World, modelled: bytes) -> None:
    pin = load_pin(world.folder / "pin")
    second = envelope(replace(classical(TARGET, THIRD), pin=pin.digest), 6)
    data = slip(modelled) + slip(second)
    done = listened(world, data, "--joules-per-operation", "1e-6")
    assert (done.returncode, done.stderr) == (0, b"")
    first, then = (
        told for told in map(json.loads, done.stdout.splitlines()) if told["event"] == "applied"
    )
    assert first["tokens"] > 100
    assert first["operations"] > 1_000_000
    assert first["millijoules"] == round(first["operations"] * 1e-3)
    assert 0 < first["cpu_milliseconds"] < 60_000
    assert (then["operations"], then["millijoules"], then["tokens"]) == (0, 0, 0)


def test_one_way_to_estimate_energy_is_named_at_most(world: World) -> None:
    done = listened(world, b"", "--watts", "3", "--joules-per-operation", "1e-9")
    assert done.returncode == 2
    assert listened(world, b"", "--watts", "-3").returncode == 2
