"""A patch with much to search: hunks that slide, hunks inside lines, and a file without text."""

from __future__ import annotations

from groundstation.scoring.candidate import Problem
from groundstation.scoring.options import options
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.tree import Entry, Mode, Tree, changes


def trees(blocks: int = 3) -> tuple[Tree, Tree]:
    """Baseline and target; of each block, one line changes, one of three equal ones goes."""
    old = b"".join(b"int a%d;\nk\nx\nx\nx\nreturn %d;\n}\n\n" % (k, k) for k in range(blocks))
    new = old
    for k in range(blocks):
        new = new.replace(b"int a%d;" % k, b"int b%d;" % k)
        new = new.replace(b"x\nx\nx\nreturn %d;" % k, b"x\nx\nreturn %d;" % k)
    base = {"a.c": old, "b.txt": b"a\nb\nc\n", "z": bytes(range(200))}
    target = {"a.c": new, "b.txt": b"a\nb\nb\nc\n", "z": bytes(range(1, 201))}
    one, two = (
        Tree({path: Entry(Mode.REGULAR, data) for path, data in files.items()})
        for files in (base, target)
    )
    return one, two


def problem(vocabulary: Vocabulary, blocks: int = 3) -> Problem:
    """The same as a search sees it."""
    base, target = trees(blocks)
    return Problem(base, tuple(options(change, vocabulary) for change in changes(base, target)))
