"""Sessions that share what they have read give the numbers of sessions that do not."""

from __future__ import annotations

import random

import numpy as np
import pytest
from codec_ends import Recorder
from tiny_codec import random_model

from groundstation.scoring.cached_model import ReusingModel

MODEL = random_model(6, positions=512)


@pytest.mark.parametrize("seed", range(12))
def test_any_use_gives_the_numbers_of_a_fresh_session(seed: int) -> None:
    """Random candidates that begin alike: read, scored ahead, cut back, in every order."""
    numbers = random.Random(seed)
    reusing = ReusingModel(MODEL)
    for _ in range(6):
        shared, fresh = reusing.session(), MODEL.session()
        beginning = [5, 6, 7, 8, 9][: numbers.randrange(1, 6)]
        tokens = beginning + [numbers.randrange(2, 12) for _ in range(numbers.randrange(6))]
        shared.feed(tokens)
        fresh.feed(tokens)
        for _ in range(5):
            assert np.array_equal(shared.logits(), fresh.logits())
            assert shared.length == fresh.length
            more = [numbers.randrange(2, 12) for _ in range(numbers.randrange(1, 5))]
            if numbers.random() < 0.5:
                shared.feed(more)
                fresh.feed(more)
                continue
            before = shared.length
            assert np.array_equal(shared.feed_scored(more), fresh.feed_scored(more))
            kept = before + numbers.randrange(1, len(more) + 1)
            for session in (shared, fresh):
                session.truncate(kept - 1)
                session.feed(more[kept - 1 - before : kept - before])


def test_scoring_first_is_allowed() -> None:
    reusing = ReusingModel(MODEL)
    reusing.session().feed([4, 5, 6])
    fresh = MODEL.session()
    again = reusing.session()
    assert np.array_equal(again.feed_scored([4, 7]), fresh.feed_scored([4, 7]))
    assert again.length == 2


def test_what_was_read_is_not_read_again() -> None:
    recorder = Recorder(MODEL)
    reusing = ReusingModel(recorder)

    def ask(*tokens: int) -> None:
        session = reusing.session()
        session.feed(tokens)
        session.logits()

    ask(*range(2, 102))
    assert recorder.fed == 100
    ask(*range(2, 92), 3, 3)
    assert recorder.fed == 102
    ask(*range(2, 102))  # remembered, although another text was read since
    ask(*range(2, 92), 3, 3)
    assert recorder.fed == 102
    ask(*range(2, 92), 3)  # read, but its logits were not asked for
    assert recorder.fed == 103
    reusing.session().feed([7, 7, 7])  # nobody asks what follows
    assert recorder.fed == 103


def test_rows_are_forgotten_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("groundstation.scoring.cached_model.KEPT_ROWS", 3)
    reusing = ReusingModel(MODEL)
    fresh = MODEL.session()
    tokens = [4, 9, 7, 5, 6, 8]
    rows = fresh.feed_scored(tokens)
    for _ in range(2):
        for end in (2, 5, 6, 1, 3):
            session = reusing.session()
            session.feed(tokens[:end])
            assert np.array_equal(session.logits(), rows[end - 1])
    assert np.array_equal(reusing.session().feed_scored(tokens), rows)


def test_nothing_is_known_before_something_is_read() -> None:
    with pytest.raises(ValueError, match="nothing was read"):
        ReusingModel(MODEL).session().logits()


def test_the_rest_is_the_models_own() -> None:
    reusing = ReusingModel(MODEL)
    assert reusing.digest == MODEL.digest
    assert reusing.max_positions == 512
    assert reusing.vocabulary is MODEL.vocabulary
