"""Writing an archive: drafted, synced, read again and proven, and only then given its name.

    locator, twice | index | generator | common bytes | bytes of pictures | index | locator

Index, generator and common bytes are sections (``shards``), so that a damaged one can be mended;
the bytes of pictures follow each other without gaps.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from groundstation.media.archive.common import common_bytes
from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.disk import Disk
from groundstation.media.archive.encode_entry import Kept, keep_picture
from groundstation.media.archive.index import (
    DRAWN,
    Index,
    Keep,
    Kind,
    Picture,
    encode_index,
    is_safe,
)
from groundstation.media.archive.locator import (
    HEAD_COPIES,
    HEAD_INDEX,
    LOCATOR_BYTES,
    Locator,
    encode_locator,
)
from groundstation.media.archive.reader import Archive
from groundstation.media.archive.shards import Layout, protected
from groundstation.media.family import Member, name_of
from groundstation.media.judge.gate import Gate
from groundstation.media.walk import within
from shared.digest import sha256
from shared.errors import InputError, words_of
from shared.media.generator import read_generator
from shared.media.render import Renderer
from shared.terminal import Report

DRAFT: Final = ".part"
SPOOL: Final = ".pictures.part"


def write_archive(
    folder: Path,
    members: Sequence[Member],
    generator: bytes | None,
    out: Path,
    *,
    gate: Gate,
    keep: Keep,
    created: str,
    notes: Mapping[str, str],
    report: Report,
    disk: Disk,
    drop_metadata: bool = False,
) -> Index:
    """The archive of a family, proven before it bears its name; all of it or nothing.

    If the generator takes more than drawing saves against the originals, nothing is drawn; and if
    bytes in common take more than they save, none are kept.

    Args:
        folder: that the names of the pictures start from.
        members: the pictures.
        generator: its file; None to draw nothing.
        out: the archive; it must not exist.
        gate: for ``Keep.QUALITY``.
        keep: what is to come back.
        created: the time, ISO 8601 in UTC.
        notes: to keep beside those of the generator.
        report: told how far it is.
        disk: does what is done to files.
        drop_metadata: whether what files say about their pictures may go.

    Raises:
        InputError: a picture cannot be read or named, or ``out`` cannot be written.
        ArchiveDamaged: what was read back is not what was written; nothing bears the name.
    """
    draft, spool = out.with_name(out.name + DRAFT), out.with_name(out.name + SPOOL)
    loaded = None if generator is None else read_generator(generator).generator
    renderer = None if loaded is None else Renderer(loaded)
    common = common_bytes([disk.read(member.path) for member in members])
    try:

        def keeping() -> tuple[Picture, ...]:
            return _kept(
                *(folder, members, renderer, gate, keep, common, drop_metadata),
                *(spool, report, disk),
            )

        pictures = keeping()
        # never worse: what takes more than it saves is left out
        if not _pays(pictures, DRAWN, generator or b""):
            redo, renderer = any(picture.kind in DRAWN for picture in pictures), None
            pictures = keeping() if redo else pictures
        if not _pays(pictures, (Kind.SHARED,), common):
            redo, common = any(picture.kind is Kind.SHARED for picture in pictures), b""
            pictures = keeping() if redo else pictures
        parts = (generator or b"") if renderer else b"", common
        before = sum(Layout(len(part)).stored_bytes for part in parts if part)
        index = Index(
            family=loaded.name if loaded else name_of(folder),
            keep=keep,
            gate=gate,
            created=created,
            notes={**(loaded.notes if loaded else {}), **notes},
            generator=sha256(parts[0]) if parts[0] else b"",
            generator_bytes=len(parts[0]),
            pictures=tuple(_moved(picture, before) for picture in pictures),
            common=sha256(common) if common else b"",
            common_bytes=len(common),
        )
        _assemble(index, parts, spool, draft, disk)
        disk.sync(draft)
        prove(draft, index, report)
        disk.rename(draft, out)
        disk.sync_folder(out.parent)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {words_of(error)}",
            remedy="see to room and rights on the disk",
        ) from error
    finally:
        for left in (spool, draft):
            left.unlink(missing_ok=True)
    return index


def _pays(pictures: Sequence[Picture], kinds: Sequence[Kind], part: bytes) -> bool:
    """Whether what some pictures need takes less than it saves them."""
    needing = [picture for picture in pictures if picture.kind in kinds]
    saved = sum(picture.original_bytes - picture.size_bytes for picture in needing)
    return bool(needing) and saved > Layout(len(part)).stored_bytes


def prove(path: Path, index: Index, report: Report) -> None:
    """Restores every picture from a file and compares with what was meant.

    Raises:
        ArchiveDamaged: one of them does not come back, or anything else is not as it was written.
    """
    with path.open("rb") as file:
        archive = Archive(file, str(path))
        archive.check_frame()
        if archive.damage or archive.index != index:
            raise ArchiveDamaged(
                f"{path} was not written as it should be: "
                + ("; ".join(archive.damage) or "another index"),
                remedy="see to the disk, then archive again; the originals are as before",
            )
        for number, picture in enumerate(index.pictures):
            report("proving", number, len(index.pictures))
            archive.restore(picture)
        report("proving", len(index.pictures), len(index.pictures))


def _kept(
    folder: Path,
    members: Sequence[Member],
    renderer: Renderer | None,
    gate: Gate,
    keep: Keep,
    common: bytes,
    drop_metadata: bool,
    spool: Path,
    report: Report,
    disk: Disk,
) -> tuple[Picture, ...]:
    """The pictures, in a spool, from whose start their offsets count."""
    found: list[Picture] = []
    names = [_name(folder, member) for member in members]
    place, taken = 0, set(names)
    if len(taken) < len(names):
        raise InputError("a picture is there twice", remedy="correct the table")
    with disk.create(spool) as file:
        for number, (member, name) in enumerate(zip(members, names, strict=True)):
            report("pictures", number, len(members))
            original = disk.read(member.path)
            asked = (member, original, name, renderer, gate, keep, common)
            kept = keep_picture(*asked, drop_metadata=drop_metadata)
            picture = _apart(kept, taken)
            taken.add(picture.restored_as)
            file.write(kept.stored)
            found.append(replace(picture, offset=place if kept.stored else 0))
            place += len(kept.stored)
    report("pictures", len(members), len(members))
    return tuple(found)


def _moved(picture: Picture, by: int) -> Picture:
    return replace(picture, offset=picture.offset + by) if picture.size_bytes else picture


def _apart(kept: Kept, taken: set[str]) -> Picture:
    """With a name to come back under that no other picture has."""
    picture = kept.picture
    if picture.restored_as == picture.name or picture.restored_as not in taken:
        return picture
    longer = picture.name + "." + picture.restored_as.rpartition(".")[2]
    if longer in taken:
        raise InputError(f"{picture.name} and others would come back as {longer}")
    return replace(picture, restored_as=longer)


def nameable(folder: Path, members: Sequence[Member]) -> tuple[list[Member], dict[str, str]]:
    """The members that an archive can name, and why it cannot name the others.

    Raises:
        InputError: there are some, and none of them can be named.
    """
    found, left_out = list[Member](), dict[str, str]()
    for member in members:
        try:
            _name(folder, member)
            found.append(member)
        except InputError as error:
            left_out[within(folder, member.path)] = f"it stays where it is: {error}"
            refusal = error
    if members and not found:
        raise refusal
    return found, left_out


def _name(folder: Path, member: Member) -> str:
    name = within(folder, member.path)
    if not is_safe(name):
        raise InputError(
            f"the picture {name!r} cannot be archived under its name",
            expected="a path below the folder, in printable characters, without .. and backslash",
            remedy="rename the file",
        )
    return name


def _assemble(index: Index, parts: Sequence[bytes], spool: Path, draft: Path, disk: Disk) -> None:
    section, data = b"".join(protected(part) for part in parts if part), encode_index(index)
    copy = protected(data)
    tail = HEAD_INDEX + len(copy) + len(section) + spool.stat().st_size
    total = tail + len(copy) + LOCATOR_BYTES
    locator = encode_locator(Locator(len(data), total, tail, sha256(data)))
    with disk.create(draft) as file, spool.open("rb") as pictures:
        file.write(locator * HEAD_COPIES + copy + section)
        shutil.copyfileobj(pictures, file)
        file.write(copy + locator)
