"""What the probe's tests share: trees and an initialised state folder."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from powercut import Quick

from probe.disk.filesystem import Filesystem
from probe.state.records import Ledger
from probe.trees.onboard import open_probe, put_in_place
from probe.trees.setup import Setup, initialise
from shared.diff import unified_diff, zstd_delta
from shared.digest import sha256
from shared.message.codec_version import binding
from shared.message.envelope import sign
from shared.message.recipe import Recipe
from shared.message.wire import Message, encode_message
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings
from shared.regenerate import Regenerated, regenerate
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionWriter
from shared.tree import Change, Entry, Mode, Tree, read_tree
from shared.tree import changes as tree_changes

MANIFEST = b'{"name":"a model that no test of this file opens"}\n'
PIN = sha256(MANIFEST)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(100, 132)))
"""The ground's key in these tests."""

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


@dataclass
class Blobs:
    """The blobs of a recipe in the making."""

    total: int
    data: bytes = b""

    def left(self) -> int:
        """Bytes still to come."""
        return self.total - len(self.data)

    def take(self, size: int, wanted: bytes | None) -> bytes:
        """Append what the plan holds."""
        assert wanted is not None
        assert len(wanted) == size
        self.data += wanted
        return wanted


def classical(base: Tree, target: Tree, **changes: object) -> Recipe:
    """A real recipe that needs no model: every file travels as a delta or stored."""
    return recipe(base, target, [plan(change) for change in tree_changes(base, target)], **changes)


def recipe(
    base: Tree,
    target: Tree,
    plans: Sequence[FilePlan],
    model: LanguageModel | None = None,
    **changes: object,
) -> Recipe:
    """The recipe of these plans, with some fields changed after the fact."""

    def open_model() -> LanguageModel:
        return model or no_model()

    blobs = Blobs(sum(len(one.blob) for one in plans))
    writer = DecisionWriter(SeedSource.CODED)
    made = transcribe(
        writer,
        base,
        lambda chosen: Desk(open_model, chosen, lambda _: None),
        blobs,
        plans,
        Settings(),
        lambda _: None,
    )
    assert made == target
    values: dict[str, object] = {
        "pin": model.digest if model else PIN,
        "baseline": base.digest,
        "patch_digest": sha256(unified_diff(base, target))[:8],
        "seed_source": SeedSource.CODED,
        "stream": writer.finish(),
        "blobs": blobs.data,
    }
    return Recipe(**{**values, **changes})  # type: ignore[arg-type]


def plan(change: Change) -> FilePlan:
    """How one change travels."""
    old, new = change.old, change.new
    codec, blob = Codec.STORED, b""
    if new is not None:
        blob = new.data
        if old is not None and old.data == new.data:
            codec, blob = Codec.SAME, b""
        elif old is not None:
            codec, blob = Codec.DELTA, zstd_delta.encode(old.data, new.data)
    return FilePlan(change.kind, change.path, change.old_path, new, codec, blob=blob)


def no_model() -> LanguageModel:
    """Stands where a model would be opened."""
    raise AssertionError("a message without model text opened the model")


def envelope(recipe: Recipe, counter: int, key: Ed25519PrivateKey = KEY) -> bytes:
    """What the ground would send."""
    return sign(encode_message(recipe, counter), recipe.pin, recipe.baseline, key)


def another_pin(pin: bytes, *, same_prefix: bool = False) -> bytes:
    """Digest of another model, whose messages have another pin prefix or the same."""
    found = (sha256(b"%d" % number) for number in range(10_000))
    return next(new for new in found if (binding(new)[0] == binding(pin)[0]) == same_prefix)


def regenerator(message: Message, baseline: Tree) -> Regenerated:
    """The shared regeneration, without a model."""
    return regenerate(message, baseline, no_model)


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

    def initialise(self, *, renew: bool = False, **changes: object) -> Ledger:
        (self.folder / "model").mkdir(exist_ok=True)
        (self.folder / "model/manifest.json").write_bytes(MANIFEST)
        values: dict[str, object] = {
            "root": self.root,
            "model": self.folder / "model",
            "pin": PIN,
            "keys": [KEY.public_key().public_bytes_raw()],
        }
        setup = Setup(**{**values, **changes})  # type: ignore[arg-type]
        return initialise(self.state, setup, now_s=1.5, renew=renew, files=Quick())

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
