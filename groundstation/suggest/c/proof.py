"""Proof that two texts of C or C++ mean the same: one stream of tokens, up to local names."""

from __future__ import annotations

from collections.abc import Collection

from groundstation.suggest.c.names import CText, Local, local_variables, refuse_new_name
from groundstation.suggest.c.tokens import Comment, Sort, scan
from groundstation.suggest.proposals import NotProvenError
from groundstation.suggest.python.proof import DIRECTIVE
from groundstation.syntax import Language


def prove_c(
    language: Language,
    before: bytes,
    after: bytes,
    *,
    renames: Collection[tuple[str, str]] = (),
    macros: Collection[bytes] = (),
) -> None:
    """Proves that ``after`` compiles to what ``before`` does.

    The tokens are equal, each with or without white space before it as it was (which a macro could
    show), preprocessor lines to the byte; identifiers differ only where they mean local variables
    that may be renamed, in both texts the same ones.

    Args:
        language: of the file.
        before: the engineer's text.
        after: the proposal.
        renames: local names as they are and as they would be; no others may differ.
        macros: words of the preprocessor lines of the whole tree.

    Raises:
        NotProvenError: with the reason.
    """
    old, new = CText.of(language, before), CText.of(language, after)
    if _directives(before) != _directives(after):
        raise NotProvenError("a comment that programs read is changed")
    if new.root.has_error and not old.root.has_error:
        raise NotProvenError("tree-sitter finds an error in it")
    if b"__LINE__" in before and before.count(b"\n") != after.count(b"\n"):
        raise NotProvenError("the program reads its line numbers")
    if len(old.tokens) != len(new.tokens):
        raise NotProvenError("it has other tokens")
    differing: dict[int, tuple[bytes, bytes]] = {}
    for k, (one, two) in enumerate(zip(old.tokens, new.tokens, strict=True)):
        if one.sort is not two.sort or one.spaced != two.spaced:
            raise NotProvenError("its tokens stand otherwise, which a macro could show")
        if one.text != two.text:
            if one.sort is not Sort.IDENTIFIER:
                raise NotProvenError("it has other tokens")
            differing[k] = (one.text, two.text)
    if differing:
        _prove_renamed(old, new, differing, renames, set(macros))


def _directives(data: bytes) -> list[bytes]:
    return [c.text for c in scan(data) if isinstance(c, Comment) and DIRECTIVE.search(c.text)]


def _prove_renamed(
    old: CText,
    new: CText,
    differing: dict[int, tuple[bytes, bytes]],
    renames: Collection[tuple[str, str]],
    macros: set[bytes],
) -> None:
    """Every differing token belongs to a local variable, whole, in both texts."""
    before, after = _by_token(old), _by_token(new)
    left = dict(differing)
    while left:
        first = min(left)
        name, fresh = left[first]
        if (name.decode("latin-1"), fresh.decode("latin-1")) not in renames:
            raise NotProvenError("a name became another, which nobody asked for")
        mine = before.get(first)
        theirs = after.get(first)
        if mine is None or theirs is None or mine[1] != theirs[1] or min(mine[1]) != first:
            raise NotProvenError(f"{name.decode('latin-1')!r} cannot be told apart safely")
        if any(left.pop(k, None) != (name, fresh) for k in mine[1]):
            raise NotProvenError(f"only some occurrences of {name.decode('latin-1')!r} changed")
        refuse_new_name(old, mine[0], fresh, macros)
        refuse_new_name(new, theirs[0], name, macros)


def _by_token(source: CText) -> dict[int, tuple[Local, frozenset[int]]]:
    """For the token at which each local variable is declared: it, and all tokens that mean it."""
    number = {token.start: k for k, token in enumerate(source.tokens)}
    found = {}
    for local in local_variables(source):
        if all(place in number for place in local.places):
            every = frozenset(number[place] for place in local.places)
            found[min(every)] = (local, every)
    return found
