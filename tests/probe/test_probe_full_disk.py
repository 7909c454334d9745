"""``probe listen`` on a disk that is really full, and killed amid a transfer: nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from listening import FIRST, SECOND, cltus, stored
from test_probe_lines import command, ended
from world import BASE, KEY, TARGET, THIRD, World

from probe.reception.framing import slip
from shared.auth.rotation import encode_rotation
from shared.digest import sha256
from shared.tree import write_tree

ROTATION = encode_rotation((KEY.public_key(),), 4, KEY)


@dataclass
class Disk:
    """A disk that can be filled and emptied while a process works on it."""

    world: World
    fill: Callable[[subprocess.Popen[bytes]], None]
    empty: Callable[[subprocess.Popen[bytes]], None]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    """A real filesystem of 2 MB, filled to the last byte by a file."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "none", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root can mount a small filesystem")
    filler = place / "filler"

    def fill(process: subprocess.Popen[bytes]) -> None:
        del process
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                assert os.statvfs(place).f_bavail == 0

    try:
        yield Disk(made(place / "world"), fill, lambda _: filler.unlink())
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def limited(tmp_path: Path) -> Disk:
    """No file may grow (setrlimit(2), RLIMIT_FSIZE): for whoever runs this, on any disk."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def fill(process: subprocess.Popen[bytes]) -> None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))

    def empty(process: subprocess.Popen[bytes]) -> None:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    return Disk(made(tmp_path / "world"), fill, empty)


def made(folder: Path) -> World:
    folder.mkdir()
    write_tree(BASE, folder / "root")
    world = World(folder)
    world.initialise()
    return world


class Listening:
    """A probe's process on standard input."""

    def __init__(self, world: World, *options: str) -> None:
        self.process = command(world, "--stdin", *options, stdin=subprocess.PIPE)
        assert self.next("ready")

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def next(self, event: str) -> dict[str, object]:
        """What comes next but for faults on the line and of the disk."""
        assert self.process.stdout
        while True:
            told: dict[str, object] = json.loads(self.process.stdout.readline())
            if told["event"] not in ("frames", "storage"):
                assert told["event"] == event, told
                return told


@pytest.mark.parametrize("kind", ["small", "limited"])
@pytest.mark.parametrize("framing", ["bare", "ccsds"])
def test_a_full_disk_loses_nothing_and_blocks_nothing(
    kind: str, framing: str, request: pytest.FixtureRequest
) -> None:
    disk: Disk = request.getfixturevalue(kind)
    probe = Listening(disk.world, "--framing", framing)

    def send(data: bytes, number: int) -> None:
        probe.send(slip(data) if framing == "bare" else b"".join(cltus(data, number)))

    disk.fill(probe.process)
    send(FIRST, 0)
    parked = probe.next("parked")
    assert (parked["step"], parked["digest"]) == (10, sha256(FIRST)[:8].hex())
    send(b"the next one is answered", 60)
    assert probe.next("refused")["step"] == 2
    send(SECOND, 80)
    assert probe.next("parked")["step"] == 7
    assert disk.world.tree() == BASE
    disk.empty(probe.process)
    send(ROTATION, 140)
    probe.next("rotated")
    assert probe.next("applied")["digest"] == TARGET.digest[:8].hex()
    assert probe.next("applied")["digest"] == THIRD.digest[:8].hex()
    ended(probe.process)
    assert disk.world.tree() == THIRD
    assert disk.world.ledger().counter == 6
    assert [path.name for path in (disk.world.state / "inbox").iterdir()] == ["lock"]


def test_a_full_disk_that_was_emptied_before_a_restart(small: Disk) -> None:
    """What was parked in memory alone is stored as soon as there is room, and outlives a kill."""
    probe = Listening(small.world)
    small.fill(probe.process)
    probe.send(slip(SECOND))
    probe.next("parked")
    small.empty(probe.process)
    while not stored(small.world)[0]:
        assert probe.process.poll() is None
    probe.process.kill()
    probe.process.communicate()
    again = Listening(small.world)
    again.send(slip(FIRST))
    told = [again.next("parked"), again.next("applied"), again.next("applied")]
    assert told[2]["digest"] == THIRD.digest[:8].hex()
    ended(again.process)


def test_a_process_killed_amid_a_transfer(world: World) -> None:
    """Interleaved segments of two messages, half of them before the kill and half after it."""
    one, other = cltus(FIRST, 0), cltus(SECOND, len(cltus(FIRST, 0)), 1)
    mixed = [frame for pair in zip(one, other, strict=False) for frame in pair]
    mixed += [frame for frame in (*one, *other) if frame not in mixed]
    half = len(mixed) // 2
    noise = b"".join(cltus(b"nothing to do with it", 200, 9))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        where = free.getsockname()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ground:
        ground.bind(("127.0.0.1", 0))
        ground.settimeout(60)
        told = f"127.0.0.1:{ground.getsockname()[1]}"
        words = ["--udp", f"127.0.0.1:{where[1]}", "--telemetry-to", told, "--framing", "ccsds"]

        def events(until: str) -> list[str]:
            found = []
            while until not in found:
                found.append(json.loads(ground.recv(2000))["event"])
            return found

        process = command(world, *words)
        events("ready")
        for frame in mixed[:half]:
            ground.sendto(frame, where)
        ground.sendto(noise, where)  # its refusal says that all before it was taken
        assert "applied" not in events("refused")
        process.kill()
        process.communicate()
        assert len(stored(world)[1]) >= half
        process = command(world, *words)
        events("ready")
        for frame in mixed[half:]:
            ground.sendto(frame, where)
        found = events("applied")
        if found.count("applied") < 2:
            found += events("applied")
        ended(process)
    assert world.tree() == THIRD
