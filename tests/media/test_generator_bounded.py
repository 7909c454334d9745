"""Generators of strangers: what their headers claim is checked before memory is taken for it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import PinError
from shared.media.container import Coder, Container, pack, unpack
from shared.media.generator import read_generator, write_generator
from shared.media.kinds.basis import Basis
from shared.media.prompt import Attribute, Grammar


def basis() -> bytes:
    """A generator of 16 x 8 pixels, one attribute."""
    return write_generator(
        Basis(
            name="dot",
            width=16,
            height=8,
            grammar=Grammar((Attribute("lit", ("no", "yes")),)),
            tables=(np.full((2, 1, 3), 900, np.int16),),
            gains=np.zeros((0, 3), np.int16),
            terms=((), (0,)),
            steps=(180, 90),
            coded=np.ones((2, 2), bool),
            waves=np.full((4, 64), 3, np.int16),
            curves=np.stack([np.arange(1, 256) * 240] * 3).astype(np.int32),
            notes={},
        )
    )


def changed(header: Mapping[str, Any]) -> bytes:
    found = unpack(basis())
    return pack(Container({**found.header, **header}, found.arrays), Coder.DEFLATE)


@pytest.mark.parametrize(
    "header",
    [
        {"width": 1 << 18, "height": 1 << 18},
        {"width": 1 << 60, "height": 1 << 60},
        {"width": 10**40},
        {"notes": {"x": "y" * (5 << 20)}},
        {"notes": [[0]] * 2_000_000},
        {"terms": [[1 << 70], [0]]},
    ],
)
def test_what_is_claimed_takes_no_memory(header: dict[str, Any]) -> None:
    data = changed(header)
    tracemalloc.start()
    try:
        with pytest.raises(PinError):
            read_generator(data)
        assert tracemalloc.get_traced_memory()[1] < 48 << 20
    finally:
        tracemalloc.stop()


VALUES = st.recursive(
    st.none()
    | st.integers()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=4), one, max_size=2),
)


@given(st.data())
def test_changed_headers_are_one_family_of_errors(data: st.DataObject) -> None:
    names = sorted(set(unpack(basis()).header))
    header = data.draw(st.dictionaries(st.sampled_from(names), VALUES, min_size=1, max_size=3))
    try:
        read_generator(changed(header))
    except PinError as error:
        assert error.found
