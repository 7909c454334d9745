"""The search over prompts: score candidates by counting their bits, keep what costs least."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from groundstation.plan import Options
from shared.errors import RegenerationError
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.desk import Desk
from shared.prompts.model import LanguageModel
from shared.prompts.settings import (
    INVERSE_TEMPERATURES,
    LINES_AFTER,
    LINES_BEFORE,
    Settings,
    Shape,
)
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter
from shared.terminal import Report
from shared.tree import Tree


@dataclass
class _SentBlobs:
    """Counts the blobs of a message as they are taken."""

    bytes_left: int

    def left(self) -> int:
        return self.bytes_left

    def take(self, size: int, wanted: bytes | None) -> bytes:
        if wanted is None or len(wanted) != size:
            raise ValueError("the ground knows its blobs")
        self.bytes_left -= size
        return wanted


@dataclass(frozen=True)
class Score:
    """What a candidate costs.

    Attributes:
        settings: how the model is asked.
        plans: how each change is sent.
        counter: its decisions.
        bits: after each file, in order.
    """

    settings: Settings
    plans: tuple[FilePlan, ...]
    counter: DecisionCounter
    bits: tuple[float, ...]

    @property
    def source(self) -> SeedSource:
        """The seed source that makes the message shortest: greedy needs no seed at all."""
        return SeedSource.CODED if self.counter.tally.surprises else SeedSource.GREEDY

    def of_file(self, k: int) -> float:
        """Bits of the k-th change."""
        return self.bits[k] - (self.bits[k - 1] if k else 0.0)


def search(
    base: Tree,
    choices: Sequence[Options],
    model: LanguageModel,
    stops: Callable[[int], bool],
    report: Report,
) -> tuple[Score, int]:
    """Finds settings and codecs that make a message short.

    Args:
        base: the tree on board.
        choices: the ways to send each change.
        model: the pinned model.
        stops: whether to stop after so many candidates were scored.
        report: told of progress.

    Returns:
        The best candidate, and how many were scored.
    """
    best, candidates = _best_settings(base, choices, model, stops, report)
    return _settle(base, choices, best, model), candidates


def _best_settings(
    base: Tree,
    choices: Sequence[Options],
    model: LanguageModel,
    stops: Callable[[int], bool],
    report: Report,
) -> tuple[Score, int]:
    """Scores settings one coordinate after another, keeping what costs less."""
    plans = [choice.model or choice.classical for choice in choices]
    best = _count(base, choices, plans, Settings(), model)
    tried = {best.settings}
    if not any(choice.model for choice in choices):
        return best, 1
    total = sum(1 for _ in _neighbours(best.settings)) - _COORDINATES + 2
    report("prompts", 1, total)
    for coordinate in range(_COORDINATES):
        for settings in list(_neighbours(best.settings, coordinate)):
            if settings in tried:
                continue
            if stops(len(tried)):
                return best, len(tried)
            tried.add(settings)
            score = _count(base, choices, plans, settings, model)
            if _cost(choices, score) < _cost(choices, best):
                best = score
            report("prompts", len(tried), total)
    if any(choice.inside for choice in choices) and not stops(len(tried)):
        best = _write_inside(base, choices, best, model)
        report("prompts", total, total)
        return best, len(tried) + 1
    return best, len(tried)


def _write_inside(
    base: Tree, choices: Sequence[Options], best: Score, model: LanguageModel
) -> Score:
    """Takes the plans that write inside lines for those files where that is shorter."""
    inside = [
        choice.inside if choice.inside and plan.codec is Codec.MODEL else plan
        for choice, plan in zip(choices, best.plans, strict=True)
    ]
    score = _count(base, choices, inside, best.settings, model)
    mixed = [
        new if score.of_file(k) < best.of_file(k) else old
        for k, (old, new) in enumerate(zip(best.plans, inside, strict=True))
    ]
    if mixed == inside:
        return score
    if mixed == list(best.plans):
        return best
    return _count(base, choices, mixed, best.settings, model)


_COORDINATES = 4


def _neighbours(settings: Settings, coordinate: int | None = None) -> Iterator[Settings]:
    """Settings that differ in one coordinate: shape, lines before, lines after, temperature."""
    if coordinate in (None, 0):
        for shape in Shape:
            yield replace(settings, shape=shape)
    if coordinate in (None, 1):
        for before in range(len(LINES_BEFORE)):
            yield replace(settings, before=before)
    if coordinate in (None, 2):
        for after in range(len(LINES_AFTER)):
            yield replace(settings, after=after)
    if coordinate in (None, 3):
        for temperature in range(len(INVERSE_TEMPERATURES)):
            yield replace(settings, temperature=temperature)


def _count(
    base: Tree,
    choices: Sequence[Options],
    plans: Sequence[FilePlan],
    settings: Settings,
    model: LanguageModel,
) -> Score:
    """What the plans cost with these settings.

    A change whose text is longer than the model can read takes its classical codec instead.
    """
    fitting = list(plans)
    while True:
        bits: list[float] = []
        try:
            return _count_all(base, fitting, settings, model, bits)
        except RegenerationError:
            failed = len(bits)
            if fitting[failed].codec is not Codec.MODEL:
                raise
            fitting[failed] = choices[failed].classical


def _count_all(
    base: Tree,
    plans: Sequence[FilePlan],
    settings: Settings,
    model: LanguageModel,
    bits: list[float],
) -> Score:
    """The same for exactly these plans; ``bits`` takes the sum after each file."""
    counter = DecisionCounter()
    transcribe(
        counter,
        base,
        lambda chosen: Desk(lambda: model, chosen, _unreported),
        _SentBlobs(sum(len(plan.blob) for plan in plans)),
        plans,
        settings,
        lambda _: bits.append(counter.tally.bits),
    )
    return Score(settings, tuple(plans), counter, tuple(bits))


def _unreported(_: int) -> None:
    """For transcriptions whose progress nobody follows."""


def _cost(choices: Sequence[Options], score: Score) -> tuple[float, float]:
    """Bytes, then bits, of a candidate when every change takes its cheapest codec."""
    bits = sum(
        min(score.of_file(k), choice.classical_bits + 8)
        if plan.codec is Codec.MODEL
        else choice.classical_bits + 8
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    )
    if _choose(choices, score) != list(score.plans):
        return bits / 8, bits
    blobs = sum(len(plan.blob) for plan in score.plans)
    return len(score.counter.stream(score.source)) + blobs, bits


def _settle(base: Tree, choices: Sequence[Options], score: Score, model: LanguageModel) -> Score:
    """Takes the cheapest codec of every change.

    Again and again, because the model may write a file in more bits when it has not seen another.
    """
    while (plans := _choose(choices, score)) != list(score.plans):
        score = _count(base, choices, plans, score.settings, model)
    return score


def _choose(choices: Sequence[Options], score: Score) -> list[FilePlan]:
    """The cheapest codec of every change."""
    return [
        plan
        if plan.codec is Codec.MODEL and score.of_file(k) <= choice.classical_bits + 8
        else choice.classical
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    ]
