"""Writing a span: healing, the known text that follows, the line that is known not to come."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from codec_ends import Recorded, Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_codec import bigram_model, random_model, vocabulary

from shared.errors import RegenerationError
from shared.prompts.context.span import Span
from shared.prompts.context.transcript import Transcript
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.ngrams import Recall
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionReader

WORDS = vocabulary()
ID = {text: token for token, text in enumerate(WORDS.spelling) if text}
MODEL = random_model(3)


def transcript(model: LanguageModel = MODEL, spent: list[int] | None = None) -> Transcript:
    """An empty one."""
    spend = ([] if spent is None else spent).append
    return Transcript(model, model.session(), 1.0, spend, Recall(model.vocabulary))


def write_span(
    before: bytes, span: Span, wanted: bytes, model: LanguageModel = MODEL
) -> tuple[Recorded, Transcript]:
    """Writes one span after ``before``, reads it back, and gives what the writer was offered."""
    remembered = Recorded()
    ground, probe = transcript(model), transcript(model)
    reader = None
    for end, decisions in ((ground, remembered), (probe, None)):
        end.give(before)
        if decisions is None:
            reader = DecisionReader(SeedSource.CODED, remembered.writer.finish())
        text = end.write(decisions or reader, span, wanted if decisions else None)  # type: ignore[arg-type]
        assert text == wanted
        end.give(span.resume)
    assert reader is not None
    reader.finish()
    assert ground.tokens == probe.tokens
    return remembered, ground


def spelled(remembered: Recorded) -> list[bytes]:
    """The tokens as text."""
    return [WORDS.spelling[token] for token in remembered.tokens]


def test_the_last_known_token_is_taken_back() -> None:
    """After "a;" the known text would end in the token of ";"; written is the one of ";" and "\\n".

    Its first byte is known, so only tokens that spell it, or begin with it, are offered.
    """
    remembered, _ = write_span(b"xx;", Span(b"y\n", lines=1), b"\n")
    assert spelled(remembered)[0] == b";\n"
    offered = {WORDS.spelling[token] for token in np.flatnonzero(remembered.seen[0])}
    assert offered == {text for text in WORDS.spelling if text.startswith(b";")}


def test_a_character_is_taken_back_whole() -> None:
    """The last token is half of an emoji: both halves come back, and may be joined otherwise."""
    remembered, _ = write_span("x😀".encode(), Span(b"\n", lines=1), "é\n".encode())
    assert b"".join(spelled(remembered)).startswith("😀é\n".encode())
    offered = {WORDS.spelling[token] for token in np.flatnonzero(remembered.seen[0])}
    assert offered == {b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98"}


def test_healed_bytes_cost_nothing_where_one_token_spells_them() -> None:
    remembered, _ = write_span(b"#q", Span(b"z\n", lines=1), b"w\n")
    assert np.flatnonzero(remembered.seen[0]).tolist() == [ID[b"q"]]


TEXTS = st.lists(
    st.sampled_from([b"\n", b"x", b" ", b"    ", b";", b"}", b"a", b"```", b"\xc3\xa9", b"\r"]),
    max_size=8,
).map(b"".join)


@settings(max_examples=60)
@given(before=TEXTS, span=TEXTS, resume=TEXTS, more=TEXTS)
def test_any_span_comes_back(before: bytes, span: bytes, resume: bytes, more: bytes) -> None:
    """And tokens never contradict the known text that follows, by the plainest of rules."""
    wanted = span + b"\n"
    lines = wanted.count(b"\n")
    remembered, ground = write_span(b"# " + before, Span(resume + b"\n", lines=lines), wanted)
    ground.give(more)
    known = WORDS.encode(b"# " + before) or []
    healed = len(WORDS.spelling[known[-1]])
    written = b""
    for token, seen in zip(remembered.tokens, remembered.seen, strict=True):
        for choice in np.flatnonzero(seen):
            text = (written + WORDS.spelling[choice])[healed:]
            parts = text.split(b"\n")
            if len(parts) > lines:
                beyond = b"\n".join(parts[lines:])
                assert (resume + b"\n").startswith(beyond)
        written += WORDS.spelling[token]


@given(middle=TEXTS.filter(bool), tail=TEXTS)
def test_a_span_of_tokens_ends_after_so_many(middle: bytes, tail: bytes) -> None:
    """Nothing is healed, and nothing agrees: head and tail of a line are given."""
    encoded = WORDS.encode(middle)
    assert encoded is not None
    remembered, _ = write_span(b"head ", Span(tail + b"\n", tokens=len(encoded)), middle)
    assert remembered.tokens == encoded
    assert (remembered.seen[0] > 0).sum() == sum(1 for text in WORDS.spelling if text)


def test_a_span_ends_after_lines_or_after_tokens() -> None:
    for arguments in ({}, {"lines": 1, "tokens": 1}):
        with pytest.raises(ValueError, match="lines or after tokens"):
            Span(b"x", **arguments)


# --- the line that does not come ----------------------------------------------------------------


def chances(model: LanguageModel, last: int) -> NDArray[np.int64]:
    """The model's frequencies after a token, in the last line before "z"; nothing excluded."""
    session = model.session()
    session.feed([last])
    legal = np.array(
        [bool(text) and b"z\n".startswith(text.partition(b"\n")[2]) for text in WORDS.spelling]
    )
    return model.frequencies(session.logits(), legal, 1.0)


def test_the_excluded_line_takes_its_share_with_it() -> None:
    """A model that looks back one token: what "k", "m", ";\\n" is worth is multiplied by hand."""
    k, m, n, end = ID[b"k"], ID[b"m"], ID[b"n"], ID[b";\n"]
    model = bigram_model(
        {ID[b"="]: {k: 9.0, n: 8.0}, k: {m: 10.0, n: 9.5}, m: {end: 7.0, ID[b";"]: 6.0}}, WORDS
    )
    remembered, _ = write_span(b"#q=", Span(b"z\n", lines=1, forbidden=b"km;\n"), b"kmn\n", model)
    assert spelled(remembered)[:4] == [b"=", b"k", b"m", b"n"]

    def share(last: int, token: int) -> Fraction:
        frequencies = [int(value) for value in chances(model, last)]
        return Fraction(frequencies[token], sum(frequencies))

    # the vocabulary ends the line in one token; ";" and then a newline is another way, allowed
    third = share(m, end)
    second = share(k, m) * third
    for step, (last, token, taken) in enumerate([(ID[b"="], k, second), (k, m, third)], 1):
        before, after = chances(model, last), remembered.seen[step]
        assert int(after[token]) == pytest.approx(float(before[token] * (1 - taken)), rel=1e-9)
        before[token] = after[token] = 0
        assert after.tolist() == before.tolist()
    assert remembered.seen[3][end] == 0
    assert remembered.seen[3][ID[b";"]] == chances(model, m)[ID[b";"]]


def test_nothing_is_excluded_once_the_text_went_another_way() -> None:
    model = bigram_model({ID[b"n"]: {ID[b"m"]: 5.0}}, WORDS)
    forbidden = Span(b"z\n", lines=1, forbidden=b"km;\n")
    remembered, _ = write_span(b"#q=", forbidden, b"nm;\n", model)
    free, _ = write_span(b"#q=", Span(b"z\n", lines=1), b"nm;\n", model)
    assert [seen.tolist() for seen in remembered.seen[2:]] == [
        seen.tolist() for seen in free.seen[2:]
    ]


def test_a_long_line_is_not_excluded() -> None:
    """Scoring it would cost more than it saves; and so nothing is read for it."""
    line = b"kl" * 40 + b"\n"
    remembered, _ = write_span(b"#q=", Span(b"z\n", lines=1, forbidden=line), b"k\n")
    free, _ = write_span(b"#q=", Span(b"z\n", lines=1), b"k\n")
    assert [seen.tolist() for seen in remembered.seen] == [seen.tolist() for seen in free.seen]


@pytest.mark.parametrize("wanted", [b"k\n", b"kl\n", b"kl;;\n", b"\n", b" kl;\n", b"kl; \n"])
def test_texts_near_the_excluded_line_can_be_written(wanted: bytes) -> None:
    for resume in (b"\n", b"kl;\n", b"kl;"):
        write_span(b"q\n", Span(resume, lines=1, forbidden=b"kl;\n"), wanted)


def test_excluding_leaves_a_choice() -> None:
    """A model that is all but certain of the line, with a token of every length on the way."""
    likely: dict[int, dict[int, float]] = {}
    for last, following in (("q", "k"), ("k", "l"), ("l", ";\n"), ("\n", "k")):
        likely[ID[last.encode()]] = {ID[following.encode()]: 31.9}
    model = bigram_model(likely, WORDS)
    for wanted in (b"klz\n", b"kl;;\n", b"z\n"):
        write_span(b"#q", Span(b"y\n", lines=1, forbidden=b"kl;\n"), wanted, model)


# --- bookkeeping --------------------------------------------------------------------------------


def test_what_is_given_after_a_span_must_agree_with_it() -> None:
    end = transcript()
    end.give(b"# x")
    end.write(Recorded(), Span(b"    return\n", lines=1), b"y\n")
    assert end._ahead.startswith(b"    ")
    with pytest.raises(RegenerationError, match="said to follow"):
        end.give(b"\treturn\n")


def test_text_that_cannot_be_spelled_is_refused() -> None:
    end = transcript()
    end.give(b"a\x04")
    with pytest.raises(RegenerationError, match="around a span"):
        end.write(Recorded(), Span(b"\n", lines=1), b"x\n")
    end = transcript()
    end.give(b"a")
    with pytest.raises(RegenerationError, match="a span cannot"):
        end.write(Recorded(), Span(b"\n", lines=1), b"\x04\n")


@pytest.mark.parametrize(
    ("span", "wanted"),
    [
        (Span(b"z\n", lines=1), b"x"),
        (Span(b"z\n", lines=1), b"x\ny\n"),
        (Span(b"z\n", lines=2), b"x\n"),
        (Span(b"z\n", tokens=1), b"q;w"),
    ],
)
def test_a_text_of_another_length_is_no_span(span: Span, wanted: bytes) -> None:
    end = transcript()
    end.give(b"ab")
    with pytest.raises(ValueError, match="not a span's"):
        end.write(Recorded(), span, wanted)


def test_there_must_be_something_to_go_on_from() -> None:
    """One known token is taken back, and then there is none."""
    with pytest.raises(RegenerationError, match="no text for the model"):
        end = transcript()
        end.give(b"a")
        end.write(Recorded(), Span(b"\n", lines=1), b"x\n")


def test_every_token_is_spent_before_it_is_read() -> None:
    """Ground and probe alike; the ground reads ahead in batches and takes back the rest."""
    remembered = Recorded()
    span = Span(b"z\n", lines=2, forbidden=b"klm\n")
    wanted = b"abc\n" * 2
    for decisions, text in ((remembered, wanted), (None, None)):
        recorder, spent = Recorder(MODEL), list[int]()
        end = transcript(recorder, spent)
        end.give(b"some text\n")
        chosen = decisions or DecisionReader(SeedSource.CODED, remembered.writer.finish())
        end.write(chosen, span, text)
        assert sum(spent) >= len(recorder.texts[0])
        assert recorder.read() == (b"some text\n" + wanted)[: len(recorder.read())]
        assert end.tokens == end.session.length + 1


def test_tokens_count_what_was_read_and_what_waits() -> None:
    end = transcript()
    assert end.tokens == 0
    end.give(b"abc")
    assert end.tokens == 3
    remembered = Recorded()
    end.write(remembered, Span(b"z\n", lines=1), b"d\n")
    tokens: Sequence[int] = remembered.tokens
    assert end.tokens == 2 + len(tokens)
