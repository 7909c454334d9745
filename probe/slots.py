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
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from probe.filesystem import Filesystem, remove_all, sync_all
from probe.records import Config, Swap
from probe.staging import build
from probe.store import storing
from shared.errors import InputError, StoreError
from shared.tree import Tree, read_tree

SLOTS = ("a", "b")
RETIRED = "retired"
"""Where the old tree passes through when it takes two renames to swap."""


@dataclass(frozen=True)
class Slots:
    """The root, the spare slots beside it, and how to swap.

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
        """The folder of a slot; it need not exist."""
        return self.folder / name

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

    def stage(self, files: Filesystem, name: str, base: Tree, target: Tree) -> None:
        """Build a target tree in an empty slot, make it durable and read it back.

        Unchanged files and whatever the ignored names hold are copied with their permissions and
        times; new contents get the permissions of the file they replace.

        Raises:
            StoreError: the disk refuses, or what was read back is not the target: the root
                changed meanwhile, or the disk lies.  The slot is cleared.
        """
        slot = self.slot(name)
        try:
            with storing("stage the new tree"):
                build(files, self.root, slot, base, target)
                sync_all(files, slot)
                files.sync_folder(self.folder)
            if self.slot_tree(name).digest != target.digest:
                raise StoreError(
                    "the staged tree read back from disk is not the target",
                    expected=target.digest.hex(),
                    remedy="something writes to the root, or the disk is failing; try again",
                )
        except StoreError:
            with suppress(OSError):
                remove_all(files, slot)
            raise

    def exchange(self, files: Filesystem, name: str) -> None:
        """Let root and slot change places, durably.

        With ``Swap.RENAMES`` the root is absent for an instant; ``settle`` ends what a crash left.
        """
        with storing("exchange the trees"):
            if self.swap is Swap.EXCHANGE:
                files.exchange(self.root, self.slot(name))
            else:
                files.rename(self.root, self.slot(RETIRED))
                files.rename(self.slot(name), self.root)
                files.rename(self.slot(RETIRED), self.slot(name))
            self._sync(files)

    def settle(self, files: Filesystem, name: str) -> None:
        """Finish the renames of an ``exchange`` that a crash cut short, in either direction."""
        slot, retired = self.slot(name), self.slot(RETIRED)
        with storing("recover the trees"):
            if not self.root.exists() and slot.exists():
                files.rename(slot, self.root)
            if retired.exists() and not slot.exists():
                files.rename(retired, slot if self.root.exists() else self.root)
            self._sync(files)

    def clear(self, files: Filesystem, keep: str) -> None:
        """Empty every slot but the one with the previous tree."""
        with storing("clear the spare slots"):
            for name in (*SLOTS, RETIRED):
                if name != keep:
                    remove_all(files, self.slot(name))

    def _sync(self, files: Filesystem) -> None:
        files.sync_folder(self.root.parent)
        files.sync_folder(self.folder)


def _inode(folder: Path) -> int | None:
    try:
        return folder.lstat().st_ino
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot look at {folder}: {error}") from error


def spare_slot(previous: str) -> str:
    """The slot to build in, given the one with the previous tree."""
    return SLOTS[1] if previous == SLOTS[0] else SLOTS[0]


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


def lay_out(files: Filesystem, root: Path, state: Path) -> tuple[Path, Swap]:
    """Make the folder of the slots and find out how trees can change places there.

    The slots go into the state folder if that is on the filesystem of the root, else beside the
    root.  The answer comes from a trial with empty folders, not from a table of filesystems.

    Raises:
        InputError: the root cannot be moved at all.
    """
    for folder in (state / "slots", root.parent / f".{root.name}.slots"):
        with storing("make the folder of the spare slots"):
            if not folder.exists():
                files.make_folder(folder, 0o700)
            files.sync_folder(folder.parent)
        swap = _trial(files, root, folder)
        if swap is not None:
            return folder, swap
        with storing("remove the unused folder of the spare slots"):
            files.remove_folder(folder)
    raise InputError(
        f"{root} cannot be renamed, so no other tree can take its place",
        expected="a folder whose parent is writable and on one filesystem",
        remedy="run as the owner of the parent folder",
    )


def _trial(files: Filesystem, root: Path, folder: Path) -> Swap | None:
    """How a folder beside the root and one among the slots can swap, or None."""
    one, other = root.parent / f".{root.name}.trial", folder / "trial"
    try:
        for path in (one, other):
            remove_all(files, path)
            files.make_folder(path, 0o700)
        try:
            files.exchange(one, other)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                return None
            files.remove_folder(other)
            files.rename(one, other)
            return Swap.RENAMES
        return Swap.EXCHANGE
    except OSError:
        return None
    finally:
        with suppress(OSError):
            remove_all(files, one)
            remove_all(files, other)
