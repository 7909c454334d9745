"""Pictures from signed messages: verify, regenerate, check the digest, write the file.

The generator is the message's pin.  It lies in a file that the caller names and whose digest is
known (``probe.messages.generators``); the file is read when the message has passed every check.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from probe.disk.filesystem import durable_write
from probe.messages.apply import on_record, trusted_keys
from probe.messages.generators import Digests, read_generator_file
from probe.state.records import Entry, Operation, noted
from probe.state.store import storing
from probe.trees.onboard import Clock, Probe
from shared.digest import sha256
from shared.errors import BadSignature, InputError, PinError, Refusal
from shared.media.generator import read_generator
from shared.media.message import NO_BASELINE, carried_image, regenerate_image
from shared.media.pixels import pixel_digest
from shared.media.png import write_png
from shared.media.render import Renderer
from shared.message import checks
from shared.message.codec_version import binding
from shared.message.envelope import parse_envelope, profile_named
from shared.message.recipe import Kind
from shared.message.wire import PIN_PREFIX_BYTES, Message

_MODE: Final = 0o644
_SUFFIXES: Final = (
    (0, b"\x89PNG", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (8, b"WEBP", ".webp"),
    (4, b"ftypavif", ".avif"),
    (0, b"\xff\x0a", ".jxl"),
    (4, b"JXL ", ".jxl"),
)


@dataclass(frozen=True)
class Drawn:
    """A picture that was written.

    Attributes:
        message: that brought it.
        out: where it was written.
        file: its bytes.
        pixels_sha256: the digest of its pixels, 32 bytes; empty if the message carried a file.
        shape: height, width and channels; empty likewise.
        entry: the line of the history.
    """

    message: Message
    out: Path
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


@dataclass(frozen=True)
class Gallery:
    """Where pictures go that come on a line.

    Attributes:
        folder: they are named by their message's counter.
        generators: files, at least one.
        digests: of these files.
    """

    folder: Path
    generators: tuple[Path, ...]
    digests: Digests = field(default_factory=Digests, compare=False)


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
    check_place(probe, out)
    message = authentic(probe, data, sha256(generator))
    return _written(probe, data, message, regenerated(message, generator, threads), out, clock)


def draw_by(
    probe: Probe,
    data: bytes,
    generator: Path,
    digests: Digests,
    out: Path,
    clock: Clock,
    *,
    threads: int = 1,
) -> Drawn:
    """As ``draw``, with a generator in a file, which is read for an authentic message only.

    Raises:
        Refusal: the message is refused; nothing is written, and the counter is as before.
        PinError: the file cannot be read, or is not the one any more whose digest is known.
        InputError: ``out`` lies where the probe keeps its own.
        StoreError: the disk refuses.
    """
    check_place(probe, out)
    parse_envelope(data, profile_named(data, trusted_keys(probe.config)))
    digest = digests.of(generator)
    message = authentic(probe, data, digest)
    picture = regenerated(message, _same(generator, digest), threads)
    return _written(probe, data, message, picture, out, clock)


def hang(probe: Probe, data: bytes, gallery: Gallery, clock: Clock) -> Drawn:
    """As ``draw``, into a gallery, under the message's counter; any of its generators may be meant.

    Raises:
        Refusal: the message is refused; nothing is written, and the counter is as before.
        PinError: a generator cannot be read, or the one meant is damaged.
        StoreError: the disk refuses.
    """
    envelope = parse_envelope(data, profile_named(data, trusted_keys(probe.config)))
    known = [(path, gallery.digests.of(path)) for path in gallery.generators]
    prefix = envelope.message.pin_prefix
    meant = [one for one in known if binding(one[1])[:PIN_PREFIX_BYTES] == prefix]
    *others, last = meant or known[:1]
    for one in others:  # prefixes may be equal by chance; the signature tells
        try:
            message = authentic(probe, data, one[1])
            break
        except BadSignature:
            continue
    else:
        one = last
        message = authentic(probe, data, one[1])
    picture = regenerated(message, _same(*one), threads=1)
    out = gallery.folder / f"{message.counter:010}{_suffix(picture.file)}"
    return _written(probe, data, message, picture, out, clock)


def is_picture(probe: Probe, data: bytes) -> bool:
    """Whether a message says that it is a picture; nothing about it is checked."""
    if len(data) > probe.config.max_envelope_bytes:
        return False
    try:
        envelope = parse_envelope(data, profile_named(data, trusted_keys(probe.config)))
    except Refusal:
        return False
    return envelope.message.kind is Kind.MEDIA


def _written(
    probe: Probe, data: bytes, message: Message, picture: Picture, out: Path, clock: Clock
) -> Drawn:
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
    return Drawn(message, out, picture.file, picture.pixels_sha256, picture.shape, entry)


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


def _same(path: Path, digest: bytes) -> bytes:
    """A generator's file, whose digest is the one that the message was checked with."""
    data = read_generator_file(path)
    if sha256(data) != digest:
        raise PinError(
            f"the generator {path} is not the file any more that was digested",
            expected=f"sha256 {digest.hex()}",
            remedy="put the generator back whole, and give the message again",
        )
    return data


def check_place(probe: Probe, out: Path) -> None:
    """That a picture may be written there.

    Raises:
        InputError: it may not, or the folder is missing.
    """
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


def _suffix(file: bytes) -> str:
    """What the first bytes of a picture file say that it is."""
    for start, mark, suffix in _SUFFIXES:
        if file[start : start + len(mark)] == mark:
            return suffix
    return ".bin"
