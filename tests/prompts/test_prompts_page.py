"""docs/prompts.md says what the code does: its tables are compared number by number."""

from __future__ import annotations

import re
from pathlib import Path

from shared.prompts import changeset, new_file, settings
from shared.prompts.context import excerpts, hint, layouts, preface
from shared.prompts.context.transcript import FORBIDDEN_TOKENS
from shared.prompts.language_model import ngrams
from shared.prompts.places import hunk_places, paths, within_line
from shared.prompts.places.hunk_place_tables import TABLES
from shared.prompts.text import blocks, file_similarity, line_class

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text()
TEXT = " ".join(PAGE.split())


def numbers(name: str) -> list[int]:
    """A list of numbers in a fenced block."""
    (found,) = re.findall(rf"```numbers {name}\n(.*?)\n```", PAGE, re.DOTALL)
    return [int(number) for number in found.split()]


def test_loci() -> None:
    """Every table of the four choices stands on the page, once, and no other."""
    tables = {name: table for named in TABLES.values() for name, table in named.items()}
    assert len(tables) == sum(map(len, TABLES.values()))
    for name, table in tables.items():
        assert numbers(name) == table.tolist(), name
    recalled = {"recall_order", "recall_seen"}
    assert set(re.findall(r"```numbers (\w+)", PAGE)) == {*tables, "octave", *recalled}
    listed = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ", PAGE, re.MULTILINE)
    assert set(tables) <= {name.strip("`") for row in listed for name in row.split(", ")}
    assert numbers("octave") == hunk_places._OCTAVE.tolist()
    assert numbers("octave") == [round(256 * 2 ** (k / 8)) for k in range(8)]
    assert f"+ {hunk_places._OFFSET}, held within 0 to {hunk_places._LARGEST}" in TEXT
    assert TEXT.count(f"+ {hunk_places._MIDDLE}, held within 0 to {hunk_places._LARGEST}") == 2
    assert f"divided by {hunk_places._LINES_PER_FIRST_END} before the first hunk" in TEXT


def test_first_words_are_those_of_the_list() -> None:
    (listed,) = re.findall(r"```words opening\n(.*?)\n```", PAGE, re.DOTALL)
    words = listed.split()
    assert len(words) == line_class.OPENINGS - 2
    for index, word in enumerate(words, start=2):
        assert line_class.opening_word(b"  (" + word.encode() + b" x") == index
    assert line_class.opening_word(b"imports x") == 1
    assert line_class.opening_word(b" 12, }") == 0


def test_kinds_of_lines_are_those_of_the_table() -> None:
    """Each beginning that a row lists is of that kind."""
    for kind, rule in re.findall(r"^\| (\d+) \| starts with (.*?) \|$", PAGE, re.MULTILINE):
        for beginning in re.findall(r"`([^`]+)`", rule.partition(", or is")[0]):
            assert line_class.kind_of_line(beginning.encode() + b"x") == int(kind), beginning


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
    assert paths._LETTERS.tolist() == weights


def test_settings() -> None:
    rows = dict(re.findall(r"^\| (\w[^|]*?) \| ([^|]*?) \| [\d, ]+ \|$", PAGE, re.MULTILINE))
    assert rows["shape"] == ", ".join(shape.name.lower() for shape in settings.Shape)
    assert rows["lines before a window's first hunk"] == _listed(settings.LINES_BEFORE)
    assert rows["lines after it"] == _listed(settings.LINES_AFTER)
    assert rows["inverse temperature"] == _listed(settings.INVERSE_TEMPERATURES)


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def test_tokens_and_limits() -> None:
    assert within_line._TOKEN_WEIGHTS.tolist() == [
        60, *(1024 // (n * (n + 1)) + 1 for n in range(1, 65))
    ]  # fmt: skip
    assert hunk_places.MAX_REMOVED_LINES == hunk_places.MAX_WRITTEN_LINES == 4000
    assert new_file.MAX_LINES == 65_536
    assert f"more than {FORBIDDEN_TOKENS} tokens: nothing is done" in TEXT


def test_languages() -> None:
    (listed,) = re.findall(r"in any case: (.*?); else nothing", TEXT)
    found = {}
    for group in listed.split("; "):
        endings, _, word = group.partition(" → ")
        found |= {ending: word.strip("`") for ending in endings.split(", ")}
    assert found == layouts._LANGUAGES


def test_recall() -> None:
    assert numbers("recall_order") == list(ngrams._BY_ORDER)
    assert numbers("recall_seen") == list(ngrams._BY_SEEN)
    assert numbers("octave") == list(ngrams._OCTAVE)
    signed = f"{-ngrams.BY_CERTAINTY} * certainty + seen[bits(n) - 1] + {ngrams._ALONE} if u = 1"
    assert f"order[K] - {signed}" in TEXT


def test_what_is_shown_before_a_file() -> None:
    """Weights, limits, and the words that start blocks."""
    none, some = preface.NONE_WEIGHTS
    learned = preface.LEARNED
    assert f"choose({none} + {learned} a, {some} + {learned} b)" in TEXT
    assert f"choose{preface.COUNT_WEIGHTS}, 0 to {excerpts.MAX_REFERENCES}" in TEXT
    assert len(preface.COUNT_WEIGHTS) == excerpts.MAX_REFERENCES + 1
    assert f"choose{preface.HINT_WEIGHTS}, not asked without excerpts" in TEXT
    assert f"1 to {hint.MAX_TOKENS}, n with weight 1024 div (n + 1)" in TEXT
    assert hint._TOKEN_WEIGHTS.tolist() == [1024 // (n + 1) for n in range(1, 25)]
    assert f"`{hint.LEAD.decode()}` is given" in TEXT
    assert excerpts._RANKED == 2**24 and excerpts._OTHERS == 2**20
    assert f"weight {excerpts._LENGTH} div (n + 4) + 1, and {excerpts._WHOLE} more" in TEXT
    assert file_similarity.MAX_FILE_BYTES == 2**18 and file_similarity.MAX_BYTES == 2**22
    assert f"until they are {file_similarity.MAX_FILES}" in TEXT
    assert f"counts q = {file_similarity.NEAR_COUNTS}" in TEXT and file_similarity.NEAR_LINES == 3
    assert f"at most {blocks.MAX_BLOCK_LINES} lines in all" in TEXT
    assert blocks.HEADER_COUNTS - 1 == 2
    (listed,) = re.findall(r"```words blocks\n(.*?)\n```", PAGE, re.DOTALL)
    assert listed.replace("_", " ").split() == b" ".join(blocks.KEYWORDS).decode().split()
    assert [word.replace("_", " ").encode() for word in listed.split()] == list(blocks.KEYWORDS)
    for signs in (blocks._PAUSES, blocks._CLOSERS):
        assert ", ".join(f"`{sign.decode()}`" for sign in signs[:-1]) in TEXT
