"""Weights of decisions that no model makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def weights(*values: int) -> NDArray[np.int64]:
    """int64 [len(values)]: the relative frequencies of a decision's outcomes."""
    return np.array(values, dtype=np.int64)
