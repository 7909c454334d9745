"""What a model is trained on and judged by: a corpus, or a mission's own history."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from groundstation.corpus.choice.ranking import rank
from groundstation.corpus.choice.selection import Limits as Taken
from groundstation.corpus.pairs import TextPair, iter_pairs
from groundstation.corpus.release_pairs import Caps
from groundstation.corpus.sources.histories import draw_history
from groundstation.specialise.course import VALIDATED, Limits, batched, pieces
from groundstation.specialise.run import Validation
from shared.errors import InputError
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.terminal import Report, silent

HELD_BACK = 8
"""Of a history's commits, one in so many is held back, and at least one."""

HISTORY_CAPS = Caps(per_step=1000, per_package=100_000, per_other=100_000, most_steps=100_000)


@dataclass(frozen=True)
class Material:
    """Patches.

    Attributes:
        train: to learn from.
        held_back: to see how well it goes.
        origin: where they are from, for manifests.
    """

    train: tuple[TextPair, ...]
    held_back: tuple[TextPair, ...]
    origin: str

    @property
    def digest(self) -> str:
        """sha256 of all texts in order, in hexadecimal."""
        sha = hashlib.sha256()
        for part in (self.train, self.held_back):
            for pair in part:
                for text in (pair.path, pair.old, pair.new):
                    data = text.encode("utf-8", "surrogateescape")
                    sha.update(len(data).to_bytes(8, "big") + data)
            sha.update(b"\xff")
        return sha.hexdigest()


def from_corpus(manifest: Path, most_held_back: int) -> Material:
    """The patches of a corpus: its split ``train``, and some of ``validation``.

    Args:
        manifest: of ``groundstation corpus build``; its texts are in the cache.
        most_held_back: patches to validate with, those first whose digest is smallest.

    Raises:
        InputError: a split has no patch.
        DownloadError: a text is not in the cache.
    """
    train = tuple(iter_pairs(manifest, splits=("train",)))
    validation = tuple(iter_pairs(manifest, splits=("validation",)))
    name = hashlib.sha256(manifest.read_bytes()).hexdigest()
    return _checked(train, _first(validation, most_held_back), f"corpus {name[:16]}")


def from_history(
    repository: Path, until: datetime, most_held_back: int, *, paths: Sequence[str] = ()
) -> Material:
    """The patches of a repository's commits up to a date.

    Args:
        repository: a folder of it.
        until: commits after it are not looked at.
        most_held_back: of the commits held back, patches to validate with.
        paths: git pathspecs; only these files.

    Raises:
        InputError: no repository, or too few commits.
    """
    drawn = draw_history(
        repository.resolve().name, repository, HISTORY_CAPS, Taken(), until=until, paths=paths
    )
    commits = sorted(
        {patch.new_version for patch in drawn.patches},
        key=lambda version: hashlib.sha256(version.encode()).digest(),
    )
    back = frozenset(commits[: -(-len(commits) // HELD_BACK)])
    train: list[TextPair] = []
    held_back: list[TextPair] = []
    for patch in drawn.patches:
        pair = TextPair(
            old=patch.old.decode(),
            new=patch.new.decode(),
            path=patch.path,
            package=patch.package,
            split="train",
            language=patch.language,
        )
        (held_back if patch.new_version in back else train).append(pair)
    return _checked(
        tuple(train),
        _first(held_back, most_held_back),
        f"history of {repository.resolve().name} until {until.date().isoformat()}",
    )


def validation_of(
    material: Material,
    vocabulary: Vocabulary,
    limits: Limits,
    max_positions: int,
    report: Report = silent,
) -> Validation:
    """The examples to validate with."""
    found = []
    for number, pair in enumerate(material.held_back):
        report("preparing what is held back", number, len(material.held_back))
        found += pieces(pair, vocabulary, VALIDATED, limits, max_positions)
    return Validation(batched(found, limits.batch_tokens), len(material.held_back))


def _first(pairs: Sequence[TextPair], most: int) -> tuple[TextPair, ...]:
    return tuple(sorted(pairs, key=lambda p: rank(p.package, p.path, p.old, p.new))[:most])


def _checked(train: tuple[TextPair, ...], held_back: tuple[TextPair, ...], origin: str) -> Material:
    if not train or not held_back:
        raise InputError(
            f"the {origin} has {len(train)} patches to train on and {len(held_back)} to validate",
            expected="some of both",
            remedy="take a larger corpus or a longer history",
        )
    return Material(train, held_back, origin)
