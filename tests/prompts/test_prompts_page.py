"""docs/prompts.md says what the code does: its tables are compared number by number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from shared.prompts import changeset, compose, context, inside, loci, naming, rewrite, settings
from shared.prompts.transcript import FORBIDDEN_TOKENS

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text()
TEXT = " ".join(PAGE.split())


def numbers(name: str) -> list[int]:
    """A list of numbers in a fenced block."""
    (found,) = re.findall(rf"```numbers {name}\n(.*?)\n```", PAGE, re.DOTALL)
    return [int(number) for number in found.split()]


def test_loci() -> None:
    assert numbers("near_head") == loci._NEAR_HEAD.tolist()
    assert numbers("near_last") == loci._NEAR_LAST.tolist()
    assert numbers("resembling") == loci._RESEMBLING.tolist()
    assert numbers("octave") == loci._OCTAVE.tolist()
    assert numbers("octave") == [round(256 * 2 ** (k / 8)) for k in range(8)]
    assert numbers("removed") == loci._REMOVED.tolist()
    ranker = loci.LocusRanker([b"x\n"] * 50)
    assert ranker.removed(50)[9:].tolist() == [10176 // (n * n + 1) + 1 for n in range(9, 51)]
    rows = re.findall(r"^\| (\d+) \| .* \| (-?\d+) \| (-?\d+) \|$", PAGE, re.MULTILINE)
    assert [int(kind) for kind, _, _ in rows] == list(range(13))
    assert [int(there) for _, there, _ in rows] == loci._KIND_HERE.tolist()
    assert [int(before) for _, _, before in rows] == loci._KIND_BEFORE.tolist()
    assert f"*gone*: {loci._GONE} if" in TEXT
    assert f"+ {loci._OFFSET} weight = octave" in TEXT
    assert f"by {', '.join(map(str, loci._MORE_PER_END))} after one" in TEXT


def test_kinds_of_lines_are_those_of_the_table() -> None:
    """Each beginning that a row lists is of that kind."""
    for kind, rule in re.findall(r"^\| (\d+) \| starts with (.*?) \|", PAGE, re.MULTILINE):
        for beginning in re.findall(r"`([^`]+)`", rule.partition(", or is")[0]):
            assert loci.kind_of_line(beginning.encode() + b"x") == int(kind), beginning


def test_files() -> None:
    assert f"**Kind.** choose{changeset._KIND_WEIGHTS}" in TEXT
    assert f"**Codec.** choose{changeset._CODEC_WEIGHTS}" in TEXT
    assert f"ends in `{' '.join(changeset._CODE_SUFFIXES)}`" in TEXT
    assert changeset._more_files(0) == (1, 4096)
    assert changeset._more_files(7) == (2, 7)
    assert changeset.MAX_BLOB_BYTES == 1 << 40


def test_letters_of_paths() -> None:
    weights = [1] * 256 + [90]
    weights[0] = 0
    for letters, added in re.findall(r"^\| `(\S+)` \| (\d+) \|$", PAGE, re.MULTILINE):
        for letter in letters.encode():
            weights[letter] += int(added)
    assert naming._LETTERS.tolist() == weights


def test_settings() -> None:
    rows = dict(re.findall(r"^\| (\w[^|]*?) \| ([^|]*?) \| [\d, ]+ \|$", PAGE, re.MULTILINE))
    assert rows["shape"] == ", ".join(shape.name.lower() for shape in settings.Shape)
    assert rows["lines before a window's first hunk"] == _listed(settings.LINES_BEFORE)
    assert rows["lines after it"] == _listed(settings.LINES_AFTER)
    assert rows["inverse temperature"] == _listed(settings.INVERSE_TEMPERATURES)


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def test_written_lines_and_tokens() -> None:
    plain = [0, *((1 << 26) // (n * (n + 1)) for n in range(1, 4001))]
    assert rewrite.written_lines(0).tolist() == plain
    bonus = {1: 1615, 2: 796, 3: 192, 4: 153, 5: 153, 4000: 153}
    assert "1615, 796, 192, 153 more" in TEXT
    for removed, times in bonus.items():
        expected = np.array(plain)
        expected[removed] += (1 << 26) // 1000 * times
        assert rewrite.written_lines(removed).tolist() == expected.tolist()
    assert inside._TOKEN_WEIGHTS.tolist() == [
        60, *(1024 // (n * (n + 1)) + 1 for n in range(1, 65))
    ]  # fmt: skip
    assert f"choose{rewrite._DELETION}; 1 is a **deletion**" in TEXT
    assert rewrite.MAX_REMOVED_LINES == rewrite.MAX_WRITTEN_LINES == 4000
    assert compose.MAX_LINES == 65_536
    assert f"more than {FORBIDDEN_TOKENS} tokens: nothing is done" in TEXT


def test_languages() -> None:
    (listed,) = re.findall(r"in any case: (.*?); else nothing", TEXT)
    found = {}
    for group in listed.split("; "):
        endings, _, word = group.partition(" → ")
        found |= {ending: word.strip("`") for ending in endings.split(", ")}
    assert found == context._LANGUAGES
