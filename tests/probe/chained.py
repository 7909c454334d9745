"""A chain of keys, messages under it, and a probe that holds them until their keys come."""

from __future__ import annotations

from powercut import Quick
from world import BASE, TARGET, THIRD, World, classical, regenerator

from probe.disk.filesystem import Filesystem
from probe.messages.tesla import Disclosed, disclose, take_in, waits
from probe.state.pending import Held, Pending
from probe.trees.onboard import open_probe
from shared.auth.keys import IntervalKey, SigningKey, key_id
from shared.auth.schedule import Schedule
from shared.auth.tesla import Disclosure, encode_disclosure, make_chain
from shared.errors import (
    BudgetExceeded,
)
from shared.message.envelope import sign
from shared.message.recipe import Recipe
from shared.message.wire import Message, encode_message
from shared.regenerate import Regenerated
from shared.tree import Tree

CHAIN = make_chain(
    Schedule(
        intervals=50,
        start_ms=2_000_000,
        interval_ms=10_000,
        delay=2,
        clock_error_ms=1_000,
        light_min_ms=100_000,
        light_max_ms=105_000,
    ),
    bytes(range(8)),
    bytes(range(16)),
)
PLAN = CHAIN.commitment.schedule
NUMBER = key_id(CHAIN.commitment)


def tesla(interval: int) -> SigningKey:
    return IntervalKey(CHAIN.commitment, CHAIN.key(interval), interval)


def envelope(recipe: Recipe, counter: int, interval: int) -> bytes:
    return sign(encode_message(recipe, counter), recipe.pin, recipe.baseline, tesla(interval))


def disclosure(interval: int) -> bytes:
    return encode_disclosure(Disclosure(NUMBER, CHAIN.key(interval)))


def in_time(interval: int) -> float:
    """When a message of the middle of an interval arrives, seconds."""
    return (PLAN.begins_ms(interval) + 5_000 + PLAN.light_min_ms) / 1000


def after_key(interval: int) -> float:
    return (PLAN.disclosable_ms(interval) + 1 + PLAN.light_min_ms) / 1000


FIRST = envelope(classical(BASE, TARGET), 5, 3)
SECOND = envelope(classical(TARGET, THIRD), 6, 4)


def hold(world: World, data: bytes, now_s: float, files: Filesystem | None = None) -> Held:
    with open_probe(world.state, files or Quick()) as probe:
        assert waits(probe, data)
        return take_in(probe, data, lambda: now_s)


def close(
    world: World, interval: int, now_s: float | None = None, files: Filesystem | None = None
) -> Disclosed:
    with open_probe(world.state, files or Quick()) as probe:
        at = after_key(interval) if now_s is None else now_s
        return disclose(probe, disclosure(interval), regenerator, lambda: at)


def poor(_: Message, __: Tree) -> Regenerated:
    """A regeneration that the probe cannot afford now."""
    raise BudgetExceeded("too little")


def pending(world: World) -> Pending:
    with open_probe(world.state, Quick()) as probe:
        return probe.store.pending()
