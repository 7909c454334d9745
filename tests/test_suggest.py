"""``groundstation suggest``: what it counts is what author needs; nothing is changed unasked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_codec import random_model, write_random_pin
from typer.testing import CliRunner, Result

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.patches.equivalence import same, same_c, same_python
from benchmarks.patches.pairs import load_pair
from benchmarks.patches.suggest import MODEL, rows, trees
from groundstation.authoring.author import Effort, author
from groundstation.cli import app
from groundstation.inputs import open_model
from groundstation.suggest.choosing import Suggested, suggest
from groundstation.suggest.finding import find
from groundstation.suggest.plans import as_dict, plan_of, read_plan
from groundstation.suggest.proof import Judge
from groundstation.suggest.proposals import Edit, Kind, Proposal, edited, with_proposals
from groundstation.suggest.scoring import Cost, Scorer
from shared.errors import InputError
from shared.prompts.language_model.model import LanguageModel
from shared.tree import Entry, Mode, Tree, read_tree, write_tree

OLD = b"import a\n\n\ndef f(b):\n    return b\n\n\ndef g(n):\n    return n * 3\n"
NEW = b"""import a


def f(b):
    # Add up everything that is even, one after the other.
    accumulated_total = 0
    for each_of_them in b:
        accumulated_total += each_of_them
    return accumulated_total


def g(n):
    return n * 4  # no longer three
"""
C_OLD = b"int f(int n)\n{\n    return n;\n}\n\nint h(int z)\n{\n    int k = z;\n    return k;\n}\n"
C_NEW = C_OLD.replace(
    b"    return n;", b"    int intermediate = n * 2;\n    return intermediate; /* doubled */"
)
BASE = Tree({"a.py": Entry(Mode.REGULAR, OLD), "c.c": Entry(Mode.EXECUTABLE, C_OLD)})
TARGET = Tree({"a.py": Entry(Mode.REGULAR, NEW), "c.c": Entry(Mode.EXECUTABLE, C_NEW)})
ONE = Effort(max_seconds=float("inf"), max_candidates=1, check=False)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return random_model(words=True)


@pytest.fixture(scope="module")
def found(model: LanguageModel) -> Suggested:
    return suggest(BASE, TARGET, model)


def needed(target: Tree, model: LanguageModel) -> int:
    return author(BASE, target, model, effort=ONE).payload_bytes


def test_the_set_costs_what_author_needs(found: Suggested, model: LanguageModel) -> None:
    together = with_proposals(TARGET, [each.proposal for each in found.chosen])
    assert found.before.payload_bytes == needed(TARGET, model)
    assert found.after.payload_bytes == needed(together, model)
    saved = sum(each.saved_bits for each in found.chosen)
    assert saved == pytest.approx(found.before.bits - found.after.bits)
    assert found.finished and not found.interrupted
    assert found.after.payload_bytes < found.before.payload_bytes - 10


def test_the_set_has_short_names_and_no_comment(found: Suggested) -> None:
    """Of a model that knows nothing, the fewest bytes are best."""
    together = with_proposals(TARGET, [each.proposal for each in found.chosen])
    text = together["a.py"].data
    assert b"accumulated_total" not in text and b"each_of_them" not in text and b"#" not in text
    assert b"intermediate" not in together["c.c"].data and b"/*" not in together["c.c"].data
    assert together["c.c"].mode is Mode.EXECUTABLE
    assert same_python(NEW, text, renames(found)) and same_c(
        C_NEW, together["c.c"].data, renames(found)
    )


def renames(found: Suggested) -> set[tuple[str, str]]:
    return {each.proposal.rename for each in found.chosen if each.proposal.rename is not None}


def test_what_is_kept_between_counts_changes_no_number(model: LanguageModel) -> None:
    scorer = Scorer(BASE, model)
    texts = [NEW, NEW.replace(b"n * 4", b"n * 5"), NEW.replace(b"b:", b"b :"), OLD + b"x = 1\n"]
    for text in [*texts, *reversed(texts)]:
        target = TARGET.replace({"a.py": Entry(Mode.REGULAR, text)})
        plain = author(BASE, target, model, effort=ONE)
        bits = plain.prompt_bits + plain.token_bits + 8 * plain.delta_bytes
        assert scorer.cost(target) == Cost(bits, plain.payload_bytes)
        scorer.expected_names(text[: text.find(b"return")])


def test_docstrings_and_kinds_are_only_what_is_asked_for(model: LanguageModel) -> None:
    new = NEW.replace(b"def g(n):\n", b'def g(n):\n    """Four times it."""\n')
    target = TARGET.replace({"a.py": Entry(Mode.REGULAR, new)})
    for kinds in ({Kind.COMMENT}, {Kind.NAME}, {Kind.DOCSTRING}):
        got = suggest(BASE, target, model, kinds=frozenset(kinds), most=6)
        assert {each.proposal.kind for each in (*got.chosen, *got.others)} <= kinds
        assert got.chosen
    usual = suggest(BASE, target, model, most=6)
    assert Kind.DOCSTRING not in {each.proposal.kind for each in (*usual.chosen, *usual.others)}


def test_what_is_found_is_kept_when_the_user_stops(model: LanguageModel) -> None:
    counted = 0

    def impatient(stage: str, done: int, _: int) -> None:
        nonlocal counted
        counted += stage == "together" and done == 2
        if counted:
            raise KeyboardInterrupt

    got = suggest(BASE, TARGET, model, report=impatient)
    assert got.interrupted and not got.finished
    assert len(got.chosen) in (1, 2)
    together = with_proposals(TARGET, [each.proposal for each in got.chosen])
    assert got.after.payload_bytes == needed(together, model)


def test_no_budget_counts_the_patch_alone(model: LanguageModel) -> None:
    ticks = iter(range(1000))
    got = suggest(BASE, TARGET, model, budget_s=0.0, clock=lambda: float(next(ticks)))
    assert (got.chosen, got.others, got.scored, got.finished) == ((), (), 1, False)
    assert got.before == got.after


def test_a_patch_is_never_proposed_away(model: LanguageModel) -> None:
    target = BASE.replace({"a.py": Entry(Mode.REGULAR, b"# only a comment\n" + OLD)})
    got = suggest(BASE, target, model)
    assert with_proposals(target, [each.proposal for each in got.chosen]) != BASE
    with pytest.raises(InputError, match="nothing to send"):
        suggest(BASE, BASE, model)


def test_edits_that_meet_are_refused() -> None:
    assert edited(b"abcdef", [Edit(4, 6, b"X"), Edit(1, 2, b"")]) == b"acdX"
    for pair in ([Edit(1, 3, b""), Edit(2, 4, b"")], [Edit(1, 1, b"x"), Edit(1, 1, b"y")]):
        with pytest.raises(InputError):
            edited(b"abcdef", pair)
    with pytest.raises(InputError):
        edited(b"abc", [Edit(2, 4, b"")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("suggest")
    write_random_pin(made / "pin")
    write_tree(BASE, made / "base")
    write_tree(TARGET, made / "target")
    return made


def run(folder: Path, *words: str, **changed: str) -> Result:
    named = {"base": str(folder / "base"), "target": str(folder / "target"),
             "model": str(folder / "pin"), **changed}  # fmt: skip
    options = [word for name, value in named.items() for word in (f"--{name}", value)]
    return CliRunner().invoke(app, ["suggest", *options, *words])


def test_the_command_reports_saves_and_applies_what_is_chosen(folder: Path) -> None:
    result = run(folder, "--json")
    assert result.exit_code == 0, result.output
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["saved_bytes"] == report["before_payload_bytes"] - report["after_payload_bytes"]
    assert [each["number"] for each in report["proposals"]][:2] == [1, 2]
    (folder / "plan.json").write_text(result.stdout)
    assert read_tree(folder / "target") == TARGET
    out = folder / "out"
    words = ("--from", str(folder / "plan.json"), "--choose", "2,1", "--apply", str(out))
    applied = run(folder, *words, "--json")
    assert applied.exit_code == 0, applied.output
    told = json.loads(applied.stdout)
    plan = read_plan(result.stdout.encode())
    assert read_tree(out) == with_proposals(TARGET, plan.proposals[:2])
    assert told["chosen"] == [1, 2] and told["target"] == read_tree(out).digest.hex()
    assert told["before_payload_bytes"] == report["before_payload_bytes"]
    assert told["after_payload_bytes"] < told["before_payload_bytes"]
    again = run(folder, *words)
    assert again.exit_code == 4 and "there already" in again.stderr


def test_the_command_applies_the_whole_set_at_once(folder: Path) -> None:
    result = run(folder, "--apply", str(folder / "all"))
    assert result.exit_code == 0, result.output
    assert "accumulated_total ->" in result.stdout
    assert b"accumulated_total" not in read_tree(folder / "all")["a.py"].data


def test_plans_for_other_trees_and_damaged_ones_are_refused(
    folder: Path, found: Suggested, tmp_path: Path
) -> None:
    report = as_dict(found, BASE, TARGET)
    plan = read_plan(json.dumps(report).encode())
    assert plan == plan_of(found, BASE, TARGET)
    assert plan.pick("all") == plan.proposals[: len(found.chosen)]
    for words in ("0", "1,x", "", str(len(plan.proposals) + 1), "-1"):
        with pytest.raises(InputError, match="no proposal"):
            plan.pick(words)
    for damage in (b"", b"[]", b'{"format": "rehydration-suggest/2"}', b"\xff",
                   json.dumps({**report, "proposals": [{}]}).encode()):  # fmt: skip
        with pytest.raises(InputError):
            read_plan(damage)
    swapped = tmp_path / "plan.json"
    swapped.write_text(json.dumps(report))
    refused = run(folder, "--from", str(swapped), base=str(folder / "target"))
    assert refused.exit_code == 4 and "baseline" in refused.stderr
    records: Any = report["proposals"]
    forged = [
        {**record, "edits": [[0, 8, b"import b".hex()]], "path": "a.py"} for record in records
    ]
    swapped.write_text(json.dumps({**report, "proposals": forged}))
    refused = run(folder, "--from", str(swapped), "--choose", "1", "--apply", str(tmp_path / "o"))
    assert refused.exit_code == 4 and not (tmp_path / "o").exists()


ADVERSARY = ("self", "i", "data", "value", "e", "self_", "os", "len", "n", "x", "result", "size")


@pytest.mark.model
def test_whatever_is_proven_on_real_patches_passes_other_checks() -> None:
    """Names come from a list, not from a model: the proof alone decides, on every patch."""
    proven: dict[str, int] = {}
    kinds = frozenset(Kind) - {Kind.DOCSTRING}
    with open_index() as index:
        archives = ArchiveCache(corpus_home(), index)
        pairs = [load_pair(row, archives) for row in rows()]
    for pair in pairs:
        base, target = trees(pair)
        judge = Judge.of(target)
        good: list[Proposal] = []
        for group in find(base, target, lambda _: ADVERSARY, kinds):
            for thought in group[:4]:
                proposal = thought.proven(judge)
                if proposal is not None:
                    good.append(proposal)
                    text = with_proposals(target, [proposal])[pair.path].data
                    names = {proposal.rename} if proposal.rename else set()
                    assert same(pair.path, pair.new, text, names), (pair.id, proposal)
        proven[pair.id] = len(good)
    assert len(proven) >= 10
    assert sum(count > 0 for count in proven.values()) >= 8, proven


@pytest.mark.model
def test_on_a_real_patch_the_real_model_needs_what_was_said() -> None:
    with open_index() as index:
        pair = load_pair(
            next(row for row in rows() if row.diff_bytes < 700), ArchiveCache(corpus_home(), index)
        )
    base, target = trees(pair)
    model = open_model(MODEL)
    got = suggest(base, target, model, most=2)
    after = with_proposals(target, [each.proposal for each in got.chosen])
    assert got.after.payload_bytes == author(base, after, model, effort=ONE).payload_bytes


def test_the_other_check_can_tell_programs_apart() -> None:
    one = b"def f(a):\n    b = a\n    def g():\n        return b + a\n    return g\n"
    assert same_python(one, one.replace(b"b", b"zz"), {("b", "zz")})
    assert not same_python(one, one.replace(b"b", b"zz"), set())
    assert not same_python(one, one.replace(b"+", b"-"), {("b", "zz")})
    assert not same_python(one, one.replace(b"b + a", b"a + b"), {("b", "zz")})
    assert not same_python(b"x = 1\n", b"x = 1.0\n", ())
    assert not same_python(b"x = f(a=1)\n", b"x = f(b=1)\n", {("a", "b")})
    assert same_c(b"int a; /* x */\n", b"int a;\n", ())
    assert not same_c(b"int a; /* x */\n", b"int b;\n", ())
