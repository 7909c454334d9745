"""Which transcript a text is written in, and what reading costs."""

from __future__ import annotations

import pytest
from codec_ends import Recorder, files, write
from tiny_codec import random_model

import shared.prompts.context.transcripts as desk_module
from shared.errors import BudgetExceeded, RegenerationError
from shared.prompts.context.span import Span
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import RECALL_SHIFTS, Settings
from shared.regenerate import regenerate
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionWriter
from shared.tree import Entry, Mode, Tree

MODEL = random_model(3, positions=64)


def test_the_model_is_opened_when_a_text_needs_it() -> None:
    opened: list[int] = []

    def open_model() -> LanguageModel:
        opened.append(1)
        return MODEL

    desk = Desk(open_model, Settings(temperature=1), lambda _: None)
    assert opened == []
    transcript = desk.transcript()
    assert opened == [1]
    assert transcript.inverse_temperature == 1.125
    assert desk.transcript() is transcript


@pytest.mark.parametrize(("tokens", "carried"), [(16, True), (17, False)])
def test_a_transcript_is_carried_up_to_a_quarter_of_the_positions(
    tokens: int, carried: bool
) -> None:
    desk = Desk(lambda: MODEL, Settings(), lambda _: None)
    transcript = desk.transcript()
    transcript.give(b"ab")
    # one known token stays; the rest is written: letters, and the newline that ends the span
    text = b"q" * (tokens - 3) + b"\n"
    transcript.write(DecisionWriter(SeedSource.CODED), Span(b"z\n", lines=1), text)
    assert transcript.tokens == tokens
    assert (desk.transcript() is transcript) == carried


def test_files_share_a_session_until_it_is_long() -> None:
    """Three small files: the third no longer fits the quarter."""
    model = random_model(3, positions=200)
    names = [f"f{k}" for k in range(3)]
    base = files(**dict.fromkeys(names, b"x\n"))
    target = files(**dict.fromkeys(names, b"xy\n"))
    recorder = Recorder(model)
    regenerate(write(base, target, model), base, lambda: recorder)
    assert [recorder.read(k).count(b"old version") for k in range(len(recorder.texts))] == [2, 1]


def test_windows_without_anything_to_write_are_counted() -> None:
    """Deletions far apart and a line at the end: one text of all windows would be too long."""
    model = random_model(3, positions=800)
    old = b"".join(b"%d\n" % number for number in range(100, 300))
    new = b"".join(b"%d\n" % number for number in range(100, 300) if number % 30) + b"z\n"
    base, target = files(f=old), files(f=new)
    recorder = Recorder(model)
    recipe = write(base, target, model, Settings(before=3, after=2))
    assert regenerate(recipe, base, lambda: recorder).target == target
    read = [recorder.read(k) for k in range(len(recorder.texts))]
    assert len(read) > 1 and max(map(len, read)) < 800
    assert read[-1].count(b"old version") < 7  # one window a deletion, and one for the line


def test_the_last_position_is_read_and_none_beyond() -> None:
    """64 positions: the known text leaves room for so many tokens and no more."""
    for letters, fits in ((61, True), (62, True), (63, True), (64, False), (90, False)):
        spent: list[int] = []
        desk = Desk(lambda: MODEL, Settings(), spent.append)
        transcript = desk.transcript()
        transcript.give(b"q" * letters + b"w")
        writer = DecisionWriter(SeedSource.CODED)
        if fits:
            # the last token of the span is never read
            transcript.write(writer, Span(b"z\n", tokens=1), b"v")
            assert sum(spent) <= 64 + 1
        else:
            with pytest.raises(RegenerationError, match="more than the 64 tokens"):
                transcript.write(writer, Span(b"z\n", tokens=1), b"v")
            assert spent == []


def recalled(desk: Desk) -> bytes:
    """All that the desk's transcript knows, spelled."""
    recall = desk.transcript().recall
    return MODEL.vocabulary.spell(recall._tokens[: recall._count].tolist())


NEAR = Tree(
    {
        path: Entry(Mode.REGULAR, data)
        for path, data in {
            "a.py": b"one\n",
            "lib/b.py": b"two\n",
            "lib/c.py": b"three\n",
            "lib/d.txt": b"four\r\n",
            "lib/e.bin": b"\x00\xff\n",
        }.items()
    }
)


def test_files_near_the_first_one_are_recalled_once() -> None:
    """Those of its folder before others, lines as the model sees them, no binary, itself last."""
    desk = Desk(lambda: MODEL, Settings(), lambda _: None)
    desk.read_near(NEAR, "lib/c.py", "lib/c.py")
    desk.read(b"three\n")
    assert recalled(desk) == b"two\nfour\none\nthree\n"
    desk.read_near(NEAR, "a.py", "a.py")  # of a later file: nothing new
    desk.read(b"one\n")
    assert recalled(desk) == b"two\nfour\none\nthree\n"


def test_a_new_file_recalls_what_is_near_it() -> None:
    desk = Desk(lambda: MODEL, Settings(), lambda _: None)
    desk.read_near(NEAR, "a2.py", None)
    assert recalled(desk) == b"one\ntwo\nthree\nfour\n"


def test_nothing_is_read_where_nothing_is_recalled() -> None:
    desk = Desk(lambda: MODEL, Settings(recall=RECALL_SHIFTS.index(None)), lambda _: None)
    desk.read_near(NEAR, "lib/c.py", "lib/c.py")
    assert recalled(desk) == b""


def test_what_is_near_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that do not fit are passed over, smaller ones after them are not."""
    assert desk_module.RECALLED_BYTES == 262_144
    monkeypatch.setattr(desk_module, "RECALLED_BYTES", 11)
    desk = Desk(lambda: MODEL, Settings(), lambda _: None)
    desk.read_near(NEAR, "lib/c.py", "lib/c.py")  # 4 and, with its two line ends, 6; one is left
    assert recalled(desk) == b"two\nfour\n"


def test_a_budget_stops_before_the_model_reads() -> None:
    def refuse(tokens: int) -> None:
        raise BudgetExceeded(f"{tokens} tokens")

    recorder = Recorder(MODEL)
    desk = Desk(lambda: recorder, Settings(), refuse)
    transcript = desk.transcript()
    transcript.give(b"abcd")
    with pytest.raises(BudgetExceeded, match="4 tokens"):
        transcript.write(DecisionWriter(SeedSource.CODED), Span(b"z\n", tokens=1), b"v")
    assert recorder.fed == 0
