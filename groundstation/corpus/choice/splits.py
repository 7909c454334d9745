"""Which patches a model learns from and which it is judged by: by package, then by time.

A package's digest puts it whole into training, validation or test, so that no package is on two
sides.  Of each package to train on, the newest steps are held for ``later``: what a model that
knows a package's past does with its future.
"""

from __future__ import annotations

from collections.abc import Collection

from groundstation.corpus.choice.ranking import canonical, rank

OF_HUNDRED_VALIDATION = 6
OF_HUNDRED_TEST = 6
LATER_SHARE = 10
"""One step of so many, counted from the newest, rounded down."""


def package_split(package: str) -> str:
    """``train``, ``validation`` or ``test``, by name alone."""
    place = int(rank("split", canonical(package))[:8], 16) % 100
    if place < OF_HUNDRED_VALIDATION:
        return "validation"
    if place < OF_HUNDRED_VALIDATION + OF_HUNDRED_TEST:
        return "test"
    return "train"


def later_from(steps: Collection[int]) -> int | None:
    """The first step that is held for later, or None where there are too few.

    Args:
        steps: positions in time of the steps that a package has patches of.
    """
    order = sorted(set(steps))
    held = len(order) // LATER_SHARE
    return order[-held] if held else None


def split_of(package: str, step: int, first_later: int | None) -> str:
    """The split of one patch."""
    split = package_split(package)
    if split == "train" and first_later is not None and step >= first_later:
        return "later"
    return split
