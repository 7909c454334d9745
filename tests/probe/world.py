"""What the probe's tests share: trees and an initialised state folder."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from powercut import Quick

from probe.filesystem import Filesystem
from probe.onboard import open_probe, put_in_place
from probe.setup import Setup, initialise
from probe.store import Ledger
from shared.tree import Entry, Mode, Tree, read_tree

BASE = Tree(
    {
        "app/main.c": Entry(Mode.REGULAR, b"int main(void)\n{\n    return 7;\n}\n"),
        "app/boot.sh": Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec ./app 0x12345678\n"),
        "app/link": Entry(Mode.SYMLINK, b"main.c"),
        "lib/old/gone.h": Entry(Mode.REGULAR, b"#define GONE 1\n"),
        "lib/image.bin": Entry(Mode.REGULAR, random.Random(5).randbytes(5000)),
        "empty": Entry(Mode.REGULAR, b""),
    }
)
"""The tree before: all kinds of entries."""

TARGET = BASE.replace(
    {
        "app/main.c": Entry(Mode.EXECUTABLE, b"int main(void)\n{\n    return 8;\n}\n"),
        "app/link": Entry(Mode.SYMLINK, b"boot.sh"),
        "lib/old/gone.h": None,
        "lib/old": Entry(Mode.REGULAR, b"a file where a folder was\n"),
        "new/deep/er.txt": Entry(Mode.REGULAR, b"new\n"),
        "empty": None,
    }
)
"""The tree after: a new mode, a new link, a folder that becomes a file, files come and go."""

THIRD = TARGET.replace({"app/main.c": Entry(Mode.REGULAR, b"int third;\n"), "empty": None})
"""A tree after that."""


@dataclass(frozen=True)
class World:
    """Folders of one probe under test."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def initialise(self, **changes: object) -> Ledger:
        values: dict[str, object] = {
            "root": self.root,
            "model": self.folder / "model",
            "pin": bytes(range(32)),
            "keys": [bytes(range(100, 132))],
        }
        return initialise(self.state, Setup(**{**values, **changes}), now_s=1.5, files=Quick())  # type: ignore[arg-type]

    def tree(self) -> Tree:
        """What lies in the root now, read without the probe."""
        return read_tree(self.root)

    def put(self, target: Tree, counter: int, files: Filesystem) -> None:
        """Apply ``target`` as an accepted message would."""
        with open_probe(self.state, files) as probe:
            base = probe.slots.root_tree()
            put_in_place(probe, base, target, counter=counter, envelope=b"e%d" % counter, now_s=2.5)

    def ledger(self) -> Ledger:
        """The ledger after recovery."""
        with open_probe(self.state, Quick()) as probe:
            return probe.store.ledger()

    def save(self, copy: Path) -> None:
        """Keep a copy to come back to."""
        shutil.copytree(self.folder, copy, symlinks=True)

    def restore(self, copy: Path) -> None:
        """Come back to a copy; paths stay what they were."""
        shutil.rmtree(self.folder)
        shutil.copytree(copy, self.folder, symlinks=True)
