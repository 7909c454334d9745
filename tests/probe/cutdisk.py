"""A disk with a page cache: records what the probe does, and says what any power cut could leave.

``Recorder`` lets every operation of a ``Filesystem`` happen and writes down what it meant: which
name of which folder came to stand for what, which bytes went into which file, what was synced.
``aftermath`` then computes from the record alone every state that a cut at one point may leave,
without running the program again:

- a change of names is durable once one of its folders was synced after it; until then it may be
  lost or kept, *each for itself*, save that a later change of one name needs the earlier ones;
- a barrier (syncfs) makes all changes of names and all bytes before it durable, and is itself cut:
  amid it any of them may be durable and any not;
- rename and exchange happen wholly or not at all, since the filesystem does them in one step;
- bytes of a file are durable once the file was synced; until then nothing, all, a prefix, or a
  prefix and zeros may be there, whatever became of its name;
- in the middle of a write a part is written; in the middle of a sync a part is durable.

This is weaker than any journaling filesystem, which keeps the order of changes: what holds here
holds there.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorder import Node, Recorder, Step

ENUMERATED = 4
"""Up to so many undecided changes, all their outcomes are tried; beyond, drawn ones."""

DRAWN = 2


Entries = Mapping[Node, Mapping[str, Node]]
"""What the names in each folder stand for."""

Bytes = Mapping[Node, tuple[bytes, int]]
"""What files hold, and their permissions, where that is not what was written."""


@dataclass(frozen=True)
class Cut:
    """A point in a record: before, amid or after operation ``index``."""

    index: int
    when: str


def cuts(steps: list[Step]) -> Iterator[Cut]:
    """Every point at which the power can fail."""
    for index in range(len(steps)):
        for when in ("before", "amid", "after"):
            yield Cut(index, when)


@dataclass(frozen=True)
class State:
    """What a disk may hold when power returns."""

    top: Node
    entries: Entries
    torn: Bytes

    def facts(self) -> Hashable:
        """Equal for states that nobody can tell apart."""
        return self._facts(self.top)

    def facts_of(self, *names: str) -> Hashable:
        """The same of some files alone, named from the top."""
        return tuple(self._facts(node) for node in map(self._find, names) if node)

    def _find(self, name: str) -> Node | None:
        node: Node | None = self.top
        for part in name.split("/"):
            node = self.entries.get(node, {}).get(part) if node else None
        return node

    def _facts(self, node: Node) -> Hashable:
        if node.kind == "folder":
            below = self.entries.get(node, {})
            return tuple((name, self._facts(below[name])) for name in sorted(below))
        return (node.kind, *self._content(node))

    def _content(self, node: Node) -> tuple[bytes, int]:
        return self.torn.get(node, (node.data, node.mode))

    def write(self, path: Path) -> None:
        """Make ``path`` hold this state and nothing else."""
        if path.exists():
            remove(path)
        self._write(self.top, path)

    def _write(self, node: Node, path: Path) -> None:
        data, mode = self._content(node)
        if node.kind == "link":
            path.symlink_to(os.fsdecode(data))
            return
        if node.kind == "file":
            path.write_bytes(data)
        else:
            path.mkdir()
            for name, below in self.entries.get(node, {}).items():
                self._write(below, path / name)
        path.chmod(mode)


def aftermath(disk: Recorder, cut: Cut, choose: random.Random) -> Iterator[State]:
    """The states that a cut may leave: all of them, or those that lose most and least and some."""
    done = disk.steps[: cut.index + (cut.when == "after")]
    running = disk.steps[cut.index] if cut.when == "amid" else None
    if running is not None and running.synced is None and not running.barrier:
        # Written in part, or not known to be kept: as after it, but see _fates.
        done = disk.steps[: cut.index + 1]
    causes = _causes(done)
    durable = _durable(done, causes)
    pending = [i for i, step in enumerate(done) if step.names and i not in durable]
    for some in _choices(pending, choose):
        kept = [i for i in sorted(durable | some) if _rests_on(i, causes, durable | some)]
        entries = _replay(disk.before, [done[index] for index in kept])
        fates = _fates(done, running, choose)
        if len(pending) > ENUMERATED and len(pending) > len(some) > 0:
            fates = [choose.choice(fates)]
        for fate in fates:
            yield State(disk.tree, entries, fate)


def _choices(pending: list[int], choose: random.Random) -> Iterator[set[int]]:
    if len(pending) <= ENUMERATED:
        for size in range(len(pending) + 1):
            yield from map(set, itertools.combinations(pending, size))
        return
    yield set()
    for out in [None, *pending]:
        yield {index for index in pending if index != out}
    for _ in range(DRAWN):
        share = choose.random()
        yield {index for index in pending if choose.random() < share}


def _fates(done: Sequence[Step], running: Step | None, choose: random.Random) -> list[Bytes]:
    """What became of the bytes of files that were not synced."""
    torn: dict[Node, None] = {}
    for step in done:
        if step.written is not None:
            torn[step.written] = None
        if step.synced is not None:
            torn.pop(step.synced, None)
        if step.barrier:
            torn.clear()
    whole = {node: (node.data, node.mode) for node in torn}
    if running is not None and running.written is not None:
        node = running.written
        whole[node] = (node.data[: len(node.data) // 2], 0o600)
    if not torn:
        return [whole]
    drawn = {}
    for node in torn:
        size = choose.randint(0, len(node.data))
        fill = choose.choice([b"", bytes(len(node.data) - size)])
        drawn[node] = (node.data[:size] + fill, choose.choice([0o600, node.mode]))
    return [whole, dict.fromkeys(torn, (b"", 0o600)), drawn]


def _causes(done: Sequence[Step]) -> list[set[int]]:
    """For each change the earlier ones without which it cannot be."""
    last: dict[tuple[Node, str], int] = {}
    within: dict[Node, set[int]] = {}
    causes: list[set[int]] = []
    for index, step in enumerate(done):
        mine = {last[folder, name] for folder, name, _ in step.names if (folder, name) in last}
        if step.removed is not None:  # it has to be empty first
            mine |= within.get(step.removed, set())
        causes.append(mine)
        for folder, name, _ in step.names:
            last[folder, name] = index
            within.setdefault(folder, set()).add(index)
    return causes


def _durable(done: Sequence[Step], causes: Sequence[set[int]]) -> set[int]:
    """Changes that a folder's sync made durable, and what they rest on."""
    synced: set[Node] = set()
    found: set[int] = set()
    for index in range(len(done) - 1, -1, -1):
        step = done[index]
        if step.barrier:  # and all before it
            return found | set(range(index))
        if step.synced is not None:
            synced.add(step.synced)
        if index in found or any(folder in synced for folder, _, _ in step.names):
            found.add(index)
            found |= causes[index]
    return found


def _rests_on(index: int, causes: Sequence[set[int]], kept: set[int]) -> bool:
    return all(cause in kept and _rests_on(cause, causes, kept) for cause in causes[index])


def _replay(before: Entries, steps: Sequence[Step]) -> Entries:
    entries = {folder: dict(names) for folder, names in before.items()}
    for step in steps:
        for folder, name, node in step.names:
            if node is None:
                entries.setdefault(folder, {}).pop(name, None)
            else:
                entries.setdefault(folder, {})[name] = node
    return entries


def remove(path: Path) -> None:
    """Remove a folder, read-only ones in it included."""
    for parent, _, _ in os.walk(path):
        Path(parent).chmod(0o700)
    shutil.rmtree(path)
