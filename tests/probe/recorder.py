"""A disk that lets every operation happen and writes down what it meant."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from probe.disk.filesystem import Filesystem


@dataclass(eq=False)
class Node:
    """A file, link or folder, whatever names it has."""

    kind: str
    mode: int = 0
    data: bytes = b""
    entries: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Step:
    """One operation: its name, what names it changed, and what bytes it wrote or synced.

    A barrier syncs all names and bytes of the steps before it, and nothing of those after.
    """

    kind: str
    names: tuple[tuple[Node, str, Node | None], ...] = ()
    written: Node | None = None
    synced: Node | None = None
    removed: Node | None = None
    barrier: bool = False


def _folders(node: Node) -> Iterator[Node]:
    if node.kind == "folder":
        yield node
        for below in node.entries.values():
            yield from _folders(below)


def scan(path: Path) -> Node:
    """What lies on disk, all of it durable."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return Node("link", data=os.fsencode(path.readlink()))
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISDIR(status.st_mode):
        return Node("folder", mode, entries={p.name: scan(p) for p in sorted(path.iterdir())})
    return Node("file", mode, path.read_bytes())


class Recorder(Filesystem):
    """A ``Filesystem`` below one folder that never fails and writes everything down."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.tree = scan(top)
        self.before = {folder: dict(folder.entries) for folder in _folders(self.tree)}
        self.steps: list[Step] = []

    def _node(self, path: Path) -> Node:
        node = self.tree
        for part in path.relative_to(self.top).parts:
            node = node.entries[part]
        return node

    def _add(self, kind: str, *names: tuple[Path, Node | None], **more: Node) -> None:
        changes = tuple((self._node(path.parent), path.name, node) for path, node in names)
        for folder, name, node in changes:
            if node is None:
                del folder.entries[name]
            else:
                folder.entries[name] = node
        self.steps.append(Step(kind, changes, **more))

    def make_folder(self, path: Path, mode: int) -> None:
        super().make_folder(path, mode)
        self._add("mkdir", (path, Node("folder", mode)))

    def write_file(self, path: Path, data: bytes, mode: int) -> None:
        super().write_file(path, data, mode)
        node = Node("file", mode, data)
        self._add("write", (path, node), written=node)

    def copy_file(self, source: Path, path: Path) -> tuple[str, ...]:
        dropped = super().copy_file(source, path)
        node = scan(path)
        self._add("copy", (path, node), **({"written": node} if node.kind == "file" else {}))
        return dropped

    def link_file(self, source: Path, path: Path) -> None:
        super().link_file(source, path)
        self._add("link", (path, self._node(source)))

    def make_link(self, path: Path, target: bytes) -> None:
        super().make_link(path, target)
        self._add("symlink", (path, Node("link", data=target)))

    def copy_attributes(
        self, source: Path, path: Path, *, mode: int | None = None, new_content: bool = False
    ) -> tuple[str, ...]:
        dropped = super().copy_attributes(source, path, mode=mode, new_content=new_content)
        self._node(path).mode = stat.S_IMODE(path.stat().st_mode)
        return dropped

    def change_mode(self, path: Path, mode: int) -> None:
        super().change_mode(path, mode)
        self._node(path).mode = mode

    def remove_file(self, path: Path) -> None:
        super().remove_file(path)
        self._add("unlink", (path, None))

    def remove_folder(self, path: Path) -> None:
        node = self._node(path)
        super().remove_folder(path)
        self._add("rmdir", (path, None), removed=node)

    def sync_file(self, path: Path) -> None:
        self.steps.append(Step("fsync", synced=self._node(path)))

    def sync_folder(self, path: Path) -> None:
        if path == self.top or self.top in path.parents:
            self.steps.append(Step("fsync folder", synced=self._node(path)))

    @contextmanager
    def barrier(self, folder: Path) -> Iterator[Callable[[], None]]:
        """One filesystem holds all of it: whatever was done before the call is made durable."""
        del folder
        yield lambda: self.steps.append(Step("syncfs", barrier=True))

    def rename(self, source: Path, path: Path) -> None:
        node = self._node(source)
        super().rename(source, path)
        self._add("rename", (source, None), (path, node))

    def exchange(self, one: Path, other: Path) -> None:
        first, second = self._node(one), self._node(other)
        super().exchange(one, other)
        self._add("exchange", (one, second), (other, first))
