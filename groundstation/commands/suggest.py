"""``groundstation suggest``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from groundstation.commands.patch_options import PatchFile, Strip
from groundstation.commands.tables import table, wide_console
from groundstation.inputs import open_model, read_file, read_trees
from groundstation.suggest.choosing import Choice, Suggested
from groundstation.suggest.choosing import suggest as find_proposals
from groundstation.suggest.plans import Plan, as_dict, plan_of, read_plan
from groundstation.suggest.proof import Judge
from groundstation.suggest.proposals import Kind
from groundstation.suggest.scoring import Cost, Scorer
from shared.errors import InputError
from shared.terminal import print_json, progress, reports_errors
from shared.tree import Tree, write_tree

INTERRUPTED = 130


@reports_errors
def suggest(
    base: Annotated[Path, typer.Option(help="Folder with the software that is on board.")],
    model: Annotated[str, typer.Option(help="The model pinned on board: a folder or a name.")],
    target: Annotated[Path | None, typer.Option(help="Folder as it shall be on board.")] = None,
    patch: PatchFile = None,
    strip: Strip = None,
    budget: Annotated[
        float, typer.Option(min=0, help="Seconds to search, once the patch is counted.")
    ] = 120.0,
    trials: Annotated[
        int, typer.Option(min=1, help="Prompts tried for each count, as in author.")
    ] = 1,
    docstrings: Annotated[
        bool, typer.Option("--docstrings", help="Docstrings may change too; so does __doc__.")
    ] = False,
    apply: Annotated[
        Path | None, typer.Option(help="Write the target with the chosen proposals here.")
    ] = None,
    choose: Annotated[
        str, typer.Option(help="With --apply: numbers like 1,3, or all of the set.")
    ] = "all",
    plan: Annotated[
        Path | None,
        typer.Option("--from", help="Choose from this --json report instead of searching."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Propose equivalent patches that cost fewer bytes to send.

    Each proposal is proven to keep the program what it is, and counted. Nothing is changed unless
    --apply says where to write the new target. Ctrl-C keeps what was found so far.
    """
    if apply is not None and apply.exists() and (not apply.is_dir() or any(apply.iterdir())):
        raise InputError(f"{apply} is there already", remedy="name a new folder with --apply")
    trees = read_trees(base, target, patch, strip)
    opened = open_model(model)
    if plan is not None:
        made = read_plan(read_file(plan))
        made.check(*trees)
        with progress(quiet=as_json) as report:
            report("counting", 0, 1)
            scorer = Scorer(trees[0], opened, trials)
            _apply(made, choose, trees, scorer, apply, as_json=as_json)
        return
    kinds = frozenset(Kind) if docstrings else frozenset(Kind) - {Kind.DOCSTRING}
    with progress(quiet=as_json) as report:
        found = find_proposals(
            *trees, opened, kinds=kinds, budget_s=budget, trials=trials, report=report
        )
    if as_json:
        print_json(as_dict(found, *trees))
    else:
        _print(found, wide_console())
    if apply is not None:
        scorer = Scorer(trees[0], opened, trials)
        _apply(plan_of(found, *trees), choose, trees, scorer, apply, as_json=None)
    if found.interrupted:
        raise typer.Exit(INTERRUPTED)


def _apply(
    plan: Plan,
    choose: str,
    trees: tuple[Tree, Tree],
    scorer: Scorer,
    out: Path | None,
    *,
    as_json: bool | None,
) -> None:
    """Proves and counts a choice, writes it where wanted; ``as_json`` None: JSON was printed."""
    proposals = plan.pick(choose)
    changed = Judge.of(trees[1]).changed(proposals)
    costs = scorer.cost(trees[1]), scorer.cost(changed)
    if out is not None:
        write_tree(changed, out)
    if as_json:
        print_json(
            {
                "before_payload_bytes": costs[0].payload_bytes,
                "after_payload_bytes": costs[1].payload_bytes,
                "chosen": [number for number, each in enumerate(plan.proposals, start=1)
                           if each in proposals],
                "target": changed.digest.hex(),
                "written": None if out is None else str(out),
            }
        )  # fmt: skip
        return
    # standard error, where a JSON report already went to standard output
    console = Console(stderr=as_json is None, highlight=False, soft_wrap=True)
    written = "not written: --apply says where" if out is None else f"written to {_printable(out)}"
    console.print(f"{len(proposals)} proposals: {_costs(*costs)}; {written}", markup=False)


def _print(found: Suggested, console: Console) -> None:
    choices = [*found.chosen, *found.others]
    if choices:
        numbers = range(1, len(choices) + 1)
        console.print(
            table(
                ("no.", "kind", "saves B", "alone B", "chosen"),
                [_row(n, each, n <= len(found.chosen)) for n, each in zip(
                    numbers, choices, strict=True)],
                bold=range(len(found.chosen)),
                texts=("proposal", [_what(each) for each in choices]),
                width=console.width,
            )
        )  # fmt: skip
        console.print()
    console.print(f"payload {_costs(found.before, found.after)} with the chosen set", markup=False)
    console.print(
        f"{found.proposals} proposals proven, {found.refused} refused, {found.scored} targets "
        f"counted in {found.search_s:.1f} s"
        + ("" if found.finished else "; stopped early: a larger --budget may find more"),
        markup=False,
    )


def _row(number: int, choice: Choice, chosen: bool) -> list[str]:
    saved = f"{choice.saved_bits / 8:.1f}" if chosen else "-"
    alone = f"{choice.alone_bits / 8:.1f}"
    return [str(number), choice.proposal.kind.value, saved, alone, "yes" if chosen else "-"]


def _what(choice: Choice) -> str:
    return f"{choice.proposal.path}:{choice.proposal.line} {choice.proposal.what}"


def _costs(before: Cost, after: Cost) -> str:
    saved = before.payload_bytes - after.payload_bytes
    return f"{before.payload_bytes} -> {after.payload_bytes} B, {saved} saved"


def _printable(path: Path) -> str:
    return str(path).encode("unicode_escape").decode("ascii")
