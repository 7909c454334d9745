"""Local names that a patch brings into a Python file, and where they stand in its text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from groundstation.suggest.added import Added
from groundstation.suggest.proposals import Edit
from groundstation.suggest.python.proof import parse_module
from groundstation.suggest.python.scopes import Names
from groundstation.syntax import Language, parse, text, walk


@dataclass(frozen=True)
class Variable:
    """A local variable that the patch brought in.

    Attributes:
        path: the file.
        name: as the engineer wrote it.
        places: offsets of its occurrences, in order; the first is where it is introduced.
        taken: names that it must not get, as far as is known before a proof.
        known: names of other local variables of the file, those of similar things first.
        allowed: the only names that it may get; None for any.
    """

    path: str
    name: str
    places: tuple[int, ...]
    taken: frozenset[str]
    known: tuple[str, ...]
    allowed: frozenset[str] | None = None

    def edits(self, fresh: str) -> tuple[Edit, ...]:
        """Its renaming."""
        size = len(self.name.encode("utf-8"))
        return tuple(Edit(place, place + size, fresh.encode("utf-8")) for place in self.places)


def python_variables(added: Added) -> Iterator[Variable]:
    """Variables whose every occurrence is on an added line.

    Raises:
        NotProvenError: the file is no Python.
    """
    tree = parse_module(added.new)
    names = Names.of(tree)
    identifiers = [
        (node.start_byte, text(node).decode("utf-8"))
        for node in walk(parse(Language.PYTHON, added.new))
        if node.type == "identifier" and not _names_a_member(node)
    ]
    private = names.private()
    sorts = {key: _sort(tree, key[1]) for key in private}
    seen: set[tuple[int, ...]] = set()
    for number, name in private:
        scope = names.scopes[number]
        start, end = _span(added, scope.node)
        places = tuple(at for at, found in identifiers if start <= at < end and found == name)
        size = len(name.encode("utf-8"))
        whole = places and all(added.holds(at, at + size) for at in places)
        if not whole or places in seen:
            continue
        seen.add(places)
        home = scope.outermost
        taken = {each.name for each in names.occurrences if home in each.scope.ancestors()}
        others = {other for _, other in private} - taken
        mine = sorts[(number, name)]
        known = sorted(others, key=lambda other: (-_likeness(mine, sorts, other), other))
        yield Variable(added.path, name, places, frozenset(taken), tuple(known))


def _names_a_member(node: object) -> bool:
    """An attribute, or the name of a keyword argument."""
    parent = getattr(node, "parent", None)
    if parent is None:
        return False
    role = {"attribute": "attribute", "keyword_argument": "name"}.get(parent.type)
    return role is not None and bool(parent.child_by_field_name(role) == node)


def _span(added: Added, node: ast.AST) -> tuple[int, int]:
    """Offsets of a scope's node; of a module, all."""
    if not isinstance(node, ast.stmt | ast.expr):
        return 0, len(added.new)
    start = added.starts[node.lineno - 1] + node.col_offset
    end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
    return start, added.starts[end_line - 1] + end_column


def _sort(tree: ast.Module, name: str) -> frozenset[str]:
    """Words of what is assigned to variables of a name: alike words, alike things."""
    words: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                words |= _words(value)
            case (
                ast.For(target=ast.Name(id=target), iter=value)
                | ast.comprehension(target=ast.Name(id=target), iter=value)
            ) if target == name:
                words |= _words(value) | {"for"}
            case ast.withitem(context_expr=value, optional_vars=ast.Name(id=target)) if (
                target == name
            ):
                words |= _words(value) | {"with"}
    return frozenset(words)


def _words(node: ast.AST) -> set[str]:
    found = {type(node).__name__}
    for each in ast.walk(node):
        found |= {word for word in (getattr(each, "id", None), getattr(each, "attr", None)) if word}
    return found


def _likeness(
    mine: frozenset[str], sorts: dict[tuple[int, str], frozenset[str]], other: str
) -> float:
    return max(
        len(mine & words) / max(1, len(mine | words))
        for (_, name), words in sorts.items()
        if name == other
    )
