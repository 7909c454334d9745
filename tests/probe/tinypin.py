"""A real pin with random weights and a tokenizer of single bytes, and recipes written with it."""

from __future__ import annotations

from world import plan, recipe

from groundstation.scoring.options import options
from shared.exact.pin import Pin
from shared.message.recipe import Recipe
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Tree
from shared.tree import changes as tree_changes
from sims.hil.tiny import tiny_pin

__all__ = ["tiny_pin", "written"]


def written(base: Tree, target: Tree, pin: Pin, **changes: object) -> Recipe:
    """A recipe in which the model writes the first text that it can."""
    model = PinnedModel.open(pin)
    plans = [plan(change) for change in tree_changes(base, target)]
    for number, change in enumerate(tree_changes(base, target)):
        text = options(change, model.vocabulary).model
        if text is not None:
            plans[number] = text
            break
    return recipe(base, target, plans, model, **changes)
