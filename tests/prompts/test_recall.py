"""What is recalled, against a slow count of the same, and its effect on real decisions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_codec import vocabulary

from shared.prompts.language_model import ngrams
from shared.prompts.language_model.ngrams import ORDERS, Recall

WORDS = vocabulary()
SIZE = len(WORDS.spelling)


def by_the_page(
    frequencies: list[int], known: list[int], context: list[int], shift: int = 0
) -> list[int]:
    """docs/prompts.md, section 6.4, one token at a time."""
    octave = (256, 279, 304, 332, 362, 395, 431, 470)
    counts = []
    for order in range(1, min(5, len(context)) + 1):
        after = Counter(
            known[i]
            for i in range(order, len(known))
            if known[i - order : i] == context[-order:] and frequencies[known[i]] > 0
        )
        counts.append(after)
    while counts and not counts[-1]:
        counts.pop()
    if not counts:
        return frequencies
    total, best = sum(frequencies), max(frequencies)
    longest = counts[-1]
    sure, ratio = 0, total // max(1, total - best)
    while ratio > 1 and sure < 6:
        ratio //= 2
        sure += 1
    seen = sum(longest.values())
    score = (-43, -35, -28, -27, -19)[len(counts) - 1] - 5 * sure + shift
    score += 0 if seen < 2 else 9 if seen < 4 else 12
    score += 15 if len(longest) == 1 else 0
    power, eighth = score // 8, score % 8
    weight = min(511, int(octave[eighth] * 2.0**power))
    left = 2**20
    result = list(frequencies)
    for after in reversed(counts):
        if not after:
            continue
        seen, kinds = sum(after.values()), len(after)
        for token, count in after.items():
            share = left * count // (seen + kinds)
            result[token] += (total // 2**24) * (weight * share // 16)
        left = left * kinds // (seen + kinds)
    return result


@settings(max_examples=300)
@given(
    st.lists(st.integers(0, 6), max_size=60),
    st.lists(st.integers(0, 6), max_size=8),
    st.lists(st.sampled_from([0, 1, 1 << 20, 1 << 33, 1 << 40]), min_size=7, max_size=7),
    st.sampled_from([0, 8, -8]),
)
def test_counts_as_the_page_says(
    known: list[int], context: list[int], frequencies: list[int], shift: int
) -> None:
    mine = Recall(WORDS, shift)
    half = len(known) // 2
    mine.learn(known[:half])
    mine.learn(known[half:])
    got = mine.mix(np.array(frequencies, np.int64), context)
    assert got.tolist() == by_the_page(frequencies, known, context, shift)


def test_literally() -> None:
    """5 follows 3 4 twice, 6 once; after 4 alone there is also one 7."""
    mine = Recall(WORDS)
    mine.learn([3, 4, 5, 9, 3, 4, 5, 9, 3, 4, 6, 8, 4, 7])
    frequencies = np.full(12, 1 << 40, np.int64)
    got = mine.mix(frequencies, [2, 3, 4])
    total = 12 << 40
    # two tokens of context, seen three times: 2**((-35 + 9) / 8) * 256, rounded down: 26
    weight = 431 >> 4
    both = (1 << 20) * 2 // 5, (1 << 20) // 5
    left = (1 << 20) * 2 // 5
    added = {
        5: (weight * both[0] >> 4, weight * (left * 2 // 7) >> 4),
        6: (weight * both[1] >> 4, weight * (left // 7) >> 4),
        7: (weight * (left // 7) >> 4,),
    }
    expected = [(1 << 40) + (total >> 24) * sum(added.get(token, ())) for token in range(12)]
    assert got.tolist() == expected
    assert frequencies.tolist() == [1 << 40] * 12


def test_sums_stay_below_the_coders_limit() -> None:
    """All tokens equal and as frequent as bounds allow, one certain continuation."""
    mine = Recall(WORDS, shift=1000)
    mine.learn([1, 2, 3, 4, 5, 6] * 4)
    frequencies = np.full(1 << 20, (1 << 40) - 1, np.int64)
    got = mine.mix(frequencies, [1, 2, 3, 4, 5])
    assert 1 << 60 < int(got.sum()) < 1 << 62
    assert int(got.min()) >= (1 << 40) - 1


def test_illegal_tokens_stay_illegal_and_nothing_is_invented() -> None:
    mine = Recall(WORDS)
    mine.learn([3, 4, 5, 3, 4, 6])
    frequencies = np.array([0, 0, 0, 0, 0, 0, 1 << 40, 1 << 30], np.int64)
    got = mine.mix(frequencies, [3, 4])
    assert got[:6].tolist() == [0] * 6
    assert got[6] > 1 << 40
    assert got[7] == 1 << 30
    frequencies[6] = 0
    assert mine.mix(frequencies, [3, 4]) is frequencies


@pytest.mark.parametrize("context", [[], [9], [4, 9]])
def test_nothing_to_recall(context: list[int]) -> None:
    mine = Recall(WORDS)
    mine.learn([3, 4, 5])
    frequencies = np.full(12, 5, np.int64)
    assert mine.mix(frequencies, context) is frequencies


def test_switched_off() -> None:
    mine = Recall(WORDS, None)
    mine.learn([3, 4, 5] * 3)
    frequencies = np.full(12, 1 << 40, np.int64)
    assert mine.mix(frequencies, [3, 4]) is frequencies


def test_texts_are_read_as_tokens_and_what_cannot_be_spelled_is_left_out() -> None:
    mine, same = Recall(WORDS), Recall(WORDS)
    mine.read(b"a\nb\n")
    mine.read(b"\xff\xfe")
    same.learn(WORDS.encode(b"a\nb\n") or ())
    frequencies = np.full(SIZE, 1 << 40, np.int64)
    context = (WORDS.encode(b"a\n") or [])[-ORDERS:]
    assert np.array_equal(mine.mix(frequencies, context), same.mix(frequencies, context))
    assert not np.array_equal(mine.mix(frequencies, context), frequencies)


def test_the_tables_are_those_of_the_page() -> None:
    assert ngrams._BY_ORDER == (-43, -35, -28, -27, -19)
    assert (ngrams.BY_CERTAINTY, ngrams._ALONE, ngrams._BY_SEEN) == (-5, 15, (0, 9, 12, 12))
