"""What the features of ``loci.py`` weigh, in eighths of an octave: part of the wire format.

``python -m benchmarks.fit.hunk_places`` prints these numbers; docs/prompts.md lists them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_START = {
    "head_near": """
        20 15 16 9 3 1 -4 -7 -11 -15 -14 -13
    """,
    "head_here": """
        -2 5 0 -3 -4 17 -9 -7 -4 1 4 2 0
    """,
    "head_before": """
        6 3 0 6 -2 -3 3 2 -5 -1 -6 -1 -1
    """,
    "near": """
        36 29 22 14 7 0 -5 -11 -19 -23 -27 -23
    """,
    "here": """
        2 -8 1 1 -3 8 -5 2 -2 0 5 -1 0
    """,
    "before": """
        5 -1 1 4 -5 -6 4 4 -2 -1 -2 -1 -1
    """,
    "opening": """
        -4 -2 2 1 -3 0 -2 0 1 0 -1 -4 2 0 3 0
        5 2 -2 -1 -2 3 3 3 -2 -3 6 -1 -2 2 0 -3
        -4 -1 0 2 -7 33 -13 29 2 -1 -1 3 -3 5 4 -1
        1 3 0 0 2 -3 1 -8 -6 -3 -4 0 9 -6 0 1
        4 -10 -7 -7 2 0 -1 -1 0 -2 -1 2 1 -5 -4 -6
        -2 -2
    """,
    "length": """
        -6 -5 -3 1 1 2 3 8
    """,
    "indent": """
        2 0 0 -1 -1 0
    """,
    "quoted": """
        5 -5
    """,
    "kind_seen": """
        -3 -1 4
    """,
    "as_last": """
        -1 0 -2 3
    """,
    "same_step": """
        -3 3
    """,
    "gone": """
        -14 -10 -3 5 10 12
    """,
    "come": """
        -3 -5 -3 -1 2 10
    """,
    "resembling": """
        -15 -8 -2 4 8 13
    """,
    "below_resembling": """
        -10 -6 -4 3 6 11
    """,
}
_END = {
    "hunks": """
        -5 -2 -3 -4 -2
    """,
    "lines_ahead": """
        20 13 6 2 1 -1 -4 -6 -8 -12 -13 -15
    """,
    "gone_ahead": """
        1 7 0 -5 -6 -13
    """,
    "resembling_ahead": """
        0 2 0 -3 -4 -11
    """,
    "below_ahead": """
        -1 -3 -3 -3 -3 -4
    """,
}
_REMOVED = {
    "removed_last": """
        8 3 -2 -4 -3 -2 -3 5
        6 8 3 -1 -1 -1 -6 12
        4 5 2 1 -2 0 -2 4
        12 16 12 16 11 5 9 11
        7 5 8 9 6 4 -1 6
        1 0 0 1 0 1 1 0
        -5 -5 -2 -2 1 -3 8 -5
        -3 -8 -6 -3 -3 2 -1 -5
        -11 -9 0 -7 -2 2 0 -14
        -20 -16 -16 -12 -6 -9 -4 -14
    """,
    "removed_marked": """
        4 4 -5
        6 4 10
        4 3 5
        -14 -11 -10
    """,
    "after_removed": """
        18 5 -7 0 -10 -14 4 16 5 -8 0 -3 -3
        5 -3 -8 -3 2 -6 7 5 6 0 0 -5 -3
    """,
    "last_removed": """
        3 2 0 1 0 -10 5 -4 9 3 0 -4 -6 2
    """,
    "deeper": """
        3 7 1 -10
    """,
    "brackets": """
        3 -9 7 -1
    """,
    "all_marked": """
        0 13 -7 -7
    """,
    "removed_before": """
        1 -15 4 -5 6 -3 12 0
    """,
}
_WRITTEN = {
    "written_removed": """
        0 1 2 0 0 6 7
        3 10 3 6 2 2 2
        0 4 3 0 -1 -1 0
        5 6 8 0 3 -1 -1
        1 4 2 -1 -1 -3 -1
        -2 0 3 1 -3 -5 -3
        3 4 -2 8 4 4 -3
        -1 -2 -3 -1 -3 6 3
        -3 -10 -5 -2 3 1 -2
        -6 -16 -12 -11 -4 -10 -1
    """,
    "written_last": """
        12 3 0 -3 -3 1 1 5
        5 6 2 3 0 3 1 8
        1 2 4 2 1 -2 -4 2
        0 2 1 7 4 1 4 0
        -2 -2 0 -4 5 5 1 -2
        -4 -2 -1 -3 1 0 2 -3
        -13 -8 -7 -4 -6 -8 -4 -10
    """,
    "written_before": """
        -17 -7 -1 7 -2 4 4 13
    """,
    "written_here": """
        16 8 -5 -7 8 3 -6 4 -7 -6 -2 12 -3
        -4 0 6 5 0 5 1 4 2 4 8 -5 2
        -5 3 -1 3 -4 -1 5 -5 6 2 -2 1 3
        -6 -10 0 -1 -5 -6 0 -4 0 0 -5 -8 -2
    """,
    "written_below": """
        6 9 -3 5 -7 -2 4 7 1 -4 -3 -4 8
        -4 5 2 -3 8 6 4 -3 -2 5 5 6 1
        -1 -2 3 1 3 2 -2 0 2 1 1 -4 0
        -1 -12 -2 -3 -3 -6 -6 -4 -1 -2 -2 2 -9
    """,
}


def _tables(texts: Mapping[str, str]) -> dict[str, NDArray[np.int64]]:
    return {
        name: np.array([int(number) for number in text.split()]) for name, text in texts.items()
    }


TABLES: Mapping[str, Mapping[str, NDArray[np.int64]]] = {
    "start": _tables(_START),
    "end": _tables(_END),
    "removed": _tables(_REMOVED),
    "written": _tables(_WRITTEN),
}
"""By choice and feature: int64 [rows]."""
