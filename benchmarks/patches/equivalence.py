"""Whether two texts mean the same, judged by other means than ``groundstation.suggest`` uses.

Python: what the interpreter would run, instruction by instruction.  C: the tokens that Pygments
sees.  Both up to the local names that are said to be renamed.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Collection, Iterator

Renames = Collection[tuple[str, str]]

_UNORDERED = {"MAKE_CELL", "LOAD_CLOSURE"}
"""Runs of these follow the spelling of names and mean the same in any order."""


def same_python(before: bytes, after: bytes, renames: Renames) -> bool:
    """Whether both compile to the same instructions, line numbers and local names aside."""
    one, two = (compile(text, "f", "exec") for text in (before, after))
    return _same_code(one, two, renames)


def _same_code(one: types.CodeType, two: types.CodeType, renames: Renames) -> bool:
    facts = [
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags,
         code.co_name, code.co_qualname, code.co_names, code.co_nlocals,
         code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        for code in (one, two)
    ]  # fmt: skip
    steps = [list(_steps(code)) for code in (one, two)]
    return (
        facts[0] == facts[1]
        and len(steps[0]) == len(steps[1])
        and all(_same_step(a, b, renames) for a, b in zip(*steps, strict=True))
        and _table(one) == _table(two)
    )


Step = tuple[str, object, bool]


def _steps(code: types.CodeType) -> Iterator[Step | list[Step]]:
    """Instructions; what they name; jumps by the number of the instruction that they lead to."""
    instructions = list(dis.get_instructions(code))
    number = {each.offset: k for k, each in enumerate(instructions)}
    run: list[Step] = []
    for each in instructions:
        jumps = each.opcode in dis.hasjrel or each.opcode in dis.hasjabs
        named = each.opcode in dis.haslocal or each.opcode in dis.hasfree
        value = number[each.argval] if jumps else each.argval
        if each.opname == "KW_NAMES" and each.arg is not None:
            value = code.co_consts[each.arg]  # which dis of 3.11 does not look up
        step = (each.opname, value, named)
        if run and each.opname != run[0][0]:
            yield run
            run = []
        if each.opname in _UNORDERED:
            run.append(step)
        else:
            yield step
    if run:
        yield run


def _same_step(one: Step | list[Step], two: Step | list[Step], renames: Renames) -> bool:
    if isinstance(one, list) or isinstance(two, list):
        if not isinstance(one, list) or not isinstance(two, list) or len(one) != len(two):
            return False
        left = list(two)
        for step in one:
            match = next((each for each in left if _same_step(step, each, renames)), None)
            if match is None:
                return False
            left.remove(match)
        return True
    if one[0] != two[0] or one[2] != two[2]:
        return False
    if isinstance(one[1], types.CodeType) and isinstance(two[1], types.CodeType):
        return _same_code(one[1], two[1], renames)
    if one[2]:
        return one[1] == two[1] or (one[1], two[1]) in renames
    return type(one[1]) is type(two[1]) and repr(one[1]) == repr(two[1])


def _table(code: types.CodeType) -> bytes:
    table: bytes = getattr(code, "co_exceptiontable", b"")
    return table


def same_c(before: bytes, after: bytes, renames: Renames) -> bool:
    """Whether Pygments sees the same tokens, comments and white space aside."""
    tokens = [_c_tokens(text) for text in (before, after)]
    return len(tokens[0]) == len(tokens[1]) and all(
        a == b or (a, b) in renames for a, b in zip(*tokens, strict=True)
    )


def _c_tokens(data: bytes) -> list[str]:
    from pygments.lexers import CppLexer
    from pygments.token import Comment

    return [
        text.strip()
        for kind, text in CppLexer().get_tokens(data.decode("latin-1"))
        if text.strip() and (kind not in Comment or kind in Comment.Preproc)
    ]


def same(path: str, before: bytes, after: bytes, renames: Renames) -> bool:
    """By the file's ending."""
    judge = same_python if path.endswith((".py", ".pyi")) else same_c
    return judge(before, after, renames)
