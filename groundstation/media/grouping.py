"""Groups of pictures of one shape, in time that grows little faster than their number.

An index of nearest neighbours proposes pairs, maps of edges verify them, and stars are formed: the
picture with most verified neighbours takes them, then the next one takes what is left.  The centres
of the stars are grouped again in the same way until nothing changes, so that a family larger than a
neighbourhood comes together.

Source: Y. A. Malkov, D. A. Yashunin, "Efficient and robust approximate nearest neighbor search
using hierarchical navigable small world graphs", IEEE TPAMI 42(4), 2020, in the library faiss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groundstation.media.describe import F32, descriptors, mismatches
from shared.errors import InputError
from shared.media.fixed import U8
from shared.terminal import Report

I64 = NDArray[np.int64]

NEIGHBOURS: Final = 48
SMALL: Final = 2000
"""Up to so many pictures every pair is looked at."""
PAIRS_AT_ONCE: Final = 512
_LINKS: Final = 32


@dataclass(frozen=True)
class Likeness:
    """When two pictures show one shape.

    Attributes:
        cosine: least of their descriptors, to be looked at closely.
        mismatch: most in any block of their maps of edges.
    """

    cosine: float = 0.85
    mismatch: float = 0.16


def group(maps: U8, likeness: Likeness, report: Report) -> I64:
    """A number for each picture, the same for those of one group.

    Args:
        maps: of edges, ``[pictures, 64, 64]``.
        likeness: when two are alike.
        report: told about progress.
    """
    centre = np.arange(len(maps))
    alive = centre.copy()
    while True:
        taken = _stars(maps[alive], likeness, report)
        joined = alive[taken]
        centre = joined[np.searchsorted(alive, centre)]
        left = np.unique(joined)
        if len(left) == len(alive):
            return centre
        alive = left


def _stars(maps: U8, likeness: Likeness, report: Report) -> I64:
    """For each picture the one that takes it; centres take themselves."""
    left, right = _alike(maps, likeness, report)
    count = len(maps)
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


def _alike(maps: U8, likeness: Likeness, report: Report) -> tuple[I64, I64]:
    left, right = candidate_pairs(descriptors(maps), likeness.cosine, report)
    good = np.zeros(len(left), bool)
    for start in range(0, len(left), PAIRS_AT_ONCE):
        report("verifying pairs", start, len(left))
        part = slice(start, start + PAIRS_AT_ONCE)
        good[part] = mismatches(maps[left[part]], maps[right[part]]) <= likeness.mismatch
    report("verifying pairs", len(left), len(left))
    return left[good], right[good]


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
