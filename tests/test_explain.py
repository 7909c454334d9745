"""Where the bits go: every one of them, at the line and token that it is for."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from codec_ends import files, follow, plans, write
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from test_roundtrip import MODELS, SETTINGS, edits
from tiny_codec import bigram_model, random_model, vocabulary, write_random_pin
from tree_pairs import pairs
from typer.testing import CliRunner

from groundstation.authoring.author import Effort, author
from groundstation.cli import app
from groundstation.explain.account import Explanation, explain
from groundstation.explain.dearest import dearest, words_of
from groundstation.explain.json_report import as_dict
from groundstation.explain.lines import Line, Piece, Token
from groundstation.explain.spelling import heat, shown, shown_pieces
from groundstation.explain.terminal import print_explanation
from groundstation.scoring.options import options
from shared.diff import unified_diff, zstd_delta
from shared.errors import (
    DigestMismatch,
    RegenerationError,
    UnsupportedVersion,
    WrongBaseline,
    WrongPin,
)
from shared.lines import split_lines
from shared.message.envelope import sign
from shared.message.recipe import Kind, Recipe
from shared.message.wire import encode_message
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings, Shape
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter
from shared.tree import Entry, Mode, Tree, changes, write_tree

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(0x40, 0x60)))
MODEL = MODELS["crossing"]
WORDS = vocabulary()
ID = {text: token for token, text in enumerate(WORDS.spelling) if text}
UNSURE = bigram_model(
    {
        ID[b"```\n"]: {ID[b"a\n"]: 9.0},
        ID[b"a\n"]: {ID[b"x\n"]: 8.0, ID[b"c\n"]: 8.5, ID[b"q"]: 9.0},
    },
    WORDS,
)
"""Would rather write "q", but not much rather."""
BASE = files(f=b"a\nb\nc\n")
TARGET = files(f=b"a\nx\nc\n")
gentle = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def enveloped(recipe: Recipe, counter: int = 9) -> bytes:
    return sign(encode_message(recipe, counter), recipe.pin, recipe.baseline, KEY)


def part(explanation: Explanation, name: str) -> float:
    """The bits of a part; 0 where there is none."""
    return sum(part.bits for part in explanation.parts if part.name == name)


def tokens_of(explanation: Explanation) -> list[Token]:
    return [token for file in explanation.files for line in file.lines for token in line.tokens]


def check(
    base: Tree, target: Tree, model: LanguageModel, wanted: list[FilePlan], setting: Settings
) -> Explanation:
    """Writes plans with a coded seed, explains them, and counts again by another way."""
    envelope = enveloped(write(base, target, model, setting, wanted=wanted))
    found = explain(envelope, base, model)
    assert found.settings == setting
    assert sum(each.bits for each in found.parts) == 8 * len(envelope) == 8 * found.total_bytes
    assert [file.change for file in found.files] == list(changes(base, target))
    assert [file.codec for file in found.files] == [plan.codec.name.lower() for plan in wanted]
    # the author's own counter, which knows no lines
    counter = DecisionCounter()
    follow(counter, base, wanted, setting, model)
    by_label = dict(counter.tally.bits_of)
    by_label["text"] = by_label.pop("", 0.0)
    for label, bits in by_label.items():
        assert part(found, label) == pytest.approx(bits, abs=1e-2), label
    assert found.tokens == counter.tally.tokens == len(tokens_of(found))
    assert found.surprises == counter.tally.surprises
    assert sum(token.bits for token in tokens_of(found)) == part(found, "text") == found.text_bits
    blobs = sum(len(plan.blob) for plan in wanted)
    assert part(found, "deltas") == 8 * blobs == 8 * sum(file.blob_bytes for file in found.files)
    for file in found.files:
        assert sum(line.bits for line in file.lines) == dict(file.bits_of).get("text", 0.0)
        if file.codec == "model":
            check_places(found, file.path)
    return found


def as_lines(data: bytes) -> list[bytes]:
    """Lines as the model sees them, found without the codec's own functions."""
    ends = data.count(b"\r\n")
    if ends and ends == data.count(b"\n"):
        data = data.replace(b"\r\n", b"\n")
    return split_lines(data if data.endswith(b"\n") or not data else data + b"\n")


def check_places(found: Explanation, path: str) -> None:
    """Hunks applied to the old lines give the new ones; each token stands where it is said to."""
    (file,) = (file for file in found.files if file.path == path)
    old = b"" if file.change.old is None else file.change.old.data
    assert file.change.new is not None
    new, had = as_lines(file.change.new.data), as_lines(old)
    text, starts = b"".join(new), [0]
    for line in new:
        starts.append(starts[-1] + len(line))
    made: list[bytes] = []
    place = 0
    for hunk in file.hunks:
        assert hunk.old_line - 1 >= place
        made += had[place : hunk.old_line - 1]
        assert tuple(made[len(made) - len(hunk.above) :] if hunk.above else ()) == hunk.above
        assert hunk.new_line == len(made) + 1
        place = hunk.old_line - 1 + len(hunk.gone)
        assert tuple(had[hunk.old_line - 1 : place]) == hunk.gone
        assert hunk.below == tuple(had[place : place + len(hunk.below)])
        for line in hunk.lines:
            made.append(line.text)
            assert line.number == len(made)
    assert [*made, *had[place:]] == new
    for line in file.lines:
        assert new[line.number - 1] == line.text
        for token in line.tokens:
            assert token.line == line.number
            at = starts[line.number - 1] + token.column
            assert text[at : at + len(token.text)] == token.text
            # but for what was known before and after, and the marks of the diff shape
            rest = token.spelling.replace(b"+", b"")
            assert token.text.replace(b"+", b"") in rest


@settings(max_examples=200, **gentle)  # type: ignore[arg-type]
@given(pair=edits(), setting=SETTINGS, inside=st.booleans(), words=st.booleans())
def test_any_edit_of_a_text(
    pair: tuple[bytes, bytes], setting: Settings, inside: bool, words: bool
) -> None:
    old, new = pair
    if old == new:
        return
    model = MODELS["words" if words else "crossing"]
    base, target = files(a__c=old), files(a__c=new)
    wanted = plans(base, target, model, inside=inside)
    found = check(base, target, model, wanted, setting)
    written = b"".join(line.text for line in found.files[0].lines)
    assert written == b"".join(hunk.text for hunk in wanted[0].hunks)


@settings(max_examples=40, **gentle)  # type: ignore[arg-type]
@given(pair=pairs(), setting=SETTINGS, inside=st.booleans())
def test_any_pair_of_trees(pair: tuple[Tree, Tree], setting: Settings, inside: bool) -> None:
    """Several files, renames, links, modes, binary files and odd paths, all in one message."""
    base, target = pair
    if base == target:
        return
    found = check(base, target, MODEL, plans(base, target, MODEL, inside=inside), setting)
    page = Console(width=100, record=True, file=None, quiet=True)
    print_explanation(found, dearest(found, 3), page)
    json.dumps(as_dict(found, dearest(found, 3)))


def test_every_codec_and_kind_in_one_message() -> None:
    text = b"".join(b"line %d\n" % k for k in range(9))
    base = files(a=text, b=b"gone\n", c=text[::-1], d=b"old\n", e=b"mode\n")
    target = base.replace(
        {
            "a": Entry(Mode.REGULAR, text.replace(b"4", b"four")),
            "b": None,
            "c": None,
            "c2": Entry(Mode.REGULAR, text[::-1]),
            "d": Entry(Mode.REGULAR, b"\xff\x04new"),
            "e": Entry(Mode.EXECUTABLE, b"mode\n"),
            "f": Entry(Mode.REGULAR, b"new file\nof two lines\n"),
        }
    )
    by_path = {plan.path: plan for plan in plans(base, target, MODEL)}
    (change,) = (change for change in changes(base, target) if change.path == "a")
    blob = zstd_delta.encode(base["a"].data, target["a"].data)
    by_path["a"] = replace(options(change, WORDS).classical, codec=Codec.DELTA, blob=blob)
    wanted = [by_path[change.path] for change in changes(base, target)]
    found = check(base, target, MODEL, wanted, Settings())
    told = {file.path: (file.change.kind.value, file.codec) for file in found.files}
    assert told == {
        "a": ("modify", "delta"),
        "b": ("delete", "same"),
        "c2": ("rename", "same"),
        "d": ("modify", "stored"),
        "e": ("modify", "same"),
        "f": ("add", "model"),
    }
    assert part(found, "stream size") == 8
    new = next(file for file in found.files if file.path == "f")
    (hunk,) = new.hunks
    assert [line.text for line in hunk.lines] == [b"new file\n", b"of two lines\n"]
    assert hunk.shown == b"f (new file):\n```\n"


def test_bits_of_a_token_by_hand() -> None:
    """The model's logits are known, and so is what they say of each token."""
    wanted = plans(BASE, TARGET, UNSURE)
    found = check(BASE, TARGET, UNSURE, wanted, Settings())
    (line,) = found.files[0].lines
    seam, token = line.tokens
    # "a\n" was known and is written again; other tokens that spell "a" and more are few
    assert (seam.spelling, seam.text, seam.line) == (b"a\n", b"", 2)
    assert seam.bits < 0.01
    assert (token.spelling, token.text, token.expected) == (b"x\n", b"x\n", b"q")
    assert (token.line, token.column) == (2, 0)
    # all but three tokens have the logit 0; most of them may come here
    others = len(WORDS) - 3
    weights = math.exp(8) + math.exp(8.5) + math.exp(9) + others
    assert token.bits == pytest.approx(math.log2(weights / math.exp(8)), abs=0.01)
    assert found.surprises == 1
    assert found.files[0].hunks[0].gone == (b"b\n",)
    assert b"f (old version):" in found.files[0].hunks[0].shown


def test_a_part_of_a_line() -> None:
    base, target = files(f=b"aa = bb + cc;\nx\n"), files(f=b"aa = qq + cc;\nx\n")
    found = check(base, target, MODEL, plans(base, target, MODEL, inside=True), Settings())
    (line,) = found.files[0].lines
    kept = [piece.text for piece in line.pieces if piece.token is None]
    assert kept == [b"aa =", b" + cc;\n"]
    assert b"".join(token.text for token in line.tokens) == b" qq"
    assert line.tokens[0].column == 4


def test_a_part_of_a_line_goes_and_nothing_comes() -> None:
    """Lines below it are found all the same."""
    base = files(f=b"aa bb cc\nx\ny\nz\n")
    target = files(f=b"aa cc\nx\nY\nz\n")
    found = check(base, target, MODEL, plans(base, target, MODEL, inside=True), Settings())
    first, second = found.files[0].hunks
    assert [line.text for line in first.lines] == [b"aa cc\n"]
    assert first.lines[0].tokens == ()
    assert [(line.number, line.text) for line in second.lines] == [(3, b"Y\n")]


def test_the_diff_shape_s_marks_are_no_text() -> None:
    base, target = files(f=b"a\nb\nc\n"), files(f=b"a\n+x\n\n    y\nc\n")
    wanted = plans(base, target, MODEL)
    found = check(base, target, MODEL, wanted, Settings(shape=Shape.DIFF))
    assert [line.text for line in found.files[0].lines] == [b"+x\n", b"\n", b"    y\n"]
    assert b"".join(token.text for token in tokens_of(found)) == b"+x\n\n    y\n"


@pytest.mark.parametrize("source", [SeedSource.GREEDY, SeedSource.DRAWN])
def test_seeds_that_are_not_coded(source: SeedSource) -> None:
    """The tokens' bits are told, and no part of the sum."""
    sure = bigram_model({ID[b"```\n"]: {ID[b"a\n"]: 9.0}, ID[b"a\n"]: {ID[b"x\n"]: 20.0}}, WORDS)
    model = sure if source is SeedSource.GREEDY else UNSURE
    made = author(BASE, TARGET, model, effort=Effort(seed_source=source, check=False))
    envelope = enveloped(made.recipe)
    found = explain(envelope, BASE, model)
    assert sum(each.bits for each in found.parts) == 8 * len(envelope)
    assert not found.text_is_coded
    assert "text" not in {each.name for each in found.parts}
    assert found.text_bits == pytest.approx(made.token_bits, abs=1e-4)
    assert sum(line.bits for line in found.files[0].lines) == found.text_bits
    seed = part(found, "seed")
    assert seed == 8 * (len(envelope) - 13 - 64 - len(made.recipe.stream))
    assert (seed > 0) == (source is SeedSource.DRAWN)


def test_labels_that_are_not_known_here_are_causes_too() -> None:
    """References and hints may come; their decisions are counted under whatever they say."""
    from groundstation.explain.lines import by_label
    from groundstation.replay.record import Decided

    told = [
        Decided("references", False, 0, 3.5, 0, 9),
        Decided("", True, 7, 2.25, 7, 9),
        Decided("hint", True, 7, 1.5, 7, 9),
        Decided("", False, 1, 0.5, 0, 2),
        Decided("references", False, 2, 1.0, 0, 9),
    ]
    assert dict(by_label(told)) == {"references": 4.5, "": 2.25, "hint": 1.5, "other": 0.5}


# --- refusals ---------------------------------------------------------------------------------


def test_other_models_trees_kinds_and_patches_are_refused() -> None:
    recipe = write(BASE, TARGET, MODEL)
    with pytest.raises(WrongPin):
        explain(enveloped(recipe), BASE, random_model(4))
    with pytest.raises(WrongBaseline):
        explain(enveloped(recipe), TARGET, MODEL)
    with pytest.raises(UnsupportedVersion, match="media"):
        explain(enveloped(replace(recipe, kind=Kind.MEDIA)), BASE, MODEL)
    with pytest.raises(DigestMismatch):
        explain(enveloped(replace(recipe, patch_digest=bytes(8))), BASE, MODEL)


def test_changes_in_another_order_are_not_put_to_each_other_s_paths() -> None:
    """No author writes that, but a probe would take it."""
    base = files(f=b"a\nb\n", g=b"c\nd\n", h=b"e\n")
    target = files(f=b"a\nx\n", g=b"c\ny\n", h=b"z\n")
    wanted = plans(base, target, MODEL)
    wanted = [wanted[1], wanted[0], wanted[2]]
    envelope = enveloped(write(base, target, MODEL, wanted=wanted))
    with pytest.raises(RegenerationError, match="'g', 'f', 'h' in this order"):
        explain(envelope, base, MODEL)


# --- what is dearest --------------------------------------------------------------------------


def line_of(*pieces: tuple[bytes, float | None], number: int = 5) -> Line:
    made, column = [], 0
    for text, bits in pieces:
        token = None if bits is None else Token(text, text, b"?", bits, number, column)
        made.append(Piece(text, token))
        column += len(text)
    return Line(number, tuple(made), sum(bits or 0 for _, bits in pieces))


def test_words_take_the_tokens_that_begin_in_them() -> None:
    line = line_of(
        (b"  ", 0.5), (b" max", 3.0), (b"_si", 1.5), (b"ze", 0.25), (b" = ", None), (b"f", 2.0),
        (b"(x)", 1.0), (b";\n", 0.125),
    )  # fmt: skip
    assert list(words_of(line)) == [
        (b"   ", 0.5), (b"max_size", 4.75), (b"f", 2.0), (b"(", 1.0), (b");", 0.125),
    ]  # fmt: skip


def test_a_token_of_two_lines_is_paid_once() -> None:
    token = Token(b"\n  ", b"\n  ", b"", 4.0, 5, 1)
    first = Line(5, (Piece(b"x", None), Piece(b"\n", token)), 4.0)
    second = Line(6, (Piece(b"  ", token), Piece(b"y\n", None)), 0.0)
    assert [list(words_of(line)) for line in (first, second)] == [[(b"\n", 4.0)], []]
    assert (first.tokens, second.tokens) == ((token,), ())


def test_dearest_are_the_first_of_all_in_order() -> None:
    base, target = files(f=b"a\nc\n", g=b"k\n"), files(f=b"a\nint x\nc\n", g=b"k\nzz yy\n")
    found = check(base, target, MODEL, plans(base, target, MODEL), Settings())
    best = dearest(found, 4)
    everything = sorted((token.bits for token in tokens_of(found)), reverse=True)
    assert [dear.bits for dear in best.tokens] == everything[:4]
    assert [dear.bits for dear in best.lines] == sorted(
        (line.bits for file in found.files for line in file.lines), reverse=True
    )
    assert {(dear.path, dear.line, dear.text) for dear in best.lines} == {
        ("f", 2, b"int x\n"), ("g", 2, b"zz yy\n"),
    }  # fmt: skip
    assert dearest(found, 0).words == ()


# --- how it is shown --------------------------------------------------------------------------


def test_heat() -> None:
    assert [heat(bits) for bits in (0, 0.49, 0.5, 1.9, 2, 4, 7.99, 8, 30)] == [
        0, 0, 1, 1, 2, 3, 3, 4, 4,
    ]  # fmt: skip


def test_characters_split_between_tokens_are_shown_once() -> None:
    smile = "é😀".encode()
    line = line_of((smile[:3], 1.0), (smile[3:4], 2.0), (smile[4:], 3.0), (b"\xff\x1b\n", 4.0))
    assert [text for text, _ in shown_pieces(line)] == ["é😀", "·", "·", "\\xff\\x1b⏎"]
    assert shown(b" \t\n\x07") == "␣→⏎\\x07"


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pins") / "tiny"
    write_random_pin(folder)
    return folder


ODD = "b [/bold] <i>&\x1b[31m.py"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    base = files(a__c=b"int x;\nint y;\n").replace({ODD: Entry(Mode.REGULAR, b"[red]\n")})
    new = b"[red]\n</td><script>alert(1)</script>[/red]\n"
    target = base.replace(
        {"a.c": Entry(Mode.REGULAR, b"int x;\nint z;\n"), ODD: Entry(Mode.REGULAR, new)}
    )
    write_tree(base, tmp_path / "base")
    write_tree(target, tmp_path / "target")
    (tmp_path / "p.patch").write_bytes(unified_diff(base, target))
    made = CliRunner().invoke(app, ["keygen", "--out", str(tmp_path / "keys")])
    assert made.exit_code == 0
    return tmp_path


def run(folder: Path, pin: Path, *words: str | Path) -> Any:
    common = ["explain", "--base", folder / "base", "--model", pin, "--budget", "0", *words]
    return CliRunner().invoke(app, [str(word) for word in common])


def test_command_tells_the_same_of_envelope_target_and_patch(folders: Path, pin: Path) -> None:
    envelope = folders / "e"
    words = [
        "author",
        "--no-history",
        "--base",
        folders / "base",
        "--target",
        folders / "target",
        "--budget",
        "0",
    ]
    words += ["--model", pin, "--key", folders / "keys" / "ground.key", "--out", envelope]
    authored = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert authored.exit_code == 0, authored.output
    told = []
    for source in (
        [envelope], ["--target", folders / "target"], ["--patch", folders / "p.patch"],
    ):  # fmt: skip
        done = run(folders, pin, *source, "--json")
        assert done.exit_code == 0, done.output
        told.append(json.loads(done.stdout))
    assert told[0]["total_bytes"] == envelope.stat().st_size
    assert told[0]["total_bits"] == 8 * envelope.stat().st_size
    assert sum(each["bits"] for each in told[0]["parts"]) == told[0]["total_bits"]
    assert told[0]["text_bits"] == pytest.approx(json.loads(authored.stdout)["token_bits"], abs=1)
    del told[0]["counter"], told[1]["counter"], told[2]["counter"]
    assert told[1] == told[2] == told[0]


def test_command_for_people(folders: Path, pin: Path) -> None:
    done = run(folders, pin, "--target", folders / "target")
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "b [/bold] <i>&\\x1b[31m.py  modify" in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    total = float(rows["total"].split()[1])
    assert rows["signature"].split()[1:3] == ["512.00", "64.0"]
    assert total % 8 == 0


def test_command_refuses_two_sources_and_none(folders: Path, pin: Path) -> None:
    both = run(folders, pin, folders / "p.patch", "--target", folders / "target", "--json")
    none = run(folders, pin, "--json")
    page = run(folders, pin, "--target", folders / "target", "--html", folders / "no/p.html")
    damaged = run(folders, pin, folders / "p.patch", "--json")
    assert (both.exit_code, none.exit_code, page.exit_code) == (4, 4, 4)
    assert damaged.exit_code in {11, 13}
    assert not (folders / "no").exists()
