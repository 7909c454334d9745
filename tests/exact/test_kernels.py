"""The compiled kernel equals the reference to the last bit, on every instruction set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from exact_models import LLAMA, QWEN, TinyPin, tiny_pin, tokens

from shared.exact import kernels
from shared.exact.bounds import Shape, activation_limit, lane_columns
from shared.exact.kernels import PATHS, CKernel, PagedCache, chosen_path, compiled_library
from shared.exact.reference import ReferenceKernel

LIBRARY = compiled_library()
if LIBRARY is None:
    pytest.skip("the kernel was not compiled", allow_module_level=True)

RUNNABLE = PATHS[: LIBRARY.exact_best_path() + 1]

SHAPES = {
    "odd": (LLAMA, {}),
    "one-kv-head": (QWEN, {"qwen": True, "tied": False}),
    "whole-tiles": (Shape(256, 128, 2, 4, 2, 32, 192, 160), {"tied": False}),
    "wide-heads": (Shape(97, 130, 2, 3, 1, 128, 90, 160), {"qwen": True}),
    "heads-of-2": (Shape(33, 5, 1, 4, 4, 2, 3, 160), {}),
    "heads-of-18": (Shape(65, 36, 2, 2, 1, 18, 33, 160), {"tied": False}),
    "many-heads": (Shape(64, 64, 1, 26, 2, 8, 64, 160), {}),
    "smallest": (Shape(2, 1, 1, 1, 1, 2, 1, 160), {}),
}


@cache
def pin(name: str) -> TinyPin:
    """The tiny model of a shape."""
    shape, options = SHAPES[name]
    return tiny_pin(shape, **options)


@cache
def expected(name: str) -> np.ndarray:
    """Logits of 150 tokens by the reference."""
    return run(ReferenceKernel(*parts(pin(name))), tokens(150, SHAPES[name][0].vocab))


def parts(model: TinyPin) -> tuple:
    """What a kernel is made of."""
    shape = Shape.from_mapping(model.manifest["shape"])
    return shape, float.fromhex(model.manifest["rms_eps"]), model.tensors


def run(kernel: CKernel | ReferenceKernel, ids: list[int], chunk: int = 150) -> np.ndarray:
    """Logits after each token, fed in chunks."""
    cache = kernel.new_cache()
    array = np.array(ids, np.int32)
    pieces = [array[i : i + chunk] for i in range(0, len(ids), chunk)]
    return np.concatenate([kernel.forward(cache, piece, len(piece)) for piece in pieces])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("path", RUNNABLE)
def test_every_path_equals_the_reference(path: str, name: str) -> None:
    kernel = CKernel(LIBRARY, *parts(pin(name)), threads=2, path=path)
    ids = tokens(150, SHAPES[name][0].vocab)
    assert (run(kernel, ids) == expected(name)).all()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("path", RUNNABLE)
@pytest.mark.parametrize("name", ["odd", "whole-tiles"])
def test_threads_do_not_matter(name: str, path: str, threads: int) -> None:
    kernel = CKernel(LIBRARY, *parts(pin(name)), threads=threads, path=path)
    ids = tokens(150, SHAPES[name][0].vocab)
    assert (run(kernel, ids, chunk=40) == expected(name)).all()


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 8, 9, 16, 17, 63, 65])
@pytest.mark.parametrize("path", RUNNABLE)
@pytest.mark.parametrize("name", ["odd", "whole-tiles"])
def test_batch_sizes_do_not_matter(name: str, path: str, chunk: int) -> None:
    kernel = CKernel(LIBRARY, *parts(pin(name)), threads=2, path=path)
    ids = tokens(150, SHAPES[name][0].vocab)
    assert (run(kernel, ids, chunk) == expected(name)).all()


@pytest.mark.parametrize("rows", [0, 1, 2, 8, 39, 40])
@pytest.mark.parametrize("name", ["odd", "whole-tiles"])
def test_only_the_wanted_rows_are_computed(name: str, rows: int) -> None:
    kernel = CKernel(LIBRARY, *parts(pin(name)), threads=2)
    vocab = SHAPES[name][0].vocab
    ids = np.array(tokens(150, vocab)[:40], np.int32)
    got = kernel.forward(kernel.new_cache(), ids, rows)
    assert got.shape == (rows, vocab)
    assert (got == expected(name)[40 - rows : 40]).all()


@pytest.mark.parametrize("path", RUNNABLE)
@pytest.mark.parametrize("weight", [(-128, 0), (127, 255)])
@pytest.mark.parametrize("columns", [2048, 8192, 8960, 16512, 16529])
def test_sums_at_their_bound(path: str, columns: int, weight: tuple[int, int]) -> None:
    """All weights -512 or 511 and equal activations: every sum is as large as it can be."""
    shape = Shape(32, 64, 1, 2, 1, 4, columns, 70)
    model = tiny_pin(shape)
    tensors = dict(model.tensors)
    for name, tensor in model.tensors.items():
        if name.endswith(".q") and name != "embed.q":
            tensors[name] = np.full_like(tensor, weight[0])
        elif name.endswith(".r") and name != "embed.r":
            tensors[name] = np.full_like(tensor, weight[1])
        elif name.endswith(".s"):
            tensors[name] = np.full_like(tensor, 0.01)
    extreme = replace(model, tensors=tensors)
    if columns >= 8192:
        lane = lane_columns(columns) * 512 * activation_limit(columns)
        assert 2**31 - 2**25 < lane < 2**31
    kernel = CKernel(LIBRARY, *parts(extreme), threads=1, path=path)
    ids = tokens(70, 32)
    assert (run(kernel, ids) == run(ReferenceKernel(*parts(extreme)), ids)).all()


@pytest.mark.parametrize("path", RUNNABLE)
def test_attention_sums_at_their_bound(path: str) -> None:
    """Heads of equal elements: queries, keys and values sit at their limits."""
    shape = Shape(16, 8, 1, 2, 1, 256, 8, 192)
    model = tiny_pin(shape)
    tensors = dict(model.tensors)
    for name in ("wq", "wk", "wv"):
        tensors[f"layers.0.{name}.q"] = np.full_like(tensors[f"layers.0.{name}.q"], 127)
        tensors[f"layers.0.{name}.s"] = np.full_like(tensors[f"layers.0.{name}.s"], 1e-6)
    tensors["rope.cos"] = np.full_like(tensors["rope.cos"], 2**30)
    tensors["rope.sin"] = np.zeros_like(tensors["rope.sin"])
    extreme = replace(model, tensors=tensors)
    kernel = CKernel(LIBRARY, *parts(extreme), threads=1, path=path)
    ids = [3] * 190
    assert (run(kernel, ids) == run(ReferenceKernel(*parts(extreme)), ids)).all()


def test_sequences_run_side_by_side() -> None:
    kernel = CKernel(LIBRARY, *parts(pin("odd")), threads=2)
    ids = tokens(150, LLAMA.vocab)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda chunk: run(kernel, ids, chunk), [7, 30, 64, 150]):
            assert (got == expected("odd")).all()


def test_forks_share_full_pages_and_copy_the_last() -> None:
    size = kernels.CKernel(LIBRARY, *parts(pin("odd"))).new_cache()
    cache = PagedCache(size.page_tokens, size.page_bytes)
    cache.reserve(size.page_tokens + 5)
    cache.length = size.page_tokens + 5
    twin = cache.fork()
    twin.reserve(twin.length + 1)
    assert twin.pages[0] is cache.pages[0]
    assert twin.pages[1] is not cache.pages[1]
    assert (twin.pages[1].memory == cache.pages[1].memory).all()
    before = cache.pages[1]
    cache.reserve(cache.length + 1)
    assert cache.pages[1] is not before  # it was shared when the twin was made


def test_truncate_gives_pages_back() -> None:
    cache = PagedCache(64, 128)
    cache.reserve(200)
    cache.length = 200
    cache.truncate(65)
    assert len(cache.pages) == 2
    cache.truncate(64)
    assert len(cache.pages) == 1
    cache.truncate(0)
    assert cache.pages == []


def test_pages_begin_at_a_cache_line() -> None:
    assert all(kernels.Page.empty(100).memory.ctypes.data % 64 == 0 for _ in range(20))


def test_path_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kernels.PATH_VARIABLE, raising=False)
    assert PATHS[chosen_path(LIBRARY)] == RUNNABLE[-1]
    assert chosen_path(LIBRARY, "portable") == 0
    monkeypatch.setenv(kernels.PATH_VARIABLE, "portable")
    assert chosen_path(LIBRARY) == 0
    with pytest.raises(ValueError, match="none of"):
        chosen_path(LIBRARY, "sse9")


def test_a_path_that_the_machine_lacks_is_refused() -> None:
    class Old:
        @staticmethod
        def exact_best_path() -> int:
            return 0

    with pytest.raises(ValueError, match="cannot run"):
        chosen_path(Old(), "avx512")  # type: ignore[arg-type]


@pytest.mark.parametrize("found", ["nothing", "no shared object"])
def test_a_missing_or_broken_library_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, found: str
) -> None:
    (tmp_path / "_kernel.so").write_bytes(b"not a shared object")
    spec = SimpleNamespace(origin=str(tmp_path / "_kernel.so"))
    compiled_library.cache_clear()
    try:
        monkeypatch.setattr(
            "importlib.util.find_spec", lambda _: None if found == "nothing" else spec
        )
        assert compiled_library() is None
    finally:
        compiled_library.cache_clear()
