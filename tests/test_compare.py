"""Every way to send one patch, with a model that knows four endings of one story."""

from __future__ import annotations

import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from taught_model import open_pin, teach
from typer.testing import CliRunner

from groundstation.commands.compare import compare as command
from groundstation.compare import compare as module
from groundstation.compare.compare import GREEDY_CANDIDATES, Comparison, Way, compare, token_bits
from groundstation.peers import PEERS, measure_peers
from groundstation.peers.link_cost import duration, link_seconds, overhead_bytes, ratio, wire_bytes
from groundstation.replay.reseed import retell
from shared.diff import unified_diff
from shared.errors import InputError, RehydrationError
from shared.prompts.language_model.pinned import PinnedModel
from shared.regenerate import regenerate
from shared.seeds.coins import SeedSource
from shared.tree import Entry, Mode, Tree, write_tree

OLD = "int top(void)\n{\n    return 7;\n}\n"
DIGITS = "1234"
BASE = Tree({"m.c": Entry(Mode.REGULAR, OLD.encode())})

app = typer.Typer()
app.command()(command)
runner = CliRunner()


def story(new: str) -> str:
    """The prompt that the default settings make for m.c, and what follows."""
    head = f"m.c (old version):\n```c\n{OLD}```\n\n"
    return f"{head}m.c (new version):\n```c\n{new}```\n"


def with_digit(digit: str) -> Tree:
    return Tree({"m.c": Entry(Mode.REGULAR, OLD.replace("7", digit).encode())})


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [story(OLD.replace("7", digit)) for digit in DIGITS]
    return teach(tmp_path_factory.mktemp("taught"), texts)


@pytest.fixture(scope="module")
def model(pin: Path) -> PinnedModel:
    return open_pin(pin)


@pytest.fixture(scope="module")
def expected_digits(model: PinnedModel) -> dict[str, Comparison]:
    return {digit: compare(BASE, with_digit(digit), model) for digit in DIGITS}


def ours(comparison: Comparison) -> dict[str, Way]:
    return {way.name: way for way in comparison.ways if way.ours}


# --- what a payload costs ---------------------------------------------------------------------


def test_an_empty_envelope_is_key_head_counter_two_prefixes_and_digest() -> None:
    assert overhead_bytes() == 1 + 1 + 1 + 1 + 1 + 8
    assert overhead_bytes(255) == 13
    assert overhead_bytes(256) == 14
    assert wire_bytes(0) == 77
    assert wire_bytes(23) == 100


@pytest.mark.parametrize(
    ("size", "rate", "seconds"), [(0, 16, 0.0), (1, 16, 0.5), (77, 16, 38.5), (100, 160, 5.0)]
)
def test_seconds_on_the_link(size: int, rate: int, seconds: float) -> None:
    assert link_seconds(size, rate) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.05, "0.05 s"),
        (38.5, "38.5 s"),
        (99.9, "99.9 s"),
        (100, "1.67 min"),
        (3600, "60 min"),
        (6000, "1.67 h"),
        (7.2e6, "2000 h"),
    ],
)
def test_durations_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_ratio_needs_both_sides() -> None:
    assert ratio(3, 4) == 0.75
    assert ratio(0, 4) == 0
    assert ratio(None, 4) is ratio(3, None) is ratio(3, 0) is None


# --- our three ways ---------------------------------------------------------------------------


def test_the_model_s_first_choice_needs_no_seed_and_another_digit_needs_another_prompt(
    expected_digits: dict[str, Comparison],
) -> None:
    ways = {digit: ours(expected_digits[digit]) for digit in DIGITS}
    at_once = [d for d in DIGITS if "right at all" in ways[d]["ours-greedy"].note]
    assert len(at_once) == 1, "of four equally likely endings, one is the first choice"
    for digit in DIGITS:
        way, coded = ways[digit]["ours-greedy"], ways[digit]["ours-coded"]
        assert way.verified
        assert way.payload_bytes is not None and coded.payload_bytes is not None
        if digit in at_once:
            assert way.payload_bytes <= coded.payload_bytes
        else:  # the prompt has to say what the seed would have said, in more bytes
            tokens = expected_digits[digit].authored.tokens
            assert f"wrong at 1 of {tokens} tokens before, is right after the best of" in way.note
            assert way.payload_bytes > coded.payload_bytes


def test_a_drawn_seed_is_found_among_few(expected_digits: dict[str, Comparison]) -> None:
    seeds = set()
    for digit, comparison in expected_digits.items():
        bits = token_bits(comparison.retelling.tokens)
        assert 1.9 < bits < 2.4, "one of four"
        way = ours(comparison)["ours-drawn"]
        assert way.verified, digit
        words = way.note.split()
        assert words[0] == "seed"
        assert f"2^{bits:.1f}" in way.note
        seeds.add(int(words[1].rstrip(";")))
        assert way.wire_bytes is not None
        prompt = way.wire_bytes - overhead_bytes() - 64 - 1  # one byte holds the seed
        coded = ours(comparison)["ours-coded"].payload_bytes
        assert coded is not None
        assert prompt <= coded
    assert len(seeds) == 4, "one seed draws one text"


def test_what_the_model_does_not_expect_is_said_honestly(model: PinnedModel) -> None:
    comparison = compare(BASE, with_digit("0xbeef"), model)
    authored, ways = comparison.authored, ours(comparison)
    assert ways["ours-coded"].verified
    assert authored.surprises > 2
    greedy = ways["ours-greedy"]
    assert (greedy.payload_bytes, greedy.wire_bytes, greedy.verified) == (None, None, False)
    found = re.match(
        r"cannot: .* wrong at (\d+) of \d+ tokens after the best of (\d+)", greedy.note
    )
    assert found and 0 < int(found[1]) < authored.surprises
    assert int(found[2]) == GREEDY_CANDIDATES
    drawn = ways["ours-drawn"]
    assert authored.token_bits > 24
    assert (drawn.wire_bytes, drawn.verified) == (None, False)
    assert f"not tried: about 2^{authored.token_bits:.1f} seeds" in drawn.note


def test_reading_back_counts_what_the_author_counted(
    expected_digits: dict[str, Comparison],
) -> None:
    for comparison in expected_digits.values():
        authored, retelling = comparison.authored, comparison.retelling
        assert retelling.patch == authored.patch
        assert len(retelling.tokens) == authored.tokens
        assert len(retelling.surprises) == authored.surprises
        assert token_bits(retelling.tokens) == pytest.approx(authored.token_bits)
        assert token_bits(retelling.prompts) == pytest.approx(authored.prompt_bits)


def test_sizes_of_ours_are_those_of_the_recipes(
    expected_digits: dict[str, Comparison], model: PinnedModel
) -> None:
    comparison = expected_digits["3"]
    recipe = comparison.authored.recipe
    coded = ours(comparison)["ours-coded"]
    assert recipe.seed_source is SeedSource.CODED
    assert coded.payload_bytes == len(recipe.stream)
    assert coded.wire_bytes == 13 + len(recipe.stream) + 64
    drawn = ours(comparison)["ours-drawn"]
    seed = int(drawn.note.split()[1].rstrip(";"))
    told = comparison.retelling.with_source(recipe, SeedSource.DRAWN, seed)
    assert regenerate(told, BASE, lambda: model).target == with_digit("3")
    again = retell(told, BASE, lambda: model)
    assert again.tokens == comparison.retelling.tokens
    assert again.prompts == comparison.retelling.prompts


def test_another_source_gives_the_patch_only_where_it_may(
    expected_digits: dict[str, Comparison], model: PinnedModel
) -> None:
    surprised = next(c for c in expected_digits.values() if c.retelling.surprises)
    recipe = surprised.authored.recipe
    greedy = surprised.retelling.with_source(recipe, SeedSource.GREEDY)
    try:
        patch = regenerate(greedy, BASE, lambda: model).patch
    except RehydrationError:
        patch = b""
    assert patch != surprised.authored.patch
    with pytest.raises(ValueError, match="order"):
        surprised.retelling.with_source(recipe, SeedSource.CODED)


def test_a_wrong_seed_is_not_called_verified(
    model: PinnedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = module.find_seed
    found: list[int] = []

    def one_off(*arguments: object) -> int:
        found.append(right(*arguments) or 0)  # type: ignore[arg-type]
        draws = {1, 2, 3, 4, 5, 6, 7, 8, 9} - {found[-1]}
        return min(draws)

    monkeypatch.setattr(module, "find_seed", one_off)
    results = [ours(compare(BASE, with_digit(d), model))["ours-drawn"] for d in DIGITS]
    assert len(found) == 4
    assert not all(way.verified for way in results)
    assert all(way.wire_bytes is not None for way in results)


def test_no_seed_within_the_limit(model: PinnedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRIES", 0)
    way = ours(compare(BASE, with_digit("2"), model))["ours-drawn"]
    assert way.note.startswith("none of 0 seeds")
    assert (way.payload_bytes, way.verified) == (None, False)


def test_a_patch_without_tokens_needs_the_prompt_alone(model: PinnedModel) -> None:
    target = Tree({"m.c": Entry(Mode.EXECUTABLE, OLD.encode())})
    comparison = compare(BASE, target, model)
    ways = ours(comparison)
    assert comparison.retelling.tokens == ()
    assert all(way.verified for way in ways.values())
    assert ways["ours-coded"].wire_bytes == ways["ours-greedy"].wire_bytes
    drawn = ways["ours-drawn"].wire_bytes
    assert drawn is not None
    assert drawn - 1 == ways["ours-greedy"].wire_bytes


def test_files_of_every_kind_in_one_patch(model: PinnedModel) -> None:
    base = Tree(
        {
            "m.c": Entry(Mode.REGULAR, OLD.encode()),
            "gone": Entry(Mode.REGULAR, b"x\n"),
            "image": Entry(Mode.REGULAR, bytes(range(256)) * 3),
            "link": Entry(Mode.SYMLINK, b"gone"),
        }
    )
    target = base.replace(
        {
            "m.c": Entry(Mode.REGULAR, OLD.replace("7", "2").encode()),
            "gone": None,
            "image": Entry(Mode.EXECUTABLE, bytes(range(256)) * 2 + b"\0end"),
            "link": Entry(Mode.SYMLINK, b"m.c"),
        }
    )
    comparison = compare(base, target, model)
    assert comparison.authored.recipe.blobs
    assert all(way.verified for way in comparison.ways if way.wire_bytes is not None)
    coded = ours(comparison)["ours-coded"]
    assert coded.wire_bytes is not None and coded.payload_bytes is not None
    assert coded.wire_bytes == coded.payload_bytes + 13 + 1 + 64, "deltas: the stream has a size"


# --- peers beside them ------------------------------------------------------------------------


def test_peers_are_in_the_same_envelope(expected_digits: dict[str, Comparison]) -> None:
    comparison = expected_digits["3"]
    alone = {result.name: result for result in measure_peers(BASE, with_digit("3"))}
    rows = {way.name: way for way in comparison.ways}
    assert set(rows) == set(PEERS) | {"ours-greedy", "ours-drawn", "ours-coded"}
    assert len(rows) == len(comparison.ways)
    for name, result in alone.items():
        assert rows[name].payload_bytes == result.bytes, name
        assert rows[name].verified, name
        assert result.bytes is not None
        assert rows[name].wire_bytes == 13 + result.bytes + 64
    sizes = [way.wire_bytes for way in comparison.ways]
    sent = [size for size in sizes if size is not None]
    assert sent == sorted(sent)
    assert sizes == sent + [None] * (len(sizes) - len(sent))


def test_json(expected_digits: dict[str, Comparison]) -> None:
    comparison = expected_digits["4"]
    told = json.loads(json.dumps(comparison.as_dict()))
    assert set(told) == {
        "patch_bytes", "files", "pin", "codec", "baseline", "overhead_bytes", "signature_bytes",
        "reference", "prompt_bits", "token_bits", "tokens", "surprises", "candidates", "search_s",
        "ways",
    }  # fmt: skip
    assert told["patch_bytes"] == len(unified_diff(BASE, with_digit("4")))
    assert (told["overhead_bytes"], told["signature_bytes"], told["files"]) == (13, 64, 1)
    assert told["baseline"] == BASE.digest.hex()
    rows = {row["name"]: row for row in told["ways"]}
    for row in rows.values():
        assert set(row) == {
            "name", "ours", "summary", "payload_bytes", "wire_bytes", "payload_ratio",
            "wire_ratio", "seconds_at_16_bit_s", "seconds_at_160_bit_s", "verified", "work_s",
            "note",
        }  # fmt: skip
    zstd, coded = rows["zstd-dict"], rows["ours-coded"]
    assert (zstd["payload_ratio"], zstd["wire_ratio"]) == (1, 1)
    assert coded["payload_ratio"] == pytest.approx(
        coded["payload_bytes"] / zstd["payload_bytes"], abs=1e-4
    )
    assert coded["wire_ratio"] == pytest.approx(coded["wire_bytes"] / zstd["wire_bytes"], abs=1e-4)
    assert coded["seconds_at_16_bit_s"] == coded["wire_bytes"] / 2
    assert math.isclose(coded["seconds_at_160_bit_s"], coded["wire_bytes"] / 20)


def test_without_a_reference_there_are_no_ratios(expected_digits: dict[str, Comparison]) -> None:
    comparison = expected_digits["1"]
    others = tuple(way for way in comparison.ways if way.name != "zstd-dict")
    told = replace(comparison, ways=others).as_dict()["ways"]
    assert isinstance(told, list)
    assert {row["wire_ratio"] for row in told} == {None}


def test_the_same_trees_are_refused(model: PinnedModel) -> None:
    with pytest.raises(InputError, match="same"):
        compare(BASE, BASE, model)


def test_progress_is_told(model: PinnedModel) -> None:
    told: list[tuple[str, int, int]] = []
    compare(BASE, with_digit("2"), model, report=lambda *seen: told.append(seen))
    assert {"peers", "regenerating"} <= {stage for stage, _, _ in told}


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    write_tree(BASE, tmp_path / "old")
    write_tree(with_digit("2"), tmp_path / "new")
    return ["--base", str(tmp_path / "old"), "--target", str(tmp_path / "new")]


def test_command_prints_one_line_a_way(pin: Path, folders: list[str]) -> None:
    done = runner.invoke(app, [*folders, "--model", str(pin)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    for name in (*PEERS, "ours-coded", "ours-drawn", "ours-greedy"):
        assert sum(line.split()[:1] == [name] for line in lines) == 1, name
    assert len({len(line.rstrip()) <= 120 for line in lines if "yes" in line}) == 1
    row = next(line.split() for line in lines if line.startswith("zstd-dict "))
    assert row[1:6] == ["11", "1.00", "88", "1.00", "44"]
    assert row[-1] == "yes"


def test_command_takes_a_patch_instead(pin: Path, folders: list[str], tmp_path: Path) -> None:
    patch = tmp_path / "change.patch"
    patch.write_bytes(unified_diff(BASE, with_digit("2")))
    arguments = ["--model", str(pin), "--json"]
    by_target = runner.invoke(app, [*folders, *arguments])
    by_patch = runner.invoke(app, [*folders[:2], "--patch", str(patch), *arguments])
    sizes = [
        {row["name"]: row["wire_bytes"] for row in json.loads(done.stdout)["ways"]}
        for done in (by_target, by_patch)
    ]
    assert sizes[0] == sizes[1]
    both = runner.invoke(app, [*folders, "--patch", str(patch), *arguments])
    assert both.exit_code == InputError.exit_code
    assert json.loads(both.stdout)["error"] == "input"


def test_missing_libraries_cost_their_rows_only(
    pin: Path, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bsdiff4", None)
    done = runner.invoke(app, [*folders, "--model", str(pin)])
    assert done.exit_code == 0
    row = next(line for line in done.stdout.splitlines() if line.startswith("bsdiff4 "))
    assert "-" in row.split() and "yes" not in row
    assert "bsdiff4: not installed: pip install rehydration-uplink[compare]" in done.stdout


@pytest.mark.parametrize(("suffix", "magic"), [("png", b"\x89PNG\r\n"), ("svg", b"<?xml")])
def test_plot(suffix: str, magic: bytes, pin: Path, folders: list[str], tmp_path: Path) -> None:
    picture = tmp_path / f"bytes.{suffix}"
    done = runner.invoke(app, [*folders, "--model", str(pin), "--plot", str(picture)])
    assert done.exit_code == 0, done.output
    assert picture.read_bytes().startswith(magic)


@pytest.mark.parametrize("name", ["bytes.xyz", "no/such/folder/bytes.png"])
def test_an_impossible_plot_is_refused_before_any_work(
    name: str, folders: list[str], tmp_path: Path
) -> None:
    done = runner.invoke(
        app, [*folders, "--model", "no-such-model", "--plot", str(tmp_path / name), "--json"]
    )
    assert json.loads(done.stdout)["error"] == "input"
    assert done.exit_code == InputError.exit_code


def test_a_missing_matplotlib_is_named(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = runner.invoke(
        app, [*folders, "--model", "no-such-model", "--plot", str(tmp_path / "a.png"), "--json"]
    )
    told = json.loads(done.stdout)
    assert "matplotlib" in told["found"]
    assert "rehydration-uplink[sims]" in told["remedy"]


def test_matplotlib_is_not_loaded_without_a_plot() -> None:
    import subprocess

    code = "import sys, groundstation.commands.compare; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "False\n"
