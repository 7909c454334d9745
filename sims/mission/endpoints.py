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
from functools import partial
from pathlib import Path

from groundstation.peers import PEERS
from probe.messages.apply import Regenerator, apply
from probe.messages.model import budget_of, regenerator
from probe.messages.tesla import Disclosed, disclose, take_in, waits
from probe.state.records import Config
from probe.trees.onboard import Clock, Probe, open_probe
from probe.trees.setup import Setup, initialise
from shared.auth.profiles import DISCLOSURE_BYTES
from shared.diff import apply_patch, unified_diff
from shared.digest import sha256
from shared.errors import Refusal
from shared.exact.pin import resolve_pin
from shared.message.codec_version import CODEC
from shared.message.wire import Message, pieces
from shared.regenerate import Regenerated
from shared.terminal import silent
from shared.tree import Tree, write_tree
from sims.mission.authentication import EPOCH_MS
from sims.mission.payload import Cargo
from sims.mission.synthetic import write_manifest

BUDGET = (200_000, 24 * 3600.0, 4096)
"""Of the probe's regeneration: tokens, seconds and MiB, the defaults of its commands."""

NOTHING_HELD = "nothing-held"
"""Kind of the answer to a disclosure that no message waits for."""

Memo = Mapping[bytes, bytes]
"""Patches by what they depend on."""


@dataclass(frozen=True)
class Outcome:
    """What the probe did with an envelope.

    Attributes:
        applied: whether the tree on board is the target now.
        refusal: kind of the refusal; "" if there is none.
        found: what the refusal says.
        held: whether it waits for its key.
    """

    applied: bool
    refusal: str = ""
    found: str = ""
    held: bool = False


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
                keys=[cargo.trust],
            ),
            now_s=_on_board(0.0),
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
        """See ``take``; with a patch from the memo if it is known."""
        with open_probe(self.state) as probe:
            true = true_regenerator(self._cargo, probe.config)
            known = remembering(memo, self._cargo.pin, true)
            outcome = take(probe, data, known, partial(_on_board, time_s))
        # a disclosure is remembered on board even where it closes nothing
        self._touched |= outcome.applied or self._cargo.later is not None
        return outcome

    def regenerate(self) -> dict[bytes, bytes]:
        """Applies the cargo once with nothing remembered; the patches that came of it.

        Raises:
            Refusal: the probe does not take it.
        """
        found: dict[bytes, bytes] = {}
        self._touched = True
        with open_probe(self.state) as probe:
            recorder = _Recorder(
                self._cargo.pin, true_regenerator(self._cargo, probe.config), found
            )
            for data, time_s in self._cargo.punctually():
                outcome = take(probe, data, recorder, partial(_on_board, time_s))
        if not outcome.applied:
            raise Refusal(f"the probe does not take what is to be sent: {outcome.found}")
        return found


def take(probe: Probe, data: bytes, regenerator: Regenerator, clock: Clock) -> Outcome:
    """What ``probe apply`` and ``probe disclose`` do with a message, whichever it is."""
    try:
        if len(data) == DISCLOSURE_BYTES:
            return _closed(disclose(probe, data, regenerator, clock))
        if waits(probe, data):
            take_in(probe, data, clock)
            return Outcome(False, held=True)
        apply(probe, data, regenerator, clock)
    except Refusal as refusal:
        return Outcome(False, refusal.kind, refusal.found)
    return Outcome(True)


def _closed(disclosed: Disclosed) -> Outcome:
    refusals = [each.refusal for each in disclosed.closed if each.refusal is not None]
    if any(each.applied is not None for each in disclosed.closed):
        return Outcome(True)
    if refusals:
        return Outcome(False, refusals[0].kind, refusals[0].found)
    return Outcome(False, NOTHING_HELD, "the key closes no message")


def _on_board(time_s: float) -> float:
    """By the probe's clock, if it is right: seconds since 1970."""
    return EPOCH_MS / 1000 + time_s


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for a probe; in memory where the system has one, so that syncing costs no disk."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="linksim-", dir=parent) as folder:
        yield Path(folder)
