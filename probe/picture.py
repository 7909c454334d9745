"""Pictures from signed messages: verify, regenerate, check the digest, write the file.

The generator is the message's pin.  It lies in a file that the caller names; only its digest is
taken before the message has passed every check, and the file is opened as a generator after that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from probe import checks
from probe.filesystem import durable_write
from probe.onboard import Clock, Probe
from probe.records import Entry, Operation, noted
from probe.store import storing
from probe.update import on_record
from shared.digest import sha256
from shared.errors import InputError, PinError
from shared.media.container import MAX_BODY_BYTES
from shared.media.generator import read_generator
from shared.media.message import NO_BASELINE, carried_image, regenerate_image
from shared.media.pixels import pixel_digest
from shared.media.png import write_png
from shared.media.render import Renderer
from shared.recipe import Kind
from shared.wire import Message

_MODE: Final = 0o644


@dataclass(frozen=True)
class Drawn:
    """A picture that was written.

    Attributes:
        message: that brought it.
        file: its bytes.
        pixels_sha256: the digest of its pixels, 32 bytes; empty if the message carried a file.
        shape: height, width and channels; empty likewise.
        entry: the line of the history.
    """

    message: Message
    file: bytes
    pixels_sha256: bytes
    shape: tuple[int, ...]
    entry: Entry


@dataclass(frozen=True)
class Picture:
    """A picture in memory: its file, and what is known of its pixels."""

    file: bytes
    pixels_sha256: bytes = b""
    shape: tuple[int, ...] = ()


def draw(
    probe: Probe, data: bytes, generator: bytes, out: Path, clock: Clock, *, threads: int = 1
) -> Drawn:
    """Make a message's picture a file, and use up the counter.

    The file comes first and whole, then the counter: a crash in between leaves a picture that the
    same message would draw again, to the same bytes.

    Args:
        probe: the open probe.
        data: the envelope.
        generator: the file of the generator.
        out: the file to write; an older one is replaced in one step.
        clock: Unix time.
        threads: how many draw; the pixels are the same.

    Raises:
        Refusal: the message is refused; nothing is written, and the counter is as before.
        PinError: the message is authentic, but the generator that it was signed for is damaged.
        InputError: ``out`` lies where the probe keeps its own.
        StoreError: the disk refuses.
    """
    _check_place(probe, out)
    message = authentic(probe, data, sha256(generator))
    picture = regenerated(message, generator, threads)
    with storing(f"write {out}"):
        durable_write(probe.store.files, out, picture.file, _MODE)
    ledger = probe.store.ledger()
    entry = Entry(
        operation=Operation.DRAW,
        time_s=clock(),
        counter=message.counter,
        old_tree=ledger.tree,
        new_tree=ledger.tree,
        envelope=sha256(data).hex(),
        recovered=False,
    )
    probe.store.write(noted(ledger, entry))
    return Drawn(message, picture.file, picture.pixels_sha256, picture.shape, entry)


def authentic(probe: Probe, data: bytes, generator: bytes) -> Message:
    """The message of an envelope of kind media: checks 1 to 5, with a generator in place of a tree.

    Args:
        probe: the open probe.
        data: the envelope.
        generator: the digest of the generator, 32 bytes.

    Raises:
        Refusal: of the family of the check that failed.
    """
    record = on_record(probe.config, probe.store.ledger(), probe.store.pending())
    record = replace(record, pin=generator, tree=NO_BASELINE, kind=Kind.MEDIA)
    return checks.authenticate(data, record)


def regenerated(message: Message, generator: bytes, threads: int) -> Picture:
    """The picture of an authenticated message.

    Raises:
        Refusal: it cannot be followed, or gives other pixels than were signed.
        PinError: the generator is damaged.
    """
    carried = carried_image(message)
    if carried:
        return Picture(carried)
    pixels = regenerate_image(
        message, Renderer(read_generator(generator).generator, threads=threads)
    )
    return Picture(write_png(pixels), pixel_digest(pixels), pixels.shape)


def read_generator_file(path: Path) -> bytes:
    """The file of a generator, not looked into.

    Raises:
        PinError: it cannot be read, or is larger than any generator.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BODY_BYTES + 1)
    except OSError as error:
        raise PinError(
            f"the generator {path} cannot be read: {error.strerror}",
            remedy="name the file that the message was made for",
        ) from error
    if len(data) > MAX_BODY_BYTES:
        raise PinError(f"{path} is larger than any generator")
    return data


def _check_place(probe: Probe, out: Path) -> None:
    place = Path(os.path.realpath(out))
    for owned in (probe.config.root, probe.config.slots, probe.store.folder):
        if place.is_relative_to(os.path.realpath(owned)):
            raise InputError(
                f"{out} lies in {owned}, which the probe keeps as it is",
                expected="a folder of its own for pictures",
                remedy="name another file with --out",
            )
    if place.is_dir() or not place.parent.is_dir():
        raise InputError(
            f"{out} cannot be written",
            expected="a file in a folder that is there",
            remedy="make the folder first",
        )
