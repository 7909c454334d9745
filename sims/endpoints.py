"""The two ends as they fly: the probe's own checks, store and transaction behind ``receive``.

What a simulated run does not do again is regeneration, which takes the pin and seconds.  It is done
once for each pin, codec, baseline and message, for real, and remembered under a digest of all four;
nothing else decides what comes of it (docs/exact-arithmetic.md).  Everything before and after it
happens in every run: size, form, key, signature, counter, pin and baseline are checked, the digest
of the patch is compared, the new tree is staged and synced, trees change places, the ledger is
written.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundstation.peers import PEERS
from probe.model import budget_of, regenerator
from probe.onboard import open_probe
from probe.records import Config
from probe.setup import Setup, initialise
from probe.update import Regenerator, apply
from shared.auth.keys import trusted
from shared.codec import CODEC
from shared.diff import apply_patch, unified_diff
from shared.digest import sha256
from shared.errors import Refusal
from shared.exact.pin import resolve_pin
from shared.regenerate import Regenerated
from shared.terminal import silent
from shared.tree import Tree, write_tree
from shared.wire import Message, pieces
from sims.cargo import GROUND_KEYS, Cargo
from sims.sized import write_manifest

BUDGET = (200_000, 24 * 3600.0, 4096)
"""Of the probe's regeneration: tokens, seconds and MiB, the defaults of its commands."""

Memo = Mapping[bytes, bytes]
"""Patches by what they depend on."""


@dataclass(frozen=True)
class Outcome:
    """What the probe did with an envelope.

    Attributes:
        applied: whether the tree on board is the target now.
        refusal: kind of the refusal; "" if it was applied.
        found: what the refusal says.
    """

    applied: bool
    refusal: str = ""
    found: str = ""


def memo_key(pin: bytes, baseline: Tree, message: Message) -> bytes:
    """Names everything that a patch depends on: pin, codec, baseline, message."""
    body = b"".join(data for _, data in pieces(message))
    return sha256(pin, sha256(CODEC.encode("ascii")), baseline.digest, body)


def remembering(memo: Memo, pin: bytes, inner: Regenerator) -> Regenerator:
    """A regenerator that asks another one only for what is not known."""

    def follow(message: Message, baseline: Tree) -> Regenerated:
        patch = memo.get(memo_key(pin, baseline, message))
        if patch is None:
            return inner(message, baseline)
        return Regenerated(apply_patch(baseline, patch), patch, tokens=0, seconds=0.0)

    return follow


def true_regenerator(cargo: Cargo, config: Config) -> Regenerator:
    """What really makes the tree of a cargo: the probe's model, or a classical decoder."""
    if not cargo.peer:
        return regenerator(config, budget_of(*BUDGET[:2], BUDGET[2]), silent)

    def decode(message: Message, baseline: Tree) -> Regenerated:
        target = PEERS[cargo.peer].decode(baseline, message.blobs, cargo.sole_path)
        return Regenerated(target, unified_diff(baseline, target), tokens=0, seconds=0.0)

    return decode


@dataclass
class _Recorder:
    """Lets another regenerator work and keeps what came of it."""

    pin: bytes
    inner: Regenerator
    memo: dict[bytes, bytes]

    def __call__(self, message: Message, baseline: Tree) -> Regenerated:
        made = self.inner(message, baseline)
        self.memo[memo_key(self.pin, baseline, message)] = made.patch
        return made


class Spacecraft:
    """A probe's folders, made once and put back as they were before every run."""

    def __init__(self, folder: Path, base: Tree, cargo: Cargo) -> None:
        self._folder, self._cargo = folder, cargo
        self._live, self._fresh = folder / "live", folder / "fresh"
        self._live.mkdir(parents=True)
        write_tree(base, self._live / "root")
        if cargo.model:
            model = resolve_pin(cargo.model)
        else:
            model = folder / "model"
            write_manifest(model)
        initialise(
            self._live / "state",
            Setup(
                root=self._live / "root",
                model=model,
                pin=cargo.pin,
                keys=[trusted(GROUND_KEYS[cargo.profile])],
            ),
            now_s=0.0,
        )
        shutil.copytree(self._live, self._fresh, symlinks=True)
        self._touched = False

    @property
    def state(self) -> Path:
        """The probe's state folder."""
        return self._live / "state"

    def renew(self) -> None:
        """As before launch; nothing to do if no envelope was applied."""
        if self._touched:
            shutil.rmtree(self._live)
            shutil.copytree(self._fresh, self._live, symlinks=True)
            self._touched = False

    def receive(self, data: bytes, memo: Memo, time_s: float) -> Outcome:
        """Everything that ``probe apply`` does, with a patch from the memo if it is known."""
        with open_probe(self.state) as probe:
            true = true_regenerator(self._cargo, probe.config)
            known = remembering(memo, self._cargo.pin, true)
            try:
                apply(probe, data, known, lambda: time_s)
            except Refusal as refusal:
                return Outcome(False, refusal.kind, refusal.found)
        self._touched = True
        return Outcome(True)

    def regenerate(self) -> dict[bytes, bytes]:
        """Applies the cargo once with nothing remembered; the patches that came of it.

        Raises:
            Refusal: the probe does not take it.
        """
        found: dict[bytes, bytes] = {}
        with open_probe(self.state) as probe:
            true = true_regenerator(self._cargo, probe.config)
            apply(probe, self._cargo.envelope, _Recorder(self._cargo.pin, true, found), lambda: 0.0)
        self._touched = True
        return found


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a probe; in memory where the system has one, so that syncing costs no disk."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="linksim-", dir=parent) as folder:
        yield Path(folder)
