"""Adapters: their bytes, what they do to weights, and that a damaged one is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import save_checkpoint

from groundstation.models.adapter import Adapter, LowRank, read_adapter
from groundstation.models.huggingface import read_folder
from groundstation.models.pin import write_pin
from shared.errors import PinError

BASE = "ab" * 32


def adapter() -> Adapter:
    """Two matrices, all sizes different."""
    one = LowRank(
        np.array([[1, -2, 3], [127, 0, -127]], np.int8),
        np.array([[5, -6], [7, 8], [0, 9], [-10, 11]], np.int8),
        2.0**-10,
    )
    two = LowRank(np.array([[4, 5]], np.int8), np.array([[-1], [2], [3]], np.int8), 0.001)
    return Adapter("tiny-patch", BASE, {"layers.0.wq": one, "layers.1.up": two}, {"patches": 7})


def test_the_bytes_are_written_and_read() -> None:
    data = adapter().to_bytes()
    assert data[:4] == b"RHAD"
    head = int.from_bytes(data[4:8], "big")
    # integers follow in the order of names: down, then up
    assert data[8 + head :] == bytes(
        each % 256 for each in (1, -2, 3, 127, 0, -127, 5, -6, 7, 8, 0, 9, -10, 11, 4, 5, -1, 2, 3)
    )
    again = Adapter.from_bytes(data)
    assert (again.name, again.base_sha256, again.facts) == ("tiny-patch", BASE, {"patches": 7})
    assert again.to_bytes() == data
    assert again.digest == adapter().digest


def test_every_truncation_is_refused() -> None:
    data = adapter().to_bytes()
    for size in range(len(data)):
        with pytest.raises(PinError, match="no adapter"):
            Adapter.from_bytes(data[:size])
    with pytest.raises(PinError, match="follow its end"):
        Adapter.from_bytes(data + b"\0")


def test_no_flipped_bit_is_read_as_the_same_adapter() -> None:
    data = adapter().to_bytes()
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        try:
            found = Adapter.from_bytes(bytes(damaged))
        except PinError:
            continue
        assert found.digest != adapter().digest


def test_an_adapter_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(PinError, match="cannot read"):
        read_adapter(tmp_path / "none")


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 9), st.integers(1, 7))
def test_the_product_is_exact(seed: int, rank: int, rows: int, columns: int) -> None:
    rng = np.random.default_rng(seed)
    down = rng.integers(-127, 128, (rank, columns)).astype(np.int8)
    up = rng.integers(-127, 128, (rows, rank)).astype(np.int8)
    weights = rng.standard_normal((rows, columns)).astype(np.float32)
    scale = float(2.0 ** rng.uniform(-20, -1))
    found = LowRank(down, up, scale).added_to(weights)
    for i in range(rows):
        for j in range(columns):
            product = sum(int(up[i, k]) * int(down[k, j]) for k in range(rank))
            assert found[i, j] == np.float32(float(weights[i, j]) + product * scale)


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_rounding_is_near(seed: int, octaves: float) -> None:
    rng = np.random.default_rng(seed)
    down = rng.standard_normal((3, 20)).astype(np.float32)
    up = (rng.standard_normal((30, 3)) * 10.0**octaves).astype(np.float32)
    rounded = LowRank.rounded(down, up)
    product = rounded.up.astype(np.float64) @ rounded.down * rounded.scale
    wanted = up.astype(np.float64) @ down
    assert np.abs(product - wanted).max() < 0.05 * np.abs(wanted).max()
    assert np.abs(rounded.down).max() == 127 or np.abs(rounded.up).max() == 127


def test_zeros_are_rounded_to_zeros() -> None:
    rounded = LowRank.rounded(np.zeros((2, 3), np.float32), np.zeros((4, 2), np.float32))
    assert not rounded.down.any()
    assert not rounded.up.any()
    assert 0 < rounded.scale <= 1


def test_a_specialised_model_is_pinned_alike_every_time(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "tiny", "llama")
    source = read_folder(tmp_path / "tiny")
    shape = source.weight("layers.1.gate").shape
    rng = np.random.default_rng(4)
    low = LowRank(
        rng.integers(-127, 128, (3, shape[1])).astype(np.int8),
        rng.integers(-127, 128, (shape[0], 3)).astype(np.int8),
        2.0**-14,
    )
    made = Adapter("tiny-patch", source.source.sha256, {"layers.1.gate": low}, {})
    specialised = made.applied(source)
    assert specialised.source.sha256 == made.digest
    assert specialised.name == "tiny-patch"
    difference = specialised.weight("layers.1.gate") - source.weight("layers.1.gate")
    assert 0 < np.abs(difference).max() < 3 * 127 * 127 * 2.0**-14
    assert np.array_equal(specialised.weight("layers.0.gate"), source.weight("layers.0.gate"))
    pins = [write_pin(specialised, tmp_path / name).digest for name in ("one", "two")]
    assert pins[0] == pins[1] != write_pin(source, tmp_path / "plain").digest


def test_other_weights_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "tiny", "llama")
    with pytest.raises(PinError, match="the weights have sha256"):
        adapter().applied(read_folder(tmp_path / "tiny"))


def test_other_sizes_are_refused() -> None:
    low = adapter().matrices["layers.0.wq"]
    with pytest.raises(PinError, match="for a matrix of"):
        low.added_to(np.zeros((3, 4), np.float32))
    assert math.isclose(low.scale, 2.0**-10)
