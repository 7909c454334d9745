"""Fits the weights of n-grams to what the model and the old files predicted.

    python -m benchmarks.fit.ngrams                    # fits to fit_releases.csv, prints constants

Every token that the model has to write in changed files of other packages is one observation: its
probability by the model, by what is recalled, and what both know of their own certainty.  The
weight of what is recalled is two to the power of a sum of features; the sum of code lengths is
minimised by L-BFGS.  Observations are kept in the cache, so that a run that was stopped goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.fit.releases import load_steps, read_steps
from benchmarks.patches.measure import trees
from benchmarks.patches.pairs import Pair
from groundstation.scoring.options import options
from shared.errors import RehydrationError
from shared.exact.pin import cache_home, load_pin, resolve_pin
from shared.prompts.changeset import transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.language_model.ngrams import ORDERS, Recall
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.settings import Settings
from shared.seeds.decisions import DecisionCounter
from shared.terminal import progress
from shared.tree import changes

FILES = 160
DIFF_BYTES = 4000
OLD_BYTES = 60_000
FOLDS = 4
RIDGE = 0.3
SEEN = 4
CERTAIN = 6


@dataclass
class _Watched(Recall):
    """Recall that is left out of the frequencies, but says what it would have added."""

    seen: list[tuple[NDArray[np.int64], Any]] = field(default_factory=list)

    def mix(self, frequencies: NDArray[np.int64], context: Sequence[int]) -> NDArray[np.int64]:
        self.seen.append((frequencies, self.orders(frequencies, context)))
        return frequencies


@dataclass
class _WatchedDesk(Desk):
    watched: _Watched | None = None

    def new_recall(self, model: LanguageModel) -> Recall:
        self.watched = _Watched(model.vocabulary)
        return self.watched


def observations(pair: Pair, model: LanguageModel) -> list[list[float]]:
    """Of each token: its probability by the model and by what is recalled (0 of nothing), the mass
    recalled, the order, certainty, how often seen, and whether there was no choice."""
    base, target = trees(pair)
    choices = [options(change, model.vocabulary) for change in changes(base, target)]
    plans = [choice.model for choice in choices if choice.model]
    if len(plans) != len(choices):
        return []
    desks: list[_WatchedDesk] = []
    wanted: list[int] = []

    class Counter(DecisionCounter):
        def token(self, frequencies: Any, wanted_token: int | None = None, label: str = "") -> int:
            wanted.append(-1 if wanted_token is None else wanted_token)
            return super().token(frequencies, wanted_token, label)

    def open_desk(settings: Settings) -> Desk:
        desks.append(_WatchedDesk(lambda: model, settings, lambda _: None))
        return desks[-1]

    transcribe(Counter(), base, open_desk, _NoBlobs(), plans, Settings(), lambda _: None)
    watched = desks[0].watched
    seen = watched.seen if watched else []
    return [_observe(*each, token) for each, token in zip(seen, wanted, strict=True)]


class _NoBlobs:
    def left(self) -> int:
        return 0

    def take(self, size: int, wanted: bytes | None) -> bytes:  # noqa: ARG002
        return b""


def _observe(frequencies: NDArray[np.int64], orders: Any, token: int) -> list[float]:
    total, best = int(frequencies.sum()), int(frequencies.max())
    certainty = min(CERTAIN, (total // max(1, total - best)).bit_length() - 1)
    recalled, left = 0.0, 1.0
    for tokens, counts in reversed(orders):
        if len(tokens):
            whole = int(counts.sum()) + len(tokens)
            recalled += left * int(counts[tokens == token].sum()) / whole
            left *= len(tokens) / whole
    last = orders[-1] if orders else ((), np.zeros(0))
    seen = min(SEEN, int(last[1].sum()).bit_length()) - 1
    alone = len(last[0]) == 1
    return [
        float(frequencies[token]) / total,
        recalled,
        1.0 - left,
        len(orders),
        certainty,
        max(0, seen),
        float(alone),
    ]


def features(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """One column a weight: the orders, certainty, seen 2, 4 and 8 times, no choice."""
    order = rows[:, 3]
    columns = [order == k for k in range(1, ORDERS + 1)]
    columns += [rows[:, 4]]
    columns += [rows[:, 5] == k for k in range(1, SEEN)]
    columns += [rows[:, 6]]
    return np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)


def fit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights, in octaves."""
    import torch

    x = torch.from_numpy(features(rows))
    model, recalled, mass = (torch.from_numpy(rows[:, k].copy()) for k in range(3))
    start = [-2.0] * ORDERS + [0.0] * (x.shape[1] - ORDERS)
    weights = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimiser.zero_grad()
        share = torch.clamp(torch.exp2(x @ weights), max=2.0) * (mass > 0)
        bits = -torch.log2((model + share * recalled) / (1 + share * mass)).sum()
        loss = bits + RIDGE * (weights[ORDERS:] ** 2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    return np.asarray(weights.detach().numpy())


def mean_bits(rows: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Bits a token when what is recalled counts so much."""
    share = np.minimum(2.0, np.exp2(features(rows) @ weights)) * (rows[:, 2] > 0)
    mixed = (rows[:, 0] + share * rows[:, 1]) / (1 + share * rows[:, 2])
    return float(-np.log2(mixed).mean())


def cross_validated(rows: NDArray[np.float64], packages: Sequence[str]) -> float:
    """Mean bits a token of packages that the weights were not fitted to."""
    names = sorted(set(packages))
    fold = np.array([names.index(package) % FOLDS for package in packages])
    parts = [(rows[fold == k], fit(rows[fold != k])) for k in range(FOLDS) if (fold == k).any()]
    return sum(mean_bits(part, weights) * len(part) for part, weights in parts) / len(rows)


def collect(model: LanguageModel, limit: int, kept: Path) -> Iterator[tuple[str, list[float]]]:
    """Observations of so many files, a few of every package before more of any."""
    done = {}
    if kept.exists():
        done = {row["id"]: row["rows"] for row in map(json.loads, kept.open(encoding="utf-8"))}
    kept.parent.mkdir(parents=True, exist_ok=True)
    with open_index() as index, progress() as tell, kept.open("a", encoding="utf-8") as stream:
        archives = ArchiveCache(corpus_home(), index)
        for number, (package, pair) in enumerate(_chosen(archives, limit), start=1):
            if pair.id not in done:
                try:
                    done[pair.id] = observations(pair, model)
                except RehydrationError:
                    done[pair.id] = []
                stream.write(json.dumps({"id": pair.id, "rows": done[pair.id]}) + "\n")
                stream.flush()
            tell("files", number, limit)
            for row in done[pair.id]:
                yield package, row


def _chosen(archives: ArchiveCache, limit: int) -> Iterator[tuple[str, Pair]]:
    steps = read_steps()
    queues: dict[str, list[Pair]] = {}
    for step, pairs in zip(steps, load_steps(steps, archives), strict=True):
        fitting = [p for p in pairs if p.diff_bytes <= DIFF_BYTES and len(p.old) <= OLD_BYTES]
        queues.setdefault(step.package, []).extend(fitting)
    taken = 0
    while taken < limit and any(queues.values()):
        for package, queue in queues.items():
            if queue and taken < limit:
                taken += 1
                yield package, queue.pop(0)


def main(
    files: Annotated[int, typer.Option(help="How many changed files to learn from.")] = FILES,
    model: Annotated[str, typer.Option(help="The pinned model.")] = "smollm2-135m",
    threads: Annotated[int | None, typer.Option(help="Threads of the kernel.")] = None,
) -> None:
    """Fit the weights of what is recalled, and print them."""
    pin = load_pin(resolve_pin(model))
    kept = cache_home() / "fit-recall" / f"{pin.digest.hex()[:16]}.jsonl"
    found = list(collect(PinnedModel.open(pin, threads=threads), files, kept))
    packages = [package for package, _ in found]
    rows = np.array([row for _, row in found])
    weights = fit(rows)
    eighths = np.rint(8 * weights).astype(int).tolist()
    alone = float(-np.log2(rows[:, 0]).mean())
    typer.echo(f"{len(rows)} tokens of {len(set(packages))} packages")
    typer.echo(f"bits a token: model alone {alone:.4f}, mixed {mean_bits(rows, weights):.4f}, ")
    typer.echo(f"cross-validated by package {cross_validated(rows, packages):.4f}")
    typer.echo(f"_BY_ORDER = {tuple(eighths[:ORDERS])}")
    typer.echo(f"BY_CERTAINTY = {eighths[ORDERS]}")
    typer.echo(f"_BY_SEEN = {(0, *eighths[ORDERS + 1 : -1])}")
    typer.echo(f"_ALONE = {eighths[-1]}")


if __name__ == "__main__":
    typer.run(main)
