"""The fit of the weights: what it may see, what it makes of counts, and odds found again."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks.archives import ArchiveCache
from benchmarks.fit import hunk_places
from benchmarks.fit.conditional_logit import RIDGE, Event, Stacked, fit, rounded_tables
from benchmarks.fit.hunk_places import SIZES, file_events
from benchmarks.fit.releases import (
    RELEASES,
    Step,
    canonical,
    digest,
    format_steps,
    load_steps,
    read_steps,
)
from benchmarks.patches.pairs import HELDOUT, PAIRS, Pair, read_rows
from shared.errors import DownloadError, InputError
from shared.prompts.rewrite import Hunk

# --- what it may see ----------------------------------------------------------------------------


def test_no_package_of_the_benchmark_is_fitted_to() -> None:
    """Whole packages are left out, however their names are spelled."""
    measured = {row.package.lower() for path in (PAIRS, HELDOUT) for row in read_rows(path)}
    fitted = {step.package.lower() for step in read_steps()}
    assert len(measured) > 25
    assert len(fitted) > 30
    assert not fitted & measured
    plain = str.maketrans("_.", "--")
    assert not {name.translate(plain) for name in fitted} & {n.translate(plain) for n in measured}


def test_the_list_is_in_its_own_form() -> None:
    steps = read_steps()
    assert format_steps(steps) == RELEASES.read_text("utf-8")
    assert len({(step.package, step.old_version, step.archive) for step in steps}) == len(steps)
    assert {step.language for step in steps} == {"c", "python"}
    assert all(len(step.sha256) == 64 for step in steps)


@pytest.mark.parametrize("name", ["rpi-GPIO", "RPi.GPIO", "rpi_gpio", "PSUTIL"])
def test_a_package_of_the_benchmark_is_refused(tmp_path: Path, name: str) -> None:
    listed = tmp_path / "steps.csv"
    listed.write_text(format_steps([Step(name, "c", "sdist", "1", "2", "0" * 64)]))
    with pytest.raises(InputError, match="belongs to the benchmark"):
        read_steps(listed)
    assert canonical("RPi.GPIO") == "rpi-gpio"


@pytest.mark.parametrize(
    "step", [Step("a", "c", "egg", "1", "2"), Step("a", "ada", "wheel", "1", "2")]
)
def test_a_malformed_list_is_refused(tmp_path: Path, step: Step) -> None:
    listed = tmp_path / "steps.csv"
    listed.write_text(format_steps([step]))
    with pytest.raises(InputError, match="line 2"):
        read_steps(listed)
    listed.write_text("package,language\na,c\n")
    with pytest.raises(InputError, match="line 2"):
        read_steps(listed)


def test_other_contents_than_were_drawn_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = Pair("a-2-x", "c", "a", "x.c", 9, b"int x;\n", b"int y;\n")
    monkeypatch.setattr("benchmarks.fit.releases.changed_texts", lambda *_: [pair])
    archives = ArchiveCache(Path())
    drawn = Step("a", "c", "sdist", "1", "2", digest([pair]))
    assert list(load_steps([drawn], archives)) == [[pair]]
    with pytest.raises(DownloadError, match="others"):
        list(load_steps([Step("a", "c", "sdist", "1", "2", "0" * 64)], archives))


# --- what it makes of it ------------------------------------------------------------------------


def test_a_change_becomes_events() -> None:
    """Two hunks in a file of six lines: seven places before the first, three after it."""
    old = b"import a\n\nx = a(1)\nlast\n\nx = a(2)\n"
    new = b"import a\n\nx = b(1)\nlast\n\nx = b(2)\n"
    found = file_events(Pair("p-2-x", "python", "p", "x.py", 9, old, new))
    assert found is not None
    assert found.hunks == (Hunk(2, 3, b"x = b(1)\n"), Hunk(5, 6, b"x = b(2)\n"))
    first, second = found.events["start"]
    assert (first.chosen, second.chosen) == (2, 1)
    assert first.features["head_near"].tolist() == [0, 1, 1, 2, 2, 2, 2]
    assert first.offset.tolist() == [0.0] * 7
    assert second.features["resembling"].tolist() == [0, 4, 0]
    assert second.features["gone"].tolist() == [0, 4, 0]
    assert [event.chosen for event in found.events["removed"]] == [1, 1]
    assert [event.chosen for event in found.events["written"]] == [1, 1]
    # one more came; after it nothing was asked: the last hunk ends with the file
    assert [event.chosen for event in found.events["end"]] == [0]
    assert file_events(Pair("p-2-x", "python", "p", "x.py", 9, old, old)) is None


def test_no_more_is_counted_where_it_can_be_chosen() -> None:
    """After a hunk that ends with the file no decision follows."""
    for old, new, ended in ((b"a\nb\n", b"a\nc\n", []), (b"a\nb\n", b"c\nb\n", [1])):
        found = file_events(Pair("p-2-x", "python", "p", "x.py", 9, old, new))
        assert found is not None
        assert [event.chosen for event in found.events["end"]] == ended


def test_another_hunk_weighs_nothing_beside_no_more() -> None:
    """So that the fitted score of "no more" is its odds; every table is row 0 for the other."""
    old = b"".join(b"line %d\n" % k for k in range(40))
    new = old.replace(b" 3\n", b" x\n").replace(b" 9\n", b" y\n")
    found = file_events(Pair("p-2-x", "c", "p", "x.c", 9, old, new))
    assert found is not None
    data = Stacked.of(found.events["end"], SIZES["end"])
    assert not data.features[:, ::2].any()
    assert (data.features[:, 1::2] > 0).all()
    draws = np.random.default_rng(3).normal(size=data.width)
    draws[0] = 0
    odds = data.chances(draws)[1] / data.chances(draws)[0]
    assert odds == pytest.approx(math.exp(draws[data.features[:, 1]].sum()))


def test_few_plain_places_stand_for_all() -> None:
    features = {"near": np.arange(5000) % 12, "gone": np.zeros(5000, dtype=np.int64)}
    features["gone"][4321] = 3
    event = hunk_places.thinned(features, 2222, "ab12")
    assert event.offset.size == 64 + 3 + 2 + hunk_places.PLAIN_PLACES
    assert event.features["near"][event.chosen] == 2222 % 12
    assert (event.features["gone"] == 3).sum() == 1
    assert np.exp(event.offset).sum() == pytest.approx(5000)
    again = hunk_places.thinned(features, 2222, "ab12")
    assert again.features["near"].tolist() == event.features["near"].tolist()


def events_of_two(chosen: list[int]) -> list[Event]:
    rows = {"gone": np.array([0, 1]), "here": np.array([2, 2])}
    return [Event(rows, choice, np.zeros(2)) for choice in chosen]


def test_known_odds_are_found_again() -> None:
    """A line that names what is gone is chosen 3 times of 4 beside one that does not: 3 to 1."""
    sizes = {"here": 4, "gone": 2}
    data = Stacked.of(events_of_two([1] * 3000 + [0] * 1000), sizes)
    weights = fit(data, close=1e-9)
    assert weights[6] - weights[5] == pytest.approx(math.log(3), abs=0.02)
    tables = rounded_tables(weights, sizes)
    assert tables["gone"][1] - tables["gone"][0] in (12, 13)  # 8 log2(3) = 12.7
    assert tables["here"] == [0, 0, 0, 0]
    bits = data.bits(weights)
    assert bits[0] == pytest.approx(-math.log2(3 / 4), abs=0.01)
    assert bits[-1] == pytest.approx(2, abs=0.03)


def test_the_fit_is_where_the_likelihood_is_highest() -> None:
    """Against small steps away from it, on events of different sizes, some without a table."""
    draws = np.random.default_rng(5)
    events = []
    for number, size in enumerate((3, 5, 8, 13) * 10):
        names = ("a", "b", "c") if number % 3 else ("a", "c")
        rows = {name: draws.integers(0, 3, size) for name in names}
        events.append(Event(rows, int(draws.integers(0, size)), draws.normal(size=size)))
    data = Stacked.of(events, {"a": 3, "b": 3, "c": 3})
    weights = fit(data, close=1e-12)

    def worth(at: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        return -float(data.bits(at).sum()) * math.log(2) - RIDGE / 2 * float(at @ at)

    best = worth(weights)
    for row in range(1, data.width):
        for step in (-0.05, 0.05):
            moved = weights.copy()
            moved[row] += step
            assert worth(moved) < best


def test_tables_in_use_have_the_fits_sizes() -> None:
    used = hunk_places.tables_in_use()
    assert {
        choice: {name: len(table) for name, table in tables.items()}
        for choice, tables in used.items()
    } == {choice: dict(sizes) for choice, sizes in SIZES.items()}
    assert used["start"]["gone"][5] > used["start"]["gone"][0]


def test_features_stay_within_their_tables() -> None:
    """On random files and hunks; a row too far would weigh what the next table says."""
    draws = np.random.default_rng(11)
    pieces = [b"import x\n", b"\n", b"    y = f(x)\n", b"}\n", b'"""\n', b"\tz" * 40 + b"\n"]
    for _ in range(8):
        old = b"".join(pieces[k] for k in draws.integers(0, 6, 120))
        new = b"".join(
            line * int(draws.choice([1, 1, 1, 1, 0, 2])) for line in old.splitlines(keepends=True)
        )
        found = file_events(Pair("p-2-x", "c", "p", "x.c", 9, old, new))
        assert found is not None
        for choice, sizes in SIZES.items():
            for event in found.events[choice]:
                for name, rows in event.features.items():
                    low = -len(TABLES_BEFORE[name]) - 1 if choice == "end" else 0
                    assert low <= rows.min(), name
                    assert rows.max() < sizes[name], name


TABLES_BEFORE = {
    name: range(before)
    for name, before in zip(SIZES["end"], np.cumsum([0, *SIZES["end"].values()]), strict=False)
}


def test_the_report_says_what_was_fitted() -> None:
    old = b"".join(b"line %d\n" % k for k in range(40))
    files = []
    for number, package in enumerate("abcdef"):
        new = old.replace(b" %d\n" % (3 + number), b" x\n").replace(b" 20\n", b" y\nz\n")
        found = file_events(Pair("p", "c", package, package + ".c", 9, old, new))
        assert found is not None
        files.append(found)
    lines = list(hunk_places.report(files))
    assert lines[0] == "6 files of 6 packages, 12 hunks"
    assert sum(line.startswith("start ") for line in lines) == len(SIZES["start"])
    assert any(line.endswith("hunk_place_tables.py: False") for line in lines)
    assert lines[-1].startswith("bits of written, fitted to other packages: ")
