"""C and C++ text as preprocessing tokens (C11 6.4, C++17 lex.pptoken), comments set apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from groundstation.suggest.proposals import NotProvenError


class Sort(Enum):
    """What a token is."""

    IDENTIFIER = "identifier"
    DIRECTIVE = "directive"
    OTHER = "other"


@dataclass(frozen=True)
class Token:
    """A token.

    Attributes:
        sort: what it is; a whole preprocessor line is one.
        text: its bytes.
        start: offset of the first.
        spaced: white space or a comment comes before it, which an operator ``#`` would show.
    """

    sort: Sort
    text: bytes
    start: int
    spaced: bool


@dataclass(frozen=True)
class Comment:
    """A comment outside of preprocessor lines: ``data[start:end]``."""

    start: int
    end: int
    text: bytes


_PATTERN = re.compile(
    rb"""
      (?P<blank>[ \t\r\n\f\v]+)
    | (?P<comment>//(?:\\\r?\n|[^\n])*|/\*.*?\*/)
    | (?P<raw>(?:u8|u|U|L)?R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)")
    | (?P<string>(?:u8|u|U|L)?(?:"(?:\\(?:\r\n|.)|[^"\\\n])*"|'(?:\\(?:\r\n|.)|[^'\\\n])+'))
    | (?P<number>\.?[0-9](?:[eEpP][+-]|[\w.]|'\w)*)
    | (?P<identifier>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*)
    | (?P<other>[][(){}<>.,;:?!~+*/%^&|=#@`-])
    """,
    re.VERBOSE | re.DOTALL,
)
_DIRECTIVE = re.compile(
    rb"""\#(?:\\\r?\n|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*|[^\n\\]|\\)*""",
    re.DOTALL,
)


def scan(data: bytes) -> Iterator[Token | Comment]:
    """The tokens and comments of a text, in order.

    Raises:
        NotProvenError: it has a trigraph, a line that goes on in the next outside of what may hold
            one, or something that is no token.
    """
    if b"??" in data:
        raise NotProvenError("it may have trigraphs")
    at, spaced, fresh_line = 0, True, True
    while at < len(data):
        directive = _DIRECTIVE.match(data, at) if fresh_line else None
        if directive is not None:
            yield Token(Sort.DIRECTIVE, directive[0], at, spaced)
            at, spaced, fresh_line = directive.end(), True, False
            continue
        match = _PATTERN.match(data, at)
        if match is None:
            raise NotProvenError(f"no token of C: {data[at : at + 12]!r}")
        kind, found = match.lastgroup, match[0]
        if kind == "blank":
            fresh_line = fresh_line or b"\n" in found
            spaced = True
        elif kind == "comment":
            yield Comment(at, match.end(), found)
            spaced = True
        else:
            sort = Sort.IDENTIFIER if kind == "identifier" else Sort.OTHER
            yield Token(sort, found, at, spaced)
            spaced, fresh_line = False, False
        at = match.end()


def tokens(data: bytes) -> list[Token]:
    """The tokens alone."""
    return [each for each in scan(data) if isinstance(each, Token)]
