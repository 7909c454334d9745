"""A picture over the link: from the ground's command to a PNG that the probe writes."""

from __future__ import annotations

import dataclasses
import errno
import json
import random
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray
from powercut import FailingDisk, PowerCut, Quick
from test_probe_holding import CHAIN
from typer.testing import CliRunner
from world import BASE, KEY, TARGET, World, classical, envelope, regenerator

from groundstation.cli import app as ground
from groundstation.media.judge.gate import judge
from groundstation.media.judge.residual import codes_of, quantised, waves_of
from groundstation.media.records.book import Book, Entry, write_book
from groundstation.signing.keys import write_key_pair
from probe.cli import app as probe
from probe.disk.filesystem import Filesystem
from probe.inbox.inbox import open_inbox
from probe.listen.receiver import Receiver
from probe.listen.service import Doing, Service
from probe.listen.telemetry import Telemetry
from probe.messages.picture import Gallery, draw
from probe.messages.tesla import take_in
from probe.reception.framing import Datagrams, slip
from probe.trees.onboard import open_probe
from shared.auth.keys import IntervalKey, TrustedKey
from shared.ccsds.stack import Stack
from shared.errors import (
    BadSignature,
    DigestMismatch,
    InputError,
    NotClosed,
    PinError,
    Refusal,
    RegenerationError,
    Replayed,
    UnsupportedVersion,
    WrongPin,
)
from shared.media.coding.residual import encode_residual
from shared.media.container import generator_digest
from shared.media.generator import Loaded, read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.message import image_recipe, prompt_recipe, prompt_record
from shared.media.pixels import pixel_digest
from shared.media.png import write_png
from shared.media.prompt import Attribute, Grammar, Prompt
from shared.media.render import Renderer
from shared.message.codec_version import binding
from shared.message.envelope import sign
from shared.message.wire import encode_message

RUNNER = CliRunner()
PROMPT = Prompt((2, 1))


def lamp(shift: int = 0) -> Basis:
    """A generator of 24 x 16 pixels, two attributes, no latents."""
    rng = np.random.default_rng(23)
    waves = np.rint(rng.laplace(0, 12, (3 * 6, 64)) / (1 + np.arange(64) / 5))
    waves[:, 0] += 260 + shift
    return Basis(
        name="lamp",
        width=24,
        height=16,
        grammar=Grammar(
            (Attribute("hood", ("ash", "bay", "elm")), Attribute("lit", ("no", "yes")))
        ),
        tables=(
            rng.integers(500, 7000, (3, 1, 3)).astype(np.int16),
            rng.integers(500, 7000, (2, 1, 3)).astype(np.int16),
        ),
        gains=np.zeros((0, 3), np.int16),
        terms=((), (0,), (0, 1)),
        steps=(180, 90, 41),
        coded=np.ones((3, 6), bool),
        waves=waves.astype(np.int16),
        curves=np.stack([np.arange(1, 256) * 240] * 3).astype(np.int32),
        notes={},
    )


@pytest.fixture(scope="module")
def file() -> bytes:
    return write_generator(lamp())


@pytest.fixture(scope="module")
def loaded(file: bytes) -> Loaded:
    return read_generator(file)


@pytest.fixture(scope="module")
def pixels(loaded: Loaded) -> NDArray[np.uint8]:
    return Renderer(loaded.generator)(PROMPT)


def message(loaded: Loaded, pixels: NDArray[np.uint8], counter: int, **changes: Any) -> bytes:
    recipe = prompt_recipe(loaded, PROMPT, pixels)
    return envelope(recipe, counter, **changes)


def read_png(data: bytes) -> NDArray[np.uint8]:
    """By the standard, a byte at a time; independent of the writer."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    place, found = 8, {}
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        name, body = data[place + 4 : place + 8], data[place + 8 : place + 8 + size]
        assert struct.unpack_from(">I", data, place + 8 + size)[0] == zlib.crc32(name + body)
        found[name] = body
        place += 12 + size
    assert list(found) == [b"IHDR", b"IDAT", b"IEND"]
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", found[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    channels = {0: 1, 2: 3, 6: 4}[colour]
    raw, before, rows = zlib.decompress(found[b"IDAT"]), bytearray(width * channels), []
    for row in range(height):
        start = row * (1 + width * channels)
        line = bytearray(raw[start + 1 : start + 1 + width * channels])
        for i in range(len(line)):
            a = line[i - channels] if i >= channels else 0
            b, c = before[i], before[i - channels] if i >= channels else 0
            p = a + b - c
            paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            line[i] = (line[i] + (0, a, b, (a + b) // 2, paeth)[raw[start]]) % 256
        rows.append(bytes(line))
        before = line
    return np.frombuffer(b"".join(rows), np.uint8).reshape(height, width, channels)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png_is_read_back_by_the_standard(channels: int) -> None:
    rng = np.random.default_rng(channels)
    y, x = np.mgrid[0:37, 0:29]
    picture = np.empty((37, 29, channels), np.uint8)
    for channel in range(channels):
        picture[..., channel] = (x * (3 + channel) + y * y // 7) % 256
    picture[20:, 5:17] = rng.integers(0, 256, (17, 12, channels))  # every filter has its rows
    data = write_png(picture)
    assert (read_png(data) == picture).all()
    assert len(set(zlib.decompress(data[41:-16])[:: 1 + 29 * channels])) > 2
    with pytest.raises(ValueError, match="shape"):
        write_png(np.zeros((2, 2, 2), np.uint8))


def test_commands_of_both_ends(
    world: World, tmp_path: Path, file: bytes, pixels: NDArray[np.uint8]
) -> None:
    keys = write_key_pair(tmp_path, KEY)
    generator, sent, out = tmp_path / "lamp.gen", tmp_path / "m.bin", tmp_path / "lamp.png"
    generator.write_bytes(file)
    authored = RUNNER.invoke(
        ground,
        [
            *("media", "author", "--generator", str(generator), "--key", str(keys.private)),
            *("--set", "hood=elm", "--set", "lit=yes", "--out", str(sent), "--json"),
        ],
    )
    assert authored.exit_code == 0, authored.output
    made = json.loads(authored.stdout)
    assert made["total_bytes"] == sent.stat().st_size == 13 + 1 + 64
    arguments = [str(sent), "--state", str(world.state), "--generator", str(generator)]
    drawn = RUNNER.invoke(probe, ["draw", *arguments, "--out", str(out), "--json"])
    assert drawn.exit_code == 0, drawn.output
    report = json.loads(drawn.stdout)
    assert report["pixels_sha256"] == made["pixels_sha256"] == pixel_digest(pixels).hex()
    assert (read_png(out.read_bytes()) == pixels).all()
    assert world.ledger().counter == made["counter"] == 1
    assert world.ledger().history[-1].operation == "draw"
    again = RUNNER.invoke(probe, ["draw", *arguments, "--out", str(out), "--json"])
    assert again.exit_code == 16
    applied = RUNNER.invoke(probe, ["apply", str(sent), "--state", str(world.state), "--json"])
    assert (applied.exit_code, json.loads(applied.stdout)["remedy"]) == (
        13,
        "hand it to probe draw",
    )


def test_a_corrected_picture_travels_from_a_book(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    keys = write_key_pair(tmp_path, KEY)
    wanted = pixels.copy()
    wanted[3:9, 4:15] = (20, 200, 90)
    residual = encode_residual(
        pixels, quantised(waves_of(wanted, pixels), codes_of(20, (4, 4), pixels.shape[2]))
    )
    renderer = Renderer(loaded.generator)
    prompt = dataclasses.replace(PROMPT, residual=residual)
    made = renderer(prompt)
    assert judge(wanted, made).psnr_db > judge(wanted, pixels).psnr_db + 10
    record = prompt_record(loaded.generator, prompt, made)
    entry = Entry("lamp.png", "T2", record, judge(wanted, made), 1000)
    generator, sent, out = tmp_path / "lamp.gen", tmp_path / "m.bin", tmp_path / "lamp.png"
    generator.write_bytes(file)
    write_book(Book("lamp", loaded.digest, {"lamp.png": entry}), tmp_path / "lamp.book")
    authored = RUNNER.invoke(
        ground,
        [
            *("media", "author", "--generator", str(generator), "--key", str(keys.private)),
            *("--book", str(tmp_path / "lamp.book"), "--picture", "lamp.png"),
            *("--out", str(sent), "--json"),
        ],
    )
    assert authored.exit_code == 0, authored.output
    told = json.loads(authored.stdout)
    assert told["prompt_bytes"] == len(record.stream)
    assert told["prompt"].endswith("00")
    arguments = [str(sent), "--state", str(world.state), "--generator", str(generator)]
    drawn = RUNNER.invoke(probe, ["draw", *arguments, "--out", str(out), "--json"])
    assert drawn.exit_code == 0, drawn.output
    assert (read_png(out.read_bytes()) == made).all()


def test_every_bit_counts(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    data, out = message(loaded, pixels, 3), tmp_path / "x.png"
    before = world.ledger()
    with open_probe(world.state, Quick()) as opened:
        for bit in range(len(data) * 8):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Refusal):
                draw(opened, bytes(damaged), file, out, lambda: 2.5)
        for size in range(len(data)):
            with pytest.raises(Refusal):
                draw(opened, data[:size], file, out, lambda: 2.5)
    assert not out.exists()
    assert world.ledger() == before


def test_what_is_refused_and_why(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    out = tmp_path / "x.png"
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    other = write_generator(lamp(1))
    with open_probe(world.state, Quick()) as opened:

        def refused(data: bytes, family: type[Exception], generator: bytes = file) -> None:
            with pytest.raises(family):
                draw(opened, data, generator, out, lambda: 2.5)
            assert not out.exists()

        refused(message(loaded, pixels, 3, key=stranger), Refusal)
        refused(envelope(classical(BASE, TARGET), 3), UnsupportedVersion)
        refused(message(loaded, pixels, 3), (WrongPin, BadSignature), other)  # type: ignore[arg-type]
        lying = prompt_recipe(loaded, PROMPT, 255 - pixels)
        refused(envelope(lying, 3), DigestMismatch)
        foreign = prompt_recipe(read_generator(other), PROMPT, pixels)
        refused(envelope(foreign, 3), Refusal)
        broken = bytearray(file)
        broken[-1] ^= 1
        cut = file[:-1]
        loaded_cut = Loaded(loaded.generator, generator_digest(cut), len(cut))
        refused(envelope(prompt_recipe(loaded_cut, PROMPT, pixels), 3), PinError, cut)
        assert opened.store.ledger().counter == -1
        draw(opened, message(loaded, pixels, 3), file, out, lambda: 2.5)
        first = out.read_bytes()
        with pytest.raises(Replayed):
            draw(opened, message(loaded, pixels, 3), file, out, lambda: 2.5)
        with pytest.raises(Replayed):
            draw(opened, message(loaded, pixels, 2), file, out, lambda: 2.5)
        assert out.read_bytes() == first


def test_a_file_travels_as_it_is(world: World, tmp_path: Path, file: bytes, loaded: Loaded) -> None:
    out, carried = tmp_path / "x.avif", b"\x00ftypavif not one, but bytes are bytes"
    with open_probe(world.state, Quick()) as opened:
        recipe = image_recipe(loaded.digest, carried)
        made = draw(opened, envelope(recipe, 5), file, out, lambda: 2.5)
        assert (out.read_bytes(), made.shape) == (carried, ())
        both = dataclasses.replace(recipe, stream=b"\x05")
        with pytest.raises(RegenerationError):
            draw(opened, envelope(both, 6), file, out, lambda: 2.5)
        lying = dataclasses.replace(recipe, patch_digest=bytes(8))
        with pytest.raises(DigestMismatch):
            draw(opened, envelope(lying, 6), file, out, lambda: 2.5)
    assert out.read_bytes() == carried


def test_the_probe_keeps_its_own_places(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    (tmp_path / "way").symlink_to(world.root)
    places = (world.root / "x.png", world.state / "x.png", tmp_path / "way/x.png", tmp_path)
    with open_probe(world.state, Quick()) as opened:
        for place in (*places, tmp_path / "no" / "x.png"):
            with pytest.raises(InputError):
                draw(opened, message(loaded, pixels, 3), file, place, lambda: 2.5)
    assert world.ledger().counter == -1
    assert world.tree() == BASE


def test_pictures_are_not_held_for_a_chain(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    keys: list[bytes | TrustedKey] = [KEY.public_key().public_bytes_raw(), CHAIN.commitment]
    world.initialise(renew=True, keys=keys)
    recipe = prompt_recipe(loaded, PROMPT, pixels)
    key = IntervalKey(CHAIN.commitment, CHAIN.key(3), 3)
    data = sign(encode_message(recipe, 5), recipe.pin, recipe.baseline, key)
    with open_probe(world.state, Quick()) as opened:
        with pytest.raises(NotClosed):
            draw(opened, data, file, tmp_path / "x.png", lambda: 2.5)
        with pytest.raises(UnsupportedVersion):
            take_in(opened, data, lambda: 2.5)
    assert not (tmp_path / "x.png").exists()


class Line:
    """A line that brings these datagrams and nothing more."""

    datagrams = True

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = list(pieces)

    def receive(self, timeout_s: float) -> bytes:
        del timeout_s
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, data: bytes) -> None:
        raise AssertionError(f"telemetry goes elsewhere here: {data!r}")

    def close(self) -> None:
        pass


def listened(
    world: World, pieces: list[bytes], gallery: Gallery | None, files: Filesystem | None = None
) -> list[tuple[str, int, int]]:
    """Events, exit codes and counters of a service that gets these messages."""
    said: list[Telemetry] = []
    disk = files or Quick()
    doing = Doing(
        *(world.state, disk, lambda: 9.0, lambda *_: regenerator, said.append), gallery=gallery
    )
    with open_inbox(world.state, disk) as inbox:
        receiver = Receiver(Line(pieces), Datagrams(), Stack(), inbox, 1 << 20, lambda _: None)
        Service(doing, inbox, receiver).run()
    return [(one.event.name.lower(), one.exit_code, one.counter) for one in said]


def test_pictures_come_on_a_line_between_patches(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    folder, other = tmp_path / "hung", write_generator(lamp(1))
    folder.mkdir()
    files = (tmp_path / "other.gen", tmp_path / "lamp.gen")
    files[0].write_bytes(other)
    files[1].write_bytes(file)
    gallery = Gallery(folder, files)
    first, carried = message(loaded, pixels, 4), b"\x89PNG as it came"
    forged = bytes([*first[:9], first[9] ^ 4, *first[10:]])
    patch = envelope(classical(BASE, TARGET), 5)
    sent = envelope(image_recipe(loaded.digest, carried), 6)
    said = listened(world, [forged, first, first, patch, sent, message(loaded, pixels, 3)], gallery)
    assert said[0][0] == "ready"
    assert [event for event, _, _ in said[1:]] == [
        *("refused", "drawn", "refused", "applied", "drawn", "refused"),
    ]
    assert [counter for event, _, counter in said if event == "drawn"] == [4, 6]
    assert [code for event, code, _ in said if event == "refused"][1:] == [16, 16]
    assert sorted(path.name for path in folder.iterdir()) == ["0000000004.png", "0000000006.png"]
    assert (read_png((folder / "0000000004.png").read_bytes()) == pixels).all()
    assert (folder / "0000000006.png").read_bytes() == carried
    assert (world.tree(), world.ledger().counter) == (TARGET, 6)
    refused = listened(world, [message(loaded, pixels, 7)], None)
    assert [(event, code) for event, code, _ in refused[1:]] == [("refused", 13)]
    missing = Gallery(folder, (tmp_path / "none.gen",))
    refused = listened(world, [message(loaded, pixels, 7)], missing)
    assert [(event, code) for event, code, _ in refused[1:]] == [("refused", 7)]
    assert world.ledger().counter == 6


def test_the_line_as_a_process(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    folder, generator = tmp_path / "hung", tmp_path / "lamp.gen"
    folder.mkdir()
    generator.write_bytes(file)
    command = [sys.executable, "-m", "probe", "listen", "--state", str(world.state), "--stdin"]

    def run(*options: object) -> tuple[int, str]:
        done = subprocess.run(
            [*command, *map(str, options)],
            input=slip(message(loaded, pixels, 4)),
            capture_output=True,
            timeout=300,
        )
        return done.returncode, done.stdout.decode()

    assert run("--pictures", folder)[0] == 2
    assert run("--pictures", world.root, "--generator", generator)[0] == 4
    assert run("--pictures", folder, "--generator", tmp_path / "none")[0] == 7
    code, out = run("--pictures", folder, "--generator", generator)
    assert code == 0
    drawn = next(one for one in map(json.loads, out.splitlines()) if one["event"] == "drawn")
    assert drawn["digest"] == pixel_digest(pixels)[:8].hex()
    assert (folder / "0000000004.png").read_bytes() == write_png(pixels)


def test_generators_with_one_prefix_are_told_apart_by_the_signature(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    folder = tmp_path / "hung"
    folder.mkdir()
    wanted = binding(loaded.digest)[:1]
    many = (write_generator(dataclasses.replace(lamp(), notes={"n": str(n)})) for n in range(5000))
    twin = next(data for data in many if binding(generator_digest(data))[:1] == wanted)
    files = (tmp_path / "twin.gen", tmp_path / "lamp.gen")
    files[0].write_bytes(twin)
    files[1].write_bytes(file)
    for counter, order in enumerate((files, files[::-1]), 4):
        said = listened(world, [message(loaded, pixels, counter)], Gallery(folder, order))
        assert said[1:] == [("drawn", 0, counter)]


def test_a_full_disk_keeps_the_message(
    world: World, tmp_path: Path, file: bytes, loaded: Loaded, pixels: NDArray[np.uint8]
) -> None:
    folder, generator = tmp_path / "hung", tmp_path / "lamp.gen"
    folder.mkdir()
    generator.write_bytes(file)

    class Full(Quick):
        def write_file(self, path: Path, data: bytes, mode: int) -> None:
            if path.parent == folder:
                raise OSError(errno.ENOSPC, "No space left on device")
            super().write_file(path, data, mode)

    gallery = Gallery(folder, (generator,))
    said = listened(world, [message(loaded, pixels, 4)], gallery, Full())
    assert said[1:] == [("parked", 30, -1)]
    assert listened(world, [], gallery)[1:] == [("drawn", 0, 4)]  # it outlived the restart
    assert (folder / "0000000004.png").read_bytes() == write_png(pixels)


@pytest.mark.parametrize("old", [b"", b"an older picture"])
def test_power_may_fail_at_any_time(
    world: World,
    tmp_path: Path,
    file: bytes,
    loaded: Loaded,
    pixels: NDArray[np.uint8],
    old: bytes,
) -> None:
    """The picture is the old one or the new one; a used counter means the new one."""
    data, whole = message(loaded, pixels, 3), write_png(pixels)
    copy = tmp_path / "copy"
    world.save(copy)
    at, outcomes = 0, set()
    while True:
        at += 1
        shutil.rmtree(tmp_path / "pictures", ignore_errors=True)
        (tmp_path / "pictures").mkdir()
        out = tmp_path / "pictures" / "x.png"
        if old:
            out.write_bytes(old)
        world.restore(copy)
        disk = FailingDisk(world.state, tmp_path / "grave", at)
        try:
            with open_probe(world.state, disk) as opened:
                draw(opened, data, file, out, lambda: 2.5)
            break
        except PowerCut:
            disk.settle(random.Random(at))
        found = out.read_bytes() if out.exists() else b""
        assert found in (old, whole)
        used = world.ledger().counter == 3
        assert found == whole or not used
        outcomes.add((found == whole, used))
        with open_probe(world.state, Quick()) as opened:
            if not used:
                draw(opened, data, file, out, lambda: 2.5)
        assert out.read_bytes() == whole
    assert at > 8
    assert {(False, False), (True, False)} <= outcomes


def test_drawing_needs_no_image_library() -> None:
    """In an interpreter that has loaded the command, none of them is there."""
    program = (
        "import sys, probe.cli, probe.messages.picture;"
        "print([m for m in ('PIL', 'torch', 'scipy', 'tokenizers') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
