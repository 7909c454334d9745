"""Comments and docstrings that a patch brought in, shorter or dropped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from groundstation.suggest.added import Added
from groundstation.suggest.c.tokens import Comment, scan
from groundstation.suggest.proposals import Edit, Kind, Proposal, line_of
from groundstation.suggest.python.proof import DIRECTIVE, parse_module
from groundstation.suggest.python.proof import comments as python_comments
from groundstation.syntax import Language

_SHOWN = 40
"""Characters of a comment that a proposal shows."""


@dataclass(frozen=True)
class _Block:
    """Comments that stand together: ``data[start:end]``, whole lines if ``alone``."""

    start: int
    end: int
    alone: bool


def comment_proposals(added: Added, language: Language) -> Iterator[list[Proposal]]:
    """For each added comment the ways to say less, the shortest first.

    Raises:
        NotProvenError: the file has no tokens.
    """
    for block in _blocks(added, language):
        text = added.new[block.start : block.end]
        if DIRECTIVE.search(text):
            continue
        line = line_of(added.new, block.start)
        shown = " ".join(text.decode("utf-8", "replace").split())[:_SHOWN]
        ways = [Proposal(Kind.COMMENT, added.path, line, f"drop the comment {shown!r}",
                         (_dropped(added.new, block),))]  # fmt: skip
        for shorter in _shorter(text):
            ways.append(
                Proposal(Kind.COMMENT, added.path, line,
                         f"say only {shorter.decode('utf-8', 'replace')[:_SHOWN]!r}",
                         (Edit(block.start, block.end, shorter),))
            )  # fmt: skip
        yield ways


def _blocks(added: Added, language: Language) -> Iterator[_Block]:
    """Added comments; line comments on lines of their own, one below the other, are one."""
    data = added.new
    if language is Language.PYTHON:
        texts = [
            (_offset(added, token.start[0], token.line, token.start[1]), token.string.encode())
            for token in python_comments(data)
        ]
    else:
        texts = [(each.start, each.text) for each in scan(data) if isinstance(each, Comment)]
    block: _Block | None = None
    for start, text in texts:
        end = start + len(text.rstrip(b"\r"))
        if not added.holds(start, end):
            continue
        first = data.rfind(b"\n", 0, start) + 1
        last = data.find(b"\n", end)
        rest = data[end : last if last >= 0 else len(data)]
        if rest.strip():
            continue  # text follows on the line
        alone = not data[first:start].strip()
        if (
            block is not None and block.alone and alone and not text.startswith(b"/*")
            and not data[block.end : start].strip() and data.count(b"\n", block.end, start) == 1
            and added.line(start) == added.line(block.end) + 1
        ):  # fmt: skip
            block = _Block(block.start, end, True)
            continue
        if block is not None:
            yield block
        block = _Block(start, end, alone)
    if block is not None:
        yield block


def _offset(added: Added, line: int, text: str, column: int) -> int:
    return added.starts[line - 1] + len(text[:column].encode("utf-8"))


def _dropped(data: bytes, block: _Block) -> Edit:
    first = data.rfind(b"\n", 0, block.start) + 1
    last = data.find(b"\n", block.end)
    end = len(data) if last < 0 else last
    if block.alone:
        return Edit(first, min(len(data), end + 1), b"")
    start = len(data[: block.start].rstrip(b" \t"))
    return Edit(start, end - (data[end - 1 : end] == b"\r"), b"")


def _shorter(text: bytes) -> Iterator[bytes]:
    """The first line, and its first sentence or part."""
    opening = re.match(rb"/\*+!?|//[/!]*|#+:?", text)
    mark = opening[0] if opening else b""
    closing = b" */" if mark.startswith(b"/*") else b""
    body = text[len(mark) : -2] if closing else text[len(mark) :]
    lines = [line.strip(b" \t\r*") for line in body.split(b"\n")]
    first = next((line for line in lines if line), b"")
    seen = {text, b""}
    for part in (first, re.split(rb"(?<=[.;:,])\s|\s[-(]", first)[0].rstrip(b" .,;:")):
        shorter = mark + b" " + part + closing
        if part and shorter not in seen and len(shorter) < len(text):
            seen.add(shorter)
            yield shorter


def docstring_proposals(added: Added) -> Iterator[list[Proposal]]:
    """For each added docstring the ways to say less; these change ``__doc__``.

    Raises:
        NotProvenError: the file is no Python.
    """
    for node in ast.walk(parse_module(added.new)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        clean = ast.get_docstring(node)
        if clean is None or len(node.body) < 2:
            continue
        text = node.body[0]
        start = added.starts[text.lineno - 1] + text.col_offset
        end_line, end_column = text.end_lineno or text.lineno, text.end_col_offset or 0
        end = added.starts[end_line - 1] + end_column
        if not added.holds(start, end):
            continue
        first = added.new.rfind(b"\n", 0, start) + 1
        last = added.new.find(b"\n", end)
        name = getattr(node, "name", "the module")
        line = line_of(added.new, start)
        ways = []
        if not added.new[first:start].strip() and not added.new[end:last].strip() and last > 0:
            ways.append(
                Proposal(Kind.DOCSTRING, added.path, line, f"drop the docstring of {name}",
                         (Edit(first, last + 1, b""),))
            )  # fmt: skip
        summary = clean.split("\n")[0]
        short = f'"""{summary}"""'.encode()
        if summary and "\\" not in summary and '"' not in summary and len(short) < end - start:
            ways.append(
                Proposal(Kind.DOCSTRING, added.path, line,
                         f"only the first line of the docstring of {name}",
                         (Edit(start, end, short),))
            )  # fmt: skip
        if ways:
            yield ways
