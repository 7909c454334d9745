"""Local variables of C and C++ functions: where each is declared, and what means it.

Only the plain case is taken: one declarator in a block or a ``for``, no other declaration of the
name in its scope, every identifier of that spelling in the scope meaning it.  Members, labels and
tags of the same spelling are told apart by tree-sitter and, independently, by the tokens around.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from groundstation.suggest.c.tokens import Sort, Token, tokens
from groundstation.suggest.proposals import NotProvenError
from groundstation.syntax import Language, parse, text, walk

if TYPE_CHECKING:
    from tree_sitter import Node

_DECLARATORS = {"init_declarator", "pointer_declarator", "array_declarator"}
_STRINGISING = re.compile(rb"[A-Z_][A-Z0-9_]+|_*(?:static_)?assert\w*|_Static_assert|_?_?asm\w*")
_BINDING = {"parameter_declaration", "optional_parameter_declaration", "declaration",
            "structured_binding_declarator", "for_range_loop", "lambda_capture_specifier",
            "condition_clause", "init_statement", "enumerator", "catch_clause"}  # fmt: skip


_KEYWORDS = frozenset(
    b"""
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum errno explicit
    export extern false float for friend goto if inline int linux long main mutable namespace new
    noexcept not not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast
    stderr stdin stdout struct switch template this thread_local throw true try typedef typeid
    typename typeof union unix unsigned using virtual void volatile wchar_t while xor xor_eq
    final import module override
    """.split()
)
"""Of C23 and C++20, and names that compilers and standard headers take as macros."""


@dataclass(frozen=True)
class Local:
    """A local variable.

    Attributes:
        name: its spelling.
        places: offsets of all identifiers that mean it, its declaration first.
        function: start and end of the function.
    """

    name: bytes
    places: tuple[int, ...]
    function: tuple[int, int]


@dataclass(frozen=True)
class CText:
    """A text, its tokens and its tree."""

    language: Language
    data: bytes
    tokens: list[Token]
    root: Node

    @classmethod
    def of(cls, language: Language, data: bytes) -> CText:
        """Reads a text.

        Raises:
            NotProvenError: it has no tokens.
        """
        return cls(language, data, tokens(data), parse(language, data))

    def directive_names(self) -> set[bytes]:
        """Every word of its preprocessor lines."""
        return {
            word
            for token in self.tokens
            if token.sort is Sort.DIRECTIVE
            for word in re.findall(rb"[A-Za-z_$][\w$]*", token.text)
        }

    def functions(self) -> Iterator[Node]:
        """Function definitions that were understood whole."""
        for node in walk(self.root):
            if node.type == "function_definition" and not node.has_error:
                yield node


def local_variables(source: CText) -> Iterator[Local]:
    """The local variables that can be told apart safely."""
    for function in source.functions():
        for node in walk(function):
            if node.type == "declaration":
                for leaf in _declared(node):
                    found = _local(source, function, node, leaf)
                    if found is not None:
                        yield found


def variable_names(source: CText) -> set[bytes]:
    """Spellings that are variables or parameters somewhere: so none of them is a macro there."""
    found: set[bytes] = set()
    for function in source.functions():
        for node in walk(function):
            if node.type in ("declaration", "parameter_declaration"):
                found.update(text(leaf) for leaf in _declared(node))
    return found


def _declared(node: Node) -> Iterator[Node]:
    """The identifiers that a declaration declares as objects."""
    if any(
        child.type == "storage_class_specifier" and text(child) in (b"extern", b"typedef")
        for child in node.children
    ):
        return
    for declarator in node.children_by_field_name("declarator"):
        leaf: Node | None = declarator
        while leaf is not None and leaf.type in _DECLARATORS:
            leaf = leaf.child_by_field_name("declarator")
        if leaf is not None and leaf.type == "identifier":
            yield leaf


def _local(source: CText, function: Node, declaration: Node, leaf: Node) -> Local | None:
    block = declaration.parent
    while block is not None and block.type.startswith("preproc"):
        return None
    if block is None or block.type not in ("compound_statement", "for_statement"):
        return None
    name = text(leaf)
    same = [
        node
        for node in walk(function)
        if node.child_count == 0 and text(node) == name and node.start_byte >= leaf.start_byte
        and node.start_byte < block.end_byte
    ]  # fmt: skip
    variables = [node for node in same if node.type == "identifier"]
    if any(node.type in ("type_identifier", "namespace_identifier") for node in same):
        return None
    if any(_binds(node) for node in variables if node.start_byte != leaf.start_byte):
        return None  # shadowed, or declared twice
    if any(_in_risky_call(node, function) for node in variables):
        return None
    early = [n for n in walk(block) if n.type == "identifier" and text(n) == name]
    if any(node.start_byte < leaf.start_byte for node in early):
        return None  # means something else before the declaration
    places = tuple(node.start_byte for node in variables)
    if set(places) != _by_tokens(source, name, leaf.start_byte, block.end_byte):
        return None
    return Local(name, places, (function.start_byte, function.end_byte))


def _binds(node: Node) -> bool:
    """Whether an identifier may be declared where it stands."""
    below, above = node, node.parent
    while above is not None and above.type in (*_DECLARATORS, "function_declarator",
                                               "reference_declarator"):  # fmt: skip
        if above.child_by_field_name("declarator") not in (below, None):
            return False
        below, above = above, above.parent
    if above is None or above.type not in _BINDING:
        return False
    if above.type == "declaration" or above.type.endswith("parameter_declaration"):
        return below in above.children_by_field_name("declarator")
    return above.type != "condition_clause" or below.type in _DECLARATORS


def _in_risky_call(node: Node, function: Node) -> bool:
    """Whether it is an argument of what may be a macro that shows its spelling."""
    above = node.parent
    while above is not None and above.start_byte >= function.start_byte:
        if above.type == "call_expression":
            callee = above.child_by_field_name("function")
            if callee is not None and _STRINGISING.fullmatch(text(callee)):
                return True
        if "asm" in above.type or above.type.startswith(("preproc", "macro")):
            return True
        above = above.parent
    return False


def _by_tokens(source: CText, name: bytes, start: int, end: int) -> set[int]:
    """Offsets at which the spelling is a variable, judged by the tokens around it alone."""
    found = set()
    for k, token in enumerate(source.tokens):
        if not start <= token.start < end or token.text != name:
            continue
        one = source.tokens[k - 1].text if k else b""
        two = source.tokens[k - 2].text if k > 1 else b""
        after = source.tokens[k + 1].text if k + 1 < len(source.tokens) else b""
        member = one == b"." or (one == b">" and two == b"-")
        label = one == b"goto" or (after == b":" and one in (b";", b"{", b"}", b")", b":"))
        if not (member or label or one in (b"struct", b"union", b"enum")):
            found.add(token.start)
    return found


def refuse_new_name(source: CText, local: Local, fresh: bytes, macros: set[bytes]) -> None:
    """Refuses a name that something else has or may have.

    Args:
        source: the engineer's text.
        local: the variable.
        fresh: the name that it would get.
        macros: every word of preprocessor lines of the tree.

    Raises:
        NotProvenError: with the reason.
    """
    start, end = local.function
    inside = {token.text for token in source.tokens if start <= token.start < end}
    if not re.fullmatch(rb"[A-Za-z][A-Za-z0-9_]*", fresh) or fresh in inside:
        raise NotProvenError(f"{fresh.decode('latin-1')!r} is in use already, or no name")
    if macros & {local.name, fresh} or source.directive_names() & {local.name, fresh}:
        raise NotProvenError("the preprocessor knows the name")
    if any(re.fullmatch(rb"_*asm_*", word) for word in inside):
        raise NotProvenError("the function has assembler text")
    if fresh in _KEYWORDS:
        raise NotProvenError(f"{fresh.decode('latin-1')!r} is a keyword")
    called = _top_level_names(source)
    if fresh in called:
        raise NotProvenError(f"{fresh.decode('latin-1')!r} is a name of the whole file")


def _top_level_names(source: CText) -> set[bytes]:
    """Identifiers outside of functions, and what functions call."""
    spans = [(node.start_byte, node.end_byte) for node in source.functions()]
    bodies = [
        (body.start_byte, body.end_byte)
        for node in source.functions()
        if (body := node.child_by_field_name("body")) is not None
    ]
    parameters = {text(leaf) for node in source.functions() for each in walk(node)
                  if each.type == "parameter_declaration" for leaf in _declared(each)}  # fmt: skip
    found = {
        token.text
        for token in source.tokens
        if token.sort is Sort.IDENTIFIER
        and not any(start <= token.start < end for start, end in bodies)
        and not (
            token.text in parameters and any(start <= token.start < end for start, end in spans)
        )
    }
    calls = zip(source.tokens, source.tokens[1:], strict=False)
    return found | {one.text for one, two in calls if two.text == b"("}
