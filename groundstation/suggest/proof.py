"""One proof for every language, and the check that a choice of proposals passes as a whole."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from groundstation.suggest.c.proof import prove_c
from groundstation.suggest.proposals import Kind, NotProvenError, Proposal, with_proposals
from groundstation.suggest.python.proof import prove_python
from groundstation.syntax import Language, language_of
from shared.tree import Tree


@dataclass(frozen=True)
class Judge:
    """Proves proposals for one target.

    Attributes:
        target: as the engineer wrote it.
        macros: words of the preprocessor lines of all its C and C++ files.
    """

    target: Tree
    macros: frozenset[bytes]

    @classmethod
    def of(cls, target: Tree) -> Judge:
        """Reads the tree's preprocessor lines."""
        words: set[bytes] = set()
        for path, entry in target.items():
            if language_of(path) in (Language.C, Language.CPP) and entry.mode.is_file:
                words.update(_directive_words(entry.data))
        return cls(target, frozenset(words))

    def prove(self, path: str, after: bytes, proposals: Collection[Proposal]) -> None:
        """Proves that a file of the target may have another text.

        Raises:
            NotProvenError: with the reason.
        """
        before = self.target[path].data
        renames = {each.rename for each in proposals if each.rename is not None}
        language = language_of(path)
        if language is None:
            raise NotProvenError("nothing can be proven of this kind of file")
        if language is Language.PYTHON:
            docstrings = any(each.kind is Kind.DOCSTRING for each in proposals)
            prove_python(before, after, renames=renames, docstrings=docstrings)
        else:
            prove_c(language, before, after, renames=renames, macros=self.macros)

    def changed(self, proposals: Sequence[Proposal]) -> Tree:
        """The target with proposals in it, proven equivalent as a whole.

        Raises:
            InputError: two of them meet, or (as NotProvenError) they are not equivalent together.
        """
        tree = with_proposals(self.target, proposals)
        for path in {each.path for each in proposals}:
            self.prove(path, tree[path].data, [each for each in proposals if each.path == path])
        return tree

    def accepts(self, proposals: Sequence[Proposal]) -> bool:
        """Whether they are equivalent together."""
        try:
            self.changed(proposals)
        except NotProvenError:
            return False
        return True


_DIRECTIVE_LINE = re.compile(rb"^[ \t]*#(?:\\\r?\n|[^\n])*", re.MULTILINE)


def _directive_words(data: bytes) -> set[bytes]:
    """Words of preprocessor lines; too many rather than too few."""
    lines = _DIRECTIVE_LINE.findall(data)
    return {word for line in lines for word in re.findall(rb"[A-Za-z_$][\w$]*", line)}
