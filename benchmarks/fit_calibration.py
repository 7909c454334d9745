"""Fits ``shared/exact/calibrations`` to what the model should have written.

    python -m benchmarks.fit_calibration               # fits to fit_releases.csv, writes the file

Every token that the model has to write in changed files of other packages is one example: what the
head has read before it, and the token.  A small layer beside the head is fitted to them by gradient
descent, first without a quarter of the packages at a time, which says what it is worth, then with
all.  Examples are kept in the cache, so that a run that was stopped goes on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.archives import ArchiveCache, corpus_home, open_index
from benchmarks.corpus import Pair
from benchmarks.fit_recall import NoBlobs, chosen_files
from benchmarks.measure import trees
from groundstation.plan import options
from shared.errors import RehydrationError
from shared.exact import calibration as calibrations
from shared.exact.arithmetic import dequantised
from shared.exact.calibration import LIMIT, Calibration
from shared.exact.pin import Pin, cache_home, load_pin, resolve_pin
from shared.prompts.changeset import transcribe
from shared.prompts.desk import Desk
from shared.prompts.pinned import PinnedModel
from shared.prompts.settings import Settings
from shared.seeds.decisions import DecisionCounter
from shared.terminal import progress
from shared.tree import changes

FILES = 640
RANK = 16
EPOCHS = 4
BATCH = 512
RATE = 2e-3
RIDGE = 1e-3
FOLDS = 4
MOSTLY = 0.8  # examples of which fewer tokens are legal say little about the rest

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class _Listening(PinnedModel):
    """The model as it is, which notes the logits that it was last asked about."""

    heard: list[tuple[NDArray[np.float64], float]] = field(default_factory=list)

    def frequencies(
        self, logits: NDArray[np.float64], legal: NDArray[np.bool_], inverse_temperature: float
    ) -> NDArray[np.int64]:
        self.heard[:] = [(logits, float(legal.mean()))]
        return super().frequencies(logits, legal, inverse_temperature)


def examples(pair: Pair, model: _Listening) -> tuple[list[Any], list[int]]:
    """Logits before every token that has to be written, and the tokens."""
    base, target = trees(pair)
    choices = [options(change, model.vocabulary) for change in changes(base, target)]
    plans = [choice.model for choice in choices if choice.model]
    rows: list[Any] = []
    tokens: list[int] = []
    if len(plans) != len(choices):
        return rows, tokens

    class Counter(DecisionCounter):
        def token(self, frequencies: Any, wanted: int | None = None, label: str = "") -> int:
            logits, share = model.heard[0]
            if share >= MOSTLY and wanted is not None:
                rows.append(logits.astype(np.float32))
                tokens.append(wanted)
            return super().token(frequencies, wanted, label)

    def open_desk(settings: Settings) -> Desk:
        return Desk(lambda: model, settings, lambda _: None)

    transcribe(Counter(), base, open_desk, NoBlobs(), plans, Settings(), lambda _: None)
    return rows, tokens


def collect(
    model: _Listening, head: F32, limit: int, kept: Path
) -> Iterator[tuple[str, F32, NDArray[np.int64]]]:
    """Package, what the head has read, float32 [n, dim], and the tokens, of so many files.

    What the head has read is found from the logits by least squares.
    """
    inverse = np.linalg.inv(head.T.astype(np.float64) @ head).astype(np.float32)
    kept.mkdir(parents=True, exist_ok=True)
    with open_index() as index, progress() as tell:
        archives = ArchiveCache(corpus_home(), index)
        for number, (package, pair) in enumerate(chosen_files(archives, limit), start=1):
            path = kept / f"{pair.id}.npz"
            if not path.exists():
                try:
                    rows, tokens = examples(pair, model)
                except RehydrationError:
                    rows, tokens = [], []
                read = (np.stack(rows) @ head) @ inverse if rows else np.empty((0, head.shape[1]))
                with path.with_suffix(".new").open("wb") as stream:
                    np.savez(stream, read=read.astype(np.float32), tokens=np.array(tokens, int))
                path.with_suffix(".new").replace(path)
            tell("files", number, limit)
            with np.load(path) as found:
                yield package, found["read"], found["tokens"]


@dataclass(frozen=True)
class Fitted:
    """The small layer in real numbers; ``spread`` is the standard deviation of what it reads."""

    down: F32
    up: F32
    shift: F32
    spread: float


def fit(read: F32, tokens: NDArray[np.int64], head: F32) -> Fitted:
    """Fits the small layer by AdamW on all tokens of the vocabulary."""
    import torch

    torch.manual_seed(0)
    dim = head.shape[1]
    spread = float(read.std())
    x, y = torch.from_numpy(read), torch.from_numpy(tokens)
    weights = torch.from_numpy(head).bfloat16()
    down = (torch.randn(RANK, dim) / (dim**0.5 * spread)).requires_grad_()
    up, shift = torch.zeros(RANK, dim, requires_grad=True), torch.zeros(dim, requires_grad=True)
    optimiser = torch.optim.AdamW([down, up, shift], lr=RATE, weight_decay=0.0)
    steps = EPOCHS * math.ceil(len(x) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            low = torch.clamp(x[rows] @ down.T, -1.0, 1.0)
            logits = ((x[rows] + (low @ up + shift) * spread).bfloat16() @ weights.T).float()
            loss = torch.nn.functional.cross_entropy(logits, y[rows])
            loss = loss + RIDGE * ((up**2).sum() + (shift**2).sum())
            loss.backward()
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
    return Fitted(down.detach().numpy(), up.detach().numpy(), shift.detach().numpy(), spread)


def bits(read: F32, tokens: NDArray[np.int64], head: F32, fitted: Fitted | None) -> float:
    """Bits of all tokens, with the small layer or without."""
    import torch

    weights = torch.from_numpy(head)
    total = 0.0
    for first in range(0, len(read), BATCH):
        x = read[first : first + BATCH]
        if fitted:
            low = np.clip(x @ fitted.down.T, -1.0, 1.0)
            x = x + (low @ fitted.up + fitted.shift) * np.float32(fitted.spread)
        logits = torch.from_numpy(x) @ weights.T
        wanted = torch.from_numpy(tokens[first : first + BATCH])
        total += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
    return total / math.log(2)


def frozen(fitted: Fitted, pin: bytes) -> Calibration:
    """The small layer as integers and scales."""

    def integers(values: F32) -> tuple[NDArray[np.int8], float]:
        scale = float(np.abs(values).max()) / LIMIT or 1.0
        return np.rint(values / scale).astype(np.int8), scale

    down, down_scale = integers(fitted.down)
    up, up_scale = integers(fitted.up * np.float32(fitted.spread))
    shift, shift_scale = integers(fitted.shift * np.float32(fitted.spread))
    return Calibration(pin, down, down_scale, up, up_scale, shift, shift_scale)


def cross_validated(
    packages: Sequence[str], read: F32, tokens: NDArray[np.int64], head: F32
) -> tuple[float, float]:
    """Bits a token of packages that the layer was not fitted to: without it, and with it."""
    names = sorted(set(packages))
    fold = np.array([names.index(package) % FOLDS for package in packages])
    plain = fitted = 0.0
    for k in range(FOLDS):
        inside, outside = fold != k, fold == k
        layer = fit(read[inside], tokens[inside], head)
        plain += bits(read[outside], tokens[outside], head, None)
        fitted += bits(read[outside], tokens[outside], head, layer)
    return plain / len(read), fitted / len(read)


def main(
    files: Annotated[int, typer.Option(help="How many changed files to learn from.")] = FILES,
    model: Annotated[str, typer.Option(help="The pinned model.")] = "smollm2-135m",
    threads: Annotated[int | None, typer.Option(help="Threads of the kernel.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the file; without it the program's own.")
    ] = None,
) -> None:
    """Fit the calibration of a pin and write it."""
    pin = load_pin(resolve_pin(model))
    head = _head(pin)
    found = list(collect(_listening(pin, threads), head, files, _kept(pin)))
    packages = [package for package, _, tokens in found for _ in tokens]
    read = np.concatenate([part for _, part, _ in found])
    tokens = np.concatenate([part for _, _, part in found])
    typer.echo(f"{len(tokens)} tokens of {len(set(packages))} packages")
    plain, fitted = cross_validated(packages, read, tokens, head)
    typer.echo(f"bits a token, cross-validated by package: {plain:.4f} -> {fitted:.4f}")
    layer = frozen(fit(read, tokens, head), pin.digest)
    folder = out or Path(calibrations.__file__).with_name("calibrations")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pin.digest.hex()[:16]}.json"
    path.write_text(layer.as_json(), encoding="ascii")
    typer.echo(f"written to {path}")


def _head(pin: Pin) -> F32:
    name = "head" if "head.q" in pin.tensors else "embed"
    return dequantised(pin.tensors, name).astype(np.float32)


def _listening(pin: Pin, threads: int | None) -> _Listening:
    model = PinnedModel.open(pin, threads=threads, calibrated=False)
    return _Listening(model.digest, model.vocabulary, model.transformer, model.table)


def _kept(pin: Pin) -> Path:
    return cache_home() / "fit-calibration" / pin.digest.hex()[:16]


if __name__ == "__main__":
    typer.run(main)
