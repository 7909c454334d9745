"""Power cuts at every operation of the inbox: making it, taking, parking, giving up, clearing away.

A listener works on a disk that records everything (``cutdisk``).  For each operation in the inbox,
before it, amid it and after it, every state that a power cut may leave is computed.  In each:

- what the inbox has taken and has not begun to drop is there, to the byte;
- nothing is there that never came, no part of a message and nothing twice;
- a listener that starts again, and is sent only what was not yet taken, ends with the last tree.

A message counts as taken once ``parked`` was said of it, or ``put_message`` has returned; a segment
once ``put_segment`` has.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
from cutdisk import Cut, State, aftermath, cuts
from listening import FIRST, SECOND, STACK, Line, cltus, listen
from powercut import Quick
from watched import Item, Note, Taken, item_of, recorded
from world import BASE, TARGET, THIRD, World

import probe.inbox.inbox
import probe.listen.parking
import probe.reception.reassembly
from probe.disk.filesystem import Filesystem, durable_write
from probe.inbox.inbox import open_inbox
from probe.listen.receiver import Receiver
from probe.reception.framing import Ccsds, Datagrams
from probe.reception.reassembly import Kept
from shared.digest import sha256
from shared.tree import Tree


@dataclass(frozen=True)
class Scene:
    """What comes over the line.

    Attributes:
        units: pieces of it.
        after: the tree at the end, once all has come.
        ccsds: whether these are frames.
        before: what came in a session before.
        room: for parked messages and for segments.
        drafts: names of files that a crash left half written.
    """

    units: Sequence[bytes]
    after: Tree
    ccsds: bool = False
    before: Sequence[bytes] = ()
    room: tuple[int, int] = (16, 512)
    drafts: Sequence[str] = ()

    def framing(self) -> object:
        return Ccsds(STACK) if self.ccsds else Datagrams()


FORGED = [SECOND[:-1] + bytes([SECOND[-1] ^ number]) for number in (1, 2, 3)]
FRAMES = cltus(FIRST, 250)
SCENES = {
    "a message is parked": Scene([SECOND], BASE),
    "a parked message is tried again": Scene([SECOND, FIRST], THIRD),
    "copies": Scene([SECOND, SECOND, FIRST, FIRST], THIRD),
    "refused": Scene([b"noise", FIRST], TARGET),
    "segments wait": Scene(FRAMES[: len(FRAMES) // 2], BASE, ccsds=True),
    "segments to a message": Scene([*FRAMES[:3], *FRAMES[1:]], TARGET, ccsds=True),
    "a restart amid segments": Scene(FRAMES[6:], TARGET, ccsds=True, before=FRAMES[:6]),
    "a crash left drafts": Scene([FIRST], TARGET, drafts=["4.message.new", "9.0.3.1.segment.new"]),
    "the oldest parked is given up": Scene(FORGED, BASE, room=(1, 512)),
    "the oldest segment is given up": Scene(FRAMES[:8], BASE, ccsds=True, room=(16, 5)),
}
COUNTS: Counter[tuple[str, str]] = Counter()


def begin(world: World, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.listen.parking, "MAX_PARKED", scene.room[0])
    monkeypatch.setattr(probe.reception.reassembly, "MAX_PIECES", scene.room[1])
    if scene.before:
        listen(world, Line(list(scene.before)), scene.framing())
    for draft in scene.drafts:
        (world.state / "inbox").mkdir(0o700, exist_ok=True)
        (world.state / "inbox" / draft).write_bytes(b"half of somethi")


def states(world: World, scene: Scene, name: str) -> Iterator[tuple[Cut, State, int, Taken]]:
    """Each state that a cut in the inbox may leave, once for each set of what was taken."""
    old = inside(world) if scene.before else []
    disk, taken = recorded(world, Line(list(scene.units)), scene.framing())
    for note in old:
        taken.put.append(Note(note.item, note.order, 0))
    folder = disk.tree.entries["state"].entries["inbox"]
    files = {
        node for step in disk.steps for place, _, node in step.names if place is folder and node
    }
    choose, seen = random.Random(name), set[object]()
    for cut in cuts(disk.steps):
        step = disk.steps[cut.index]
        if not (
            cut.index < 2  # the folder is made and its name synced
            or any(place is folder for place, _, _ in step.names)
            or step.synced is folder
            or step.synced in files
        ):
            continue
        COUNTS[step.kind, cut.when] += 1
        # In the middle of an operation and before it, what it would finish is not finished.
        done = cut.index + (cut.when == "after")
        held = taken.held(done)
        for state in aftermath(disk, cut, choose):
            facts = (state.facts(), frozenset(held.items()))
            if facts not in seen:
                seen.add(facts)
                yield cut, state, done, taken


def inside(world: World) -> list[Note]:
    """What a listener would find."""
    with open_inbox(world.state, Quick()) as inbox:
        return [Note(item_of(one), one.order, 0) for one in (*inbox.messages(), *inbox.segments())]


def wrong(world: World, scene: Scene, name: str) -> Iterator[str]:
    """What is lost or made up, over all cuts of a scene."""
    came = set(everything(scene))
    ends = set[object]()
    for cut, state, done, taken in states(world, scene, name):
        state.write(world.folder)
        there = inside(world)
        items = Counter(note.item for note in there)
        where = f"{cut.when} {cut.index}"
        if lost := taken.held(done) - items:
            yield f"{where}: {len(lost)} lost"
        if set(items) - came:
            yield f"{where}: something that never came"
        for digest, step in taken.parked:
            gone = any(
                isinstance(note.item, bytes)
                and sha256(note.item)[:8] == digest
                and note.step <= done
                for note in taken.dropping
            )
            stored = any(isinstance(i, bytes) and sha256(i)[:8] == digest for i in items)
            if step <= done and not stored and not gone:
                yield f"{where}: it said parked, and it is not there"
        known = frozenset(note.item for note in taken.put if note.step <= done)
        end = (known, frozenset(items.items()), state.facts_of("root", "state/ledger.json"))
        if end not in ends:
            ends.add(end)
            if not ends_well(world, scene, known):
                yield f"{where}: it does not end with the last tree"


def everything(scene: Scene) -> Iterator[Item]:
    """All that a listener can ever have put away."""
    framing = scene.framing()
    for unit in (*scene.before, *scene.units):
        units = framing.feed(unit)  # type: ignore[attr-defined]
        yield from units.messages
        yield from ((piece.number, piece.segment.data) for piece in units.pieces)
    yield from (FIRST, SECOND)


def ends_well(world: World, scene: Scene, known: frozenset[Item]) -> bool:
    """Start again, and send what was never taken, as a ground would that trusts the probe."""
    framing = scene.framing()
    missing = []
    for unit in (*scene.before, *scene.units):
        units = framing.feed(unit)  # type: ignore[attr-defined]
        mine: list[Item] = [*units.messages]
        mine += [(piece.number, piece.segment.data) for piece in units.pieces]
        if not known.issuperset(mine):
            missing.append(unit)
    listen(world, Line(missing), scene.framing(), at_once=True)
    return world.tree() == scene.after


@pytest.mark.parametrize("name", SCENES)
def test_nothing_taken_is_lost(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(world, SCENES[name], monkeypatch)
    assert list(wrong(world, SCENES[name], name)) == []


def test_every_operation_of_the_inbox_was_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """Needs the tests before it: run the whole file."""
    if not COUNTS:
        pytest.skip("no scene was run in this process")
    kinds = ("mkdir", "write", "fsync", "rename", "fsync folder", "unlink")
    with capsys.disabled():
        print(f"\n{'in the inbox':14}{'before':>8}{'amid':>8}{'after':>8}")
        for kind in kinds:
            print(
                f"{kind:14}" + "".join(f"{COUNTS[kind, w]:8}" for w in ("before", "amid", "after"))
            )
    assert {kind for kind, _ in COUNTS} == set(kinds)


# --- bugs planted on purpose ----------------------------------------------------------------------


def unsynced(files: Filesystem, path: object, data: bytes) -> None:
    draft = path.with_name(path.name + ".new")  # type: ignore[attr-defined]
    files.write_file(draft, data, 0o600)
    files.rename(draft, path)  # type: ignore[arg-type]
    files.sync_folder(path.parent)  # type: ignore[attr-defined]


def unnamed(files: Filesystem, path: object, data: bytes) -> None:
    draft = path.with_name(path.name + ".new")  # type: ignore[attr-defined]
    files.write_file(draft, data, 0o600)
    files.sync_file(draft)
    files.rename(draft, path)  # type: ignore[arg-type]


@pytest.mark.parametrize("planted", [unsynced, unnamed], ids=["no fsync", "no fsync of the folder"])
@pytest.mark.parametrize("name", ["a message is parked", "segments wait"])
def test_planted_bugs_are_found(
    world: World, name: str, planted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(world, SCENES[name], monkeypatch)
    with monkeypatch.context() as changed:
        changed.setattr(probe.inbox.inbox, "durable_write", planted)
        assert any("lost" in found for found in wrong(world, SCENES[name], name))
    assert probe.inbox.inbox.durable_write is durable_write


def test_dropping_segments_before_the_message_is_put_away_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = SCENES["segments to a message"]
    begin(world, scene, monkeypatch)
    real = Receiver._take

    def drop_first(receiver: Receiver, kept: Kept) -> None:
        taken = probe.receiver.take(receiver._assembly, kept, STACK)
        for gone in taken.gone:
            receiver._inbox.drop_segment(gone)
        real(receiver, kept)

    monkeypatch.setattr(Receiver, "_take", drop_first)
    assert next(wrong(world, scene, "planted"), "")
