"""What the specialised model has learned: on which tokens, and of which packages.

``python -m benchmarks.models.learned`` writes LEARNED.md.  Patches of the corpus that were not
trained on
are read by the untuned network and by the one with the shipped adapter, in floating point, with the
bits counted as in training: after mixing in what the old text suggests.
"""

from __future__ import annotations

import keyword
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from groundstation.corpus.choice.ranking import rank
from groundstation.corpus.pairs import TextPair, iter_pairs
from groundstation.models.adapter import Adapter
from groundstation.models.fetch import open_adapter, open_source
from groundstation.models.vocabulary import vocabulary_of
from groundstation.specialise.course import VALIDATED, Limits, pieces
from groundstation.specialise.examples import Example
from groundstation.specialise.network import build, load_thin, output_matrix
from groundstation.specialise.objective import token_bits
from groundstation.specialise.plan import Thin
from shared.prompts.language_model.vocabulary import Vocabulary
from shared.terminal import Report, progress

HERE = Path(__file__).parents[1]
RESULT = HERE / "LEARNED.md"
CORPUS = HERE.parent / "training" / "corpus.csv"
SPLITS = {
    "validation": "other packages; the run stopped by them",
    "test": "other packages, never looked at",
    "later": "later releases of packages that were trained on",
}
MOST = 60
"""Patches of a split."""


@dataclass(frozen=True)
class Counted:
    """Written tokens of some patches.

    Attributes:
        kinds: what each token is, see ``kind_of``.
        untuned, specialised: float64 [n], bits of each.
        untuned_alone, specialised_alone: the same with nothing recalled.
        patches: how many.
    """

    kinds: tuple[str, ...]
    untuned: NDArray[np.float64]
    specialised: NDArray[np.float64]
    untuned_alone: NDArray[np.float64]
    specialised_alone: NDArray[np.float64]
    patches: int


def kind_of(text: str, old: str, recalled: float) -> str:
    """What kind of token this is.

    Args:
        text: of the token, white space before it included.
        old: the file on board.
        recalled: share of what the old text suggests there that this token has.
    """
    word = text.strip()
    if recalled >= 0.5:
        return "what the old text suggests there"
    if not word:
        return "white space"
    if any(letter.isdigit() for letter in word):
        return "numbers"
    if not any(letter.isalpha() for letter in word):
        return "signs"
    if keyword.iskeyword(word):
        return "keywords"
    return "words that the old file has" if word in old else "words that it has not"


def first_patches(split: str, most: int) -> list[TextPair]:
    """Those of a split whose digests are smallest."""
    found = iter_pairs(CORPUS, splits=(split,))
    return sorted(found, key=lambda p: rank(p.package, p.path, p.old, p.new))[:most]


def written(
    patches: Sequence[TextPair], vocabulary: Vocabulary, most: int
) -> Iterator[tuple[Example, list[str]]]:
    """What the model would read and write of them, and of what kind each written token is."""
    for patch in patches:
        for each in pieces(patch, vocabulary, VALIDATED, Limits(), most):
            tokens = (vocabulary.spell([int(each.tokens[place])]) for place in each.places)
            yield (
                each,
                [
                    kind_of(token.decode("utf-8", "replace"), patch.old, float(share))
                    for token, share in zip(tokens, each.recalled, strict=True)
                ],
            )


def count(model: str, start: str, most: int, report: Report) -> dict[str, Counted]:
    """Counts every split with both networks.

    Args:
        model: the untuned one.
        start: the adapter.
        most: patches of a split.
        report: told about the progress.
    """
    import torch

    source, adapter = open_source(model, report=report), open_adapter(start)
    vocabulary = vocabulary_of(source)
    networks = [_network(source, each) for each in (None, adapter)]
    found = {}
    for split in SPLITS:
        patches = first_patches(split, most)
        kinds: list[str] = []
        costs: list[list[Any]] = [[], [], [], []]
        for done, (example, named) in enumerate(
            written(patches, vocabulary, source.shape.max_positions)
        ):
            report(f"{split}: pieces of {len(patches)} patches", done, 0)
            kinds += named
            alone = replace(example, score=np.full_like(example.score, -np.inf))
            shown = [(network, each) for each in (example, alone) for network in networks]
            for bits, ((network, head), each) in zip(costs, shown, strict=True):
                with torch.no_grad():
                    bits.append(token_bits(network, head, [each]).double().numpy())
        untuned, specialised, untuned_alone, specialised_alone = map(np.concatenate, costs)
        found[split] = Counted(
            tuple(kinds),
            untuned,
            specialised,
            untuned_alone,
            specialised_alone,
            len(patches),
        )
    return found


def _network(source: Any, adapter: Adapter | None) -> tuple[Any, Any]:
    """A network in float32, and its head."""
    thin = Thin() if adapter is None else Thin(adapter.rank, Thin.alpha, adapter.first_layer)
    network = build(source, thin, half=False).eval()
    if adapter is not None:
        load_thin(network, thin, adapter)
    return network, output_matrix(source, network)


def page(found: dict[str, Counted]) -> str:
    """The report."""
    lines = [
        "# What specialising has learned",
        "",
        "Written by `python -m benchmarks.models.learned`; do not edit. Bits of what is written,",
        "after mixing in what the old text suggests, in floating point; patches of the corpus that",
        "were not trained on, drawn by digest.",
        "",
        "| patches | tokens | untuned, bytes a patch | specialised | change | nothing recalled |",
        "|---|---|---|---|---|---|",
    ]
    for split, each in found.items():
        lines.append(
            f"| {each.patches}, `{split}`: {SPLITS[split]} | {len(each.kinds)} | "
            f"{_bytes(each.untuned, each):.1f} | {_bytes(each.specialised, each):.1f} | "
            f"{_change(each.untuned, each.specialised)} | "
            f"{_change(each.untuned_alone, each.specialised_alone)} |"
        )
    test = found["test"]
    lines += ["", "Of `test`, by what the token is:", ""]
    lines += ["| token | tokens | share of the untuned bits | change |", "|---|---|---|---|"]
    groups: dict[str, list[int]] = defaultdict(list)
    for index, kind in enumerate(test.kinds):
        groups[kind].append(index)
    for kind, places in sorted(groups.items(), key=lambda item: -test.untuned[item[1]].sum()):
        lines.append(_row(kind, np.array(places), test))
    return "\n".join([*lines, ""])


def _row(name: str, places: NDArray[np.intp], counted: Counted) -> str:
    before, after = counted.untuned[places], counted.specialised[places]
    share = before.sum() / counted.untuned.sum()
    return f"| {name} | {len(places)} | {share:.0%} | {_change(before, after)} |"


def _bytes(bits: NDArray[np.float64], counted: Counted) -> float:
    return float(bits.sum()) / 8 / counted.patches


def _change(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    return f"{after.sum() / before.sum() - 1:+.1%}" if before.sum() else ""


def main(
    model: Annotated[str, typer.Option(help="The untuned model.")] = "smollm2-135m",
    start: Annotated[str, typer.Option(help="The adapter.")] = "smollm2-135m-patch",
    most: Annotated[int, typer.Option(min=1, help="Patches of a split.")] = MOST,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT,
) -> None:
    """Compare both networks on patches that were not trained on; some ten minutes."""
    with progress() as report:
        found = count(model, start, most, report)
    out.write_text(page(found), "utf-8")
    typer.echo(out.read_text("utf-8"))


if __name__ == "__main__":
    typer.run(main)
