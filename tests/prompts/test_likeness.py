"""Lines that are like what hunks removed: compared with sets and fractions, line against line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from shared.prompts.text.line_similarity import Likeness


def degrees(lines: list[bytes], compared: Sequence[int]) -> list[int]:
    """What ``learn`` marks, line against line."""
    sets = [set(re.findall(rb"[A-Za-z_][A-Za-z0-9_]*", line)) for line in lines]
    found = []
    for line, words in zip(lines, sets, strict=True):
        best = 0
        for place in compared:
            if not words & sets[place]:
                continue
            share = Fraction(len(words & sets[place]), len(words | sets[place]))
            limits = (Fraction(1, 5), Fraction(1, 3), Fraction(1, 2), Fraction(3, 4))
            degree = 5 if line == lines[place] else sum(share >= limit for limit in limits)
            best = max(best, degree)
        found.append(best)
    return found


LETTERS = st.lists(st.sampled_from([b"a", b"b", b"c", b"dd", b"e1", b"9", b"+"]), max_size=6)


@given(text=st.lists(LETTERS.map(lambda w: b" ".join(w) + b"\n"), max_size=14), data=st.data())
def test_lines_that_resemble_removed_ones_or_those_above(
    text: list[bytes], data: st.DataObject
) -> None:
    like = Likeness(text)
    removed: list[int] = []
    above: list[int] = []
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 3)))
        removed += range(start, end)
        above += [start - 1] if start else []
        like.learn(start, end, b"")
    assert like.resembling.tolist() == [*degrees(text, removed), 0]
    assert like.below_resembling.tolist() == [0, *degrees(text, above)]


def test_rare_words_that_are_gone_count_more() -> None:
    """Words in 2, 4, 8, 24 and 25 lines."""
    sizes = {b"two": 2, b"four": 4, b"eight": 8, b"many": 24, b"more": 25}
    text = [word + b"\n" for word, count in sizes.items() for _ in range(count)]
    text.append(b" ".join(sizes) + b" kept\n")
    text = text[1:2] + text[3:]  # the last line holds each word as well
    like = Likeness(text)
    like.learn(len(text) - 1, len(text), b"kept\n")
    found = dict(zip((line.strip() for line in text[:-1]), like.gone().tolist(), strict=False))
    assert found == {b"two": 5, b"four": 4, b"eight": 2, b"many": 1, b"more": 1}
    assert like.marked()[:3].tolist() == [1, 1, 1]


def test_thousands_of_removed_lines_are_learnt() -> None:
    """Every second line of 6,000 is the same as one that went."""
    text = [b"value_%d = value(%d)\n" % (k % 1500, k % 1500) for k in range(6000)]
    like = Likeness(text)
    like.learn(0, 3000, b"")
    assert like.resembling.tolist() == [5] * 6000 + [0]
