"""Paths in patches, quoted as git does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_pairs import PATIENT

from shared.diff.quoting import quote, unquote


@pytest.mark.parametrize(
    ("name", "quoted"),
    [  # printed by git diff --name-only
        (b"a/plain-name_1.c", b"a/plain-name_1.c"),
        (b"with space", b"with space"),
        (b"it's", b"it's"),
        (b'say "hi"', rb'"say \"hi\""'),
        (b"back\\slash", rb'"back\\slash"'),
        (b"\a\b\t\n\v\f\r", rb'"\a\b\t\n\v\f\r"'),
        (b"\x01\x1b\x7f", rb'"\001\033\177"'),
        ("é".encode(), rb'"\303\251"'),
        (b"\x7f", rb'"\177"'),
        (b"~ !", b"~ !"),
        (b"\xff0", rb'"\3770"'),
    ],
)
def test_quoting(name: bytes, quoted: bytes) -> None:
    assert quote(name) == quoted
    if quoted != name:
        assert unquote(quoted) == (name, b"")


@PATIENT
@given(st.binary(), st.binary())
def test_quoted_names_are_read_up_to_their_end(name: bytes, rest: bytes) -> None:
    quoted = quote(name)
    if quoted.startswith(b'"'):
        assert unquote(quoted + rest) == (name, rest)
        assert all(0x20 <= byte < 0x7F for byte in quoted)
    else:
        assert quoted == name


@pytest.mark.parametrize(
    "text", [b"", b"a", b'"', b'"a', b'"\\"', b'"\\x"', b'"\\9"', b'"\\07"', b'"\\400"', b'"\\']
)
def test_what_is_not_quoted_well(text: bytes) -> None:
    assert unquote(text) is None
