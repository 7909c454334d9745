"""What a candidate costs: settings and plans, transcribed and counted, not written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from groundstation.plan import Options
from shared.errors import RegenerationError
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.desk import Desk
from shared.prompts.model import LanguageModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter
from shared.tree import Tree

_CLASSICAL_BITS = 8
"""What a change that is not written by the model pays for saying so, about; in bits."""


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


def count(
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


def cost(choices: Sequence[Options], score: Score) -> tuple[float, float]:
    """Bytes, then bits, of a candidate when every change takes its cheapest codec."""
    bits = sum(
        min(score.of_file(k), choice.classical_bits + _CLASSICAL_BITS)
        if plan.codec is Codec.MODEL
        else choice.classical_bits + _CLASSICAL_BITS
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    )
    if _cheapest(choices, score) != list(score.plans):
        return bits / 8, bits
    blobs = sum(len(plan.blob) for plan in score.plans)
    return len(score.counter.stream(score.source)) + blobs, bits


def settle(base: Tree, choices: Sequence[Options], score: Score, model: LanguageModel) -> Score:
    """Takes the cheapest codec of every change.

    Again and again, because the model may write a file in more bits when it has not seen another.
    """
    while (plans := _cheapest(choices, score)) != list(score.plans):
        score = count(base, choices, plans, score.settings, model)
    return score


def _cheapest(choices: Sequence[Options], score: Score) -> list[FilePlan]:
    """The cheapest codec of every change."""
    return [
        plan
        if plan.codec is Codec.MODEL and score.of_file(k) <= choice.classical_bits + _CLASSICAL_BITS
        else choice.classical
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    ]


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


def _count_all(
    base: Tree,
    plans: Sequence[FilePlan],
    settings: Settings,
    model: LanguageModel,
    bits: list[float],
) -> Score:
    """What exactly these plans cost; ``bits`` takes the sum after each file."""
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
