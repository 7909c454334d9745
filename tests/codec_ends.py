"""The two ends of the codec, run by hand, and what they do made visible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from groundstation.scoring.options import options
from shared.diff import unified_diff
from shared.digest import sha256
from shared.message.recipe import Recipe
from shared.message.wire import decode_message, encode_message
from shared.prompts.changeset import FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel, Session
from shared.prompts.language_model.wrapped import WrappedModel, WrappedSession
from shared.prompts.settings import Settings
from shared.regenerate import Budget, Regenerated, regenerate
from shared.seeds.coins import SeedSource, seed_to_bytes
from shared.seeds.decisions import Decisions, DecisionWriter
from shared.tree import Entry, Mode, Tree, changes


@dataclass
class Recorder(WrappedModel):
    """Passes everything on to a model.

    Attributes:
        model: the model.
        texts: of every session, the tokens that it holds.
        fed: how many tokens all its sessions have read.
    """

    texts: list[list[int]] = field(default_factory=list)
    fed: int = 0

    def session(self) -> Session:
        self.texts.append([])
        return RecordedSession(self.model.session(), self, self.texts[-1])

    def read(self, session: int = 0) -> bytes:
        """The text that a session holds."""
        return self.vocabulary.spell(self.texts[session])


@dataclass
class RecordedSession(WrappedSession):
    """One session of a ``Recorder``."""

    owner: Recorder
    tokens: list[int]

    def feed(self, token_ids: Sequence[int]) -> None:
        self.tokens += token_ids
        self.owner.fed += len(token_ids)
        self.inner.feed(token_ids)

    def feed_scored(self, token_ids: Sequence[int]) -> NDArray[np.float64]:
        self.tokens += token_ids
        self.owner.fed += len(token_ids)
        return self.inner.feed_scored(token_ids)

    def truncate(self, length: int) -> None:
        del self.tokens[length:]
        self.inner.truncate(length)


@dataclass
class Recorded:
    """Writes the decisions that are wanted, and keeps every distribution over tokens.

    Attributes:
        seen: the distributions, one a token.
        tokens: those that were wanted.
        writer: the stream.
    """

    seen: list[NDArray[np.int64]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    writer: DecisionWriter = field(default_factory=lambda: DecisionWriter(SeedSource.CODED))

    def prompt(
        self, frequencies: NDArray[np.int64], wanted: int | None = None, label: str = ""
    ) -> int:
        return self.writer.prompt(frequencies, wanted, label)

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        return self.writer.uniform(total, wanted, label)

    def token(
        self, frequencies: NDArray[np.int64], wanted: int | None = None, label: str = ""
    ) -> int:
        self.seen.append(frequencies.copy())
        self.tokens.append(self.writer.token(frequencies, wanted, label))
        return self.tokens[-1]


@dataclass
class Blobs:
    """The blobs of a recipe in the making."""

    total: int
    data: bytearray = field(default_factory=bytearray)

    def left(self) -> int:
        """Bytes still to come."""
        return self.total - len(self.data)

    def take(self, size: int, wanted: bytes | None) -> bytes:
        """Appends what the plan holds."""
        assert wanted is not None
        assert len(wanted) == size
        self.data += wanted
        return wanted


def no_model() -> LanguageModel:
    """Stands where a model would be opened."""
    raise AssertionError("a message without model text opened the model")


def plans(
    base: Tree, target: Tree, model: LanguageModel, *, inside: bool = False
) -> list[FilePlan]:
    """One plan a change; the model writes all that it can write.

    Args:
        base: the tree on board.
        target: the tree wanted.
        model: its vocabulary decides what it can write.
        inside: changes inside a line are written alone, where they can be.
    """
    found = [options(change, model.vocabulary) for change in changes(base, target)]
    return [(inside and choice.inside) or choice.model or choice.classical for choice in found]


def follow(
    decisions: Decisions,
    base: Tree,
    wanted: Sequence[FilePlan] | None,
    settings: Settings | None,
    model: LanguageModel | None,
) -> tuple[Tree, bytes]:
    """Runs the codec with any decisions; returns the tree and the blobs."""

    def open_model() -> LanguageModel:
        return model or no_model()

    blobs = Blobs(sum(len(plan.blob) for plan in wanted or ()))
    tree = transcribe(
        decisions,
        base,
        lambda chosen: Desk(open_model, chosen, lambda _: None),
        blobs,
        wanted,
        settings,
        lambda _: None,
    )
    return tree, bytes(blobs.data)


def write(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    settings: Settings | None = None,
    *,
    wanted: Sequence[FilePlan] | None = None,
    source: SeedSource = SeedSource.CODED,
    seed: int = 0,
) -> Recipe:
    """The recipe of a patch in which the model writes all that it can."""
    writer = DecisionWriter(source, seed)
    chosen = plans(base, target, model) if wanted is None else wanted
    tree, blobs = follow(writer, base, chosen, settings or Settings(), model)
    assert tree == target
    return Recipe(
        pin=model.digest,
        baseline=base.digest,
        patch_digest=sha256(unified_diff(base, target))[:8],
        seed_source=source,
        stream=writer.finish(),
        seed=seed_to_bytes(seed) if source is SeedSource.DRAWN else b"",
        blobs=blobs,
    )


def read(
    recipe: Recipe,
    base: Tree,
    open_model: Callable[[], LanguageModel],
    budget: Budget | None = None,
) -> Regenerated:
    """What the probe makes of a recipe after its way over the link."""
    return regenerate(decode_message(encode_message(recipe, 9)), base, open_model, budget)


def check_round_trip(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    settings: Settings | None = None,
    *,
    inside: bool = False,
) -> Recipe:
    """Writes a patch with the model and reads it back, token by token, in a fresh session."""
    wanted = plans(base, target, model, inside=inside)
    recipe = write(base, target, model, settings, wanted=wanted)
    made = read(recipe, base, lambda: model)
    assert made.target == target
    assert made.target.digest == target.digest
    assert made.patch == unified_diff(base, target)
    return recipe


def files(**contents: bytes) -> Tree:
    """A tree of regular files; a double underscore in a name is a dot."""
    return Tree(
        {name.replace("__", "."): Entry(Mode.REGULAR, data) for name, data in contents.items()}
    )
