"""The golden digests that every processor must compute: here they are computed natively."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks.cross import debian
from benchmarks.cross.__main__ import Task, keys, runs_of
from benchmarks.cross.check import Outcome, Places, Selection, outcomes
from benchmarks.cross.closure import files_of
from benchmarks.cross.compute import receive
from benchmarks.cross.golden import Golden, Sending, described, load_golden, tree_of
from benchmarks.cross.machines import ARCHITECTURES, PURE, foreign
from benchmarks.cross.make_golden import KEY, patches
from benchmarks.cross.report import Run, page
from benchmarks.cross.userland import CODE, REPOSITORY, Userland, pinned_releases
from benchmarks.probe.environment import ABSENT
from groundstation.corpus.sources.release_trees import fetch_releases
from groundstation.models.catalogue import QWEN, SMOLLM2_PATCH
from shared.auth.keys import to_text
from shared.errors import BadSignature, InputError
from shared.exact.kernels import compiled_library
from shared.exact.pin import cache_home, pins_home
from shared.message.codec_version import CODEC
from shared.tree import write_tree

GOLDEN = load_golden()
PACKAGES = ("shared", "probe", "groundstation", "benchmarks")
SMALL = [(each.model, each.name) for each in GOLDEN.sendings if not each.release]


def computed(places: Places, **chosen: list[str]) -> list[Outcome]:
    """Checks on this machine; they say themselves why they cannot run."""
    for model in chosen["models"]:
        if not (pins_home() / model / "manifest.json").is_file():
            pytest.skip(f"{model} is not pinned here: groundstation model fetch {model}")
    if "c" in chosen["kernels"] and compiled_library() is None:
        pytest.skip("there is no compiled kernel here: no C compiler when this was installed")
    return list(outcomes(GOLDEN, Selection(**chosen), places))


def test_both_families_and_the_demo_are_covered() -> None:
    assert {each.pin for each in GOLDEN.readings} == {SMOLLM2_PATCH.pin_digest, QWEN.pin_digest}
    assert {each.pin for each in GOLDEN.sendings} == {SMOLLM2_PATCH.pin_digest, QWEN.pin_digest}
    assert [each.model for each in GOLDEN.sendings if each.release] == [SMOLLM2_PATCH.name]
    assert [each.pin for each in GOLDEN.makings] == [SMOLLM2_PATCH.pin_digest]
    assert GOLDEN.codec == CODEC
    assert {each.trust for each in GOLDEN.sendings} == {to_text(KEY.public_key())}


def test_the_file_is_as_the_generator_writes_it() -> None:
    text = (Path(__file__).parents[1] / "benchmarks/cross/golden.json").read_text("ascii")
    assert GOLDEN.to_text() == text
    assert Golden.from_text(text) == GOLDEN


def test_the_trees_are_those_of_the_generator() -> None:
    """The wanted trees come from the patches themselves, not from what a probe once made."""
    wanted = {each.name: each for each in patches()}
    for sending in GOLDEN.sendings:
        patch = wanted[sending.name]
        assert sending.tree == patch.target.digest.hex() != patch.base.digest.hex()
        if not sending.release:
            assert tree_of(sending.files) == patch.base
            assert {k: list(v) for k, v in described(patch.base).items()} == sending.files


@pytest.mark.model
@pytest.mark.parametrize("kernel", ["c", "numpy"])
@pytest.mark.parametrize("model", [SMOLLM2_PATCH.name, QWEN.name])
def test_logits_here_are_the_golden_ones(model: str, kernel: str) -> None:
    found = computed(Places(pins_home()), models=[model], kernels=[kernel], names=["logits"])
    assert [(each.check, each.different) for each in found] == [("logits", ())]


@pytest.mark.model
@pytest.mark.parametrize(
    ("model", "name", "kernel"),
    [*((*each, "c") for each in SMALL), (*SMALL[0], "numpy")],
)
def test_envelopes_here_lead_to_the_golden_trees(model: str, name: str, kernel: str) -> None:
    found = computed(Places(pins_home()), models=[model], kernels=[kernel], names=[name])
    assert [(each.name, each.different) for each in found] == [(name, ())]


@pytest.mark.model
def test_the_demo_here_leads_to_the_golden_tree(tmp_path: Path) -> None:
    release = tmp_path / "release"
    write_tree(fetch_releases().old, release)
    (demo,) = (each for each in GOLDEN.sendings if each.release)
    places = Places(pins_home(), release=release)
    found = computed(places, models=[demo.model], kernels=["c"], names=[demo.name])
    assert [(each.name, each.different) for each in found] == [(demo.name, ())]


@pytest.mark.model
def test_a_difference_is_told_field_by_field() -> None:
    reading = next(each for each in GOLDEN.readings if each.model == SMOLLM2_PATCH.name)
    other = replace(reading, tokens=(*reading.tokens[:-1], reading.tokens[-1] + 1))
    chosen = Selection((reading.model,), ("numpy",), ("logits",))
    golden = replace(GOLDEN, readings=(other,))
    (found,) = outcomes(golden, chosen, Places(pins_home()))
    assert not found.equal
    assert found.different == ("logits", "frequencies")


def small() -> Sending:
    return next(each for each in GOLDEN.sendings if each.name == SMALL[0][1])


def test_a_damaged_envelope_is_refused_before_any_model_is_computed(tmp_path: Path) -> None:
    data = bytearray(bytes.fromhex(small().envelope))
    data[-3] ^= 4
    with pytest.raises(BadSignature):
        receive(replace(small(), envelope=data.hex()), pins_home(), "c")
    (tmp_path / small().model).mkdir()
    golden = replace(GOLDEN, readings=(), makings=())
    (missing,) = outcomes(golden, Selection((), ("c",), (small().name,)), Places(tmp_path))
    assert not missing.equal
    assert "manifest.json" in missing.different[0]


def test_a_pin_is_made_only_where_there_are_weights() -> None:
    chosen = Selection((), ("numpy",), ("pin",))
    assert list(outcomes(GOLDEN, chosen, Places(pins_home()))) == []
    assert (cache_home() / "downloads").name == "downloads"


def test_what_is_emulated_is_never_what_this_machine_is() -> None:
    assert set(foreign("x86_64")) == {"arm64", "riscv64", "s390x"}
    assert set(foreign("aarch64")) == {"amd64", "riscv64", "s390x"}


def test_every_wheel_has_a_release() -> None:
    releases = pinned_releases()
    for each in ARCHITECTURES.values():
        for name in (*PURE, *each.wheels):
            assert releases[name.lower().replace("_", "-")], name


def test_what_a_board_is_given_imports_nothing_else() -> None:
    """Of our own packages, check and compute need only what is copied."""
    copied = {name.partition("/")[0] for name in CODE}
    for name in ("check", "compute", "golden"):
        tree = ast.parse((REPOSITORY / f"benchmarks/cross/{name}.py").read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                top = node.module.partition(".")[0]
                assert top in copied or top not in {"demo", "sims", "tests"}, node.module
                assert top != "benchmarks" or node.module.startswith("benchmarks.cross.")


def test_the_emulator_is_given_its_own_root_and_nothing_of_this_machine(tmp_path: Path) -> None:
    made = Userland(ARCHITECTURES["s390x"], tmp_path)
    command = made.command("-c", "pass")
    assert command[0].endswith("tools/usr/bin/qemu-s390x-static")
    assert command[command.index("-L") + 1] == str(tmp_path / "root")
    assert command[-3:] == [str(tmp_path / "root/usr/bin/python3.13"), "-c", "pass"]
    assert f"PYTHONPATH={tmp_path / 'code'}:{tmp_path / 'site'}" in command


def test_a_machine_that_is_not_debian_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "KEYRING", Path("/nowhere/debian.gpg"))
    with pytest.raises(InputError, match=r"/nowhere/debian\.gpg not found") as caught:
        debian.check_tools()
    assert "docs/cross.md" in str(caught.value.remedy)


def test_the_report_shows_a_difference() -> None:
    good = Outcome("logits", "logits", "m", "c", True, (), 1.4)
    bad = Outcome("envelope", "e", "m", "numpy", False, ("tokens", "tree"), 61.0)
    facts = {"machine": "s390x", "byteorder": "big", "python": "3", "numpy": "2", "blas": "b"}
    text = page([Run("s390x", "qemu", facts, (asdict(good), asdict(bad)))], 5)
    assert "| s390x | c | m | logits and frequencies of given tokens | equal | 1 |" in text
    assert "| s390x | numpy | m | envelope: e | DIFFERENT: tokens; tree | 61 |" in text
    assert "| qemu | 2 of 5 |" in text
    assert "2 checks, 1 equal, 1 not." in text


def test_the_committed_report_is_of_these_checks_and_has_no_difference() -> None:
    text = (REPOSITORY / "benchmarks/CROSS.md").read_text("utf-8")
    assert "DIFFERENT" not in text
    assert re.search(r"^(\d+) checks, \1 equal, 0 not\.$", text, re.MULTILINE)
    for model, name in SMALL:
        assert f"| arm64 | c | {model} | envelope: {name} | equal |" in text


def test_the_probe_page_has_nothing_heavy() -> None:
    text = (REPOSITORY / "benchmarks/PROBE.md").read_text("utf-8")
    for name in ABSENT:
        assert f"| {name} | no |" in text


def pretended(tmp_path: Path, *, equal: bool) -> Task:
    """A machine that answers at once, and counts how often it was asked."""
    code = (
        "import json, pathlib; log = pathlib.Path('log'); "
        "log.write_text((log.read_text() if log.exists() else '') + '.'); "
        "print(json.dumps({'machine': {'machine': 'm', 'byteorder': 'big', 'python': '3', "
        "'numpy': '2', 'blas': 'b'}})); "
        "print(json.dumps({'check': 'logits', 'name': 'logits', 'model': 'm', 'kernel': 'c', "
        f"'equal': {equal}, 'different': [], 'seconds': 1.0}}))"
    )
    return Task(
        "m", "", lambda *_: [sys.executable, "-c", code], tmp_path, tmp_path / "results.json"
    )


def test_what_was_equal_is_not_computed_again(tmp_path: Path) -> None:
    wanted = list(keys(GOLDEN))[:2]
    for _ in range(2):
        *_, last = runs_of(pretended(tmp_path, equal=True), wanted, [], lambda _: None)
        assert (len(last.outcomes), last.wrong) == (2, 0)
    assert (tmp_path / "log").read_text() == ".."


def test_what_was_different_is_computed_again_and_counts(tmp_path: Path) -> None:
    wanted = list(keys(GOLDEN))[:2]
    for _ in range(2):
        *_, last = runs_of(pretended(tmp_path, equal=False), wanted, [], lambda _: None)
        assert (len(last.outcomes), last.wrong) == (2, 2)
    assert (tmp_path / "log").read_text() == "...."


def test_a_machine_that_says_nothing_is_no_result(tmp_path: Path) -> None:
    task = Task("m", "", lambda *_: [sys.executable, "-c", ""], tmp_path, tmp_path / "r.json")
    with pytest.raises(InputError, match="did not end: exit code 0"):
        list(runs_of(task, list(keys(GOLDEN))[:1], [], lambda _: None))


def test_every_check_is_asked_of_every_machine_once() -> None:
    asked = list(keys(GOLDEN))
    both = [*((each.model, "logits") for each in GOLDEN.readings)]
    both += [(each.model, each.name) for each in GOLDEN.sendings]
    assert len(asked) == len(set(asked))
    assert set(asked) == {(k, *each) for k in ("c", "numpy") for each in both} | {
        ("numpy", SMOLLM2_PATCH.name, "pin")
    }


def test_results_depend_on_what_the_check_loads_and_on_nothing_else(tmp_path: Path) -> None:
    """Against the interpreter: whatever of ours a run has loaded is among the files."""
    loads = (
        "import sys, benchmarks.cross.check, probe.messages.apply, shared.exact.kernels\n"
        "print(*(m.__file__ for m in sys.modules.values() if getattr(m, '__file__', None)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", loads], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    loaded = {Path(word) for word in ran.stdout.split()}
    ours = {path for path in loaded if REPOSITORY in path.parents and path.suffix == ".py"}
    ours = {path for path in ours if path.relative_to(REPOSITORY).parts[0] in PACKAGES}
    files = set(files_of("benchmarks.cross.check", REPOSITORY))
    assert len(ours) > 40
    assert ours <= files
    assert REPOSITORY / "shared/exact/_kernel.c" in files
    assert not any("sims" in path.parts or "media" in path.parts for path in files)

    (tmp_path / "one").mkdir()
    (tmp_path / "one/__init__.py").write_text("import three\n")
    (tmp_path / "one/two.py").write_text("def late():\n    from one.four import x\n")
    (tmp_path / "one/four.py").write_text("import os\n")
    (tmp_path / "one/five.py").write_text("import os\n")
    (tmp_path / "three.py").write_text("")
    names = [path.name for path in files_of("one.two", tmp_path)]
    assert names == ["__init__.py", "four.py", "two.py", "three.py"]
