"""The compiled kernel: finding it, and calling it with the memory of numpy arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.exact.arithmetic import F64
from shared.exact.bounds import Shape


def compiled_library() -> ctypes.CDLL | None:
    """The compiled kernel, or None where it was not built."""
    return None


class CKernel:
    """Placeholder."""

    name = "c"
    chunk_tokens = 128

    def __init__(
        self,
        library: ctypes.CDLL,
        shape: Shape,
        rms_eps: float,
        tensors: Mapping[str, NDArray[Any]],
        threads: int | None,
    ) -> None:
        raise NotImplementedError

    def new_cache(self) -> Any:
        """An empty cache."""
        raise NotImplementedError

    def forward(self, cache: Any, tokens: NDArray[np.int32], rows: int) -> F64:
        """Append tokens; logits after the last ``rows``."""
        raise NotImplementedError
