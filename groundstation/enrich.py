"""What a prompt may say besides: excerpts of the tree on board, and a hint, where they pay.

Candidates are thought of here; whether one pays is counted by the caller, to the bit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from groundstation.definitions import Definition, Wanted, rank
from groundstation.plan import Options
from groundstation.score import Score
from shared.prompts.blocks import text_lines
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.hint import MAX_TOKENS
from shared.prompts.lineform import WORD
from shared.prompts.model import LanguageModel
from shared.prompts.nearness import query_of, query_of_path
from shared.prompts.references import MAX_REFERENCES, Reference, Site
from shared.prompts.settings import Settings
from shared.prompts.vocabulary import Vocabulary
from shared.tree import Tree

MOST_CANDIDATES = 8
"""Definitions that are tried before a file."""

MOST_RANKED = 64
"""Definitions among which those are looked for."""

MOST_TOKENS = 1200
"""Of all excerpts before a file: the probe reads each of them."""

MOST_HINTS = 4
"""Hints that are tried before a file, and additions to the best of them."""

LEAST_BITS = 24.0
"""A file that costs less gains nothing: an excerpt or hint takes ten bits or more."""


class Searching(Protocol):
    """A search that counts candidates and keeps the best."""

    @property
    def base(self) -> Tree: ...
    @property
    def choices(self) -> Sequence[Options]: ...
    @property
    def model(self) -> LanguageModel: ...
    @property
    def score(self) -> Score: ...
    def stopped(self) -> bool: ...
    def try_out(self, plans: Sequence[FilePlan], settings: Settings) -> bool: ...


def vary_references(best: Searching) -> bool:
    """Tries excerpts before each file: the best alone, then more while they pay."""
    gained = False
    for k, choice in enumerate(best.choices):
        if not _worth_it(best, k):
            continue
        found = candidate_references(best.base, choice, best.score.plans[k], best.score.settings)
        fitting = [each for each in found if _tokens(best, (each,)) <= MOST_TOKENS]
        for reference in fitting:
            gained |= _try(best, k, references=(reference,))
        for reference in fitting:
            now = best.score.plans[k].references
            more = (*now, reference)
            if not now or reference in now or len(more) > MAX_REFERENCES:
                continue
            if _tokens(best, more) <= MOST_TOKENS:
                gained |= _try(best, k, references=more)
        for reference in best.score.plans[k].references:
            now = best.score.plans[k].references
            if len(now) > 1:
                gained |= _try(best, k, references=tuple(r for r in now if r != reference))
    return gained


def vary_hints(best: Searching, text: str = "") -> bool:
    """Tries hints before each file: what the engineer said, and names that the patch repeats."""
    gained = False
    for k, choice in enumerate(best.choices):
        if not _worth_it(best, k):
            continue
        plan, vocabulary = best.score.plans[k], best.model.vocabulary
        hints = list(candidate_hints(choice, plan, text))[:MOST_HINTS]
        for hint in hints:
            if fits(vocabulary, hint):
                gained |= _try(best, k, hint=hint)
        for hint in hints:
            now = best.score.plans[k].hint
            longer = now + hint
            if now and hint not in now and fits(vocabulary, longer):
                gained |= _try(best, k, hint=longer)
    return gained


def candidate_references(
    base: Tree, choice: Options, plan: FilePlan, settings: Settings
) -> list[Reference]:
    """Definitions on board that may help to write a file, the most promising first."""
    site, old = site_of(base, choice, plan, settings)
    known = site.files()
    lines = text_lines(b"" if choice.change.old is None else choice.change.old.data) or ()
    wanted = Wanted(plan.path, b"".join(lines[k] for k in site.shown), _new_text(plan))
    hidden = {} if old is None else {old: site.shown}
    needed = frozenset(WORD.findall(wanted.new)) - frozenset(WORD.findall(wanted.old))
    ranked = rank(base, wanted, hidden, known, MOST_RANKED)
    found = map(_reference, ranked)
    # what only repeats the window's own words saves a bit or two, and costs ten
    useful = (each for each in found if needed & set(WORD.findall(b"".join(site.text(each)))))
    return list(itertools.islice(useful, MOST_CANDIDATES))


def candidate_hints(choice: Options, plan: FilePlan, text: str) -> Iterator[bytes]:
    """Hints in the order in which they are tried, each with the blank before it.

    Args:
        choice: the change.
        plan: how it is sent.
        text: what the engineer says of it: tried whole, then its words that the patch holds.
    """
    new = _new_text(plan)
    seen = set[bytes]()

    def once(hint: bytes) -> Iterator[bytes]:
        if hint not in seen:
            seen.add(hint)
            yield hint

    said = " ".join(text.split()).encode("utf-8", "replace")
    if said:
        yield from once(b" " + said)
    counts = Counter(WORD.findall(new))
    for word in dict.fromkeys(WORD.findall(said)):
        if counts[word]:
            yield from once(b" " + word)
    old = b"" if choice.change.old is None else choice.change.old.data
    known = frozenset(WORD.findall(old))
    saving = {
        word: (count - 1) * len(word)
        for word, count in counts.items()
        if count > 1 and word not in known and len(word) > 2
    }
    for word in sorted(saving, key=lambda each: (-saving[each], each)):
        yield from once(b" " + word)


def site_of(
    base: Tree, choice: Options, plan: FilePlan, settings: Settings
) -> tuple[Site, str | None]:
    """What the probe will know before the file's first window, and the file's old path."""
    old = choice.change.old
    lines = text_lines(b"" if old is None else old.data) or ()
    if old is None or not lines or not plan.hunks:
        path = None if old is None else plan.old_path
        return Site(base, plan.path, path, range(0), query_of_path(plan.path)), path
    hunk = plan.hunks[0]
    first = max(0, hunk.start - settings.lines_before)
    shown = range(first, min(len(lines), hunk.end + settings.lines_after))
    query = query_of(lines, shown, hunk.start, hunk.end)
    return Site(base, plan.path, plan.old_path, shown, query), plan.old_path


def fits(vocabulary: Vocabulary, hint: bytes) -> bool:
    """Whether a hint can be spelled in as many tokens as it may have."""
    tokens = vocabulary.encode(hint)
    return tokens is not None and 0 < len(tokens) <= MAX_TOKENS


def with_plan(plans: Sequence[FilePlan], k: int, plan: FilePlan) -> list[FilePlan]:
    """The plans with another one for the k-th change."""
    return [*plans[:k], plan, *plans[k + 1 :]]


def _worth_it(best: Searching, k: int) -> bool:
    plan = best.score.plans[k]
    return plan.codec is Codec.MODEL and bool(plan.hunks) and best.score.of_file(k) >= LEAST_BITS


def _try(
    best: Searching,
    k: int,
    references: tuple[Reference, ...] | None = None,
    hint: bytes | None = None,
) -> bool:
    if best.stopped():
        return False
    plan = best.score.plans[k]
    other = replace(
        plan,
        references=plan.references if references is None else references,
        hint=plan.hint if hint is None else hint,
    )
    return other != plan and best.try_out(
        with_plan(best.score.plans, k, other), best.score.settings
    )


def _new_text(plan: FilePlan) -> bytes:
    return b"".join(hunk.text for hunk in plan.hunks)


def _reference(definition: Definition) -> Reference:
    return Reference(definition.path, definition.start, definition.end - definition.start)


def _tokens(best: Searching, references: Sequence[Reference]) -> int:
    """Tokens of excerpts; more than any limit where they cannot be spelled."""
    total = 0
    for each in references:
        lines = text_lines(best.base[each.path].data) or ()
        tokens = best.model.vocabulary.encode(b"".join(lines[each.start : each.start + each.lines]))
        total += 1 << 30 if tokens is None else len(tokens)
    return total
