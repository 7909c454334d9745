"""tree-sitter's trees of source texts; which languages there are by a file's ending."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser


class Language(StrEnum):
    """Languages in which equivalence can be proven."""

    PYTHON = "python"
    C = "c"
    CPP = "cpp"


_ENDINGS = {
    ".py": Language.PYTHON,
    ".pyi": Language.PYTHON,
    ".c": Language.C,
    ".h": Language.C,
    ".cc": Language.CPP,
    ".cpp": Language.CPP,
    ".cxx": Language.CPP,
    ".hh": Language.CPP,
    ".hpp": Language.CPP,
}


def language_of(path: str) -> Language | None:
    """By the file's ending; None where nothing can be proven."""
    return _ENDINGS.get(PurePosixPath(path).suffix.lower())


@functools.cache
def _parser(language: Language) -> Parser:
    # here, so that the other commands start without it
    import tree_sitter
    import tree_sitter_c
    import tree_sitter_cpp
    import tree_sitter_python

    grammar = {
        Language.PYTHON: tree_sitter_python,
        Language.C: tree_sitter_c,
        Language.CPP: tree_sitter_cpp,
    }[language]
    return tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def parse(language: Language, data: bytes) -> Node:
    """The root of a text's tree; errors are nodes of it."""
    return _parser(language).parse(data).root_node


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in order of the text."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(current.children))


def text(node: Node) -> bytes:
    """The bytes that a node spans."""
    return node.text or b""
