"""Recipes written down without any search: one for each change, with the model or without."""

from __future__ import annotations

from dataclasses import dataclass

from groundstation.scoring.options import options
from shared.diff import unified_diff
from shared.digest import sha256
from shared.message.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.prompts.changeset import FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionWriter
from shared.tree import Tree, changes


@dataclass
class _Blobs:
    total: int
    data: bytes = b""

    def left(self) -> int:
        return self.total - len(self.data)

    def take(self, size: int, wanted: bytes | None) -> bytes:
        del size
        self.data += wanted or b""
        return wanted or b""


def written(base: Tree, target: Tree, model: LanguageModel, *, by_model: bool) -> Recipe:
    """A recipe from ``base`` to ``target``.

    Args:
        base: the tree on board.
        target: the tree that it leads to.
        model: the pinned model.
        by_model: whether the model writes what it can; else all travels as classical deltas.
    """
    plans: list[FilePlan] = []
    for change in changes(base, target):
        ways = options(change, model.vocabulary)
        plans.append(ways.model if by_model and ways.model else ways.classical)
    blobs = _Blobs(sum(len(plan.blob) for plan in plans))
    writer = DecisionWriter(SeedSource.CODED)
    transcribe(
        writer,
        base,
        lambda chosen: Desk(lambda: model, chosen, lambda _: None),
        blobs,
        plans,
        Settings(),
        lambda _: None,
    )
    return Recipe(
        pin=model.digest,
        baseline=base.digest,
        patch_digest=sha256(unified_diff(base, target))[:PATCH_DIGEST_BYTES],
        seed_source=SeedSource.CODED,
        stream=writer.finish(),
        blobs=blobs.data,
    )
