"""What a prompt may say besides: excerpts of the tree on board, and a hint, where they pay.

Candidates are thought of here; whether one pays is counted by the caller, to the bit.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.options import Options
from groundstation.scoring.score import Score
from groundstation.search.retrieval import Definition, Wanted, rank
from shared.prompts.changeset import Codec, FilePlan
from shared.prompts.context.excerpts import MAX_REFERENCES, Reference, Site
from shared.prompts.context.hint import MAX_TOKENS
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.prompts.settings import Settings
from shared.prompts.text.blocks import text_lines
from shared.prompts.text.file_similarity import query_of, query_of_path
from shared.prompts.text.line_class import WORD
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


def worth_it(score: Score, k: int) -> bool:
    """Whether the k-th change costs so much that an excerpt or hint may pay."""
    plan = score.plans[k]
    return plan.codec is Codec.MODEL and bool(plan.hunks) and score.of_file(k) >= LEAST_BITS


def single_references(
    problem: Problem, candidate: Candidate, k: int, vocabulary: Vocabulary
) -> list[Reference]:
    """Excerpts to be tried before the k-th change, each short enough to be shown."""
    plan = candidate.plans[k]
    found = candidate_references(problem.base, problem.choices[k], plan, candidate.settings)
    return [each for each in found if _tokens(problem.base, (each,), vocabulary) <= MOST_TOKENS]


def more_references(
    problem: Problem,
    shown: Sequence[Reference],
    found: Sequence[Reference],
    vocabulary: Vocabulary,
) -> list[tuple[Reference, ...]]:
    """The excerpts shown and one more of those found; and, of several, all but one."""
    longer = [(*shown, each) for each in found if shown and each not in shown]
    shorter = [tuple(r for r in shown if r != each) for each in shown if len(shown) > 1]
    fitting = [
        each
        for each in longer
        if len(each) <= MAX_REFERENCES and _tokens(problem.base, each, vocabulary) <= MOST_TOKENS
    ]
    return [*fitting, *shorter]


def single_hints(choice: Options, plan: FilePlan, text: str, vocabulary: Vocabulary) -> list[bytes]:
    """Hints to be tried before a change: what the engineer said, and names that it repeats."""
    hints = itertools.islice(candidate_hints(choice, plan, text), MOST_HINTS)
    return [hint for hint in hints if fits(vocabulary, hint)]


def longer_hints(now: bytes, hints: Sequence[bytes], vocabulary: Vocabulary) -> list[bytes]:
    """The hint and one more."""
    return [
        now + each for each in hints if now and each not in now and fits(vocabulary, now + each)
    ]


def with_references(candidate: Candidate, k: int, references: tuple[Reference, ...]) -> Candidate:
    """The candidate with other excerpts before the k-th change."""
    return with_plan(candidate, k, replace(candidate.plans[k], references=references))


def with_hint(candidate: Candidate, k: int, hint: bytes) -> Candidate:
    """The candidate with another hint before the k-th change."""
    return with_plan(candidate, k, replace(candidate.plans[k], hint=hint))


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


def with_plan(candidate: Candidate, k: int, plan: FilePlan) -> Candidate:
    """The candidate with another plan for the k-th change."""
    return replace(candidate, plans=(*candidate.plans[:k], plan, *candidate.plans[k + 1 :]))


def _new_text(plan: FilePlan) -> bytes:
    return b"".join(hunk.text for hunk in plan.hunks)


def _reference(definition: Definition) -> Reference:
    return Reference(definition.path, definition.start, definition.end - definition.start)


def _tokens(base: Tree, references: Sequence[Reference], vocabulary: Vocabulary) -> int:
    """Tokens of excerpts; more than any limit where they cannot be spelled."""
    total = 0
    for each in references:
        lines = text_lines(base[each.path].data) or ()
        tokens = vocabulary.encode(b"".join(lines[each.start : each.start + each.lines]))
        total += 1 << 30 if tokens is None else len(tokens)
    return total
