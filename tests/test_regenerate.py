"""Regeneration refuses: budgets, damage of every kind, counts without bounds; it never hangs."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
from codec_ends import Blobs, Recorder, no_model, plans, read, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_codec import SPECIAL, random_model

from shared import regenerate as module
from shared.diff import unified_diff, zstd_delta
from shared.errors import BudgetExceeded, OutOfMemory, Refusal, RegenerationError
from shared.message.recipe import Recipe
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.rewrite import Hunk, apply_hunks
from shared.prompts.settings import Settings
from shared.regenerate import Budget, Regenerated, regenerate
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import Decisions, DecisionWriter
from shared.tree import ChangeKind, Entry, Mode, Tree

MODEL = random_model(3, positions=1024)
BASE = Tree(
    {
        "a.c": Entry(Mode.REGULAR, b"int x;\n\nint y(void)\n{\n    return 1;\n}\n\nint z;\n"),
        "bin/run": Entry(Mode.EXECUTABLE, b"#!/bin/sh\r\nexec x\r\n"),
        "data": Entry(Mode.REGULAR, bytes(range(256))),
        "link": Entry(Mode.SYMLINK, b"a.c"),
        "old": Entry(Mode.REGULAR, b"one\ntwo\nthree\n"),
    }
)
TARGET = BASE.replace(
    {
        "a.c": Entry(Mode.REGULAR, BASE["a.c"].data.replace(b"1", b"aa").replace(b" z", b" zz")),
        "bin/run": Entry(Mode.REGULAR, b"#!/bin/sh\nexec x\n"),
        "data": Entry(Mode.REGULAR, bytes(range(1, 256))),
        "link": Entry(Mode.SYMLINK, b"old"),
        "new.c": Entry(Mode.REGULAR, b"x\n"),
        "old": None,
    }
)
RECIPE = write(BASE, TARGET, MODEL)
CLASSICAL = write(
    BASE,
    TARGET,
    MODEL,
    wanted=[
        replace(plan, codec=Codec.STORED, hunks=(), blob=plan.entry.data)
        if plan.codec is Codec.MODEL and plan.entry
        else plan
        for plan in plans(BASE, TARGET, MODEL)
    ],
)
SMALL = Budget(max_tokens=500)


def outcome(recipe: Recipe, model: LanguageModel = MODEL) -> Regenerated | Refusal:
    """What a recipe gives: a tree or a refusal; anything else fails the test."""
    try:
        return regenerate(recipe, BASE, lambda: model, SMALL)
    except Refusal as refusal:
        return refusal


def test_the_message_is_one_that_uses_the_model_and_blobs() -> None:
    made = read(RECIPE, BASE, lambda: MODEL)
    assert made.target == TARGET
    assert made.patch == unified_diff(BASE, TARGET)
    assert made.tokens > 0
    assert RECIPE.blobs
    assert read(CLASSICAL, BASE, no_model).target == TARGET


@dataclass
class Rewriting:
    """Writes down again every decision that is read."""

    read: Decisions
    writer: DecisionWriter

    def prompt(
        self, frequencies: NDArray[np.int64], wanted: int | None = None, label: str = ""
    ) -> int:
        return self.writer.prompt(frequencies, self.read.prompt(frequencies, wanted, label))

    def uniform(self, total: int, wanted: int | None = None, label: str = "") -> int:
        return self.writer.uniform(total, self.read.uniform(total, wanted, label))

    def token(
        self, frequencies: NDArray[np.int64], wanted: int | None = None, label: str = ""
    ) -> int:
        return self.writer.token(frequencies, self.read.token(frequencies, wanted, label))


def test_an_observer_gets_every_decision() -> None:
    """What it saw, written again, is the stream of the message."""
    writer = DecisionWriter(SeedSource.CODED)
    made = regenerate(
        RECIPE, BASE, lambda: MODEL, observe=lambda decisions: Rewriting(decisions, writer)
    )
    assert made.target == TARGET
    assert writer.finish() == RECIPE.stream
    assert writer.tally.tokens > 0


# --- budgets ------------------------------------------------------------------------------------


def test_tokens_are_counted_before_the_model_reads_them() -> None:
    """With each smaller budget the model reads no more than that; with all of it it ends."""
    watched = Recorder(MODEL)
    needed = regenerate(RECIPE, BASE, lambda: watched).tokens
    assert watched.fed == needed
    for limit in (0, 1, needed // 2, needed - 1):
        watched = Recorder(MODEL)
        with pytest.raises(BudgetExceeded, match="tokens") as raised:
            regenerate(RECIPE, BASE, lambda watched=watched: watched, Budget(max_tokens=limit))
        assert watched.fed <= limit
        assert str(limit) in str(raised.value.expected)
        assert "--max-tokens" in str(raised.value.remedy)
    assert regenerate(RECIPE, BASE, lambda: MODEL, Budget(max_tokens=needed)).target == TARGET


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that goes on by as much at every look."""
    now = [1000.0]

    def clock() -> float:
        now[0] += step_s
        return now[0]

    return clock


def test_seconds_are_those_of_the_clock() -> None:
    watched = Recorder(MODEL)
    with pytest.raises(BudgetExceeded, match="seconds") as raised:
        regenerate(RECIPE, BASE, lambda: watched, Budget(max_seconds=5.0), clock=ticking(1.0))
    assert raised.value.expected == "at most 5"
    assert watched.fed < regenerate(RECIPE, BASE, lambda: MODEL).tokens
    regenerate(RECIPE, BASE, lambda: MODEL, Budget(max_seconds=5.0), clock=ticking(0.0))


def test_seconds_count_where_no_model_is_needed() -> None:
    """Deletions by the thousand cost no token, but they take time."""
    with pytest.raises(BudgetExceeded, match="seconds"):
        regenerate(CLASSICAL, BASE, no_model, Budget(max_seconds=5.0), clock=ticking(1.0))


@pytest.mark.parametrize("recipe", [RECIPE, CLASSICAL], ids=["model", "classical"])
def test_memory_is_that_of_the_process(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "resident_bytes", lambda: 1 << 20)
    with pytest.raises(BudgetExceeded, match="memory") as raised:
        regenerate(recipe, BASE, lambda: MODEL, Budget(max_memory_bytes=(1 << 20) - 1))
    assert "--max-memory" in str(raised.value.remedy)
    assert regenerate(recipe, BASE, lambda: MODEL, Budget(max_memory_bytes=1 << 20)).tokens >= 0


def test_resident_memory_grows_with_what_is_held() -> None:
    """In a process of its own: in this one memory that another test has freed could serve."""
    program = (
        "import numpy as np\n"
        "from shared.regenerate import resident_bytes\n"
        "before = resident_bytes()\n"
        "held = np.ones(16 << 20)\n"
        "print(resident_bytes() - before, held.nbytes)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    grown, held = map(int, done.stdout.split())
    assert held // 2 < grown < 2 * held


# --- damage -------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", [RECIPE, CLASSICAL], ids=["model", "classical"])
def test_every_truncation_of_the_stream_is_refused_or_another_patch(recipe: Recipe) -> None:
    for size in range(len(recipe.stream)):
        stream = recipe.stream[:size].rstrip(b"\0")
        made = outcome(replace(recipe, stream=stream))
        assert isinstance(made, Refusal) or made.target != TARGET


@pytest.mark.parametrize("recipe", [RECIPE, CLASSICAL], ids=["model", "classical"])
def test_every_bit_flip_of_the_stream_is_refused_or_another_patch(recipe: Recipe) -> None:
    for bit in range(8 * len(recipe.stream)):
        damaged = bytearray(recipe.stream)
        damaged[bit // 8] ^= 1 << bit % 8
        if damaged[-1]:
            made = outcome(replace(recipe, stream=bytes(damaged)))
            assert isinstance(made, Refusal) or made.target != TARGET


def test_every_bit_flip_and_truncation_of_the_blobs() -> None:
    """A flip may spell the same file another way: zstd is redundant, and the signature binds."""
    same = 0
    for bit in range(8 * len(RECIPE.blobs)):
        damaged = bytearray(RECIPE.blobs)
        damaged[bit // 8] ^= 1 << bit % 8
        made = outcome(replace(RECIPE, blobs=bytes(damaged)))
        same += not isinstance(made, Refusal) and made.target == TARGET
    assert same < len(RECIPE.blobs)
    for size in range(len(RECIPE.blobs)):
        made = outcome(replace(RECIPE, blobs=RECIPE.blobs[:size]))
        assert isinstance(made, Refusal) or made.target != TARGET


@pytest.mark.parametrize("more", [b"\x01", b"\xff\xff", bytes(range(1, 40))])
def test_bytes_after_the_last_decision_are_refused(more: bytes) -> None:
    """The last blob takes all that is left, so there it is another file, or none."""
    assert isinstance(outcome(replace(RECIPE, stream=RECIPE.stream + more)), Refusal)
    made = outcome(replace(RECIPE, blobs=RECIPE.blobs + more))
    assert isinstance(made, Refusal) or made.target != TARGET


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    stream=st.binary(max_size=60),
    blobs=st.binary(max_size=40),
    source=st.sampled_from(list(SeedSource)),
    seed=st.integers(0, 255),
)
def test_random_bytes_are_refused_or_a_tree(
    stream: bytes, blobs: bytes, source: SeedSource, seed: int
) -> None:
    drawn = bytes([seed]) if seed and source is SeedSource.DRAWN else b""
    recipe = replace(
        RECIPE, stream=stream.rstrip(b"\0"), blobs=blobs, seed_source=source, seed=drawn
    )
    made = outcome(recipe)
    assert isinstance(made, Refusal | Regenerated)


def test_many_random_streams_without_a_model() -> None:
    """The decisions around the model, by the thousand: names, modes, links, sizes of blobs."""

    def refused() -> LanguageModel:
        raise RegenerationError("no model here")

    numbers = random.Random(20)
    kinds = set()
    for _ in range(4000):
        stream = numbers.randbytes(numbers.randrange(24)).rstrip(b"\0")
        recipe = replace(RECIPE, stream=stream, blobs=numbers.randbytes(numbers.randrange(12)))
        try:
            regenerate(recipe, BASE, refused, SMALL)
        except Refusal as refusal:
            kinds.add(refusal.found[:12])
    assert len(kinds) > 5


# --- messages that no author writes -------------------------------------------------------------


class Huge(bytes):
    """Claims to be a blob of 2**40 bytes."""

    def __len__(self) -> int:
        return 1 << 40


@dataclass
class NoBlobs:
    """Takes nothing, and leaves the refusal to the reader."""

    def left(self) -> int:
        return 5

    def take(self, size: int, wanted: bytes | None) -> bytes:  # noqa: ARG002
        raise RegenerationError("only the size was wanted")


def hostile(
    wanted: Sequence[FilePlan], base: Tree = BASE, blobs: bytes = b"", fake: bool = False
) -> Recipe:
    """A message of plans that lead nowhere, as far as they can be followed."""
    writer = DecisionWriter(SeedSource.CODED)
    with suppress(RegenerationError):
        transcribe(
            writer,
            base,
            lambda chosen: Desk(lambda: MODEL, chosen, lambda _: None),
            NoBlobs() if fake else Blobs(sum(len(plan.blob) for plan in wanted)),
            wanted,
            Settings(),
            lambda _: None,
        )
    return replace(RECIPE, stream=writer.finish(), blobs=blobs, baseline=base.digest)


def add(path: str, data: bytes = b"", mode: Mode = Mode.REGULAR) -> FilePlan:
    """A new file that is stored; ``data`` need not be possible for its mode."""
    shown = Entry(mode, data if mode.is_file else b"x")
    return FilePlan(ChangeKind.ADD, path, None, shown, Codec.STORED, blob=data)


def test_a_blob_of_a_tebibyte_is_not_allocated() -> None:
    recipe = hostile([replace(add("b"), blob=Huge())], blobs=b"12345", fake=True)
    with pytest.raises(RegenerationError, match="1099511627776 bytes where 5 are left"):
        regenerate(recipe, BASE, no_model)


def test_a_delta_that_swells_is_stopped() -> None:
    """Four bytes for each block of 128 KiB, and 3,000 of them: 375 MiB in 12 kB."""
    block = (1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"a"
    bomb = zstd_delta.ESCAPE + block * 3000 + (1 | 1 << 1 | 1 << 3).to_bytes(3, "little") + b"a"
    plan = FilePlan(ChangeKind.MODIFY, "old", "old", BASE["old"], Codec.DELTA, blob=bomb)
    before = module.resident_bytes()
    with pytest.raises(RegenerationError, match="larger file"):
        regenerate(hostile([plan], blobs=bomb), BASE, no_model)
    assert module.resident_bytes() - before < 2 * zstd_delta.MOST_FILE_BYTES


@pytest.mark.parametrize("target", [b"", b"a\0b"])
def test_links_that_cannot_be_are_refused(target: bytes) -> None:
    recipe = hostile([add("l", target, Mode.SYMLINK)], blobs=target)
    with pytest.raises(RegenerationError, match="'l' cannot be"):
        regenerate(recipe, BASE, no_model)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", "a//b", ".", "a/./b", "", "link/x", "a.c/x"]
)
def test_paths_that_leave_the_tree_are_refused(path: str) -> None:
    with pytest.raises(RegenerationError, match=r"not a path|do not make a tree"):
        regenerate(hostile([add(path, b"x")], blobs=b"x"), BASE, no_model)


def test_a_path_without_end_is_refused() -> None:
    with pytest.raises(RegenerationError, match="longer than 4096"):
        regenerate(hostile([add("x" * 5000, b"x")], blobs=b"x"), BASE, no_model)


def test_files_that_are_all_named_cannot_be_named_again() -> None:
    gone = [FilePlan(ChangeKind.DELETE, path, path, None) for path in BASE]
    made = regenerate(hostile(gone), BASE, no_model)
    assert made.target == Tree({})
    again = hostile([*gone, FilePlan(ChangeKind.DELETE, "a.c", "a.c", None)])
    with pytest.raises(RegenerationError, match="every file was named"):
        regenerate(again, BASE, no_model)


def test_a_thousand_new_files_end() -> None:
    """No model and no blob bytes: only the time limits them."""
    recipe = hostile([add(f"n{number:04}") for number in range(1000)])
    assert len(regenerate(recipe, BASE, no_model).target) == len(BASE) + 1000
    with pytest.raises(BudgetExceeded, match="seconds"):
        regenerate(recipe, BASE, no_model, Budget(max_seconds=900.0), clock=ticking(1.0))


def test_deleting_every_other_line_of_a_long_file_ends() -> None:
    base = Tree({"a": Entry(Mode.REGULAR, b"".join(b"%d\n" % k for k in range(600)))})
    hunks = tuple(Hunk(k, k + 1, b"") for k in range(0, 600, 2))
    entry = Entry(Mode.REGULAR, apply_hunks(base["a"].data.splitlines(keepends=True), hunks))
    recipe = hostile([FilePlan(ChangeKind.MODIFY, "a", "a", entry, Codec.MODEL, hunks)], base)
    watched = Recorder(MODEL)
    made = regenerate(recipe, base, lambda: watched)
    assert made.target["a"] == entry
    assert made.tokens == watched.fed == 0
    with pytest.raises(BudgetExceeded, match="seconds"):
        regenerate(recipe, base, lambda: MODEL, Budget(max_seconds=100.0), clock=ticking(1.0))


def test_a_text_longer_than_the_model_reads_is_refused() -> None:
    """Also with the largest budget: positions end before tokens do."""
    numbers = random.Random(4)
    found = []
    wanted = replace(add("n.c", b"x\n" * 900), codec=Codec.MODEL, blob=b"")
    plan = replace(wanted, hunks=(Hunk(0, 0, b"x\n" * 900),))
    for _ in range(4):
        recipe = hostile([plan])
        stream = recipe.stream[:40] + numbers.randbytes(len(recipe.stream) - 41) + b"\x01"
        watched = Recorder(MODEL)
        with pytest.raises(RegenerationError) as raised:
            regenerate(replace(recipe, stream=stream), BASE, lambda watched=watched: watched)
        assert watched.fed <= MODEL.max_positions + 200
        found.append(raised.value.found)
    assert any("1024 tokens that the model can read" in one for one in found)


def test_memory_that_runs_out_is_no_refusal() -> None:
    def exhausted() -> LanguageModel:
        raise MemoryError

    with pytest.raises(OutOfMemory):
        regenerate(RECIPE, BASE, exhausted)


def test_the_model_is_opened_once_and_only_when_needed() -> None:
    opened: list[int] = []

    def open_model() -> LanguageModel:
        opened.append(1)
        return MODEL

    assert regenerate(CLASSICAL, BASE, open_model).tokens == 0
    assert opened == []
    regenerate(RECIPE, BASE, open_model)
    assert opened == [1]


def test_special_tokens_are_never_written() -> None:
    """Whatever the stream, no text holds a control token: it would spell nothing and hide."""
    recorder = Recorder(MODEL)
    for numbers in (random.Random(seed) for seed in range(6)):
        stream = RECIPE.stream[:12] + numbers.randbytes(40) + b"\x01"
        with suppress(Refusal):
            regenerate(replace(RECIPE, stream=stream), BASE, lambda: recorder, SMALL)
    seen = {token for text in recorder.texts for token in text}
    assert len(seen) > 50
    assert not seen & set(range(len(SPECIAL)))
    assert all(MODEL.vocabulary.spelling[token] for token in seen)
