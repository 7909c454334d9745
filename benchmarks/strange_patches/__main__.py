"""Patches of real tools under random options: ``python -m benchmarks.strange_patches``.

Each is refused with the number of a line, or gives exactly the tree that git gives; the page counts
both, and everything else.  Our reader is judged alone first, then with its second reading.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from benchmarks.strange_patches.tools import (
    Made,
    ToolError,
    applied,
    by_diff,
    by_git,
    by_git_of_folders,
    mangled,
)
from benchmarks.strange_patches.trees import successor, tree
from groundstation.second_reading import disagreement
from shared.diff import apply_patch
from shared.errors import PatchError
from shared.terminal import Report, progress, reports_errors
from shared.tree import Tree

OUT = Path(__file__).parents[1] / "PATCHES.md"
COUNT = 2_000
_MAKERS = (by_git, by_git, by_git, by_git_of_folders, by_diff, by_diff)
_SHARE_MANGLED = 8


@dataclass(frozen=True)
class Outcome:
    """What became of one patch.

    Attributes:
        how: tool and options.
        refused: why our reader refused it; empty where it took it.
        second: why the second reading refused it; empty where it did not.
        is_as_git: the tree is the one that git, or for ``diff`` also patch, gives.
        is_target: it is also the tree that the patch was made from.
    """

    how: str
    refused: str = ""
    second: str = ""
    is_as_git: bool = False
    is_target: bool = False


def outcomes(count: int, seed: int, report: Report) -> Iterator[Outcome]:
    """Draw ``count`` patches that are not empty and say what becomes of each."""
    rng = Random(seed)
    done = 0
    while done < count:
        base = tree(rng)
        target = successor(rng, base)
        maker = rng.choice(_MAKERS)
        with tempfile.TemporaryDirectory(prefix="strange-") as name:
            folder = Path(name)
            try:
                made = maker(rng, base, target, folder / "made")
            except ToolError:  # options that the tool does not know together
                continue
            if not rng.randrange(_SHARE_MANGLED):
                made = mangled(rng, made)
            if not made.patch:
                continue
            yield judge(made, base, target, folder)
        done += 1
        report("patches", done, count)


def judge(made: Made, base: Tree, target: Tree, folder: Path) -> Outcome:
    """Say what becomes of one patch."""
    try:
        tree = apply_patch(base, made.patch)
    except PatchError as error:
        if not re.match(r"patch line \d+[,:]", error.found):
            return Outcome(made.how, second="a refusal without the number of a line")
        return Outcome(made.how, refused=_reason(error.found))
    other = disagreement(base, made.patch, tree, 1)
    second = ""
    if other is not None:
        second = _reason(other.words) or f"{other.tool} makes another tree"
    tools = ("git", "patch") if made.how.startswith("diff ") else ("git",)
    is_as_git = any(_gives(made.patch, base, tree, folder / tool, tool) for tool in tools)
    return Outcome(made.how, "", second, is_as_git, tree == target)


def _gives(patch: bytes, base: Tree, tree: Tree, folder: Path, tool: str) -> bool:
    folder.mkdir()
    try:
        return applied(patch, base, folder, tool=tool) == tree
    except ToolError:
        return False


def _reason(found: str) -> str:
    """A refusal without what belongs to one patch alone."""
    text = re.sub(r"^patch line \d+(, (?:'(?:\\.|[^'])*'|\"(?:\\.|[^\"])*\"))?: ", "", found)
    text = re.sub(r"'(?:\\.|[^'\\])*(?:'|$)|\"(?:\\.|[^\"\\])*(?:\"|$)", "'…'", text)
    return re.sub(r"\b[0-9a-f]{40,64}\b|\d+", "N", text)[:110]


def page(found: list[Outcome], seed: int) -> str:
    """PATCHES.md."""
    taken = [each for each in found if not each.refused]
    right = [each for each in taken if each.is_as_git and not each.second]
    wrong = [each for each in taken if not each.is_as_git and not each.second]
    reasons = Counter(each.refused for each in found if each.refused)
    seconds = Counter(each.second for each in taken if each.second)
    rows = [f"| {reason.replace('|', '/')} | {count} |" for reason, count in reasons.most_common()]
    rows += [f"| second reading: {why} | {count} |" for why, count in seconds.most_common()]
    other_aim = sum(not each.is_target for each in right)
    return f"""# Patches of other tools

Written by `python -m benchmarks.strange_patches --seed {seed}`: {len(found):,} patches that are not
empty, made of random pairs of small trees by `git diff`, `git diff --no-index`, `git format-patch`,
`git log`, `git show` and GNU `diff` under random options, settings and locales. One of
{_SHARE_MANGLED} was then mangled as shells, editors and scripts do: byte order marks, CR LF, lines
lost or added, cut off. Nobody said `--strip`. The tree that git gives is made by `git apply` in
plain files (for mails after `git mailsplit` and `git mailinfo`), for GNU diff also by `patch`.

| outcome | patches |
|---|---|
| refused with the number of a line | {sum(reasons.values()) + sum(seconds.values()):,} |
| taken, exactly the tree that git gives | {len(right):,} |
| **others** | **{len(wrong):,}** |
| of the taken: not the tree that the tool was given | {other_aim:,} |
| of the refused: by the second reading alone | {sum(seconds.values()):,} |

Not the tree that the tool was given: options that leave a part out (`-w`, `-S`, `--diff-filter`,
modes and empty files in GNU `diff`), cut patches that apply all the same. git makes the same.

| refused because | patches |
|---|---|
{chr(10).join(rows)}
"""


@reports_errors
def main(
    count: Annotated[int, typer.Option(min=1, help="Patches.")] = COUNT,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 17,
    out: Annotated[Path, typer.Option(help="The page.")] = OUT,
) -> None:
    """Draw patches and write a page of what becomes of them; exit code 1 where one is neither."""
    with progress() as report:
        found = list(outcomes(count, seed, report))
    out.write_text(page(found, seed), encoding="utf-8")
    typer.echo(page(found, seed))
    for each in found:
        if not each.refused and (each.second or not each.is_as_git):
            typer.echo(f"{each.how!r}: {each}", err=True)
    raise typer.Exit(int(any(not (e.refused or e.second or e.is_as_git) for e in found)))


if __name__ == "__main__":
    typer.run(main)
