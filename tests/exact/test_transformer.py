"""Sequences: batch equals step by step, forks and truncation, committed digests."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from exact_models import LLAMA, QWEN, TinyPin, tiny_pin, tokens
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import PinError
from shared.exact.kernels import compiled_library
from shared.exact.transformer import Transformer

KERNELS = ["numpy", *(["c"] if compiled_library() else [])]
HERE = Path(__file__).parent

DIGESTS = {
    "llama": "bfb1412034314ff9798b04d204bcd52a22a12ea4d41d89fb1514f982439634c3",
    "qwen2": "6d5e8a7a63de7601c5572b08ac6238cdabbb0ace8ba88512bade41d5ad033d3d",
}
"""SHA-256 of the logits of 150 tokens: little-endian binary64, row after row."""


@cache
def pin(family: str) -> TinyPin:
    """The tiny model of a family."""
    return tiny_pin(LLAMA) if family == "llama" else tiny_pin(QWEN, qwen=True, tied=False)


@cache
def model(kernel: str, family: str = "llama") -> Transformer:
    """The tiny model on a kernel."""
    return Transformer(pin(family), kernel=kernel, threads=2)


@cache
def expected(family: str) -> np.ndarray:
    """Logits of 150 tokens by the reference."""
    ids = tokens(150, pin(family).manifest["shape"]["vocab"])
    return model("numpy", family).session().feed_scored(ids)


def digest(logits: np.ndarray) -> str:
    """SHA-256 of the numbers."""
    return hashlib.sha256(logits.astype("<f8").tobytes()).hexdigest()


def ids_of(family: str) -> list[int]:
    """The tokens that ``expected`` speaks of."""
    return tokens(150, pin(family).manifest["shape"]["vocab"])


@pytest.mark.parametrize("family", DIGESTS)
def test_reference_has_the_committed_digest(family: str) -> None:
    assert digest(expected(family)) == DIGESTS[family]


@pytest.mark.parametrize("core", ["Prescott", "Nehalem", "Haswell", "SkylakeX", "Zen"])
def test_reference_is_the_same_on_every_blas_kernel(core: str) -> None:
    """A child process in which OpenBLAS takes the code of another processor."""
    code = (
        "from test_transformer import DIGESTS, digest, expected\n"
        "print(*(digest(expected(family)) for family in DIGESTS))\n"
    )
    environment = os.environ | {
        "OPENBLAS_CORETYPE": core,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[1]))),
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode < 0:
        pytest.skip(f"this processor cannot run the code for {core}")
    assert run.stdout.split() == list(DIGESTS.values()), run.stderr


@pytest.mark.parametrize("family", DIGESTS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_step_by_step_equals_batch(kernel: str, family: str) -> None:
    session = model(kernel, family).session()
    for position, token in enumerate(ids_of(family)[:80]):
        session.feed([token])
        assert (session.logits() == expected(family)[position]).all(), position


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("chunk_tokens", [1, 7, 64, 100])
def test_chunks_do_not_matter(kernel: str, chunk_tokens: int) -> None:
    whole = Transformer(pin("llama"), kernel=kernel)
    whole.kernel.chunk_tokens = chunk_tokens
    assert (whole.session().feed_scored(ids_of("llama")) == expected("llama")).all()
    session = whole.session()
    session.feed(ids_of("llama"))
    assert (session.logits() == expected("llama")[-1]).all()


@pytest.mark.parametrize("kernel", KERNELS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_history_gives_the_same_logits(kernel: str, data: st.DataObject) -> None:
    """Feeding, scoring, truncating and forking in any order, against a plain list of tokens."""
    ids, rows = ids_of("llama"), expected("llama")
    sessions = [model(kernel).session()]
    for _ in range(data.draw(st.integers(1, 8))):
        session = data.draw(st.sampled_from(sessions))
        action = data.draw(st.sampled_from(["feed", "score", "truncate", "fork"]))
        count = data.draw(st.integers(0, 70))
        begin, end = session.length, min(session.length + count, len(ids))
        if action == "feed":
            session.feed(ids[begin:end])
            if end > begin:
                assert (session.logits() == rows[end - 1]).all()
        elif action == "score":
            assert (session.feed_scored(ids[begin:end]) == rows[begin:end]).all()
        elif action == "truncate":
            session.truncate(max(0, begin - count))
        else:
            sessions.append(session.fork())
    for session in sessions:
        if session.length < len(ids):
            session.feed([ids[session.length]])
        assert (session.logits() == rows[session.length - 1]).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_forks_do_not_see_each_other(kernel: str) -> None:
    ids = ids_of("llama")
    first = model(kernel).session()
    first.feed(ids[:70])
    second = first.fork()
    assert (second.logits() == first.logits()).all()
    second.feed([5, 6, 7])
    first.feed(ids[70:90])
    assert (first.logits() == expected("llama")[89]).all()
    alone = model(kernel).session()
    alone.feed([*ids[:70], 5, 6, 7])
    assert (second.logits() == alone.logits()).all()


@pytest.mark.parametrize("kernel", KERNELS)
def test_truncate_forgets(kernel: str) -> None:
    ids = ids_of("llama")
    session = model(kernel).session()
    session.feed([9] * 130)
    session.truncate(0)
    with pytest.raises(ValueError, match="no logits"):
        session.logits()
    session.feed(ids)
    assert (session.logits() == expected("llama")[-1]).all()


def test_truncate_to_the_same_length_keeps_the_logits() -> None:
    session = model("numpy").session()
    session.feed([1, 2, 3])
    before = session.logits()
    session.truncate(3)
    assert session.logits() is before


@pytest.mark.parametrize("length", [-1, 4])
def test_truncate_refuses_other_lengths(length: int) -> None:
    session = model("numpy").session()
    session.feed([1, 2, 3])
    with pytest.raises(ValueError, match="truncate"):
        session.truncate(length)


@pytest.mark.parametrize("bad", [[-1], [LLAMA.vocab], [0, 2**40]])
@pytest.mark.parametrize("kernel", KERNELS)
def test_tokens_outside_the_vocabulary_are_refused(kernel: str, bad: list[int]) -> None:
    session = model(kernel).session()
    with pytest.raises(ValueError, match="vocabulary"):
        session.feed(bad)
    assert session.length == 0


@pytest.mark.parametrize("kernel", KERNELS)
def test_positions_end(kernel: str) -> None:
    session = model(kernel).session()
    session.feed([1] * LLAMA.max_positions)
    assert session.length == LLAMA.max_positions
    with pytest.raises(ValueError, match="positions"):
        session.feed([1])
    with pytest.raises(ValueError, match="positions"):
        session.feed_scored([1])


@pytest.mark.parametrize("kernel", KERNELS)
def test_feeding_nothing_changes_nothing(kernel: str) -> None:
    session = model(kernel).session()
    session.feed([3, 1])
    before = session.logits().copy()
    session.feed([])
    assert session.feed_scored([]).shape == (0, LLAMA.vocab)
    assert (session.logits() == before).all()
    assert session.length == 2


def test_logits_are_read_only() -> None:
    session = model("numpy").session()
    session.feed([3])
    with pytest.raises(ValueError, match="read-only"):
        session.logits()[0] = 1.0


def test_kernel_names() -> None:
    with pytest.raises(ValueError, match="none of"):
        Transformer(pin("llama"), kernel="cuda")
    with pytest.raises(ValueError, match="threads"):
        Transformer(pin("llama"), threads=0)
    assert Transformer(pin("llama"), kernel="numpy").kernel.name == "numpy"


def test_a_missing_compiler_is_an_error_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.exact.transformer.compiled_library", lambda: None)
    assert Transformer(pin("llama")).kernel.name == "numpy"
    with pytest.raises(PinError, match="not available"):
        Transformer(pin("llama"), kernel="c")


def test_shapes_beyond_the_bounds_are_refused() -> None:
    broken = replace(pin("llama"), manifest=dict(pin("llama").manifest))
    broken.manifest["shape"] = broken.manifest["shape"] | {"max_positions": 9000}
    with pytest.raises(PinError, match="softmax sum"):
        Transformer(broken)
