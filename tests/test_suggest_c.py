"""Renamings and comments of C that must be proven, and those that must be refused."""

from __future__ import annotations

import re

import pytest
from pygments.lexers import CLexer
from pygments.token import Comment as CommentKind
from pygments.token import Whitespace

from groundstation.suggest.added import Added
from groundstation.suggest.c.names import CText, local_variables
from groundstation.suggest.c.proof import prove_c
from groundstation.suggest.c.tokens import Comment, Sort, scan
from groundstation.suggest.comments import comment_proposals
from groundstation.suggest.proposals import NotProvenError, edited
from groundstation.syntax import Language

BODY = "int g(int other)\n{\n%s    return other;\n}\n"

PROVEN = {
    "plain": "    int old = 1;\n    other += old;\n",
    "pointer and array": "    char *old[3], b;\n    other = sizeof old + b;\n",
    "for": "    for (int old = 0; old < 3; old++) other += old;\n",
    "nested use": "    int old = 1;\n    { if (other) { other = old; } }\n",
    "two in a row": "    { int b = 1; other = b; }\n    { int old = 2; other = old; }\n",
    "cast, call": "    int old = (int)other;\n    h(old, &old);\n",
}

REFUSED = {
    "shadowing in a nested block": "    int old = 1;\n    { int old = 2; other = old; }\n",
    "hides the new name": "    int old = 1;\n    { int new = 2; other = old + new; }\n",
    "the new name is a parameter": "    int old = 1, new = 2;\n    other = old + new;\n",
    "assert shows it": "    int old = 1;\n    assert(old);\n",
    "a macro may show it": "    int old = 1;\n    CHECK(old, 3);\n",
    "member of that name": "    int old = 1;\n    other = s.old + old;\n",
    "member by pointer": "    int old = 1;\n    other = s->old + old;\n",
    "designated member": "    int old = 1;\n    struct s t = { .old = old };\n    h(t);\n",
    "label": "    int old = 1;\n    goto old;\nold:\n    other = old;\n",
    "tag": "    int old = 1;\n    struct old t;\n    h(t, old);\n",
    "used before it is declared": "    other = old;\n    int old = 1;\n    other = old;\n",
    "extern": "    extern int old;\n    other = old;\n",
    "two declarations, one by the preprocessor": (
        "#if A\n    int old = 1;\n#else\n    long old = 1;\n#endif\n    other = old;\n"
    ),
    "in a macro": "#define TWICE (2 * old)\n    int old = 1;\n    other = TWICE + old;\n",
    "assembler": "    int old = 1;\n    __asm__(\"nop\" : [old] \"=r\"(old));\n",
    "a function of that name": "    int old = 1;\n    other = new(old);\n",
    "typedef": "    typedef int old;\n    old x = 1;\n",
}  # fmt: skip


def renamed(text: str) -> str:
    return re.sub(r"\bold\b", "new", text)


@pytest.mark.parametrize("name", PROVEN)
@pytest.mark.parametrize("language", [Language.C, Language.CPP])
def test_renamings_that_keep_the_meaning_are_proven(name: str, language: Language) -> None:
    text = BODY % PROVEN[name]
    pair = text.encode(), renamed(text).replace("new", "late").encode()
    prove_c(language, *pair, renames={("old", "late")})
    assert b"old" in {local.name for local in local_variables(CText.of(language, pair[0]))}
    with pytest.raises(NotProvenError, match="nobody asked"):
        prove_c(language, *pair)
    with pytest.raises(NotProvenError, match="preprocessor"):
        prove_c(language, *pair, renames={("old", "late")}, macros={b"late"})
    for word in ("new", "delete", "stdin", "int", "other"):
        with pytest.raises(NotProvenError):
            after = pair[1].replace(b"late", word.encode())
            prove_c(language, pair[0], after, renames={("old", word)})


@pytest.mark.parametrize("name", REFUSED)
def test_renamings_that_may_not_keep_it_are_refused(name: str) -> None:
    text = BODY % REFUSED[name]
    for after in {renamed(text), re.sub(r"(?<![.>\w])old\b(?!:)", "new", text)}:
        with pytest.raises(NotProvenError):
            prove_c(Language.C, text.encode(), after.encode(), renames={("old", "new")})


@pytest.mark.parametrize(
    "before, after",
    [
        ("int f(int old) { return old; }\n", "int f(int new) { return new; }\n"),
        ("static int old;\n", "static int new;\n"),
        ("int f(void) { int old; return old; }\n", "int f(void) { int new; return old; }\n"),
        ("struct s { int old; };\n", "struct s { int new; };\n"),
        ("#define A old\n", "#define A new\n"),
        ("int a = S(x + y);\n", "int a = S(x+y);\n"),
        ("int a = 1; /* b */\n", "int a = 1 ; \n"),
        ("int a = b/**/c;\n", "int a = bc;\n"),
        ("#define A 1 // b\nint a;\n", "#define A 1\nint a;\n"),
        ("int a; // b \\\nint c;\n", "int a;\nint c;\n"),
        ("x(); /* fallthrough */\n", "x();\n"),
        ("int a = __LINE__; // x\n// y\nint b;\n", "int a = __LINE__; // x\nint b;\n"),
        ("char *s = \"// no\";\n", "char *s = \"\";\n"),
        ("int new; int f(void) { int old = 1; return old; }\n",
         "int new; int f(void) { int new = 1; return new; }\n"),
    ],
)  # fmt: skip
def test_other_changes_are_refused(before: str, after: str) -> None:
    if "\\" in before:  # the comment goes on in the next line: only the whole of it is one
        assert [c.text for c in scan(before.encode()) if isinstance(c, Comment)] == [
            b"// b \\\nint c;"
        ]
    with pytest.raises(NotProvenError):
        prove_c(Language.C, before.encode(), after.encode(), renames={("old", "new")})


def test_scopes_one_after_another_are_renamed_one_by_one() -> None:
    text = BODY % "    { int old = 1; other = old; }\n    { int old = 2; other = old; }\n"
    places = [m.start() for m in re.finditer(r"\bold\b", text)]
    locals_ = list(local_variables(CText.of(Language.C, text.encode())))
    assert [each.places for each in locals_] == [tuple(places[:2]), tuple(places[2:])]
    half = text.replace("{ int old = 1; other = old; }", "{ int new = 1; other = new; }")
    with pytest.raises(NotProvenError):  # old and new now stand in one function: not told apart
        prove_c(Language.C, text.encode(), half.encode(), renames={("old", "new")})


def significant(data: bytes) -> list[str]:
    """The tokens that Pygments sees, without comments and white space."""
    return [
        text.strip()
        for kind, text in CLexer().get_tokens(data.decode())
        if text.strip()
        and kind not in Whitespace
        and (kind not in CommentKind or kind in CommentKind.Preproc)
    ]


def test_comments_shorter_or_dropped_leave_the_tokens() -> None:
    old = b"int a;\n"
    new = (b"int a;\n/* One thing, and\n * another. */\nint b; // tail\nint c; /* x */ int d;\n"
           b"// first\n// second\n#define Z 1 /* kept */\n/* SPDX-License-Identifier: X */\n"
           b"char *s = \"/* no */\";\n")  # fmt: skip
    groups = list(comment_proposals(Added.of("a.c", old, new), Language.C))
    texts = [edited(new, proposal.edits) for group in groups for proposal in group]
    assert len(groups) == 3
    assert new.replace(b"/* One thing, and\n * another. */\n", b"") in texts
    assert new.replace(b"/* One thing, and\n * another. */", b"/* One thing */") in texts
    assert new.replace(b" // tail", b"") in texts
    assert new.replace(b"// first\n// second\n", b"") in texts
    for text in texts:
        prove_c(Language.C, new, text)
        assert significant(text) == significant(new)


def test_tokens_of_every_sort() -> None:
    text = b'#if A /* x\n y */\n R"q()" )q" u8"\\"" 1.5e+3 \'\\n\' ->a//c\n'
    found = list(scan(text))
    assert [each.text for each in found] == [
        b"#if A /* x\n y */", b'R"q()" )q"', b'u8"\\""', b"1.5e+3", b"'\\n'", b"-", b">", b"a",
        b"//c",
    ]  # fmt: skip
    assert isinstance(found[0], type(found[1])) and isinstance(found[-1], Comment)
    sorts = [each.sort for each in found if not isinstance(each, Comment)]
    assert (sorts[0], sorts[-1]) == (Sort.DIRECTIVE, Sort.IDENTIFIER)
    for bad in (b"int a; ??/\n", b"int a\\\nb;\n", b'"open\n', b"/* open"):
        if bad == b"/* open":
            assert [each.text for each in scan(bad)][:2] == [b"/", b"*"]
            continue
        with pytest.raises(NotProvenError):
            list(scan(bad))
