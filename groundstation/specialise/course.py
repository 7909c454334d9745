"""In which order a model sees which patches, and how they are shown: the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from groundstation.corpus.pairs import TextPair
from groundstation.specialise.examples import Example, examples
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.settings import LINES_AFTER, LINES_BEFORE, Settings, Shape
from shared.tree import Entry, Mode, Tree

CHUNK = 48
"""Patches that are prepared together, so that examples of like length share a batch."""

_SHAPES = ((Shape.FENCED, 84), (Shape.PLAIN, 8), (Shape.DIFF, 8))
_BEFORE = ((12, 40), (30, 35), (80, 25))
_AFTER = ((4, 40), (12, 45), (30, 15))

VALIDATED = Settings(before=LINES_BEFORE.index(30))
"""How patches are shown when they are only looked at."""


@dataclass(frozen=True)
class Limits:
    """How much of a patch is looked at.

    Attributes:
        tokens: of an example at most; longer ones are cut.
        pieces: of a patch at most, the first of them.
        batch_tokens: of a batch at most, padding among them.
    """

    tokens: int = 1024
    pieces: int = 3
    batch_tokens: int = 8192


@dataclass(frozen=True)
class Place:
    """A place in a course.

    Attributes:
        chunk: chunks that are behind.
        batch: batches of this chunk that are behind.
    """

    chunk: int = 0
    batch: int = 0


@dataclass(frozen=True)
class Course:
    """Patches in an order that never ends: pass after pass, each shuffled and shown anew.

    Attributes:
        pairs: what there is.
        vocabulary: of the model that is to be trained.
        limits: how much of it is looked at.
        seed: of order and settings.
        max_positions: of the model.
    """

    pairs: Sequence[TextPair]
    vocabulary: Vocabulary
    limits: Limits
    seed: int
    max_positions: int = 8192

    @property
    def chunks(self) -> int:
        """In one pass."""
        return -(-len(self.pairs) // CHUNK)

    def batches(self, start: Place) -> Iterator[tuple[Place, list[Example]]]:
        """Batches from a place on, each with the place after it."""
        chunk, skip = start.chunk, start.batch
        while True:
            batches = self._chunk(chunk)
            for number, batch in enumerate(batches[skip:], start=skip):
                last = number + 1 == len(batches)
                yield Place(chunk + 1, 0) if last else Place(chunk, number + 1), batch
            chunk, skip = chunk + 1, 0

    def _chunk(self, chunk: int) -> list[list[Example]]:
        turn, number = divmod(chunk, self.chunks)
        order = np.random.default_rng([self.seed, turn]).permutation(len(self.pairs))
        found = []
        for index in order[number * CHUNK : (number + 1) * CHUNK]:
            pair = self.pairs[index]
            settings = shown(self.seed, turn, pair)
            found += pieces(pair, self.vocabulary, settings, self.limits, self.max_positions)
        batches = batched(found, self.limits.batch_tokens)
        shuffled = np.random.default_rng([self.seed, turn, number]).permutation(len(batches))
        return [batches[i] for i in shuffled]


def shown(seed: int, turn: int, pair: TextPair) -> Settings:
    """The settings under which a patch is shown in a pass."""
    name = f"{seed} {turn} {pair.package} {pair.path} {len(pair.old)} {len(pair.new)}"
    rng = np.random.default_rng(list(hashlib.sha256(name.encode("utf-8")).digest()))

    def one_of(choices: Sequence[tuple[int, int]]) -> int:
        chances = np.array([weight for _, weight in choices], dtype=np.float64)
        return int(choices[int(rng.choice(len(choices), p=chances / chances.sum()))][0])

    return Settings(
        shape=Shape(one_of(_SHAPES)),
        before=LINES_BEFORE.index(one_of(_BEFORE)),
        after=LINES_AFTER.index(one_of(_AFTER)),
    )


def pieces(
    pair: TextPair,
    vocabulary: Vocabulary,
    settings: Settings,
    limits: Limits,
    max_positions: int,
) -> list[Example]:
    """What a patch is cut into; nothing where the model would not write it."""
    base, target = (
        Tree({pair.path: Entry(Mode.REGULAR, text.encode("utf-8"))})
        for text in (pair.old, pair.new)
    )
    whole = examples(base, target, vocabulary, settings, max_positions)
    return [piece for each in whole for piece in each.cut(limits.tokens)][: limits.pieces]


def batched(found: Sequence[Example], most: int) -> list[list[Example]]:
    """Examples of like length together, at most ``most`` tokens with what fills them up."""
    batches: list[list[Example]] = []
    for each in sorted(found, key=lambda example: len(example.tokens)):
        if batches and (len(batches[-1]) + 1) * len(each.tokens) <= most:
            batches[-1].append(each)
        else:
            batches.append([each])
    return batches
