"""The compiled kernel: finding it, and calling it with the memory of numpy arrays."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.exact.arithmetic import F64
from shared.exact.bounds import (
    KEY_LIMIT,
    MIX_LIMIT,
    NORM_LIMIT,
    VALUE_LIMIT,
    Shape,
    activation_limit,
    query_limit,
)
from shared.system.native import load_extension

CHUNK_TOKENS: Final = 128
"""Tokens in one call; bounds the scratch memory and the time until an interrupt is seen."""

PATHS: Final = ("portable", "avx2", "avx512", "amx")
"""Instruction sets, slowest first; all give the same numbers."""

PATH_VARIABLE: Final = "REHYDRATION_KERNEL_PATH"
"""Environment variable that names one of ``PATHS`` instead of the fastest."""

Pages = list["Page"]


class _Matrix(ctypes.Structure):
    _fields_ = (
        ("high", ctypes.c_void_p),
        ("rests", ctypes.c_void_p),
        ("scales", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
    )


_DENSE: Final = ("wq", "wk", "wv", "wo", "gate", "up", "down")
_NORMS: Final = ("attn_norm", "mlp_norm")


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, _Matrix) for name in _DENSE),
        *((name, ctypes.c_void_p) for name in _NORMS),
    )


_SIZES: Final = ("vocab", "dim", "layers", "heads", "kv_heads", "head_dim", "mlp_dim")
_LIMITS: Final = ("key", "query", "value", "mix", "norm", "dim", "heads", "mlp")


class _Model(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in _SIZES),
        *((name + "_limit", ctypes.c_int64) for name in _LIMITS),
        ("eps", ctypes.c_double),
        ("score_scale", ctypes.c_double),
        ("embed", _Matrix),
        ("head", _Matrix),
        ("final_norm", ctypes.c_void_p),
        ("exp", ctypes.c_void_p),
        ("cos", ctypes.c_void_p),
        ("sin", ctypes.c_void_p),
        ("layer", ctypes.POINTER(_Layer)),
    )


class _Job(ctypes.Structure):
    _fields_ = (
        ("model", ctypes.POINTER(_Model)),
        ("pages", ctypes.c_void_p),
        ("tokens", ctypes.c_void_p),
        ("logits", ctypes.c_void_p),
        ("start", ctypes.c_int64),
        ("count", ctypes.c_int64),
        ("rows", ctypes.c_int64),
    )


@cache
def compiled_library() -> ctypes.CDLL | None:
    """The compiled kernel, or None where it was not built."""
    library = load_extension("shared.exact._kernel")
    if library is None:
        return None
    library.exact_best_path.argtypes = ()
    library.exact_best_path.restype = ctypes.c_int
    library.exact_page_tokens.argtypes = ()
    library.exact_page_tokens.restype = ctypes.c_int64
    library.exact_page_bytes.argtypes = (ctypes.POINTER(_Model),)
    library.exact_page_bytes.restype = ctypes.c_int64
    library.exact_forward.argtypes = (ctypes.POINTER(_Job), ctypes.c_int, ctypes.c_int)
    library.exact_forward.restype = ctypes.c_int
    return library


def chosen_path(library: ctypes.CDLL, wanted: str | None = None) -> int:
    """The index in ``PATHS`` to run: the wanted one, the environment's, or the fastest.

    Raises:
        ValueError: it is unknown, or this machine cannot run it.
    """
    best: int = library.exact_best_path()
    name = wanted or os.environ.get(PATH_VARIABLE)
    if not name:
        return best
    if name not in PATHS:
        raise ValueError(f"kernel path {name!r} is none of {', '.join(PATHS)}")
    if PATHS.index(name) > best:
        raise ValueError(f"this machine cannot run {name}; at most {PATHS[best]}")
    return PATHS.index(name)


@dataclass(eq=False)
class Page:
    """Keys and values of some consecutive tokens, all layers, in the layout of the kernel."""

    memory: NDArray[np.uint8]
    shared: bool = False
    """Whether another sequence may hold it too; then it must not be written to."""

    @classmethod
    def empty(cls, size: int) -> Page:
        """Zeros, at an address that a cache line begins at."""
        memory = np.zeros(size + 64, np.uint8)
        return cls(memory[-memory.ctypes.data % 64 :][:size])

    def copy(self) -> Page:
        """A page of its own with the same contents."""
        twin = Page.empty(len(self.memory))
        twin.memory[:] = self.memory
        return twin


@dataclass
class PagedCache:
    """The key-value cache of one sequence: pages, of which forks share those that are full."""

    page_tokens: int
    page_bytes: int
    pages: Pages = field(default_factory=list)
    length: int = 0

    def reserve(self, capacity: int) -> None:
        """Make room for ``capacity`` tokens; what will be written to is this sequence's own."""
        first = self.length // self.page_tokens
        if first < len(self.pages) and self.pages[first].shared:
            self.pages[first] = self.pages[first].copy()
        while len(self.pages) * self.page_tokens < capacity:
            self.pages.append(Page.empty(self.page_bytes))

    def truncate(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        self.length = length
        del self.pages[-(-length // self.page_tokens) :]

    def fork(self) -> PagedCache:
        """An independent sequence; memory is copied only where one of the two writes."""
        for page in self.pages:
            page.shared = True
        return PagedCache(self.page_tokens, self.page_bytes, list(self.pages), self.length)

    def addresses(self) -> NDArray[np.uintp]:
        """Where the pages lie."""
        return np.array([page.memory.ctypes.data for page in self.pages], np.uintp)


class CKernel:
    """The compiled forward pass of one model.

    Args:
        library: from ``compiled_library``.
        shape: the sizes of the model, within ``bounds``.
        rms_eps: added to the mean square in every normalisation.
        tensors: the tensors of the pin by name, C-contiguous.
        threads: how many; None takes one per usable core.
        path: one of ``PATHS``; None takes the environment's or the fastest.
    """

    name = "c"
    chunk_tokens = CHUNK_TOKENS

    def __init__(
        self,
        library: ctypes.CDLL,
        shape: Shape,
        rms_eps: float,
        tensors: Mapping[str, NDArray[Any]],
        threads: int | None = None,
        path: str | None = None,
    ) -> None:
        self.shape = shape
        self.threads = threads or usable_cores()
        self.path = chosen_path(library, path)
        self._library = library
        self._arrays: list[NDArray[Any]] = []  # keeps alive what the model points to
        self._layers, self._model = self._describe(shape, rms_eps, tensors)
        self._page_tokens: int = library.exact_page_tokens()
        self._page_bytes: int = library.exact_page_bytes(ctypes.byref(self._model))

    def new_cache(self) -> PagedCache:
        """An empty cache."""
        return PagedCache(self._page_tokens, self._page_bytes)

    def forward(self, cache: PagedCache, tokens: NDArray[np.int32], rows: int) -> F64:
        """Append tokens to the sequence; see ``ReferenceKernel.forward``.

        Raises:
            MemoryError: no room for the scratch memory.
        """
        cache.reserve(cache.length + len(tokens))
        pages = cache.addresses()
        tokens = np.ascontiguousarray(tokens, np.int32)
        logits = np.empty((rows, self.shape.vocab))
        job = _Job(
            ctypes.pointer(self._model),
            pages.ctypes.data,
            tokens.ctypes.data,
            logits.ctypes.data,
            cache.length,
            len(tokens),
            rows,
        )
        status = self._library.exact_forward(ctypes.byref(job), self.path, self.threads)
        if status:
            raise MemoryError("no memory for the scratch space of the kernel")
        cache.length += len(tokens)
        return logits

    def _describe(
        self, shape: Shape, rms_eps: float, tensors: Mapping[str, NDArray[Any]]
    ) -> tuple[ctypes.Array[_Layer], _Model]:
        def address(name: str, dtype: type[np.generic]) -> int:
            array = np.require(tensors[name], dtype, ("C", "A"))
            self._arrays.append(array)
            return array.ctypes.data

        def matrix(name: str) -> _Matrix:
            bias = address(name + ".b", np.float64) if name + ".b" in tensors else None
            high, rests = address(name + ".q", np.int8), address(name + ".r", np.uint8)
            return _Matrix(high, rests, address(name + ".s", np.float64), bias)

        layers = (_Layer * shape.layers)()
        for index, layer in enumerate(layers):
            prefix = f"layers.{index}."
            for name in _DENSE:
                setattr(layer, name, matrix(prefix + name))
            for name in _NORMS:
                setattr(layer, name, address(prefix + name, np.float64))
        limits = {
            "key": KEY_LIMIT,
            "query": query_limit(shape.head_dim),
            "value": VALUE_LIMIT,
            "mix": MIX_LIMIT,
            "norm": NORM_LIMIT,
            "dim": activation_limit(shape.dim),
            "heads": activation_limit(shape.heads * shape.head_dim),
            "mlp": activation_limit(shape.mlp_dim),
        }
        model = _Model(
            **{name: getattr(shape, name) for name in _SIZES},
            **{name + "_limit": limits[name] for name in _LIMITS},
            eps=rms_eps,
            score_scale=float(1.0 / np.sqrt(np.float64(shape.head_dim))),
            embed=matrix("embed"),
            head=matrix("head" if "head.q" in tensors else "embed"),
            final_norm=address("final_norm", np.float64),
            exp=address("tables.exp", np.int64),
            cos=address("rope.cos", np.int32),
            sin=address("rope.sin", np.int32),
            layer=ctypes.cast(layers, ctypes.POINTER(_Layer)),
        )
        return layers, model


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
