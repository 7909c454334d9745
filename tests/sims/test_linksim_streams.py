"""Streams: literal numbers, independence by name, and arithmetic that no library decides."""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.random_streams import Stream, Streams, natural_log, power

_MASK = (1 << 64) - 1


def philox(key: tuple[int, int], counter: tuple[int, int, int, int]) -> list[int]:
    """Philox4x64-10 in whole numbers, from the paper: the judge of what numpy gives."""
    c = list(counter)
    k = list(key)
    for _ in range(10):
        p0, p1 = c[0] * 0xD2E7470EE14C6C93, c[2] * 0xCA5A826395121157
        c = [p1 >> 64 ^ c[1] ^ k[0], p1 & _MASK, p0 >> 64 ^ c[3] ^ k[1], p0 & _MASK]
        k = [k[0] + 0x9E3779B97F4A7C15 & _MASK, k[1] + 0xBB67AE8584CAA73B & _MASK]
    return c


@pytest.mark.parametrize(("seed", "run", "name", "place"), [(7, 0, "noise", 0), (7, 3, "x", 11)])
def test_numbers_are_philox_under_a_sha256(seed: int, run: int, name: str, place: int) -> None:
    text = f"rehydration-uplink/linksim/1\n{seed}\n{run}\n{name}".encode()
    digest = hashlib.sha256(text).digest()
    key = (int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big"))
    # numpy counts before it draws
    words = philox(key, (1, place, 0, 0)) + philox(key, (2, place, 0, 0))
    expected = [(word >> 11) / 2**53 for word in words]
    stream = Streams(seed, run).stream(name, place)
    assert [stream.uniform() for _ in range(8)] == expected
    assert Streams(seed, run).stream(name, place).uniforms(8).tolist() == expected


def test_literal_numbers() -> None:
    """A history once published stays what it was."""
    first = Streams(1).stream("up/noise").uniforms(3)
    assert [number.hex() for number in first.tolist()] == LITERAL


LITERAL = ["0x1.83c6ae5e533b4p-3", "0x1.fb299ed92160cp-3", "0x1.961b227513e64p-2"]


def test_one_stream_takes_nothing_from_another() -> None:
    alone = Streams(5).stream("a").uniforms(20)
    streams = Streams(5)
    a, b = streams.stream("a"), streams.stream("b")
    mixed = []
    for _ in range(20):
        b.uniform()
        mixed.append(a.uniform())
    assert mixed == alone.tolist()


def test_places_names_runs_and_seeds_all_differ() -> None:
    found = {
        Streams(seed, run).stream(name, place).uniform()
        for seed in (1, 2)
        for run in (0, 1)
        for name in ("a", "b")
        for place in (0, 1, 1 << 40)
    }
    assert len(found) == 24


@given(st.floats(min_value=5e-324, max_value=1.7e308))
def test_natural_log(value: float) -> None:
    assert natural_log(value) == pytest.approx(math.log(value), rel=4e-16, abs=4e-16)


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_natural_log_refuses(value: float) -> None:
    with pytest.raises(ValueError, match="logarithm"):
        natural_log(value)


@given(st.floats(0.5, 1.0), st.integers(0, 3000))
def test_power(base: float, exponent: int) -> None:
    exact = Fraction(base) ** exponent
    if exact > Fraction(1, 10**300):
        assert power(base, exponent) == pytest.approx(float(exact), rel=1e-12)


def test_exponential_has_its_mean_and_median() -> None:
    times = [Stream(b"k" * 32, place).exponential(30.0) for place in range(4000)]
    assert np.mean(times) == pytest.approx(30.0, abs=3.29 * 30 / math.sqrt(4000))
    assert np.mean(np.array(times) < 30 * math.log(2)) == pytest.approx(0.5, abs=0.027)


def test_below_reaches_each_and_nothing_else() -> None:
    stream = Stream(b"q" * 32)
    assert {stream.below(7) for _ in range(300)} == set(range(7))
