"""What the probe does while the power fails, from where, and what may come of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from powercut import Quick
from world import BASE, KEY, PIN, TARGET, World, classical, envelope, regenerator

from probe.disk.filesystem import Filesystem
from probe.messages.apply import apply
from probe.messages.rotate import rotate
from probe.trees.garbage import collect
from probe.trees.onboard import confirm, open_probe, roll_back
from probe.trees.setup import Setup, initialise
from shared.auth.rotation import encode_rotation
from shared.tree import Entry, Mode, Tree

OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(30, 62)))
LATER = Tree({"later.txt": Entry(Mode.REGULAR, b"the next message came through\n")})
PLAIN = Entry(Mode.REGULAR, b"one\ntwo\nthree\n")

SHAPES = {
    "modify": BASE.replace({"app/main.c": Entry(Mode.REGULAR, b"int main(void);\n")}),
    "add": BASE.replace({"app/new/deep/er.txt": PLAIN}),
    "delete": BASE.replace({"lib/old/gone.h": None, "empty": None}),
    "rename": BASE.replace({"lib/old/gone.h": None, "app/gone.h": BASE["lib/old/gone.h"]}),
    "mode": BASE.replace({"app/main.c": replace(BASE["app/main.c"], mode=Mode.EXECUTABLE)}),
    "symlink": BASE.replace({"app/link": Entry(Mode.SYMLINK, b"boot.sh")}),
    "many files": BASE.replace({f"many/{n}/{n}.c": PLAIN for n in range(3)}),
    "all of it": TARGET,
}


@dataclass(frozen=True)
class Flow:
    """What is done while the power fails.

    Attributes:
        act: does it.
        before: tree at the start.
        after: tree at the end.
        counter: after it.
        begin: brings a new world to where it starts.
        kept: what ``rollback`` may give while ``before`` and while ``after`` is in the root.
    """

    act: Callable[[World, Filesystem], None]
    before: Tree
    after: Tree
    counter: int = 7
    kept: tuple[tuple[Tree, ...], tuple[Tree, ...]] = ((), ())
    begin: Callable[[World], object] = World.ledger


def applying(target: Tree) -> Callable[[World, Filesystem], None]:
    data = envelope(classical(BASE, target), 7)

    def act(world: World, files: Filesystem) -> None:
        with open_probe(world.state, files) as probe:
            apply(probe, data, regenerator, lambda: 2.5)

    return act


@cache
def next_message(tree: Tree) -> bytes:
    return envelope(classical(tree, LATER), 20)


def rolling_back(world: World, files: Filesystem) -> None:
    with open_probe(world.state, files) as probe:
        roll_back(probe, now_s=3.5)


def rotating(world: World, files: Filesystem) -> None:
    data = encode_rotation((KEY.public_key(), OTHER.public_key()), 9, KEY, OTHER)
    with open_probe(world.state, files) as probe:
        rotate(probe, data, lambda: 3.5)


def renewing(world: World, files: Filesystem) -> None:
    setup = Setup(world.root, world.folder / "model", PIN, [KEY.public_key().public_bytes_raw()])
    initialise(world.state, setup, now_s=4.5, renew=True, files=files)


def confirming(world: World, files: Filesystem) -> None:
    with open_probe(world.state, files, lambda: 10.0) as probe:
        confirm(probe, now_s=10.0)


def reverting(world: World, files: Filesystem) -> None:
    """The deadline has passed when the probe is opened."""
    with open_probe(world.state, files, lambda: 1e13):
        pass


def collecting(world: World, files: Filesystem) -> None:
    with open_probe(world.state, files) as probe:
        collect(probe)


def giving_up(world: World, files: Filesystem) -> None:
    with open_probe(world.state, files) as probe:
        collect(probe, previous=True)


def trying(world: World) -> None:
    """``TARGET`` is on trial from 2.5 on, for as long as no test takes."""
    world.initialise(renew=True, trial_s=1e12)
    world.put(TARGET, 7, Quick())


def littered(world: World) -> None:
    world.put(TARGET, 7, Quick())
    (world.state / "ledger.json.new").write_bytes(b"a draft")
    shutil.copytree(world.root, world.state / "slots/b", symlinks=True)


def linked(world: World) -> None:
    """Two names of one file among what is no part of the tree."""
    (world.root / ".git").mkdir()
    (world.root / ".git/one").write_bytes(b"one file\n")
    (world.root / ".git/two").hardlink_to(world.root / ".git/one")


def with_trial(world: World) -> None:
    world.initialise(renew=True, trial_s=1e12)


def second_tree(world: World) -> None:
    world.put(TARGET, 7, Quick())


FLOWS = {
    f"apply: {name}": Flow(applying(target), BASE, target, kept=((), (BASE,)))
    for name, target in SHAPES.items()
} | {
    "apply: hard links": Flow(
        applying(SHAPES["modify"]), BASE, SHAPES["modify"], kept=((), (BASE,)), begin=linked
    ),
    "apply on trial": Flow(applying(TARGET), BASE, TARGET, kept=((), (BASE,)), begin=with_trial),
    "confirm": Flow(confirming, TARGET, TARGET, kept=((BASE,), (BASE,)), begin=trying),
    "revert": Flow(reverting, TARGET, BASE, kept=((BASE,), ()), begin=trying),
    "rollback": Flow(rolling_back, TARGET, BASE, kept=((BASE,), ()), begin=second_tree),
    "rotate": Flow(rotating, TARGET, TARGET, 9, kept=((BASE,), (BASE,)), begin=second_tree),
    "renew": Flow(renewing, TARGET, TARGET, kept=((BASE,), (BASE,)), begin=second_tree),
    "gc": Flow(collecting, TARGET, TARGET, kept=((BASE,), (BASE,)), begin=littered),
    "gc --previous": Flow(giving_up, TARGET, TARGET, kept=((BASE,), (BASE,)), begin=second_tree),
}
