"""Whether a tree's names can lie on a disk: what is known before, and what the disk says."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shared.errors import Unstageable
from shared.tree import Tree, path_bytes

REMEDY = "send a message with other names; this one will not do, however often it is sent"

_SAYS: dict[int, str] = {
    errno.EEXIST: "the filesystem takes it for a name that lies there already",
    errno.EISDIR: "a folder that is no part of the tree lies there",
    errno.ENOTDIR: "a file that is no part of the tree lies on the way to it",
    errno.ENAMETOOLONG: "it is too long for the filesystem",
    errno.EILSEQ: "the filesystem does not take such a name",
    errno.EINVAL: "the filesystem does not take such a name",
    errno.EMLINK: "too many folders lie beside it",
}
"""What it means if a new folder refuses a new name: none of it will be otherwise another time."""


@dataclass(frozen=True)
class Names:
    """What names the probe can keep.

    Attributes:
        ignore: names that are no part of a tree, at any depth.
        max_name_bytes: longest name.
        max_path_bytes: longest path below the folder of the tree.
    """

    ignore: Collection[str] = ()
    max_name_bytes: int = 255
    max_path_bytes: int = 4095

    @classmethod
    def of(cls, folder: Path, ignore: Collection[str]) -> Names:
        """What the filesystem of a folder says; POSIX's usual where it does not (pathconf(3))."""
        name, path = 255, 4096
        with suppress(OSError, ValueError):
            name = os.pathconf(folder, "PC_NAME_MAX")
            path = os.pathconf(folder, "PC_PATH_MAX")
        # With a slash after the folder and a zero byte at the end.
        return cls(tuple(ignore), name, path - len(os.fsencode(folder)) - 2)

    def check(self, path: str) -> None:
        """Refuse a path that a patch would make.

        Raises:
            Unstageable: a part of it is ignored or too long, or all of it is too long.
        """
        for part in path.split("/"):
            if part in self.ignore:
                raise Unstageable(
                    f"the message puts a file at {path!r}, and this probe ignores {part!r}",
                    expected="no path that init --ignore hides",
                    remedy=f"{REMEDY}; or give up that name with probe init --renew",
                )
            if len(path_bytes(part)) > self.max_name_bytes:
                raise Unstageable(
                    f"a name of {len(path_bytes(part))} bytes in {path[:80]!r}...",
                    expected=f"at most {self.max_name_bytes}, as the filesystem says",
                    remedy=REMEDY,
                )
        if len(path_bytes(path)) > self.max_path_bytes:
            raise Unstageable(
                f"a path of {len(path_bytes(path))} bytes: {path[:80]!r}...",
                expected=f"at most {self.max_path_bytes} below the probe's folders",
                remedy=REMEDY,
            )


def check_names(names: Names, base: Tree, target: Tree) -> None:
    """Refuse a target with a new path that cannot be.  Raises Unstageable."""
    for path in target:
        if path not in base:
            names.check(path)


@contextmanager
def refusing(path: str) -> Iterator[None]:
    """Turn what a filesystem says of a new name in a new folder into a refusal.

    Raises:
        Unstageable: this name cannot be there, now or later.
        OSError: anything else that went wrong.
    """
    try:
        yield
    except OSError as error:
        says = _SAYS.get(error.errno or 0)
        if says is None:
            raise
        raise Unstageable(
            f"{path or 'the new tree'!r} cannot be staged: {says}",
            expected="names that this filesystem keeps apart",
            remedy=REMEDY,
        ) from error


def check_kept(base: Tree, root: Tree, target: Tree, staged: Tree) -> None:
    """Refuse a target that came out otherwise though nobody wrote to the root meanwhile.

    Only names and modes count: other bytes are a fault of the disk, which may go.

    Raises:
        Unstageable: the filesystem does not keep names or modes as they were given.
    """
    if root != base:
        return
    for path in sorted({*target, *staged}):
        wanted, found = target.get(path), staged.get(path)
        if wanted is None or found is None or wanted.mode is not found.mode:
            raise Unstageable(
                f"{path!r} does not come out of the filesystem as it was put there",
                expected="names and executable bits that stay as they are",
                remedy=REMEDY,
            )
