"""The fit of the weights: what it may see, what it makes of counts, and odds found again."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks import fit_loci
from benchmarks.archives import ArchiveCache
from benchmarks.corpus import HELDOUT, PAIRS, Pair, read_rows
from benchmarks.fit_loci import Event, FileEvents, file_events, fit_places, rounded_tables
from benchmarks.fit_releases import (
    RELEASES,
    Step,
    canonical,
    digest,
    format_steps,
    load_steps,
    read_steps,
)
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
    monkeypatch.setattr("benchmarks.fit_releases.changed_texts", lambda *_: [pair])
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
    first, second = found.events
    assert (first.chosen, second.chosen) == (2, 1)
    assert first.features.shape == (5, 7)
    # head 12 rows, last 12, kinds 13, kinds before 13, gone 2, resembling 6
    assert first.features[:, 2].tolist() == [1, 24 + 12, 37 + 0, 50, 52]
    # one line below the first; "a" is gone; "x" and "a" are the same two words
    assert second.features.tolist() == [
        [12, 13, 13],
        [24, 24 + 12, 24],
        [37 + 12, 37, 37 + 12],
        [50, 51, 50],
        [52, 56, 52],
    ]
    assert not found.ended  # nor could it be: the last hunk ends with the file
    assert found.hunks == (Hunk(2, 3, b"x = b(1)\n"), Hunk(5, 6, b"x = b(2)\n"))
    assert file_events(Pair("p-2-x", "python", "p", "x.py", 9, old, old)) is None


def test_no_more_is_counted_where_it_can_be_chosen() -> None:
    """After a hunk that ends with the file no decision follows."""
    for old, new, ended in ((b"a\nb\n", b"a\nc\n", False), (b"a\nb\n", b"c\nb\n", True)):
        found = file_events(Pair("p-2-x", "python", "p", "x.py", 9, old, new))
        assert found is not None
        assert found.ended == ended


def test_known_odds_are_found_again() -> None:
    """A line that names what is gone is chosen 3 times of 4 beside one that does not: 3 to 1."""
    rows = np.array([[12, 12], [36, 36], [37, 37], [50, 51], [52, 52]])
    events = [Event(rows, chosen) for chosen in [1] * 3000 + [0] * 1000]
    weights = fit_places(events)
    assert weights[51] - weights[50] == pytest.approx(math.log(3), abs=0.01)
    tables = rounded_tables(weights)
    assert tables["gone"] == [0, round(8 * math.log2(3))]
    assert tables["near_head"] == [0] * 12
    bits = fit_loci.bits_of_places(events, weights)
    assert bits[0] == pytest.approx(-math.log2(3 / 4), abs=0.01)
    assert bits[-1] == pytest.approx(2, abs=0.02)


def test_tables_in_use_have_the_fits_sizes() -> None:
    used = fit_loci.tables_in_use()
    assert {name: len(table) for name, table in used.items()} == fit_loci.TABLES
    assert used["near_head"][0] == 22
    assert used["gone"] == [0, 16]


def test_the_fit_is_where_the_likelihood_is_highest() -> None:
    """Against small steps away from it, on events of different sizes."""
    draws = np.random.default_rng(5)
    events = []
    for size in (3, 5, 8, 13) * 10:
        rows = np.array([[12], [24], [37], [50], [52]]) + draws.integers(0, 2, (5, size))
        events.append(Event(rows, int(draws.integers(0, size))))
    weights = fit_places(events)

    def worth(at: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
        bits = float(fit_loci.bits_of_places(events, at).sum())
        return -bits * math.log(2) - fit_loci.RIDGE / 2 * float(at @ at)

    best = worth(weights)
    for row in {int(row) for event in events for row in event.features.ravel()}:
        for step in (-0.05, 0.05):
            moved = weights.copy()
            moved[row] += step
            assert worth(moved) < best


def hunk(removed: int, written: int) -> Hunk:
    return Hunk(0, removed, b"x\n" * written)


def test_counts_become_weights() -> None:
    hunks = [hunk(1, 1)] * 60 + [hunk(0, 2)] * 20 + [hunk(1, 0)] * 15 + [hunk(30, 1)] * 5
    few, many = fit_loci.removed_lines(hunks)
    assert few == [200, 750, 1, 1, 1, 1, 1, 1, 1]
    assert many == round(50 / sum(1 / (n * n + 1) for n in range(9, 4001)))
    assert fit_loci.deletions(hunks) == 15 / 80


def test_the_bonus_makes_the_shares_as_they_were() -> None:
    """Of hunks that replace one line, 0.5 + b of 1 + b write one: nine of ten where b is 4."""
    hunks = [hunk(1, 1)] * 90 + [hunk(1, 3)] * 10 + [hunk(2, 2)] * 50 + [hunk(2, 1)] * 50
    one, two, three, more = fit_loci.as_many_as_removed([*hunks, hunk(3, 1), hunk(7, 2)])
    assert one == 4000
    assert (1 / 6 + two / 1000) / (1 + two / 1000) == pytest.approx(0.5, abs=0.001)
    assert (three, more) == (0, 0)


def test_how_often_another_hunk_follows() -> None:
    """Nine files of one hunk, three of four: three went on after the first, nine did not."""
    event = Event(np.zeros((5, 1), dtype=np.int64), 0)
    files = [FileEvents("p", (event,), True, ())] * 2 + [
        FileEvents("p", (event,) * 7, True, ())
    ] * 12
    assert Counter(len(file.events) for file in files) == {1: 2, 7: 12}
    assert fit_loci.more_per_end(files) == [6, 12, 12, 12, 2]
