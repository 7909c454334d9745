"""Bringing pictures back from an archive, and taking originals away once that is proven."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from groundstation.media.archive.decode_entry import ArchiveDamaged
from groundstation.media.archive.disk import Disk, durable_new
from groundstation.media.archive.index import DIGEST_BYTES, Picture
from groundstation.media.archive.proof import reason_to_stay
from groundstation.media.archive.reader import Archive, open_archive
from groundstation.media.judge.second_reading import second_reader
from shared.digest import sha256
from shared.errors import InputError, words_of
from shared.terminal import Report


@dataclass
class Outcome:
    """What became of the pictures of an archive.

    Attributes:
        restored: names of files that were written, or with nothing to write pictures found whole.
        there: names of files that were there already, with the same bytes.
        lost: why, by the name of the original.
    """

    restored: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)


@dataclass
class Pruned:
    """What became of originals.

    Attributes:
        removed: names of those that were taken away.
        gone: names of those that were not there.
        kept: why, by name.
    """

    removed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)


def chosen(archive: Archive, names: Collection[str]) -> Sequence[Picture]:
    """The pictures of these names, or all if there are none.

    Raises:
        InputError: the archive has no such picture.
    """
    pictures = archive.index.pictures
    known = {picture.name for picture in pictures}
    for name in names:
        if name not in known:
            raise InputError(
                f"the archive has no picture {name!r}",
                expected=f"one of {len(known)}, as {next(iter(sorted(known)), '(none)')}",
                remedy="name it as `media restore ARCHIVE --check --json` lists it",
            )
    return [picture for picture in pictures if not names or picture.name in names]


def restore_all(
    archive: Archive, pictures: Sequence[Picture], out: Path | None, report: Report, disk: Disk
) -> Outcome:
    """Restores pictures into a folder; those that are lost are noted, and the others come back.

    A file that is there with the same bytes is left alone, so a run that was stopped goes on.

    Args:
        archive: open.
        pictures: which.
        out: the folder; None to restore in memory only.
        report: told how far it is.
        disk: does what is done to files.

    Raises:
        InputError: another file of that name is there, or the disk refuses.
    """
    outcome = Outcome()
    for number, picture in enumerate(pictures):
        report("restoring", number, len(pictures))
        try:
            found = archive.restore(picture)
        except ArchiveDamaged as error:
            outcome.lost[picture.name] = error.found
            continue
        if out is not None and not _put(out / picture.restored_as, found.file(), disk):
            outcome.there.append(picture.restored_as)
        else:
            outcome.restored.append(picture.restored_as)
    report("restoring", len(pictures), len(pictures))
    return outcome


def remove_originals(
    path: Path, folder: Path, report: Report, disk: Disk, *, drop_metadata: bool = False
) -> Pruned:
    """Takes away each original that the archive, as it lies on disk, gives back.

    Of each picture in turn: the original is read and must be the one that was archived; the picture
    is restored from the archive and compared with it, by a second reader (``proof``); then the
    original goes.  Whatever differs, or is not read by both, stays.

    Args:
        path: of the archive.
        folder: of the originals.
        report: told how far it is.
        disk: does what is done to files.
        drop_metadata: whether what files say about their pictures may go.

    Raises:
        InputError: the archive is none, or anything in it is damaged, or there is no second
            reader; no original was touched.
        ArchiveDamaged: too much of it is lost; likewise.
    """
    second_reader()
    archive = secured(path, disk)
    pruned, touched = Pruned(), set()
    pictures = archive.index.pictures
    for number, picture in enumerate(pictures):
        report("originals", number, len(pictures))
        original = folder / picture.name
        if not original.exists() and not original.is_symlink():
            pruned.gone.append(picture.name)
            continue
        reason = _reason_to_keep(archive, picture, original, disk, drop_metadata)
        if not reason:
            try:
                disk.remove(original)
                touched.add(original.parent)
                pruned.removed.append(picture.name)
                continue
            except OSError as error:
                reason = f"it cannot be removed: {error.strerror}"
        pruned.kept[picture.name] = reason
    for parent in sorted(touched):
        disk.sync_folder(parent)
    report("originals", len(pictures), len(pictures))
    return pruned


def secured(path: Path, disk: Disk) -> Archive:
    """The archive in a file, opened once bytes and name would survive a power cut.

    A run that was killed between the naming of an archive and the sync of its folder may have left
    one that is there now and gone tomorrow.

    Raises:
        InputError: it is none, or anything in it is damaged.
        ArchiveDamaged: too much of it is lost.
    """
    try:
        disk.sync(path)
        disk.sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path} cannot be made durable: {words_of(error)}") from error
    archive = open_archive(path)
    archive.check_frame()
    if archive.damage:
        raise InputError(
            f"{path} is damaged: {'; '.join(archive.damage)}",
            remedy="no original was touched; archive them again under another name",
        )
    return archive


def _reason_to_keep(
    archive: Archive, picture: Picture, path: Path, disk: Disk, drop_metadata: bool
) -> str:
    if path.is_symlink() or not path.is_file():
        return "it is no regular file"
    try:
        original = disk.read(path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if sha256(original)[:DIGEST_BYTES] != picture.original:
        return "it is not the file that was archived"
    try:
        found = archive.restore(picture)
    except ArchiveDamaged as error:
        return error.found
    keep, gate = archive.index.keep, archive.index.gate
    return reason_to_stay(original, found, keep, gate, drop_metadata=drop_metadata)


def _put(path: Path, data: bytes, disk: Disk) -> bool:
    """Writes a file unless it is there; whether it was written."""
    try:
        if path.is_file() and disk.read(path) == data:
            return False
        if path.exists() or path.is_symlink():
            raise InputError(
                f"{path} is there with other content",
                expected="no file, or the same",
                remedy="restore into another folder",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        durable_new(disk, path, data)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written: {error.strerror}", remedy="see to room and rights"
        ) from None
    return True
