"""Changes inside a line: how lines fall apart, what fits, and that every line comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_codec import vocabulary

from shared.prompts.places.within_line import MAX_TOKENS, fits_inside, pieces, transcribe_inside
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionReader, DecisionWriter

WORDS = vocabulary()
LINE = st.lists(
    st.sampled_from(
        [b"int", b"x", b" ", b"  ", b"\t", b"=", b"(", "é".encode(), "😀".encode(), b"\r", b"_9"]
    ),
    max_size=9,
).map(lambda parts: b"".join(parts) + b"\n")  # fmt: skip


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"\n", []),
        (b"  int x_9=f(2);\n", [b"  int", b" x_9", b"=", b"f", b"(", b"2", b")", b";"]),
        (b"x \t\n", [b"x", b" \t"]),
        (b"   \n", [b"   "]),
        ("é😀a -b\r\n".encode(), ["é😀".encode(), b"a", b" -", b"b", b"\r"]),
    ],
)
def test_pieces(line: bytes, parts: list[bytes]) -> None:
    assert pieces(line) == parts


@given(line=LINE)
def test_pieces_join_to_the_line(line: bytes) -> None:
    assert b"".join(pieces(line)) + b"\n" == line


@given(old=LINE, new=LINE)
def test_any_line_that_fits_comes_back(old: bytes, new: bytes) -> None:
    if not fits_inside(WORDS, old, new):
        return
    writer = DecisionWriter(SeedSource.CODED)
    wanted = transcribe_inside(writer, WORDS, old, new)
    found = transcribe_inside(DecisionReader(SeedSource.CODED, writer.finish()), WORDS, old, None)
    assert (found.head, found.tail, found.tokens) == (wanted.head, wanted.tail, wanted.tokens)
    assert found.middle is None
    assert wanted.middle is not None
    assert wanted.head + wanted.middle + wanted.tail == new
    assert wanted.tokens == len(WORDS.encode(wanted.middle) or [])
    assert old.startswith(wanted.head)
    assert old.endswith(wanted.tail)


@pytest.mark.parametrize(
    ("old", "new", "fits"),
    [
        (b"    return x + 1;\n", b"    return x + 2;\n", True),
        (b"    return x + 1;\n", b"    return x;\n", True),
        (b"    return x;\n", b"    return x + 1;\n", True),
        (b"xx xx\n", b"xx xx xx\n", True),
        (b"a b c d\n", b"e f g h\n", False),
        (b"short\n", b"x short\n", False),  # its first word has another blank before it
        (b"\n", b"x\n", False),
        (b"a(\x04);\n", b"a(b\x04);\n", True),
        (b"int a(b);\n", b"int a(\x04);\n", False),
        (b"int long_name = 1;\n", b"int long_name = " + b"1 " * MAX_TOKENS + b";\n", False),
    ],
)
def test_what_fits(old: bytes, new: bytes, fits: bool) -> None:
    """At least half of the old line is kept, and the part between can be spelled and is short."""
    assert fits_inside(WORDS, old, new) == fits
