"""``python -m benchmarks.patches.suggest``: proposals for real patches, and what they save."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.patches.equivalence import same
from benchmarks.patches.pairs import HELDOUT, PAIRS, Pair, PairRow, load_pair, read_rows
from benchmarks.patches.sampling import rank
from groundstation.authoring.author import Effort, author
from groundstation.inputs import open_model
from groundstation.suggest.choosing import Suggested, suggest
from groundstation.suggest.proposals import with_proposals
from groundstation.syntax import language_of
from shared.errors import RehydrationError
from shared.prompts.language_model.model import LanguageModel
from shared.terminal import progress
from shared.tree import Entry, Mode, Tree

REPORT = Path(__file__).parents[1] / "SUGGEST.md"
MODEL = "smollm2-135m"
PATCHES = 14
LARGEST_DIFF_BYTES = 2100
MOST = 20
"""Proposals counted alone for one patch: a number, so that the report can be repeated."""


@dataclass(frozen=True)
class Measured:
    """One patch, what was proposed, and what authoring said afterwards."""

    pair: Pair
    found: Suggested
    authored_before: int
    authored_after: int
    checked: int


def rows() -> list[PairRow]:
    """The patches: by digest order of their names, never by result."""
    every = [
        row
        for path in (PAIRS, HELDOUT)
        for row in read_rows(path)
        if language_of(row.file) and row.diff_bytes <= LARGEST_DIFF_BYTES
    ]
    return sorted(every, key=lambda row: rank("suggest", row.id))[:PATCHES]


def trees(pair: Pair) -> tuple[Tree, Tree]:
    """The file alone, before and after."""
    one, two = (Tree({pair.path: Entry(Mode.REGULAR, text)}) for text in (pair.old, pair.new))
    return one, two


def check(pair: Pair, found: Suggested) -> int:
    """Checks every proposal alone, and the set, by other means; returns how many.

    Raises:
        RehydrationError: one is not equivalent after all: a defect.
    """
    target = trees(pair)[1]
    alone = [[each.proposal] for each in (*found.chosen, *found.others)]
    for proposals in [*alone, [each.proposal for each in found.chosen]]:
        text = with_proposals(target, proposals)[pair.path].data if proposals else pair.new
        renames = {each.rename for each in proposals if each.rename is not None}
        if not same(pair.path, pair.new, text, renames):
            raise RehydrationError(f"{pair.id}: not equivalent: {[p.what for p in proposals]}")
    return len(alone)


def measure(pair: Pair, model: LanguageModel) -> Measured:
    """Proposes, checks, and authors both targets with the plain model."""
    base, target = trees(pair)
    found = suggest(base, target, model, most=MOST)
    after = with_proposals(target, [each.proposal for each in found.chosen])
    effort = Effort(max_seconds=math.inf, max_candidates=1, check=False)
    sizes = [author(base, each, model, effort=effort).payload_bytes for each in (target, after)]
    return Measured(pair, found, sizes[0], sizes[1], check(pair, found))


def report_text(results: Sequence[Measured], digest: str) -> str:
    """The report."""
    before = sum(each.authored_before for each in results)
    after = sum(each.authored_after for each in results)
    saved = [each.authored_before - each.authored_after for each in results]
    exact = sum(
        (each.found.before.payload_bytes, each.found.after.payload_bytes)
        == (each.authored_before, each.authored_after)
        for each in results
    )
    lines = [
        "# Equivalent patches that cost fewer bytes",
        "",
        f"Written by `python -m benchmarks.patches.suggest`, {MODEL} ({digest[:16]}). The first "
        f"{len(results)} patches of `pairs.csv` and `heldout.csv` in the order of a digest of "
        f"their names, of those in Python and C with at most {LARGEST_DIFF_BYTES:,} bytes of diff; "
        f"at most {MOST} proposals counted alone a patch, docstrings not touched, one prompt.",
        "",
        f"**{before} -> {after} payload bytes in all, {before - after} saved "
        f"({(before - after) / before:.1%}); something saved on {sum(s > 0 for s in saved)} of "
        f"{len(results)} patches, at most {max(saved)} B.** Whatever is renamed or left out is the "
        "engineer's decision: comments in particular are not free of worth.",
        "",
        f"Of {sum(each.checked for each in results)} proposals that save something every one, and "
        "each set as a whole, passed a check by other means: instructions that the interpreter "
        f"compiles, or tokens that Pygments sees. On {exact} of {len(results)} patches `author` "
        "then needed exactly the bytes that were reported.",
        "",
        "| patch | as written | with the set | saved | proven | refused | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {each.pair.id} | {each.authored_before} | {each.authored_after} | "
        f"{each.authored_before - each.authored_after} | {each.found.proposals} | "
        f"{each.found.refused} | {each.found.search_s:.0f} |"
        for each in results
    ]
    lines += ["", "Bytes by proposal, in the order in which a set was put together; `-` is not in "
              "the set, and its bytes are those it saves alone.", "",
              "| patch | kind | line | proposal | saves B |", "|---|---|---|---|---|"]  # fmt: skip
    for each in results:
        for choice in (*each.found.chosen, *each.found.others[:3]):
            inside = choice in each.found.chosen
            bits = choice.saved_bits if inside else choice.alone_bits
            what = choice.proposal.what.replace("|", "\\|")
            lines.append(
                f"| {each.pair.id} | {choice.proposal.kind} | {choice.proposal.line} | `{what}` | "
                f"{bits / 8:.1f}{'' if inside else ' -'} |"
            )
    return "\n".join(lines) + "\n"


def main(out: Annotated[Path, typer.Option(help="Where the report goes.")] = REPORT) -> None:
    """Measure proposals on real patches and write the report."""
    model = open_model(MODEL)
    results = []
    with open_index() as index, progress() as report:
        archives = ArchiveCache(corpus_home(), index)
        chosen = rows()
        for done, row in enumerate(chosen):
            report("patches", done, len(chosen))
            results.append(measure(load_pair(row, archives), model))
    out.write_text(report_text(results, model.digest.hex()), "utf-8")
    typer.echo(f"written to {out}")


if __name__ == "__main__":
    typer.run(main)
