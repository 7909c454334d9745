"""Where trees lie on the probe, and how one takes the place of another.

The root is a plain folder that other software reads in place.  A new tree is built in full in a
spare slot, made durable and read back; then root and slot exchange their names in one step.  So
the root holds the old tree or the new one at every instant, with or without recovery, and the old
tree stays whole in the slot for ``rollback``.

Files are copied, never hard-linked: software that writes to a file of the root in place must not
reach into the tree kept for rollback.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probe.disk.clearing import Leftover, mounts_below, remove_all
from probe.disk.filesystem import Filesystem
from probe.disk.naming import Names, check_kept, check_names
from probe.state.records import Config, Swap
from probe.state.store import storing
from probe.trees.staging import build
from shared.errors import InputError, StoreError, Unstageable, words_of
from shared.tree import Tree, read_tree

SLOTS = ("a", "b", "c", "d", "e", "f", "g", "h")
"""The first two do unless something stands in one of them that cannot even be moved aside."""

RETIRED = "retired"
"""Where the old tree passes through when it takes two renames to swap."""

ASIDE = tuple(f"aside-{number}" for number in range(1, 65))
"""Where what cannot be cleared is put, out of the way of the next tree."""

_NOT_ACROSS = (errno.EACCES, errno.EPERM)
"""Why a folder that may be renamed where it is cannot change to another parent folder: that takes
the right to write into the folder itself, whose ``..`` changes."""


@dataclass(frozen=True)
class Slots:
    """The root, the spare slots beside it, and how to swap.

    A slot lies in ``folder``; where root or slot cannot go to another parent folder, it lies beside
    the root under a name of its own.

    Attributes:
        root: the tree in use.
        folder: parent of the slots, on the same filesystem.
        swap: how trees change places.
        ignore: names that are copied along but are no part of the tree.
    """

    root: Path
    folder: Path
    swap: Swap
    ignore: tuple[str, ...]

    @classmethod
    def of(cls, config: Config) -> Slots:
        """The slots that ``init`` laid out."""
        return cls(Path(config.root), Path(config.slots), config.swap, config.ignore)

    def slot(self, name: str) -> Path:
        """The folder of a slot, where it lies; it need not exist."""
        beside = self._beside(name)
        return beside if os.path.lexists(beside) else self.folder / name

    def _beside(self, name: str) -> Path:
        return self.root.with_name(f".{self.root.name}.slot-{name}")

    def standing(self, keep: str) -> list[Path]:
        """Everything that takes room and is not the slot with the previous tree."""
        names = [name for name in (*SLOTS, RETIRED, *ASIDE) if name != keep]
        places = [place(name) for name in names for place in (self.folder.joinpath, self._beside)]
        return [place for place in places if os.path.lexists(place)]

    def places(self) -> list[Path]:
        """The folder of the slots, and those that lie beside the root."""
        beside = map(self._beside, (*SLOTS, RETIRED, *ASIDE))
        return [self.folder, *(place for place in beside if os.path.lexists(place))]

    def spare(self, previous: str) -> str | None:
        """The name of a slot to build in, given the one with the previous tree; None if none is
        free."""
        for name in SLOTS:
            free = not any(map(os.path.lexists, (self.folder / name, self._beside(name))))
            if free and name != previous:
                return name
        return None

    def names(self) -> Names:
        """What names a staged tree may have."""
        return Names.of(max(self.folder, self.root, key=_length) / SLOTS[0], self.ignore)

    def root_tree(self) -> Tree:
        """The tree in use, read from disk.

        Raises:
            StoreError: the folder is missing or holds what no tree can.
        """
        return self._read(self.root, "the root")

    def slot_tree(self, name: str) -> Tree:
        """The tree in a slot; errors as ``root_tree``."""
        return self._read(self.slot(name), "a spare slot")

    def _read(self, folder: Path, what: str) -> Tree:
        try:
            return read_tree(folder, ignore=self.ignore)
        except InputError as error:
            raise StoreError(
                f"{what} cannot be read: {error.found}",
                expected=error.expected,
                remedy=error.remedy,
            ) from error

    def root_inode(self) -> int | None:
        """Inode number of the root's folder, None if there is none."""
        return _inode(self.root)

    def slot_inode(self, name: str) -> int | None:
        """Inode number of a slot's folder, None if there is none."""
        return _inode(self.slot(name))

    def stage(self, files: Filesystem, name: str, base: Tree, target: Tree) -> tuple[str, ...]:
        """Build a target tree in an empty slot, make it durable and read it back.

        Unchanged files and whatever the ignored names hold are copied with their attributes; new
        contents get those of the file they replace, as an editor would leave them.

        Returns:
            What was not carried over, in words.

        Raises:
            Unstageable: such a tree cannot lie on this filesystem.
            StoreError: the disk refuses, or what was read back is not the target: the root
                changed meanwhile, or the disk lies.
        """
        slot = self.slot(name)
        try:
            check_names(self.names(), base, target)
            self._make_folder(files)
            with storing("stage the new tree"), files.barrier(self.folder) as durable:
                notes = build(files, self.root, slot, base, target)
                durable()
            staged = self.slot_tree(name)
            if staged.digest != target.digest:
                check_kept(base, self.root_tree(), target, staged)
                raise StoreError(
                    "the staged tree read back from disk is not the target",
                    expected=target.digest.hex(),
                    remedy="something writes to the root, or the disk is failing; try again",
                )
        except (StoreError, Unstageable):
            with suppress(OSError):
                remove_all(files, slot)
            raise
        return notes

    def _make_folder(self, files: Filesystem) -> None:
        if not os.path.lexists(self.folder):
            with storing("make the folder of the spare slots anew"):
                files.make_folder(self.folder, 0o700)
                files.sync_folder(self.folder.parent)

    def exchange(self, files: Filesystem, name: str) -> None:
        """Let root and slot change places, durably.

        With ``Swap.RENAMES`` the root is absent for an instant; ``settle`` ends what a crash left.
        """
        with storing("exchange the trees"):
            try:
                self._exchange(files, self.slot(name))
            except OSError as error:
                if error.errno not in _NOT_ACROSS or self._is_beside(self.slot(name)):
                    raise
                self._exchange(files, self._bring_beside(files, name))
            self._sync(files)

    def _exchange(self, files: Filesystem, slot: Path) -> None:
        if self.swap is Swap.EXCHANGE:
            files.exchange(self.root, slot)
            return
        retired = self._beside(RETIRED) if self._is_beside(slot) else self.folder / RETIRED
        files.rename(self.root, retired)
        try:
            files.rename(slot, self.root)
        except OSError:
            files.rename(retired, self.root)  # nothing has changed, then; else recovery decides
            raise
        files.rename(retired, slot)

    def _bring_beside(self, files: Filesystem, name: str) -> Path:
        """Move a slot to where root and slot can swap without leaving their parent folder."""
        slot, beside = self.folder / name, self._beside(name)
        status = slot.lstat()
        mode = status.st_mode & 0o7777
        if mode & 0o200 or status.st_uid != os.geteuid():
            files.rename(slot, beside)
        else:  # its own folder, read-only: opened for this instant
            files.change_mode(slot, mode | 0o200)
            try:
                files.rename(slot, beside)
            finally:
                files.change_mode(self.slot(name), mode)
        self._sync(files)
        return beside

    def _is_beside(self, place: Path) -> bool:
        return place.parent == self.root.parent

    def settle(self, files: Filesystem, name: str) -> None:
        """Finish the renames of an ``exchange`` that a crash cut short, in either direction."""
        slot, retired = self.slot(name), self.slot(RETIRED)
        if self._is_beside(retired):
            slot = self._beside(name)
        with storing("recover the trees"):
            if not self.root.exists() and slot.exists():
                files.rename(slot, self.root)
            if retired.exists() and not slot.exists():
                files.rename(retired, slot if self.root.exists() else self.root)
            self._sync(files)

    def clear(self, files: Filesystem, keep: str) -> tuple[Leftover, ...]:
        """Empty every slot but the one with the previous tree, as far as that goes.

        What cannot be removed is moved aside, so that no name is taken by it; a slot that cannot
        even be moved stays, and another name is built in.

        Returns:
            What stays, where it lies now; never an error, since nothing needs to be gone.
        """
        left: list[Leftover] = []
        standing = self.standing(keep)
        mounts = mounts_below(self.folder, self.root.parent) if standing else ()
        for place in standing:
            stays = remove_all(files, place, mounts)
            if stays and place.name not in self._aside(place):
                moved = self._move_aside(files, place)
                stays = tuple(
                    Leftover(moved / one.path.relative_to(place), one.reason) for one in stays
                )
            left += stays
        return tuple(left)

    def _move_aside(self, files: Filesystem, place: Path) -> Path:
        for name in self._aside(place):
            aside = place.with_name(name)
            if not os.path.lexists(aside):
                with suppress(OSError):
                    files.rename(place, aside)
                    return aside
                break
        return place

    def _aside(self, place: Path) -> list[str]:
        """The names aside in the folder of a place."""
        return [self._beside(name).name if self._is_beside(place) else name for name in ASIDE]

    def _sync(self, files: Filesystem) -> None:
        files.sync_folder(self.root.parent)
        files.sync_folder(self.folder)


def _length(path: Path) -> int:
    return len(os.fsencode(path))


def _inode(folder: Path) -> int | None:
    try:
        return folder.lstat().st_ino
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot look at {folder}: {words_of(error)}") from error


def check_places(root: Path, state: Path) -> None:
    """Refuse a root or a state folder that cannot work, before anything is made.

    Raises:
        InputError: the root is a mount point, or one of them lies within the other.
    """
    if root.is_mount():
        raise InputError(
            f"{root} is a mount point, which cannot change places with another folder",
            remedy="put the tree into a folder of that filesystem",
        )
    if root == state or root in state.parents or state in root.parents:
        raise InputError(
            f"the state folder {state} and the root {root} lie within each other",
            expected="two separate folders",
        )
