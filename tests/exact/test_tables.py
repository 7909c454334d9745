"""The tables against another library, another formula and literal values."""

from __future__ import annotations

import hashlib
from decimal import ROUND_UP, localcontext

import mpmath
import numpy as np
import pytest

from shared.exact.tables import exp_table, rope_tables

ONE, TURN = 2**40, 2**30


def test_exp_table_literally() -> None:
    table = exp_table()
    assert table.dtype == np.int64
    assert table.shape == (131072,)
    assert table[:4].tolist() == [1099511627776, 1099243225085, 1098974887915, 1098706616248]
    assert table[4096] == 404487723188  # 2**40 / e
    assert table[8192] == 148802717567  # 2**40 / e**2
    assert table[65536] == 123734  # 2**40 / e**16
    assert table[-3:].tolist() == [1, 1, 1]
    digest = hashlib.sha256(table.astype("<i8").tobytes()).hexdigest()
    assert digest == "f65ce8e5b60bb861ee53a9f65e6e095485375b483125fbbda2e0e76f1185c1a8"


def test_every_exp_entry_is_the_true_value_rounded() -> None:
    """By square roots of 1/e instead of powers of a step, in 300 bits of binary arithmetic."""
    table = exp_table()
    with mpmath.workprec(300):
        root = mpmath.exp(-1)
        for _ in range(12):
            root = mpmath.sqrt(root)
        fine = [root**i for i in range(256)]
        coarse = [mpmath.exp(mpmath.mpf(-i) / 16) for i in range(512)]
        closest = mpmath.mpf(1)
        for i in range(131072):
            exact = ONE * coarse[i // 256] * fine[i % 256]
            closest = min(closest, abs(exact - mpmath.floor(exact) - 0.5))
            assert table[i] == max(1, int(mpmath.nint(exact))), i
    # No entry is so near to a tie that the guard bits could have decided wrongly.
    assert closest > 2.0**-90


def test_exp_table_falls_and_never_reaches_zero() -> None:
    table = exp_table()
    assert (np.diff(table) <= 0).all()
    assert table.min() == 1
    # With a vocabulary of 2**20 tokens the frequencies add up to at most 2**60.
    assert int(table.max()) * 2**20 == 2**60


@pytest.mark.parametrize(("theta", "head_dim"), [(10000.0, 64), (777.5, 6), (1.0, 2), (1e6, 128)])
def test_rope_entries_are_the_true_values_rounded(theta: float, head_dim: int) -> None:
    positions = 8192
    cos, sin = rope_tables(positions, head_dim, theta)
    assert cos.dtype == sin.dtype == np.int32
    assert cos.shape == sin.shape == (positions, head_dim // 2)
    with mpmath.workprec(400):
        for j in range(0, head_dim // 2, max(1, head_dim // 8)):
            frequency = mpmath.root(mpmath.mpf(theta) ** (-2 * j), head_dim)
            for p in [0, 1, 2, 3, 1000, 4095, 4097, 8190, 8191]:
                turn = mpmath.expj(p * frequency)
                assert cos[p, j] == int(mpmath.nint(TURN * turn.real)), (p, j)
                assert sin[p, j] == int(mpmath.nint(TURN * turn.imag)), (p, j)


def test_rope_tables_literally() -> None:
    cos, sin = rope_tables(8192, 64, 100000.0)
    assert cos[0].tolist() == [TURN] * 32
    assert sin[0].tolist() == [0] * 32
    assert cos[1, :3].tolist() == [580145183, 822741747, 948925737]
    assert sin[8191, :4].tolist() == [-819272302, -1052865826, -942747222, 22923888]
    digest = hashlib.sha256(cos.astype("<i4").tobytes() + sin.astype("<i4").tobytes()).hexdigest()
    assert digest == "d4ec4fba09d5a5f897a807b8a200d0b5362c7cd3ac68db8cf31d25cdd312a604"


def test_rows_do_not_depend_on_how_many_there_are() -> None:
    cos, sin = rope_tables(50, 10, 500.0)
    short_cos, short_sin = rope_tables(7, 10, 500.0)
    assert np.array_equal(cos[:7], short_cos)
    assert np.array_equal(sin[:7], short_sin)


def test_the_users_decimal_context_does_not_matter() -> None:
    expected = rope_tables(20, 6, 777.5)
    with localcontext() as context:
        context.prec, context.rounding = 3, ROUND_UP
        found = rope_tables(20, 6, 777.5)
        table = exp_table()
    assert np.array_equal(expected, found)
    assert np.array_equal(table, exp_table())
