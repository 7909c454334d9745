"""Groups of pictures of one shape, in time that grows little faster than their number.

An index of nearest neighbours proposes pairs, and their shapes are compared.  What hangs together
by pairs that are roughly alike is looked at as a whole: every pair is compared, and groups are
joined as long as the mean over all pairs between them is low enough (average linkage).  One odd
member, such as a default that was drawn by another hand, so joins a family that it is like in the
mean, and a chain of small steps does not join two families.

Where more hangs together than can be looked at as a whole, stars are formed first: the picture with
most neighbours takes them, then the next one takes what is left, and centres are grouped likewise
until nothing changes.

Sources: Y. A. Malkov, D. A. Yashunin, "Efficient and robust approximate nearest neighbor search
using hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020, in the library faiss;
average linkage: R. Sokal, C. Michener, 1958, in the library scipy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from groundstation.media.survey.describe import EQUAL, F32, I64, Shapes, descriptors, unlikeness
from shared.errors import InputError
from shared.terminal import Report, silent

NEIGHBOURS: Final = 48
SMALL: Final = 2000
"""Up to so many pictures every pair is looked at."""
WHOLE: Final = 300
"""Up to so many that hang together are looked at as a whole."""
PAIRS_AT_ONCE: Final = 512
SLACK: Final = 2.0
"""Pairs may be so many times less alike than a family is in the mean, to be looked at."""
_LINKS: Final = 32


@dataclass(frozen=True)
class Likeness:
    """When pictures show one shape.

    Attributes:
        cosine: least of their descriptors, to be looked at closely.
        mismatch: most, in the mean over pairs: see ``describe.unlikeness``.
    """

    cosine: float = 0.75
    mismatch: float = 0.24


def group(shapes: Shapes, likeness: Likeness, report: Report) -> I64:
    """A number for each picture, the same for those of one group.

    Args:
        shapes: of the pictures.
        likeness: when they are alike.
        report: told about progress.

    Raises:
        InputError: a library is not installed.
    """
    left, right = candidate_pairs(descriptors(shapes.edges), likeness.cosine, report)
    unlike = _unlike(shapes, left, right, report)
    rough = unlike <= SLACK * likeness.mismatch
    left, right, unlike = left[rough], right[rough], unlike[rough]
    numbers = np.arange(len(shapes))
    component = _components(len(shapes), left, right)
    order = np.argsort(component, kind="stable")
    bounds = np.flatnonzero(np.diff(component[order])) + 1
    for number, members in enumerate(np.split(order, bounds)):
        report("grouping", number, len(bounds) + 1)
        if len(members) < 2:
            continue
        if len(members) > WHOLE:
            near = (component[left] == component[members[0]]) & (unlike <= likeness.mismatch)
            places = np.searchsorted(members, left[near]), np.searchsorted(members, right[near])
            centre = _gathered(shapes[members], places, likeness, report)
        else:
            centre = _linked(shapes[members], likeness.mismatch)
        numbers[members] = members[centre]
    return numbers


def _components(count: int, left: I64, right: I64) -> I64:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(left), bool), (left, right)), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1], np.int64)


def _linked(shapes: Shapes, most: float) -> I64:
    """For each picture the first one of its group, all pairs compared.

    Means are of logarithms: twice as unlike counts against half as unlike.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    left, right = np.triu_indices(len(shapes), 1)
    steps = np.log(_unlike(shapes, left, right) / EQUAL)
    groups = fcluster(linkage(steps, "average"), np.log(most / EQUAL), "distance")
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[inverse], np.int64)


def _gathered(shapes: Shapes, near: tuple[I64, I64], likeness: Likeness, report: Report) -> I64:
    """Stars, and stars of their centres, until nothing changes."""
    centre = np.arange(len(shapes))
    alive = centre.copy()
    while True:
        joined = alive[_stars(len(alive), near)]
        centre = joined[np.searchsorted(alive, centre)]
        left = np.unique(joined)
        if len(left) == len(alive):
            return centre
        alive = left
        pairs = candidate_pairs(descriptors(shapes.edges[alive]), likeness.cosine, report)
        good = _unlike(shapes[alive], *pairs, report) <= likeness.mismatch
        near = pairs[0][good], pairs[1][good]


def _stars(count: int, pairs: tuple[I64, I64]) -> I64:
    """For each picture the one that takes it; centres take themselves."""
    left, right = pairs
    both = np.concatenate([left, right]), np.concatenate([right, left])
    order = np.argsort(both[0], kind="stable")
    near = both[1][order]
    starts = np.searchsorted(both[0][order], np.arange(count + 1))
    degree = np.diff(starts)
    taken = np.full(count, -1)
    for picture in np.argsort(-degree, kind="stable"):
        if taken[picture] < 0:
            around = near[starts[picture] : starts[picture + 1]]
            taken[around[taken[around] < 0]] = picture
            taken[picture] = picture
    return taken


def _unlike(shapes: Shapes, left: I64, right: I64, report: Report = silent) -> F32:
    found = np.zeros(len(left), np.float32)
    for start in range(0, len(left), PAIRS_AT_ONCE):
        report("comparing pairs", start, len(left))
        part = slice(start, start + PAIRS_AT_ONCE)
        found[part] = unlikeness(shapes[left[part]], shapes[right[part]])
    report("comparing pairs", len(left), len(left))
    return found


def candidate_pairs(described: F32, cosine: float, report: Report) -> tuple[I64, I64]:
    """Pairs, the smaller number first, whose descriptors are at least so alike.

    Above ``SMALL`` pictures only the nearest neighbours of each are looked at.

    Raises:
        InputError: faiss is not installed.
    """
    count = len(described)
    if count <= SMALL:
        found = np.argwhere(np.triu(described @ described.T >= cosine, 1))
        return found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)
    faiss = _faiss()
    index = faiss.IndexHNSWFlat(described.shape[1], _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efSearch = 2 * NEIGHBOURS
    report("index", 0, 2)
    index.add(described)
    report("index", 1, 2)
    likes, places = index.search(described, NEIGHBOURS)
    report("index", 2, 2)
    own = np.repeat(np.arange(count), NEIGHBOURS)
    flat = places.ravel().astype(np.int64)
    near = (likes.ravel() >= cosine) & (flat >= 0) & (flat != own)
    pairs = np.sort(np.stack([own[near], flat[near]], axis=1), axis=1)
    pairs = np.unique(pairs, axis=0)
    return pairs[:, 0], pairs[:, 1]


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise InputError(
            f"pictures cannot be indexed: {error}",
            expected="the extra `media` of this package",
            remedy="pip install 'rehydration-uplink[media]'",
        ) from None
    return faiss
