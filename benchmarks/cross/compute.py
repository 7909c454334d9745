"""Computes what ``golden`` promises, on the machine that it runs on, with the kernel it is told.

Needs what a probe needs and nothing else, except for pins, which the ground makes.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.cross.golden import Making, Reading, Sending, tree_of
from probe.messages.apply import apply
from probe.trees.onboard import open_probe
from probe.trees.setup import Setup, initialise
from shared.auth.keys import from_text
from shared.digest import sha256
from shared.exact.arithmetic import frequencies
from shared.exact.pin import load_pin
from shared.exact.transformer import Transformer
from shared.message.wire import Message
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.language_model.wrapped import WrappedModel, WrappedSession
from shared.regenerate import Regenerated, regenerate
from shared.tree import Tree, read_tree, write_tree

SINGLE_TOKENS = 2
"""Tokens at the end of a reading that are read one at a time."""


def read(reading: Reading, pins: Path, kernel: str) -> Reading:
    """The same reading with the digests found here.

    Args:
        reading: names the pin and the tokens.
        pins: folder of pins by name.
        kernel: "c" or "numpy".

    Raises:
        PinError: the pin is missing or damaged, or there is no such kernel.
    """
    pin = load_pin(pins / reading.model, verify=False)
    session = Transformer(pin, kernel=kernel, threads=1).session()
    *batch, last, final = reading.tokens
    rows = list(session.feed_scored(batch))
    for token in (last, final):
        session.feed([token])
        rows.append(session.logits())
    logits, tables = hashlib.sha256(), hashlib.sha256()
    table = np.asarray(pin.tensors["tables.exp"])
    for row in rows:
        logits.update(row.astype("<f8").tobytes())
        tables.update(frequencies(row, table).astype("<i8").tobytes())
    return replace(
        reading,
        pin=pin.digest.hex(),
        logits=logits.hexdigest(),
        frequencies=tables.hexdigest(),
    )


@dataclass
class Watched(WrappedModel):
    """A model that writes down what it reads and which frequencies it gives."""

    tokens: list[int] = field(default_factory=list)
    tables: list[bytes] = field(default_factory=list)

    def session(self) -> WatchedSession:
        """A new sequence, watched."""
        return WatchedSession(self.model.session(), self.tokens)

    def frequencies(
        self,
        logits: NDArray[np.float64],
        legal: NDArray[np.bool_],
        inverse_temperature: float,
    ) -> NDArray[np.int64]:
        """See ``LanguageModel``."""
        found = self.model.frequencies(logits, legal, inverse_temperature)
        self.tables.append(sha256(found.astype("<i8").tobytes()))
        return found


@dataclass
class WatchedSession(WrappedSession):
    """A session of a watched model."""

    tokens: list[int]

    def feed(self, token_ids: Sequence[int]) -> None:
        """Reads tokens."""
        self.tokens += token_ids
        self.inner.feed(token_ids)

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        """Reads tokens; the logits after each."""
        self.tokens += token_ids
        return self.inner.feed_scored(token_ids)


def receive(sending: Sending, pins: Path, kernel: str, release: Path | None = None) -> Sending:
    """Lets a new probe apply an envelope; the same sending with what was found here.

    The probe's own path: every check, regeneration, digest of the patch, exchange of trees.

    Args:
        sending: the envelope and the onboard tree.
        pins: folder of pins by name.
        kernel: "c" or "numpy".
        release: folder with the demo's onboard tree, for a sending that starts from it.

    Raises:
        Refusal: the envelope is refused.
        PinError: the pin is missing or damaged, or there is no such kernel.
    """
    base = read_tree(release) if sending.release and release else tree_of(sending.files)
    folder = pins / sending.model
    pin = load_pin(folder, verify=False)
    watched: list[Watched] = []

    def open_model() -> Watched:
        watched.append(Watched(PinnedModel.open(pin, kernel=kernel, threads=1)))
        return watched[-1]

    def follow(message: Message, baseline: Tree) -> Regenerated:
        return regenerate(message, baseline, open_model)

    with tempfile.TemporaryDirectory() as name:
        root, state = Path(name, "root"), Path(name, "state")
        write_tree(base, root)
        trusted = from_text(sending.trust)
        initialise(state, Setup(root, folder, pin.digest, [trusted]), now_s=0.0)
        with open_probe(state) as probe:
            done = apply(probe, bytes.fromhex(sending.envelope), follow, lambda: 0.0)
        tree = read_tree(root).digest
    return replace(
        sending,
        pin=pin.digest.hex(),
        tokens=tuple(token for each in watched for token in each.tokens),
        frequencies=sha256(*(table for each in watched for table in each.tables)).hex(),
        patch=sha256(done.regenerated.patch).hex(),
        tree=tree.hex(),
    )


def make(making: Making, downloads: Path) -> Making:
    """Pins published weights with the shipped adapter; the same making with the digest found here.

    Args:
        making: names the model of the catalogue.
        downloads: folder with the weights, as `groundstation model fetch` leaves them.

    Raises:
        PinError: weights or adapter are not those of the catalogue.
    """
    from groundstation.models.catalogue import known_model
    from groundstation.models.fetch import shipped_adapter
    from groundstation.models.pin import read_source, write_pin

    known = known_model(making.model)
    weights = downloads / (known.base or known.name) / known.file_name
    source = shipped_adapter(known).applied(read_source(weights))
    with tempfile.TemporaryDirectory() as name:
        out = Path(name, "pin")
        pin = write_pin(source, out, name=known.name, licence=known.licence)
        return replace(making, pin=pin.digest.hex())
