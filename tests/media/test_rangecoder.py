"""The range coder: what comes back, its one form, and how near it is to the ideal."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.media.coding.rangecoder import RangeDecoder, RangeEncoder

DECISIONS = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 1)), max_size=400)
"""Context, or -1 for none, and value."""


def written(decisions: list[tuple[int, int]]) -> bytes:
    coder = RangeEncoder(4)
    for context, value in decisions:
        coder.even(value) if context < 0 else coder.bit(context, value)
    return coder.finish()


def read(data: bytes, decisions: list[tuple[int, int]]) -> tuple[list[int], bool]:
    coder = RangeDecoder(data, 4)
    found = [coder.even() if context < 0 else coder.bit(context) for context, _ in decisions]
    return found, coder.is_whole()


@given(DECISIONS)
def test_decisions_come_back_from_their_one_form(decisions: list[tuple[int, int]]) -> None:
    data = written(decisions)
    assert data[-1:] != b"\0"
    assert read(data, decisions) == ([value for _, value in decisions], True)


@given(st.binary(max_size=6), st.lists(st.integers(-1, 3), max_size=40))
def test_other_forms_are_noticed(data: bytes, contexts: list[int]) -> None:
    decisions = [(context, 0) for context in contexts]
    found, whole = read(data, decisions)
    again = written([(context, value) for context, value in zip(contexts, found, strict=True)])
    assert whole == (again == data)


def test_golden_bytes() -> None:
    # 0.101 in binary, then ones that a context comes to expect
    assert written([(-1, 1), (-1, 0), (-1, 1)]) == b"\xa0"
    assert written([]) == b""
    assert written([(0, 0)] * 5) == b""


def test_carries_run_through_all_bytes() -> None:
    ones = [(-1, 1)] * 200
    for decisions in (ones, [(-1, 0), *ones], [*ones, (0, 1)], [(-1, 0), *ones, (1, 1), (1, 1)]):
        assert read(written(decisions), decisions) == ([v for _, v in decisions], True)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.97])
def test_length_is_near_that_of_the_estimates(share: float) -> None:
    """The ideal length is summed here in floating point, from the rule alone."""
    source = random.Random(round(share * 1000))
    values = [int(source.random() < share) for _ in range(20_000)]
    one, bits = 0.5, 0.0
    for seen, value in enumerate(values):
        bits -= math.log2(one if value else 1 - one)
        one += (value - one) / (min(seen, 30) + 2)
        one = min(max(one, 1e-4), 1 - 1e-4)
    size = len(written([(0, value) for value in values]))
    assert abs(size - bits / 8) < 0.01 * bits / 8 + 4
