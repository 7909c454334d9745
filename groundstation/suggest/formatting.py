"""The same code formatted otherwise: blank lines, quotes, commas, lines joined, old lines kept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundstation.suggest.added import Added
from groundstation.suggest.proposals import Edit, Kind, Proposal, line_of
from groundstation.syntax import Language, parse, text, walk
from shared.lines import split_lines

_WIDTH = 100
"""Lines are not joined to longer ones."""

_BRACKETS = {"argument_list", "parameters", "list", "dictionary", "tuple", "set",
             "parenthesized_expression", "list_comprehension", "generator_expression"}  # fmt: skip


def formatting_proposals(added: Added, language: Language) -> Iterator[list[Proposal]]:
    """For each place the ways to write it; most are not equivalent, and a proof will tell."""
    for what, edits in _changes(added, language):
        if edits:
            line = line_of(added.new, edits[0].start)
            yield [Proposal(Kind.FORMATTING, added.path, line, what, edits)]


def _changes(added: Added, language: Language) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    yield from _kept(added)
    for start, end in added.spans():
        piece = added.new[start:end]
        blank = re.finditer(rb"(?:^[ \t]*\r?\n)+", piece, re.MULTILINE)
        for run in blank:
            yield (
                "leave out blank lines",
                (Edit(start + run.start(), start + run.end(), b""),),
            )
        trailing = re.finditer(rb"[ \t]+(?=\r?$)", piece, re.MULTILINE)
        yield (
            "leave out blanks at line ends",
            tuple(Edit(start + m.start(), start + m.end(), b"") for m in trailing if m[0]),
        )
    if language is Language.PYTHON:
        yield from _python(added)


def _kept(added: Added) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    """Each changed place left as it is on board."""
    old = split_lines(added.old)
    for each in added.edits if added.old else ():
        kept = b"".join(old[each.old_start : each.old_end])
        edit = Edit(added.starts[each.new_start], added.starts[each.new_end], kept)
        lines = each.old_end - each.old_start
        if lines:
            yield f"keep {lines} old line{'s' * (lines > 1)}", (edit,)
        else:
            yield "leave out what was added", (edit,)


def _python(added: Added) -> Iterator[tuple[str, tuple[Edit, ...]]]:
    nodes = list(walk(parse(Language.PYTHON, added.new)))
    strings = [node for node in nodes if node.type == "string"]
    for start, end in added.spans():
        quotes = [
            edit
            for node in strings
            if start <= node.start_byte and node.end_byte <= end
            for edit in _other_quotes(text(node), node.start_byte)
        ]
        yield "the other quotes", tuple(quotes)
        commas = re.finditer(rb",(?=\s*[\])}])", added.new[start:end])
        yield (
            "no trailing commas",
            tuple(Edit(start + m.start(), start + m.start() + 1, b"") for m in commas),
        )
    for node in nodes:
        start, end = node.start_byte, node.end_byte
        if node.type in _BRACKETS and b"\n" in text(node) and added.holds(start, end):
            first = added.new.rfind(b"\n", 0, start) + 1
            joined = re.sub(rb"\s*\n\s*", b" ", text(node))
            joined = re.sub(rb",?\s+([\])}])$", rb"\1", re.sub(rb"^([\[({]) ", rb"\1", joined))
            last = added.new.find(b"\n", end)
            length = start - first + len(joined) + (last if last > 0 else len(added.new)) - end
            if b"#" not in joined and length <= _WIDTH:
                yield "on one line", (Edit(start, end, joined),)


def _other_quotes(string: bytes, start: int) -> Iterator[Edit]:
    prefix = len(string) - len(string.lstrip(b"rRbBuUfF"))
    body = string[prefix:]
    here, there = (b'"', b"'") if body.startswith(b'"') else (b"'", b'"')
    if body.startswith(here * 3) or there in body or b"\\" in body or len(body) < 2:
        return
    yield Edit(start + prefix, start + prefix + 1, there)
    yield Edit(start + len(string) - 1, start + len(string), there)
