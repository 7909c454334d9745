"""The index of an archive: bounded before Python makes objects of it, one family of errors."""

from __future__ import annotations

import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundstation.media.archive.index import (
    MAX_INDEX_BYTES,
    Index,
    Keep,
    Kind,
    Picture,
    decode_index,
    encode_index,
)
from groundstation.media.judge.gate import Gate
from shared.errors import InputError

PICTURE = Picture("a.png", "a.png", Kind.FILE, b"", 0, 9, bytes(16), bytes(16), bytes(16), 9, 90, 1)
INDEX = Index("f", Keep.QUALITY, Gate(70.0, 9.0), "2026", {"note": "x"}, b"", 0, (PICTURE,))


def test_a_real_one() -> None:
    assert decode_index(encode_index(INDEX)).pictures == (PICTURE,)


@pytest.mark.parametrize("unit", ["[],", "{},", '"a",', "[[["])
def test_a_small_file_takes_no_gigabytes(unit: str) -> None:
    """An index of 130 kB took 3.4 GB."""
    text = "[" + unit * (100_000_000 // len(unit))
    data = zlib.compress(text.encode(), 9)
    assert len(data) < 500_000
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            decode_index(data)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_none_is_written_that_would_not_be_read() -> None:
    many = Index(**{**INDEX.__dict__, "notes": {"note": "x" * MAX_INDEX_BYTES}})
    with pytest.raises(InputError, match="at most"):
        encode_index(many)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=6), one, max_size=3),
)


@given(st.data())
def test_changed_ones_are_one_family_of_errors(data: st.DataObject) -> None:
    value = json.loads(zlib.decompress(encode_index(INDEX)))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from([value, value["pictures"][0]]))
        if not isinstance(place, dict) or "pictures" not in value:
            break
        place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
        if not (isinstance(value["pictures"], list) and value["pictures"]):
            break
    try:
        decode_index(zlib.compress(json.dumps(value).encode()))
    except InputError as error:
        assert error.expected
