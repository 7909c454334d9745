"""Examples are what a message really has the model read and write."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from tiny_codec import random_model, vocabulary

from groundstation.corpus.pairs import TextPair
from groundstation.scoring.candidate import Candidate
from groundstation.scoring.options import options
from groundstation.specialise.course import (
    CHUNK,
    Course,
    Limits,
    Place,
    batched,
    pieces,
    shown,
)
from groundstation.specialise.examples import Example, examples
from shared.prompts.changeset import transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.settings import Settings, Shape
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import DecisionCounter
from shared.seeds.sampler import Frequencies
from shared.tree import Entry, Mode, Tree, changes

OLD = "".join(f"int a{n} = {n};\n" for n in range(60))
NEW = OLD.replace("int a7 = 7;\n", "int a7 = 70;\nint b;\n").replace("a50 = 50", "c = 5")


def trees(old: str = OLD, new: str = NEW) -> tuple[Tree, Tree]:
    """One file, before and after."""
    return tuple(Tree({"a.c": Entry(Mode.REGULAR, text.encode())}) for text in (old, new))  # type: ignore[return-value]


class Tokens(DecisionCounter):
    """Notes the tokens that a model wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[int] = []

    def token(self, frequencies: Frequencies, wanted: int | None = None, label: str = "") -> int:
        index = super().token(frequencies, wanted, label)
        self.written.append(index)
        return index


def real(settings: Settings, old: str = OLD, new: str = NEW) -> tuple[list[list[int]], Tokens]:
    """What a model with weights reads, session by session, and what it writes."""
    from codec_ends import Recorder

    base, target = trees(old, new)
    recorder = Recorder(random_model())
    choices = tuple(options(change, recorder.vocabulary) for change in changes(base, target))
    candidate = Candidate(settings, tuple(each.model or each.classical for each in choices))
    decisions = Tokens()
    transcribe(
        decisions,
        base,
        lambda chosen: Desk(lambda: recorder, chosen, lambda _: None),
        ReceivedBlobs(b""),
        candidate.plans,
        settings,
        lambda _: None,
    )
    return recorder.texts, decisions


@pytest.mark.parametrize("shape", list(Shape))
@pytest.mark.parametrize("before", [1, 3])
def test_examples_are_what_a_message_has_the_model_read_and_write(
    shape: Shape, before: int
) -> None:
    settings = Settings(shape=shape, before=before, after=2)
    texts, decisions = real(settings)
    found = examples(*trees(), random_model().vocabulary, settings, random_model().max_positions)
    written = [int(token) for each in found for token in each.tokens[each.places]]
    assert written == decisions.written
    for each, text in zip(found, texts, strict=True):
        # the model reads every token but perhaps the last that it writes
        assert each.tokens[: len(text)].tolist() == text
        assert len(text) >= each.places[-1]


def test_a_patch_that_the_model_does_not_write_has_no_example() -> None:
    assert examples(*trees(new=OLD), vocabulary(), Settings(), 4096) == []


def test_pieces_have_all_that_is_written_once() -> None:
    whole = long_example()
    cut = list(whole.cut(100))
    assert all(len(piece.tokens) <= 100 for piece in cut)
    # tokens are numbered here, so a token tells its place
    places = [int(token) for piece in cut for token in piece.tokens[piece.places]]
    assert places == whole.places.tolist()
    for piece in cut:
        assert piece.places.min() >= 1
        assert len(piece.places) == len(piece.legal) == len(piece.recalled)
        for name in ("recalled", "assigned", "score"):
            shown_values = getattr(piece, name)
            wanted = getattr(whole, name)[np.isin(whole.places, piece.tokens[piece.places])]
            assert np.array_equal(shown_values, wanted)


def long_example() -> Example:
    """450 tokens that are their own numbers; every third is written, and a stretch is not."""
    places = np.array([n for n in range(1, 450, 3) if not 120 < n < 330], np.int32)
    values = places.astype(np.float32)
    return Example(
        np.arange(450, dtype=np.int32),
        places,
        values,
        values + 1,
        -values,
        tuple(np.array([n], np.int32) if n % 2 else None for n in places.tolist()),
    )


def pair(number: int) -> TextPair:
    """A patch of its own."""
    old = OLD.replace("a7", f"z{number}")
    return TextPair(old, old.replace(f"z{number} = 7", f"z{number} = {number}"), "a.c", "p", "", "")


def course(count: int = CHUNK + 5) -> Course:
    return Course(
        tuple(pair(n) for n in range(100, 100 + count)), vocabulary(), Limits(400, 2, 1600), 3
    )


def key(batch: list[Example]) -> list[list[int]]:
    return [each.tokens.tolist() for each in batch]


def test_a_course_goes_on_where_it_was() -> None:
    made = course()
    begun = made.batches(Place())
    way = [next(begun) for _ in range(30)]
    assert way[-1][0].chunk >= 2  # into the second pass
    for (place, _), (_, batch) in itertools.pairwise(way):
        again = next(made.batches(place))[1]
        assert key(again) == key(batch)


def test_a_pass_has_every_patch_and_the_next_another_order() -> None:
    made = course()
    assert made.chunks == 2
    passes: list[list[bytes]] = [[], []]
    for place, batch in made.batches(Place()):
        turn = (place.chunk - (place.batch == 0)) // 2
        if turn > 1:
            break
        passes[turn] += [vocabulary().spell(each.tokens) for each in batch]
    names = [
        {n for n in range(100, 100 + CHUNK + 5) for text in each if f"z{n}".encode() in text}
        for each in passes
    ]
    assert names[0] == names[1] == set(range(100, 100 + CHUNK + 5))
    assert passes[0] != passes[1]


def test_batches_are_not_too_long() -> None:
    found = [
        each
        for n in range(9)
        for each in pieces(
            pair(n + 1), vocabulary(), shown(1, 0, pair(n)), Limits(300, 2, 900), 4096
        )
    ]
    batches = batched(found, 900)
    assert sorted(map(str, key([e for b in batches for e in b]))) == sorted(map(str, key(found)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(len(e.tokens) for e in batch) <= 900
