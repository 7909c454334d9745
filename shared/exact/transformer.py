"""Tokens in, logits out: the pinned model and the sequences it reads.

All kernels give the same logits to the last bit, whether tokens come one at a time or in one
batch; which kernel runs is a question of speed alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.errors import PinError
from shared.exact.arithmetic import F64
from shared.exact.bounds import Shape, check_bounds
from shared.exact.kernels import CKernel, compiled_library
from shared.exact.reference import ReferenceKernel


class FrozenModel(Protocol):
    """What the transformer needs of a pin."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """With ``shape`` and ``rms_eps`` (a hexadecimal float)."""
        ...

    @property
    def tensors(self) -> Mapping[str, NDArray[Any]]:
        """The tensors by name."""
        ...


C = TypeVar("C", bound="Cache")


class Cache(Protocol):
    """The key-value cache of one sequence, in the layout of its kernel."""

    length: int

    def truncate(self, length: int) -> None:
        """Forget all but the first ``length`` tokens."""
        ...

    def fork(self: C) -> C:
        """An independent copy."""
        ...


class Kernel(Protocol):
    """One implementation of the forward pass."""

    name: str
    chunk_tokens: int

    def new_cache(self) -> Any:
        """An empty cache."""
        ...

    def forward(self, cache: Any, tokens: NDArray[np.int32], rows: int) -> F64:
        """Append tokens; logits ``[rows, vocab]`` after the last ``rows`` of them."""
        ...


class Transformer:
    """A pinned model, ready to read tokens.

    Args:
        pin: the frozen model.
        kernel: "c", "numpy", or "auto" for the fastest that this machine has.
        threads: threads of the C kernel; None takes one per usable core.

    Raises:
        PinError: the shape breaks a bound, a tensor is missing, or "c" was asked for and is not
            built.
        ValueError: an unknown kernel, or fewer than one thread.
    """

    def __init__(
        self, pin: FrozenModel, *, kernel: str = "auto", threads: int | None = None
    ) -> None:
        self.shape = Shape.from_mapping(pin.manifest["shape"])
        check_bounds(self.shape)
        eps = float.fromhex(pin.manifest["rms_eps"])
        self.kernel = _choose_kernel(kernel, threads, self.shape, eps, pin.tensors)

    @property
    def vocab(self) -> int:
        """Tokens in the vocabulary."""
        return self.shape.vocab

    @property
    def max_positions(self) -> int:
        """Tokens in the longest sequence."""
        return self.shape.max_positions

    def session(self) -> Session:
        """A new, empty sequence."""
        return Session(self, self.kernel.new_cache())


def _choose_kernel(
    name: str,
    threads: int | None,
    shape: Shape,
    eps: float,
    tensors: Mapping[str, NDArray[Any]],
) -> Kernel:
    if name not in ("auto", "c", "numpy"):
        raise ValueError(f"kernel {name!r} is none of auto, c, numpy")
    if threads is not None and threads < 1:
        raise ValueError(f"{threads} threads")
    library = None if name == "numpy" else compiled_library()
    if library is not None:
        return CKernel(library, shape, eps, tensors, threads)
    if name == "c":
        raise PinError(
            "the compiled kernel is not available",
            expected="the extension shared.exact._kernel, built when the package was installed",
            remedy="install a C compiler and reinstall, or use the slower numpy kernel",
        )
    return ReferenceKernel(shape, eps, tensors)


class Session:
    """One sequence and its key-value cache.  Made by ``Transformer.session``.

    Not safe for use by two threads at once; several sessions are.
    """

    def __init__(self, model: Transformer, cache: Cache, logits: F64 | None = None) -> None:
        self._model = model
        self._cache = cache
        self._logits = logits

    @property
    def length(self) -> int:
        """Tokens read so far."""
        return self._cache.length

    def feed(self, token_ids: Sequence[int]) -> None:
        """Append tokens; afterwards ``logits()`` speaks of the token that follows them.

        Args:
            token_ids: any number of tokens, also none.

        Raises:
            ValueError: a token outside the vocabulary, or more tokens than positions.
        """
        tokens = self._checked(token_ids)
        step = self._model.kernel.chunk_tokens
        for begin in range(0, len(tokens), step):
            chunk = tokens[begin : begin + step]
            last = begin + step >= len(tokens)
            self._logits = None
            logits = self._model.kernel.forward(self._cache, chunk, int(last))
            if last:
                self._logits = _frozen(logits[0])

    def logits(self) -> F64:
        """Logits of the next token, ``[vocab]``, read-only.

        Raises:
            ValueError: nothing was fed since the start or since ``truncate``.
        """
        if self._logits is None:
            raise ValueError("no logits here: feed at least one token first")
        return self._logits

    def feed_scored(self, token_ids: Sequence[int]) -> F64:
        """Append tokens and return the logits after each of them.

        Args:
            token_ids: any number of tokens; mind that each costs ``8 * vocab`` bytes here.

        Returns:
            ``[len(token_ids), vocab]``; row t speaks of the token after ``token_ids[t]``, equal
            to the last bit to feeding them one by one.

        Raises:
            ValueError: a token outside the vocabulary, or more tokens than positions.
        """
        tokens = self._checked(token_ids)
        step = self._model.kernel.chunk_tokens
        rows = np.empty((len(tokens), self._model.vocab))
        for begin in range(0, len(tokens), step):
            chunk = tokens[begin : begin + step]
            self._logits = None
            rows[begin : begin + step] = self._model.kernel.forward(self._cache, chunk, len(chunk))
        if len(tokens):
            self._logits = _frozen(rows[-1].copy())
        return rows

    def truncate(self, length: int) -> None:
        """Forget all but the first ``length`` tokens; ``logits()`` needs a ``feed`` again.

        Raises:
            ValueError: the sequence is not that long.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"cannot truncate {self.length} tokens to {length}")
        if length < self.length:
            self._cache.truncate(length)
            self._logits = None

    def fork(self) -> Session:
        """An independent sequence that begins as a copy of this one."""
        return Session(self._model, self._cache.fork(), self._logits)

    def _checked(self, token_ids: Sequence[int]) -> NDArray[np.int32]:
        tokens = np.asarray(token_ids, dtype=np.int64).reshape(-1)
        if len(tokens) and not (tokens.min() >= 0 and tokens.max() < self._model.vocab):
            raise ValueError(f"a token is outside the vocabulary of {self._model.vocab}")
        if self.length + len(tokens) > self._model.max_positions:
            raise ValueError(
                f"{self.length} + {len(tokens)} tokens exceed {self._model.max_positions} positions"
            )
        return tokens.astype(np.int32)


def _frozen(logits: F64) -> F64:
    """The same array, read-only: forks share it."""
    logits.flags.writeable = False
    return logits
