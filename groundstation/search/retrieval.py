"""Definitions of the onboard tree, cut by their syntax and ranked for a patch.

Only the ground does this: it may use a parser, floats and the target's text, because what it finds
is sent as a file, a line and a number of lines.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from groundstation.syntax import Language, language_of, parse
from shared.prompts.text.blocks import MAX_BLOCK_LINES, text_lines
from shared.prompts.text.file_similarity import MAX_FILE_BYTES, MAX_FILES
from shared.prompts.text.line_class import WORD
from shared.tree import Tree, path_bytes

WINDOW_LINES = 16
"""Texts in other languages are cut into windows of so many lines, each half over the last."""

LONG_LINES = 60
"""Of a longer definition only the head is offered."""

HEAD_LINES = 24

_PYTHON = frozenset({"function_definition", "class_definition", "decorated_definition"})
_C = frozenset(
    {
        *("function_definition", "struct_specifier", "union_specifier", "enum_specifier"),
        *("class_specifier", "type_definition", "template_declaration"),
        *("preproc_def", "preproc_function_def"),
    }
)
_KINDS = {Language.PYTHON: _PYTHON, Language.C: _C, Language.CPP: _C}
_BODIES = frozenset({"struct_specifier", "union_specifier", "enum_specifier", "class_specifier"})

_K1, _B = 1.2, 0.75  # of BM25, as usual
_NEW_WORDS = 3.0  # how much more a word counts that the target brings in
_SAME_FOLDER = 0.15  # added to a score, as a share of it
_PAIRS = 0.5  # each pair of neighbouring words in common, in words of middling rarity


@dataclass(frozen=True)
class Definition:
    """Lines of a file on board that belong together.

    Attributes:
        path: the file.
        start: its first line, counted from 0.
        end: the line after its last one.
    """

    path: str
    start: int
    end: int


@dataclass(frozen=True)
class Wanted:
    """What a definition should help with.

    Attributes:
        path: of the changed file.
        old: text around the changes, as it is on board.
        new: text that the patch brings in.
    """

    path: str
    old: bytes
    new: bytes


@functools.lru_cache(maxsize=1024)
def cut(path: str, data: bytes) -> tuple[Definition, ...]:
    """The definitions of a file, in order of their first lines; none where it is no text."""
    lines = text_lines(data)
    if lines is None or len(data) > MAX_FILE_BYTES:
        return ()
    language = language_of(path)
    if language is None:
        return tuple(_windows(path, len(lines)))
    spans = set(_spans(language, b"".join(lines)))
    return tuple(Definition(path, start, end) for start, end in sorted(spans))


def offered(definition: Definition) -> Definition:
    """As much of a definition as is worth its tokens."""
    long = definition.end - definition.start > min(LONG_LINES, MAX_BLOCK_LINES)
    if not long:
        return definition
    return Definition(definition.path, definition.start, definition.start + HEAD_LINES)


def rank(
    tree: Tree, wanted: Wanted, hidden: Mapping[str, range], paths: Iterable[str], most: int
) -> list[Definition]:
    """The definitions that share most with a patch, best first.

    Args:
        tree: the tree on board.
        wanted: what they should help with.
        hidden: by path, lines that are shown anyway; definitions that start there are left out.
        paths: the files to look at; no more than ``MAX_FILES`` are.
        most: how many are returned.
    """
    found: list[tuple[Definition, Counter[bytes], frozenset[tuple[bytes, bytes]]]] = []
    for path in list(paths)[:MAX_FILES]:
        data = tree[path].data
        lines = text_lines(data) or ()
        for definition in map(offered, cut(path, data)):
            if definition.start not in hidden.get(path, range(0)):
                words = WORD.findall(b"".join(lines[definition.start : definition.end]))
                found.append((definition, Counter(words), _pairs(words)))
    weights = dict.fromkeys(WORD.findall(wanted.old), 1.0)
    weights |= dict.fromkeys(WORD.findall(wanted.new), _NEW_WORDS)
    holding = Counter(word for _, words, _ in found for word in words if word in weights)
    average = sum(words.total() for _, words, _ in found) / max(1, len(found)) or 1.0
    pairs = _pairs(WORD.findall(wanted.new))
    folder = path_bytes(wanted.path).rpartition(b"/")[0]

    def score(words: Counter[bytes], mine: frozenset[tuple[bytes, bytes]], path: str) -> float:
        longer = _K1 * (1 - _B + _B * words.total() / average)
        total = 0.0
        for word, weight in weights.items():
            if count := words[word]:
                rarity = math.log(1 + (len(found) - holding[word] + 0.5) / (holding[word] + 0.5))
                total += weight * rarity * count * (_K1 + 1) / (count + longer)
        total += _PAIRS * len(mine & pairs) * math.log(1 + len(found))
        return total * (1 + _SAME_FOLDER * (path_bytes(path).rpartition(b"/")[0] == folder))

    scored = [(score(words, mine, each.path), each) for each, words, mine in found]
    ranked = sorted(scored, key=lambda one: (-one[0], one[1].path, one[1].start))
    return [each for points, each in ranked if points > 0][:most]


def _pairs(words: Sequence[bytes]) -> frozenset[tuple[bytes, bytes]]:
    return frozenset(itertools.pairwise(words))


def _windows(path: str, lines: int) -> Iterator[Definition]:
    for start in range(0, max(1, lines - WINDOW_LINES // 2), WINDOW_LINES // 2):
        yield Definition(path, start, min(lines, start + WINDOW_LINES))


def _spans(language: Language, text: bytes) -> Iterator[tuple[int, int]]:
    """First line and line after the last of each definition; of a decorated one the whole."""
    kinds = _KINDS[language]
    waiting = [(parse(language, text), False)]
    while waiting:
        node, covered = waiting.pop()
        is_one = node.type in kinds
        if node.type in _BODIES and node.child_by_field_name("body") is None:
            is_one = False  # a type is only named here
        if is_one and not covered:
            ends_line = node.end_point.column == 0 and node.end_point.row > node.start_point.row
            yield node.start_point.row, node.end_point.row + (not ends_line)
        # what a decorator or typedef wraps is the same definition once more
        wraps = node.type in ("decorated_definition", "type_definition", "template_declaration")
        waiting += [(child, is_one and wraps) for child in node.children]
