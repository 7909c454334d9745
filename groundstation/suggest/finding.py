"""What could be proposed for a patch: groups of which at most one member can be taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from groundstation.suggest.added import Added, added_texts
from groundstation.suggest.c.names import CText, local_variables, variable_names
from groundstation.suggest.c.tokens import Comment, scan
from groundstation.suggest.comments import comment_proposals, docstring_proposals
from groundstation.suggest.formatting import formatting_proposals
from groundstation.suggest.proof import Judge
from groundstation.suggest.proposals import Kind, NotProvenError, Proposal, edited, line_of
from groundstation.suggest.python.names import Variable, python_variables
from groundstation.suggest.python.proof import comments as python_comments
from groundstation.syntax import Language, language_of
from shared.tree import Tree

SHORT_NAMES = ("i", "n", "x", "value", "result", "data", "name", "item")
"""Names that many programs use; C takes of them what its own files use."""

NAMES_EACH = 10
"""Names tried for one variable at most."""

Expected = Callable[[bytes], Sequence[str]]
"""Names that a model expects after a text, the likeliest first."""


@dataclass(frozen=True)
class Thought:
    """A change that may be equivalent; nothing is proven yet.

    Attributes:
        proposal: the change.
        language: of its file.
        kinds: which proposals are wanted.
    """

    proposal: Proposal
    language: Language
    kinds: frozenset[Kind]

    def proven(self, judge: Judge) -> Proposal | None:
        """The proposal, as the kind that it is; None if it is not equivalent or not wanted."""
        proposal, path = self.proposal, self.proposal.path
        before = judge.target[path].data
        after = edited(before, proposal.edits)
        try:
            judge.prove(path, after, [proposal])
        except NotProvenError:
            if proposal.kind is not Kind.FORMATTING or Kind.DOCSTRING not in self.kinds:
                return None
            proposal = replace(proposal, kind=Kind.DOCSTRING)
            try:
                judge.prove(path, after, [proposal])
            except NotProvenError:
                return None
            return proposal
        if proposal.kind is Kind.FORMATTING and _comments(self.language, before) != _comments(
            self.language, after
        ):
            proposal = replace(proposal, kind=Kind.COMMENT)
        return proposal if proposal.kind in self.kinds else None


def find(
    base: Tree, target: Tree, expected: Expected, kinds: frozenset[Kind]
) -> tuple[tuple[Thought, ...], ...]:
    """Thinks of changes to everything that a patch brought in.

    Args:
        base: the tree on board.
        target: the engineer's.
        expected: what the model would call a thing.
        kinds: which proposals are wanted.

    Returns:
        Groups; those of one group exclude each other.
    """
    groups: list[tuple[Thought, ...]] = []
    for added in added_texts(base, target):
        language = language_of(added.path)
        if language is None:
            continue
        seen = {added.new}
        for ways in _ways(added, language, expected, kinds, target):
            group = []
            for proposal in ways:
                text = edited(added.new, proposal.edits)
                if text not in seen:
                    seen.add(text)
                    group.append(Thought(proposal, language, kinds))
            if group:
                groups.append(tuple(group))
    return tuple(groups)


def _comments(language: Language, data: bytes) -> list[bytes]:
    if language is Language.PYTHON:
        return [token.string.encode() for token in python_comments(data)]
    return [each.text for each in scan(data) if isinstance(each, Comment)]


def _ways(
    added: Added, language: Language, expected: Expected, kinds: frozenset[Kind], target: Tree
) -> Iterator[list[Proposal]]:
    """Groups of changes that may be equivalent; a file that cannot be read has none."""
    sources: list[Iterator[list[Proposal]]] = []
    if Kind.NAME in kinds:
        sources.append(_renamings(added, language, expected, target))
    if Kind.COMMENT in kinds:
        sources.append(comment_proposals(added, language))
    if Kind.DOCSTRING in kinds and language is Language.PYTHON:
        sources.append(docstring_proposals(added))
    if Kind.FORMATTING in kinds or Kind.COMMENT in kinds:
        sources.append(formatting_proposals(added, language))
    for source in sources:
        try:
            yield from source
        except NotProvenError:
            continue


def _renamings(
    added: Added, language: Language, expected: Expected, target: Tree
) -> Iterator[list[Proposal]]:
    variables = (
        python_variables(added)
        if language is Language.PYTHON
        else _c_variables(added, language, target)
    )
    for variable in variables:
        place = min(variable.places)
        line_start = added.new.rfind(b"\n", 0, place) + 1
        model = expected(added.new[: max(line_start, place)])
        names = _mixed(variable, model)
        yield [
            Proposal(
                Kind.NAME, added.path, line_of(added.new, place),
                f"{variable.name} -> {name}", variable.edits(name), (variable.name, name),
            )
            for name in names[:NAMES_EACH]
        ]  # fmt: skip


def _mixed(variable: Variable, model: Sequence[str]) -> list[str]:
    """Names to try: the model's first, those of similar things, and short ones."""
    words = [word for word in variable.name.split("_") if len(word) > 1]
    every = [*model[:5], *variable.known[:3], *words[:2], *SHORT_NAMES]
    if variable.allowed is not None:
        every = [*model, *variable.known[:5], *every]
    unique = dict.fromkeys(name for name in every if name not in variable.taken)
    return [name for name in unique if variable.allowed is None or name in variable.allowed]


def _c_variables(added: Added, language: Language, target: Tree) -> Iterator[Variable]:
    """Variables of C functions on added lines only; their new name is a variable elsewhere."""
    source = CText.of(language, added.new)
    allowed = set(variable_names(source))
    for path, entry in target.items():
        other = language_of(path)
        if other in (Language.C, Language.CPP) and path != added.path and entry.mode.is_file:
            try:
                allowed |= variable_names(CText.of(other, entry.data))
            except NotProvenError:
                continue
    names = frozenset(name.decode("latin-1") for name in allowed)
    for local in local_variables(source):
        size = len(local.name)
        if all(added.holds(place, place + size) for place in local.places):
            inside = added.new[local.function[0] : local.function[1]]
            taken = frozenset(name for name in names if name.encode("latin-1") in inside.split())
            known = tuple(sorted(names - taken, key=lambda name: (len(name), name)))
            name = local.name.decode("latin-1")
            yield Variable(added.path, name, local.places, taken | {name}, known, names)
