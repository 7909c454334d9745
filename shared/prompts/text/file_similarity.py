"""Which files and definitions on board are likely to help with a change: integers only.

A file or definition is scored by the words that it shares with the lines around the change, as
BM25 does (Robertson and Zaragoza 2009: rare words count more, repetition less and less, long texts
less), with logarithms as bit lengths and divisions rounded down, so that every machine ranks alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from shared.prompts.text.blocks import Block, blocks, text_lines, words_of_text
from shared.prompts.text.line_class import WORD
from shared.tree import Tree, path_bytes

MAX_FILES = 256
"""Files looked at, those first whose paths are most like the changed one's."""

MAX_FILE_BYTES = 1 << 18
"""A longer file is passed over."""

MAX_BYTES = 1 << 22
"""Bytes of all files looked at."""

NEAR_LINES = 3
"""Words so few lines around a hunk count ``NEAR_COUNTS`` times."""

NEAR_COUNTS = 4

Query = Mapping[bytes, int]
"""Words to look for, and how much each counts."""


def query_of(old: Sequence[bytes], shown: range, start: int, end: int) -> Query:
    """What to look for: words of the lines shown, those near the hunk [start, end) more."""
    words: dict[bytes, int] = {}
    for place in shown:
        near = start - NEAR_LINES <= place < end + NEAR_LINES
        for word in WORD.findall(old[place]):
            words[word] = max(words.get(word, 0), NEAR_COUNTS if near else 1)
    return words


def query_of_path(path: str) -> Query:
    """What to look for where there is no old text: the words of a path."""
    return dict.fromkeys(WORD.findall(path_bytes(path)), 1)


def rank_files(tree: Tree, path: str, own: str | None, outside: bool, query: Query) -> list[str]:
    """The files that an excerpt may come from, likeliest first.

    Args:
        tree: the tree on board.
        path: the changed file's new path.
        own: its old path; None of a new file.
        outside: whether the old file has lines that the window does not show.
        query: what to look for.

    Returns:
        Paths of texts: the file itself first, if it has lines to show, else last.
    """
    considered = near_files(tree, path, own)
    size = len(considered)
    words = {name: words_of_text(tree[name].data) for name, _ in considered}
    rarity = _rarities(query, words.values(), size)
    scored = []
    for place, (name, likeness) in enumerate(considered):
        shared = sum(rarity[word] * query[word] for word in query if word in words[name])
        score = 16 * shared // (12 + len(words[name]).bit_length()) + 16 * likeness
        scored.append((-score, place, name))
    ranked = [name for _, _, name in sorted(scored) if name != own]
    if own is None or own not in words:
        return ranked
    return [own, *ranked] if outside else [*ranked, own]


def near_files(
    tree: Tree, path: str, own: str | None, most_bytes: int = MAX_BYTES
) -> list[tuple[str, int]]:
    """Texts in the order of how much their paths have in common with this one, and how much.

    Args:
        tree: the tree on board.
        path: the changed file's new path.
        own: its old path, which comes first; None of a new file.
        most_bytes: of all of them; what does not fit is passed over.
    """
    alike = sorted(
        ((-_likeness(path, name), path_bytes(name), name) for name in tree if name != own),
    )
    kept: list[tuple[str, int]] = []
    left = most_bytes
    first = [] if own is None else [(-_likeness(path, own), path_bytes(own), own)]
    for negative, _, name in (*first, *alike):
        if len(kept) == MAX_FILES:
            break
        entry = tree[name]
        if not entry.mode.is_file or len(entry.data) > min(MAX_FILE_BYTES, left):
            continue
        if text_lines(entry.data) is not None:
            kept.append((name, -negative))
            left -= len(entry.data)
    return kept


def _likeness(path: str, other: str) -> int:
    """4 for each folder shared from the top, 2 for the ending, 2 for each word of the name."""
    mine, theirs = path.split("/"), other.split("/")
    depth = 0
    for one, two in zip(mine[:-1], theirs[:-1], strict=False):
        if one != two:
            break
        depth += 1
    same_folder = mine[:-1] == theirs[:-1]
    ending = mine[-1].rpartition(".")[2] == theirs[-1].rpartition(".")[2]
    names = _name_words(mine[-1]) & _name_words(theirs[-1])
    return 4 * depth + 4 * same_folder + 2 * ending + 2 * len(names)


def rank_blocks(data: bytes, hidden: range, query: Query) -> list[Block]:
    """The definitions of a text, likeliest first; those that start in ``hidden`` lines left out."""
    found = [block for block in blocks(data) if block.start not in hidden]
    if not found:
        return []
    rarity = _rarities(query, (block.words for block in found), len(found))
    average = max(1, sum(block.size for block in found) // len(found))
    scored = []
    for block in found:
        score = 0
        longer = 4 + 12 * block.size // average
        for word in query:
            count = block.words.get(word, 0)
            if count:
                score += query[word] * rarity[word] * 32 * count // (16 * count + longer)
        scored.append((-score, block.start, block))
    return [block for _, _, block in sorted(scored, key=lambda each: each[:2])]


def _rarities(query: Query, texts: Iterable[Iterable[bytes]], size: int) -> dict[bytes, int]:
    """How rare each word is: the bit length of 16 * texts / texts that hold it, less 4."""
    holding = Counter(word for text in texts for word in text if word in query)
    return {
        word: (16 * size // max(1, holding[word])).bit_length() - 4 if holding[word] else 0
        for word in query
    }


def _name_words(name: str) -> set[str]:
    return set(name.replace(".", "_").split("_"))
