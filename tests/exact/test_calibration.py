"""The small layer beside the head: exact, the same by every way, and refused when damaged."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from exact_models import LLAMA, QWEN, Integers, tiny_pin, tokens

from shared.errors import PinError
from shared.exact.arithmetic import joined_weights, quantise
from shared.exact.bounds import Shape, activation_limit
from shared.exact.calibration import CLIPPED, Calibration, Corrector, calibration_of
from shared.exact.kernels import PATHS, CKernel, compiled_library
from shared.exact.reference import ReferenceKernel
from shared.exact.transformer import Transformer

PIN = bytes(range(32))
LIBRARY = compiled_library()
RUNNABLE = PATHS[: LIBRARY.exact_best_path() + 1] if LIBRARY else ()


def calibration(dim: int, rank: int = 3, seed: int = 5) -> Calibration:
    """A layer of integers from a generator; large enough that some numbers are clipped."""
    source = Integers(seed)

    def integers(*shape: int) -> Any:
        count = int(np.prod(shape))
        return (source.take(count).reshape(shape) % 255 - 127).astype(np.int8)

    return Calibration(
        PIN, integers(rank, dim), 0.0037, integers(rank, dim), 0.0021, integers(dim), 0.0009
    )


def half_way(value: Fraction) -> int:
    """Rounded to the nearest integer, ties to even."""
    return round(value)


def oracle(layer: Calibration, tensors: Any, head: str, normed: Any) -> list[Fraction]:
    """What is added to the logits of one row, in fractions; sums are exact by themselves."""
    limit = activation_limit(normed.shape[-1])
    integers, scale = quantise(normed, limit)
    weights = joined_weights(tensors[head + ".q"], tensors[head + ".r"])
    clipped = []
    for row in layer.down:
        total = sum(int(a) * int(b) for a, b in zip(row, integers, strict=True))
        # two roundings to binary64, as the program makes them
        value = float(total) * (float(scale[0]) * layer.down_scale)
        clipped.append(half_way(Fraction(min(1.0, max(-1.0, value)) * CLIPPED)))
    added = []
    for v, row in enumerate(weights):
        up = sum(
            c * int(u) * int(w)
            for c, rank in zip(clipped, layer.up, strict=True)
            for u, w in zip(rank, row, strict=True)
        )
        shift = sum(int(s) * int(w) for s, w in zip(layer.shift, row, strict=True))
        raised = float(up) * (layer.up_scale / CLIPPED) + float(shift) * layer.shift_scale
        added.append(Fraction(raised * float(tensors[head + ".s"][v])))
    return added


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_added_equals_exact_sums(tied: bool) -> None:
    shape = Shape(31, 12, 1, 2, 1, 6, 9, 40)
    tensors = tiny_pin(shape, tied=tied).tensors
    layer = calibration(12)
    normed = Integers(9).floats((2, 12), 3.0)
    logits = Integers(10).floats((2, 31), 5.0)
    got = Corrector(layer, tensors).correct(logits, normed)
    clipped = 0
    for row in range(2):
        expected = oracle(layer, tensors, "embed" if tied else "head", normed[row])
        assert [float(logits[row, v]) + float(x) for v, x in enumerate(expected)] == list(got[row])
        low = (quantise(normed[row], activation_limit(12))[0] @ layer.down.T).tolist()
        clipped += sum(abs(x) * 0.0037 > 2000 for x in low)
    assert not np.array_equal(got, logits)


@pytest.mark.parametrize("shape", [LLAMA, QWEN], ids=["llama", "qwen"])
@pytest.mark.parametrize("path", RUNNABLE)
@pytest.mark.parametrize("rows", [1, 7, 40])
def test_what_the_head_reads_is_the_same_by_every_path(path: str, shape: Shape, rows: int) -> None:
    model = tiny_pin(shape, qwen=shape is QWEN)
    parts = (shape, float.fromhex(model.manifest["rms_eps"]), model.tensors)
    ids = np.array(tokens(40, shape.vocab), np.int32)
    expected, got = np.empty((rows, shape.dim)), np.full((rows, shape.dim), np.nan)
    reference, kernel = ReferenceKernel(*parts), CKernel(LIBRARY, *parts, threads=2, path=path)
    reference.forward(reference.new_cache(), ids, rows, expected)
    kernel.forward(kernel.new_cache(), ids, rows, got)
    assert (got == expected).all()


@pytest.mark.parametrize("kernel", ["numpy", "auto"])
def test_one_by_one_in_a_batch_and_forked_are_alike(kernel: str) -> None:
    model = Transformer(tiny_pin(LLAMA), kernel=kernel, calibration=calibration(LLAMA.dim))
    plain = Transformer(tiny_pin(LLAMA), kernel=kernel)
    ids = tokens(30, LLAMA.vocab)
    together = model.session().feed_scored(ids)
    assert not np.array_equal(together, plain.session().feed_scored(ids))
    session = model.session()
    for k, token in enumerate(ids):
        session.feed([token])
        assert (session.logits() == together[k]).all()
    fork = session.fork()
    fork.truncate(17)
    assert (fork.feed_scored(ids[17:]) == together[17:]).all()


def test_a_file_is_read_as_it_was_written() -> None:
    layer = calibration(12)
    again = Calibration.from_json(layer.as_json(), 12)
    assert again.pin == layer.pin
    for name in ("down", "up", "shift"):
        assert np.array_equal(getattr(again, name), getattr(layer, name))
        assert getattr(again, name + "_scale") == getattr(layer, name + "_scale")


@pytest.mark.parametrize("name", ["pin", "rank", "down", "up_scale", "shift"])
@pytest.mark.parametrize("value", [None, "", "!", -1, 65, [], "AAAA"])
def test_a_damaged_file_is_refused(name: str, value: Any) -> None:
    numbers = json.loads(calibration(12).as_json())
    numbers[name] = value
    with pytest.raises(PinError):
        Calibration.from_json(json.dumps(numbers), 12)


def test_another_size_and_broken_text_are_refused() -> None:
    text = calibration(12).as_json()
    with pytest.raises(PinError):
        Calibration.from_json(text, 13)
    for cut in range(0, len(text) - 2, 7):
        with pytest.raises(PinError):
            Calibration.from_json(text[:cut], 12)


def test_a_pin_takes_its_own_file(tmp_path: Path) -> None:
    assert calibration_of(PIN, 12, tmp_path) is None
    layer = calibration(12)
    (tmp_path / f"{PIN.hex()[:16]}.json").write_text(layer.as_json(), encoding="ascii")
    found = calibration_of(PIN, 12, tmp_path)
    assert found is not None and np.array_equal(found.up, layer.up)
    alike = PIN[:8] + bytes(24)  # a file's name has eight bytes of the digest
    with pytest.raises(PinError, match="another pin"):
        calibration_of(alike, 12, tmp_path)
