"""Proof that two Python texts mean the same: one syntax tree, up to local names.

Compared are the syntax trees with every name's binding (``python_scopes``), and the compiler's own
symbol tables beside them.  Out of reach are programs that read another function's local names by
way of its frame; within reach of what the module shows, such names are refused.
"""

from __future__ import annotations

import ast
import builtins
import functools
import io
import keyword
import re
import symtable
import tokenize
from collections.abc import Collection
from dataclasses import dataclass

from groundstation.suggest.proposals import NotProvenError
from groundstation.suggest.python.scopes import Names, Occurrence
from groundstation.syntax import Language, parse

LOOKS_AT_FRAMES = frozenset(
    ("locals", "vars", "dir", "eval", "exec", "globals", "_getframe", "currentframe", "stack",
     "trace", "f_locals", "f_back", "f_code", "getclosurevars", "getgeneratorlocals",
     "getcoroutinelocals", "getasyncgenlocals", "co_varnames", "co_freevars", "co_cellvars",
     "settrace", "setprofile", "breakpoint", "set_trace", "__code__")
)  # fmt: skip
"""Names by which a program can tell how its local variables are called."""

DIRECTIVE = re.compile(
    rb"#!|coding[=:]|type:|noqa|nosec|pragma|pylint|mypy:|pyright|pytype|pyre-|fmt:|yapf|isort|ruff"
    rb"|flake8|cython|distutils|SPDX|[Cc]opyright|[Ll]icen[sc]e|doctest|///|skipcq|nopycln|%%|"
    rb"region|NOLINT|fallthrough|FALLTHROUGH|falls? ?thr|LCOV|clang-format|IWYU|lint"
)
"""Comments that some program reads."""


@dataclass(frozen=True)
class _Module:
    """A text and what is known of it."""

    data: bytes
    tree: ast.Module
    names: Names
    directives: list[bytes]

    @classmethod
    def of(cls, data: bytes) -> _Module:
        tree = parse_module(data)
        return cls(data, tree, Names.of(tree), _directives(data))


@functools.lru_cache(maxsize=2)
def _known(data: bytes) -> _Module:
    return _Module.of(data)


def parse_module(data: bytes) -> ast.Module:
    """The syntax tree, after tree-sitter's word that it is one too.

    Raises:
        NotProvenError: it is no Python, or not in UTF-8 with plain line ends.
    """
    try:
        data.decode("utf-8")
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NotProvenError(f"it does not compile: {error}") from error
    if b"\r" in data.replace(b"\r\n", b"") or b"\f" in data:
        raise NotProvenError("line ends that not every program counts")
    if parse(Language.PYTHON, data).has_error:
        raise NotProvenError("tree-sitter finds an error in it")
    return tree


@functools.lru_cache(maxsize=8)
def comments(data: bytes) -> list[tokenize.TokenInfo]:
    """The comments of a text."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(data).readline))
    except (tokenize.TokenError, SyntaxError, ValueError) as error:
        raise NotProvenError(f"it has no tokens: {error}") from error
    return [token for token in tokens if token.type == tokenize.COMMENT]


def _directives(data: bytes) -> list[bytes]:
    return [
        text for each in comments(data) if DIRECTIVE.search(text := each.string.encode("utf-8"))
    ]


def prove_python(
    before: bytes,
    after: bytes,
    *,
    renames: Collection[tuple[str, str]] = (),
    docstrings: bool = False,
) -> None:
    """Proves that ``after`` means what ``before`` does.

    Args:
        before: the engineer's text.
        after: the proposal.
        renames: local names as they are and as they would be; no others may differ.
        docstrings: docstrings may differ or be missing.

    Raises:
        NotProvenError: with the reason.
    """
    # what is proven of one text is asked of many others; docstrings are taken out of a fresh one
    old = _Module.of(before) if docstrings else _known(before)
    new = _Module.of(after)
    if old.directives != new.directives:
        raise NotProvenError("a comment that programs read is changed")
    if docstrings:
        if re.search(rb"__doc__|doctest|getdoc|docopt", before):
            raise NotProvenError("the module reads docstrings")
        _without_docstrings(old.tree)
        _without_docstrings(new.tree)
        old, new = (_Module(each.data, each.tree, Names.of(each.tree), []) for each in (old, new))
    mapping = _mapping(old, new, frozenset(renames))
    dumped = ast.dump(old.tree)
    for each in new.names.occurrences:
        key = (each.scope.resolve(each.name).number, each.name)
        if key in mapping:
            each.put(mapping[key])  # the inverse renaming
    if ast.dump(new.tree) != dumped:
        raise NotProvenError("its syntax tree is another one")
    _prove_symbols(old.data, new.data, frozenset(renames))


def _without_docstrings(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and len(node.body) > 1
            and ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]


def _mapping(
    old: _Module, new: _Module, renames: frozenset[tuple[str, str]]
) -> dict[tuple[int, str], str]:
    """The old name of each (scope, new name), where it differs."""
    before, after = old.names, new.names
    if len(before.occurrences) != len(after.occurrences) or len(before.scopes) != len(after.scopes):
        raise NotProvenError("it has other names or scopes")
    private_before, private_after = before.private(), after.private()
    pairs: dict[tuple[int, str], str] = {}
    for one, two in zip(before.occurrences, after.occurrences, strict=True):
        scope = one.scope.resolve(one.name).number
        if two.scope.resolve(two.name).number != scope or one.how is not two.how:
            raise NotProvenError(f"{two.name!r} means another binding than {one.name!r} did")
        if pairs.setdefault((scope, two.name), one.name) != one.name:
            raise NotProvenError(f"{two.name!r} stands for two names")
        if one.name == two.name:
            continue
        if (scope, one.name) not in private_before or (scope, two.name) not in private_after:
            raise NotProvenError(f"{one.name!r} is seen outside of its function")
        if (one.name, two.name) not in renames:
            raise NotProvenError(f"{one.name!r} became {two.name!r}, which nobody asked for")
    mapping = {key: name for key, name in pairs.items() if key[1] != name}
    for (scope, fresh), name in mapping.items():
        if sum(k[0] == scope and v == name for k, v in pairs.items()) > 1:
            raise NotProvenError(f"only some occurrences of {name!r} were renamed")
        uses = private_before[(scope, name)]
        _refuse_seen(old, uses, name, fresh)
    return mapping


def _refuse_seen(old: _Module, uses: list[Occurrence], name: str, fresh: str) -> None:
    """Refuses names that something may ask for, or that would hide another."""
    if not fresh.isidentifier() or not fresh.isascii() or fresh.startswith("__"):
        raise NotProvenError(f"{fresh!r} is no name for a local variable")
    if keyword.iskeyword(fresh) or keyword.issoftkeyword(fresh) or hasattr(builtins, fresh):
        raise NotProvenError(f"{fresh!r} is a keyword or a builtin")
    home = uses[0].scope.resolve(name).outermost
    for each in old.names.occurrences:
        if each.name != fresh:
            continue
        if home in each.scope.ancestors() or each.scope.resolve(fresh).number == 0:
            raise NotProvenError(f"{fresh!r} is in use already")
    inside = [getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(home.node)]
    if LOOKS_AT_FRAMES.intersection(inside) or _aliases_frames(old.tree):
        raise NotProvenError("the function's local names can be read by the program")
    for node in ast.walk(old.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            _refuse_spelled(node.value, (name, fresh))
    for decorator in getattr(home.node, "decorator_list", ()):
        if any(isinstance(n, ast.keyword) and n.arg in (name, fresh) for n in ast.walk(decorator)):
            raise NotProvenError(f"a decorator speaks of {name!r}")


def _aliases_frames(tree: ast.Module) -> bool:
    """Whether a function that reads local names gets another name here."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return any(
        (isinstance(node, ast.Name) and node.id in LOOKS_AT_FRAMES and id(node) not in called
         and isinstance(node.ctx, ast.Load) and hasattr(builtins, node.id))
        or (isinstance(node, ast.alias) and node.asname and node.name in LOOKS_AT_FRAMES)
        for node in ast.walk(tree)
    )  # fmt: skip


def _refuse_spelled(text: str, names: tuple[str, str]) -> None:
    """Refuses names that a string names as code does: a quoted annotation, a query."""
    for name in names:
        if name not in text:
            continue
        if re.search(rf"[@%{{$]\(?\s*{re.escape(name)}\b", text):
            raise NotProvenError(f"a string names {name!r}")
        try:
            expression = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(expression)):
            raise NotProvenError(f"a string names {name!r}")


def _prove_symbols(before: bytes, after: bytes, renames: frozenset[tuple[str, str]]) -> None:
    """Compares the compiler's own symbol tables, table by table."""
    try:
        waiting = [
            tuple(
                symtable.symtable(text.decode("utf-8-sig"), "f", "exec") for text in (before, after)
            )
        ]
    except (SyntaxError, ValueError, RecursionError) as error:
        raise NotProvenError(f"it has no symbol table: {error}") from error
    while waiting:
        old, new = waiting.pop()
        children = old.get_children(), new.get_children()
        facts = _facts(old), _facts(new)
        gone, come = facts[0].keys() - facts[1].keys(), facts[1].keys() - facts[0].keys()
        moved = {b: a for a, b in renames if a in gone and b in come}
        again = {moved.get(name, name): fact for name, fact in facts[1].items()}
        if (
            old.get_type() != new.get_type()
            or old.get_name() != new.get_name()
            or len(children[0]) != len(children[1])
            or len(again) != len(facts[1])
            or again != facts[0]
        ):
            raise NotProvenError(f"the compiler sees other symbols in {old.get_name()!r}")
        waiting += zip(*children, strict=True)


def _facts(table: symtable.SymbolTable) -> dict[str, tuple[bool, ...]]:
    return {
        symbol.get_name(): (
            symbol.is_local(), symbol.is_free(), symbol.is_global(), symbol.is_declared_global(),
            symbol.is_parameter(), symbol.is_imported(), symbol.is_assigned(),
            symbol.is_referenced(), symbol.is_namespace(), symbol.is_annotated(),
        )
        for symbol in table.get_symbols()
    }  # fmt: skip
