"""Changing trusted keys on a real state folder, through power cuts too."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from powercut import FailingDisk, PowerCut, Quick
from world import BASE, KEY, TARGET, World, classical, envelope, regenerator

from probe.disk.filesystem import Filesystem
from probe.messages.apply import apply
from probe.messages.rotate import rotate
from probe.trees.onboard import open_probe
from shared.auth.keys import SharedKey, key_id, to_text
from shared.auth.profiles import Profile
from shared.auth.rotation import encode_rotation
from shared.errors import OversizedMessage, Refusal, Replayed, UnknownKey

NEW = Ed25519PrivateKey.from_private_bytes(bytes(range(30, 62)))
CHANGE = encode_rotation((NEW.public_key(),), 5, KEY, NEW)


def turn(world: World, data: bytes, files: Filesystem | None = None) -> None:
    with open_probe(world.state, files or Quick()) as probe:
        rotate(probe, data, lambda: 3.5)


def keys(world: World) -> tuple[str, ...]:
    with open_probe(world.state, Quick()) as probe:
        return probe.config.keys


def test_the_new_key_counts_and_the_old_no_more(world: World) -> None:
    turn(world, CHANGE)
    assert keys(world) == (to_text(NEW.public_key()),)
    recipe = classical(BASE, TARGET)
    with open_probe(world.state, Quick()) as probe:
        with pytest.raises(UnknownKey):
            apply(probe, envelope(recipe, 6), regenerator, lambda: 4.0)
        with pytest.raises(Replayed):
            apply(probe, envelope(recipe, 5, NEW), regenerator, lambda: 4.0)
        apply(probe, envelope(recipe, 6, NEW), regenerator, lambda: 4.0)
    assert world.tree() == TARGET
    assert [entry.operation.value for entry in world.ledger().history] == [
        "init",
        "rotate",
        "apply",
    ]


def test_replays_and_large_ones(world: World) -> None:
    both = (KEY.public_key(), NEW.public_key())
    turn(world, encode_rotation(both, 7, KEY, NEW))
    before = keys(world)
    for counter in (7, 6):
        with pytest.raises(Replayed):
            turn(world, encode_rotation((NEW.public_key(),), counter, KEY, NEW))
    with pytest.raises(OversizedMessage):
        turn(world, CHANGE + bytes(2**20))
    assert keys(world) == before
    assert world.ledger().counter == 7


def test_keys_that_one_message_could_mean_are_refused(world: World) -> None:
    turn(world, encode_rotation((KEY.public_key(),), 4, KEY))
    twin = next(
        shared
        for number in range(10_000)
        if key_id(shared := SharedKey(Profile.CMAC8, number.to_bytes(32, "big")))
        == key_id(NEW.public_key())
    )
    with open_probe(world.state, Quick()) as probe:
        probe.store.write(replace(probe.config, keys=(*probe.config.keys, to_text(twin))))
    with pytest.raises(Refusal, match="could mean two keys"):
        turn(world, encode_rotation((NEW.public_key(), twin), 5, KEY, NEW))
    assert world.ledger().counter == 4


@pytest.mark.parametrize("lossy", [False, True])
def test_power_cut_at_every_operation(world: World, lossy: bool) -> None:
    """Old keys or new ones, never a mixture, and the message is not accepted twice."""
    copy = world.folder.with_name("copy")
    world.save(copy)
    seen = set()
    for at in range(1, 100):
        world.restore(copy)
        disk = FailingDisk(world.state, world.folder.with_name("graveyard"), at)
        try:
            turn(world, CHANGE, disk)
        except PowerCut:
            if lossy:
                disk.settle(random.Random(at))
        else:
            break
        trusted, counter = keys(world), world.ledger().counter
        seen.add((trusted == (to_text(NEW.public_key()),), counter))
        if trusted == (to_text(NEW.public_key()),):
            assert counter == 5
        else:
            assert trusted == (to_text(KEY.public_key()),)
            turn(world, encode_rotation((NEW.public_key(),), counter + 6, KEY, NEW))
            assert keys(world) == (to_text(NEW.public_key()),)
    assert {(False, -1), (False, 5)} <= seen
    assert at > 8
