"""Renamings and other changes of Python that must be proven, and those that must be refused."""

from __future__ import annotations

import ast
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundstation.suggest.added import Added
from groundstation.suggest.comments import comment_proposals, docstring_proposals
from groundstation.suggest.finding import find
from groundstation.suggest.proof import Judge
from groundstation.suggest.proposals import Kind, NotProvenError, Proposal, with_proposals
from groundstation.suggest.python import proof
from groundstation.suggest.python.names import python_variables
from groundstation.suggest.python.proof import prove_python
from groundstation.syntax import Language
from shared.tree import Entry, Mode, Tree

PROVEN = {
    "local": ("def f():\n    old = 1\n    return old\n", "def f():\n    new = 1\n    return new\n"),
    "closure, all of it": (
        "def f():\n    old = 1\n    def g():\n        return old\n    return g\n",
        "def f():\n    new = 1\n    def g():\n        return new\n    return g\n",
    ),
    "comprehension": ("a = [old for old in b if old]\n", "a = [new for new in b if new]\n"),
    "f-string": (
        "def f():\n    old = 1\n    return f'{old!r:>{old}}'\n",
        "def f():\n    new = 1\n    return f'{new!r:>{new}}'\n",
    ),
    "except": (
        "def f():\n    try:\n        g()\n    except E as old:\n        h(old)\n",
        "def f():\n    try:\n        g()\n    except E as new:\n        h(new)\n",
    ),
    "walrus out of a comprehension": (
        "def f(b):\n    c = [(old := a) for a in b]\n    return old, c\n",
        "def f(b):\n    c = [(new := a) for a in b]\n    return new, c\n",
    ),
    "del": (
        "def f():\n    old = 1\n    del old\n",
        "def f():\n    new = 1\n    del new\n",
    ),
    "keyword of the same name stays": (
        "def f():\n    old = 1\n    return g(old=old).old\n",
        "def f():\n    new = 1\n    return g(old=new).old\n",
    ),
    "with, for, star": (
        "def f(q):\n    with q as (a, *old):\n        for z in old:\n            g(z)\n",
        "def f(q):\n    with q as (a, *new):\n        for z in new:\n            g(z)\n",
    ),
}

REFUSED = {
    "closure, outside only": (
        "def f():\n    old = 1\n    def g():\n        return old\n    return g\n",
        "def f():\n    new = 1\n    def g():\n        return old\n    return g\n",
    ),
    "captured by a closure's own": (
        "def f():\n    old = 1\n    def g(new):\n        return old + new\n    return g\n",
        "def f():\n    new = 1\n    def g(new):\n        return new + new\n    return g\n",
    ),
    "closure takes what was global": (
        "def f():\n    old = 1\n    def g():\n        return new\n    return g, old\n",
        "def f():\n    new = 1\n    def g():\n        return new\n    return g, new\n",
    ),
    "class scope": (
        "class A:\n    old = 1\n    b = old\n",
        "class A:\n    new = 1\n    b = new\n",
    ),
    "class in a function": (
        "def f():\n    old = 1\n    class A:\n        new = 2\n        b = old\n    return A\n",
        "def f():\n    new = 1\n    class A:\n        new = 2\n        b = new\n    return A\n",
    ),
    "module": ("old = 1\nprint(old)\n", "new = 1\nprint(new)\n"),
    "global": (
        "def f():\n    global old\n    old = 1\n",
        "def f():\n    global new\n    new = 1\n",
    ),
    "nonlocal": (
        "def f():\n    old = 1\n    def g():\n        nonlocal old\n        old = 2\n\n",
        "def f():\n    new = 1\n    def g():\n        nonlocal new\n        new = 2\n\n",
    ),
    "parameter": ("def f(old):\n    return old\n", "def f(new):\n    return new\n"),
    "lambda's parameter": ("f = lambda old: old\n", "f = lambda new: new\n"),
    "keyword argument": (
        "def f():\n    old = 1\n    return g(old=old)\n",
        "def f():\n    new = 1\n    return g(new=new)\n",
    ),
    "f-string that shows the name": (
        "def f():\n    old = 1\n    return f'{old=}'\n",
        "def f():\n    new = 1\n    return f'{new=}'\n",
    ),
    "locals": (
        "def f():\n    old = 1\n    return locals()\n",
        "def f():\n    new = 1\n    return locals()\n",
    ),
    "eval": (
        "def f():\n    old = 1\n    return eval('ol' + 'd')\n",
        "def f():\n    new = 1\n    return eval('ol' + 'd')\n",
    ),
    "an alias of eval": (
        "e = eval\ndef f():\n    old = 1\n    return e('ol' + 'd')\n",
        "e = eval\ndef f():\n    new = 1\n    return e('ol' + 'd')\n",
    ),
    "frame": (
        "import sys\ndef f():\n    old = 1\n    return sys._getframe().f_locals\n",
        "import sys\ndef f():\n    new = 1\n    return sys._getframe().f_locals\n",
    ),
    "del of another": (
        "def f():\n    old = new = 1\n    del old\n    return new\n",
        "def f():\n    new = new = 1\n    del new\n    return new\n",
    ),
    "except deletes its name": (
        "def f():\n    new = 1\n    try:\n        g()\n    except E as old:\n        h(old)\n"
        "    return new\n",
        "def f():\n    new = 1\n    try:\n        g()\n    except E as new:\n        h(new)\n"
        "    return new\n",
    ),
    "walrus over another": (
        "def f(new):\n    if (old := g()):\n        return old + new\n",
        "def f(new):\n    if (new := g()):\n        return new + new\n",
    ),
    "match capture": (
        "def f(a):\n    match a:\n        case {'k': old}:\n            return old\n",
        "def f(a):\n    match a:\n        case {'k': new}:\n            return new\n",
    ),
    "quoted annotation": (
        "def f():\n    old = int\n    def g(a: 'list[old]'):\n        return a\n    return old\n",
        "def f():\n    new = int\n    def g(a: 'list[old]'):\n        return a\n    return new\n",
    ),
    "query string": (
        "def f(d):\n    old = 1\n    return d.query('a > @old'), old\n",
        "def f(d):\n    new = 1\n    return d.query('a > @old'), new\n",
    ),
    "shadowed builtin": (
        "def f():\n    old = 1\n    return old\n",
        "def f():\n    len = 1\n    return len\n",
    ),
    "shadowed builtin in use": (
        "def f(a):\n    old = 1\n    return len(a) + old\n",
        "def f(a):\n    len = 1\n    return len(a) + len\n",
    ),
    "shadowed global": (
        "new = 5\ndef f():\n    old = 1\n    return old\n",
        "new = 5\ndef f():\n    new = 1\n    return new\n",
    ),
    "two become one": (
        "def f():\n    old, new = 1, 2\n    return old\n",
        "def f():\n    new, new = 1, 2\n    return new\n",
    ),
    "only some": (
        "def f():\n    old = 1\n    return old\n",
        "def f():\n    new = 1\n    return old\n",
    ),
    "import": (
        "def f():\n    import old\n    old.g()\n",
        "def f():\n    import new\n    new.g()\n",
    ),
    "inner function's name": (
        "def f():\n    def old():\n        pass\n    return old\n",
        "def f():\n    def new():\n        pass\n    return new\n",
    ),
    "attribute": ("def f(a):\n    return a.old\n", "def f(a):\n    return a.new\n"),
    "mangled": (
        "class A:\n    def f(self):\n        old = 1\n        return old\n",
        "class A:\n    def f(self):\n        __new = 1\n        return __new\n",
    ),
    "soft keyword": (
        "def f():\n    old = 1\n    return old\n",
        "def f():\n    match = 1\n    return match\n",
    ),
    "cython's decorator": (
        "@cython.locals(old=cython.int)\ndef f():\n    old = 1\n    return old\n",
        "@cython.locals(old=cython.int)\ndef f():\n    new = 1\n    return new\n",
    ),
    "first iterable is outside": (
        "def f(old):\n    return [a for a in old]\n",
        "def f(old):\n    return [old for old in a]\n",
    ),
    "another constant": ("def f():\n    return 1\n", "def f():\n    return True\n"),
    "docstring": ("def f():\n    'a'\n    return 1\n", "def f():\n    return 1\n"),
    "encoding": ("# a\nx = 'é'\n", "# coding: latin-1\nx = 'é'\n"),
    "type comment": ("x = []  # type: list[int]\n", "x = []\n"),
}


def renames(before: str, after: str) -> set[tuple[str, str]]:
    """All pairs of names, so that a refusal has another reason than a pair that is missing."""
    names = [{n for n in text.replace("(", " ").split() if n.isidentifier()}
             for text in (before, after)]  # fmt: skip
    pairs = {("old", n) for n in ("new", "len", "match", "__new")}
    return pairs | {(a, b) for a in names[0] for b in names[1]} | {("a", "old"), ("old", "a")}


@pytest.mark.parametrize("name", PROVEN)
def test_renamings_that_keep_the_meaning_are_proven(name: str) -> None:
    before, after = PROVEN[name]
    prove_python(before.encode(), after.encode(), renames={("old", "new")})
    with pytest.raises(NotProvenError, match="nobody asked"):
        prove_python(before.encode(), after.encode(), renames={("old", "other")})


@pytest.mark.parametrize("name", REFUSED)
def test_renamings_that_may_not_keep_it_are_refused(name: str) -> None:
    before, after = REFUSED[name]
    with pytest.raises(NotProvenError):
        prove_python(before.encode(), after.encode(), renames=renames(before, after))


@pytest.mark.parametrize("name", PROVEN)
def test_the_search_for_variables_finds_what_is_proven(name: str) -> None:
    before, after = PROVEN[name]
    found = {v.name: v for v in python_variables(Added.of("a.py", b"", before.encode()))}
    proposal = Proposal(Kind.NAME, "a.py", 1, "", found["old"].edits("new"), ("old", "new"))
    tree = Tree({"a.py": Entry(Mode.REGULAR, before.encode())})
    changed = Judge.of(tree).changed([proposal])
    assert changed["a.py"].data == after.encode()


def test_a_variable_that_was_there_before_the_patch_is_left_alone() -> None:
    old = b"def f():\n    old = 1\n    return 2\n"
    new = b"def f():\n    old = 1\n    more = old\n    return more\n"
    assert [v.name for v in python_variables(Added.of("a.py", old, new))] == ["more"]


def code_facts(code: types.CodeType) -> list[object]:
    """Code without names of locals and without lines: what the interpreter runs."""
    constants = [code_facts(c) if isinstance(c, types.CodeType) else (type(c), repr(c))
                 for c in code.co_consts]  # fmt: skip
    sizes = (code.co_nlocals, len(code.co_freevars), len(code.co_cellvars), code.co_argcount)
    return [code.co_code, code.co_names, code.co_exceptiontable, code.co_flags, sizes, constants]


SOURCE = """
def f(a, *rest, key=3):
    first = a + 1
    second = [each * first for each in rest]
    def g():
        return first, third
    third = {k: v for k, v in zip(second, rest)}
    try:
        third.clear()
    except KeyError as error:
        raise ValueError(f"{error} {key!r}") from error
    return g, third
"""


@given(
    st.sampled_from(["first", "second", "third", "each", "error", "k", "v", "a", "g", "key"]),
    st.sampled_from(["w", "each", "first", "a", "zip", "third", "k", "ValueError", "f", "rest"]),
)
def test_what_is_proven_compiles_to_the_same_code(old: str, new: str) -> None:
    """Blind replacement of words; whenever the proof accepts it, the interpreter must agree."""
    import re

    after = re.sub(rf"\b{old}\b", new, SOURCE)
    try:
        prove_python(SOURCE.encode(), after.encode(), renames={(old, new)})
    except NotProvenError:
        assert new in SOURCE or old in ("a", "g", "key")
        return
    # the order of cells follows their names, so this compares code without cells exactly
    if old not in ("first", "third"):
        codes = [code_facts(compile(text, "f", "exec")) for text in (SOURCE, after)]
        assert codes[0] == codes[1]
    assert new == "w" or old == new


def test_comments_shorter_or_dropped_but_not_those_that_programs_read() -> None:
    old = b"x = 1\n"
    new = (b"x = 1\n# First of two lines, which\n# go on here.\ny = 2  # why: this\n"
           b"z = 3  # noqa: E501\nw = '# no comment'\n")  # fmt: skip
    added = Added.of("a.py", old, new)
    groups = list(comment_proposals(added, Language.PYTHON))
    tree = Tree({"a.py": Entry(Mode.REGULAR, new)})
    texts = [[with_proposals(tree, [p])["a.py"].data for p in group] for group in groups]
    assert texts[0][0] == new.replace(b"# First of two lines, which\n# go on here.\n", b"")
    assert new.replace(b", which\n# go on here.", b"") in texts[0]
    assert texts[1][0] == new.replace(b"  # why: this", b"")
    assert len(groups) == 2


def test_docstrings_only_where_asked_for() -> None:
    new = b'def f():\n    """Does it.\n\n    And more.\n    """\n    return 1\n'
    added = Added.of("a.py", b"", new)
    dropped, short = next(docstring_proposals(added))
    judge = Judge.of(Tree({"a.py": Entry(Mode.REGULAR, new)}))
    text = judge.changed([dropped])["a.py"].data
    assert text == b"def f():\n    return 1\n"
    assert judge.changed([short])["a.py"].data == b'def f():\n    """Does it."""\n    return 1\n'
    with pytest.raises(NotProvenError, match="syntax tree"):
        prove_python(new, text)
    reading = new + b"print(f.__doc__)\n"
    with pytest.raises(NotProvenError, match="reads docstrings"):
        prove_python(reading, text + b"print(f.__doc__)\n", docstrings=True)


def test_formatting_is_proposed_where_the_tree_stays() -> None:
    old = b"import a\nx = 'k'\n"
    new = b'import a\n\n\nx = "k"\ny = [\n    1,\n    2,\n]\nz = (1,)\n'
    trees = [Tree({"a.py": Entry(Mode.REGULAR, text)}) for text in (old, new)]
    judge = Judge.of(trees[1])
    groups = find(*trees, lambda _: [], frozenset({Kind.FORMATTING}))
    proven = [thought.proven(judge) for group in groups for thought in group]
    texts = {judge.changed([each])["a.py"].data for each in proven if each is not None}
    assert new.replace(b'"k"', b"'k'") in texts
    assert new.replace(b"\n\n\n", b"\n") in texts
    assert new.replace(b"[\n    1,\n    2,\n]", b"[1, 2]") in texts
    assert all(ast.dump(ast.parse(text)) == ast.dump(ast.parse(new)) for text in texts)
    assert not any(b"(1)" in text for text in texts)  # without its comma it is no tuple
    assert None in proven


# --- the second proof, by the compiler's symbol tables --------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "renames"),
    [
        # the new name catches the parameter
        (
            b"def f(a):\n    x = 1\n    return a\n",
            b"def f(a):\n    a = 1\n    return a\n",
            {("x", "a")},
        ),
        (b"def f():\n    x = 1\n", b"def f():\n    global y\n    y = 1\n", {("x", "y")}),
        # free in an inner function, local there afterwards
        (
            b"def f():\n    x = 1\n    def g():\n        return x\n",
            b"def f():\n    y = 1\n    def g():\n        y = 2\n        return y\n",
            {("x", "y")},
        ),
        (b"def f():\n    x = 1\n", b"def f():\n    y = 1\n", set()),
        (b"def f():\n    x = 1\n", b"def g():\n    x = 1\n", set()),
        (b"def f():\n    x = 1\n", b"def f():\n    x = lambda: 1\n", set()),
    ],
)
def test_symbol_tables_alone_tell_these_apart(
    before: bytes, after: bytes, renames: set[tuple[str, str]]
) -> None:
    with pytest.raises(NotProvenError, match="other symbols"):
        proof._prove_symbols(before, after, frozenset(renames))


def test_symbol_tables_agree_where_only_a_local_name_differs() -> None:
    before = b"def f(a):\n    x = a\n    return [x for _ in a]\n"
    after = b"def f(a):\n    y = a\n    return [y for _ in a]\n"
    proof._prove_symbols(before, after, frozenset({("x", "y")}))


def test_both_proofs_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr(proof, "_prove_symbols", lambda *texts: asked.append(texts[:2]))
    before, after = b"def f():\n    x = 1\n    return x\n", b"def f():\n    y = 1\n    return y\n"
    prove_python(before, after, renames=[("x", "y")])
    assert asked == [(before, after)]
