"""What a candidate costs: settings and plans, transcribed and counted, not written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.options import Options
from shared.errors import RegenerationError
from shared.prompts.changeset import Codec, FilePlan, transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource
from shared.seeds.decisions import DecisionCounter
from shared.tree import Tree

_CLASSICAL_BITS = 8
"""What a change that is not written by the model pays for saying so, about; in bits."""


@dataclass(frozen=True)
class Result:
    """What was counted of a candidate: numbers alone, light enough for a pipe or a line of JSON.

    Attributes:
        classical: positions of changes whose text the model cannot read to its end; they were
            counted with their classical codec.
        bits: sum after each change, in order.
        prompt_bits: ideal length of the prompt decisions.
        token_bits: ideal length of the token decisions.
        tokens: token decisions.
        surprises: tokens that are not the model's first choice.
        stream_bytes: length of the stream, with the seed source that makes it shortest.
    """

    classical: tuple[int, ...]
    bits: tuple[float, ...]
    prompt_bits: float
    token_bits: float
    tokens: int
    surprises: int
    stream_bytes: int


@dataclass(frozen=True)
class Score:
    """A candidate and its result.

    Attributes:
        candidate: as it was counted: with classical codecs where the model could not read.
        result: the numbers.
    """

    candidate: Candidate
    result: Result

    @classmethod
    def of(cls, choices: Sequence[Options], candidate: Candidate, result: Result) -> Score:
        """The score of a candidate that was counted somewhere."""
        if not result.classical:
            return cls(candidate, result)
        plans = list(candidate.plans)
        for k in result.classical:
            plans[k] = choices[k].classical
        return cls(replace(candidate, plans=tuple(plans)), result)

    @property
    def plans(self) -> tuple[FilePlan, ...]:
        """How each change is sent."""
        return self.candidate.plans

    @property
    def settings(self) -> Settings:
        """How the model is asked."""
        return self.candidate.settings

    def of_file(self, k: int) -> float:
        """Bits of the k-th change."""
        bits = self.result.bits
        return bits[k] - (bits[k - 1] if k else 0.0)

    @property
    def wire_bytes(self) -> int:
        """Bytes of a message that depend on the candidate: stream, deltas, a length between."""
        stream, blobs = self.result.stream_bytes, sum(len(plan.blob) for plan in self.plans)
        return stream + (blobs + max(1, -(-stream.bit_length() // 7)) if blobs else 0)


@dataclass(frozen=True)
class Counted:
    """A score with the decisions that it was counted from: all that a message is written from.

    Attributes:
        score: what it costs.
        counter: its decisions.
    """

    score: Score
    counter: DecisionCounter


def count(problem: Problem, candidate: Candidate, model: LanguageModel) -> Counted:
    """What a candidate costs.

    A change whose text is longer than the model can read takes its classical codec instead.
    """
    plans = list(candidate.plans)
    fallen: list[int] = []
    while True:
        bits: list[float] = []
        try:
            counter = _count_all(problem.base, plans, candidate.settings, model, bits)
        except RegenerationError:
            failed = len(bits)
            if plans[failed].codec is not Codec.MODEL:
                raise
            plans[failed] = problem.choices[failed].classical
            fallen.append(failed)
            continue
        tally = counter.tally
        # greedy needs no seed at all
        source = SeedSource.CODED if tally.surprises else SeedSource.GREEDY
        result = Result(
            tuple(fallen),
            tuple(bits),
            tally.prompt_bits,
            tally.token_bits,
            tally.tokens,
            tally.surprises,
            len(counter.stream(source)),
        )
        return Counted(Score(replace(candidate, plans=tuple(plans)), result), counter)


def cost(choices: Sequence[Options], score: Score) -> tuple[float, float]:
    """Bytes, then bits, of a candidate when every change takes its cheapest codec."""
    bits = sum(
        min(score.of_file(k), choice.classical_bits + _CLASSICAL_BITS)
        if plan.codec is Codec.MODEL
        else choice.classical_bits + _CLASSICAL_BITS
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    )
    if cheapest(choices, score) != list(score.plans):
        return bits / 8, bits
    return score.wire_bytes, bits


def settle(choices: Sequence[Options], best: Counted, recount: Recount) -> Counted:
    """Takes the cheapest codec of every change, or no model at all where that is shorter.

    Again and again, because the model may write a file in more bits when it has not seen another.
    Bits of single changes are near the truth, not the truth: settings have their price once, and
    a message is rounded once to bytes.  So the message without any text of the model is counted in
    the end as well, in real bytes, and the shorter of both is taken.
    """
    while (plans := cheapest(choices, best.score)) != list(best.score.plans):
        best = recount(replace(best.score.candidate, plans=tuple(plans)))
    plain = recount(Candidate.classical(choices))
    return plain if _length(plain) < _length(best) else best


Recount = Callable[[Candidate], Counted]
"""Counts a candidate here, with all of its decisions."""


def _length(counted: Counted) -> tuple[int, float]:
    return counted.score.wire_bytes, counted.counter.tally.bits


def cheapest(choices: Sequence[Options], score: Score) -> list[FilePlan]:
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
) -> DecisionCounter:
    """The decisions of exactly these plans; ``bits`` takes the sum after each file."""
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
    return counter


def _unreported(_: int) -> None:
    """For transcriptions whose progress nobody follows."""
