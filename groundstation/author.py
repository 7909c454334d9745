"""From two trees to a recipe: choose codecs and settings by counting, then write the seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from groundstation.drawn import find_seed
from groundstation.plan import Options, options
from groundstation.reuse import ReusingModel
from shared.diff import unified_diff
from shared.digest import sha256
from shared.errors import DigestMismatch, InputError, RegenerationError
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
from shared.recipe import PATCH_DIGEST_BYTES, Recipe
from shared.regenerate import regenerate
from shared.seeds.coins import SeedSource, seed_to_bytes
from shared.seeds.decisions import DecisionCounter
from shared.terminal import Report, silent
from shared.tree import Tree, changes


@dataclass(frozen=True)
class Effort:
    """How hard to search.

    Attributes:
        seed_source: the only source to use; None takes the shortest message.
        max_seconds: no new candidate is scored after this time; the best so far is used.
        max_seeds: seeds tried for a drawn seed at most.
        check: regenerate the message before it is handed out.
    """

    seed_source: SeedSource | None = None
    max_seconds: float = 60.0
    max_seeds: int = 1 << 16
    check: bool = True


@dataclass(frozen=True)
class FileReport:
    """How one change is sent.

    Attributes:
        path: in the target, or in the baseline for a deletion.
        kind: what happens to it.
        codec: how its contents travel.
        bits: what it costs, its share of the prompt included.
        classical_bytes: what the classical delta would have taken.
        hunks: changed places, when the model writes it.
    """

    path: str
    kind: str
    codec: str
    bits: float
    classical_bytes: int
    hunks: int


@dataclass(frozen=True)
class Authored:
    """A recipe and what it costs.

    Attributes:
        recipe: what to sign and send.
        patch: the canonical patch.
        settings: the prompt settings chosen.
        files: one report a change.
        prompt_bits: ideal length of the prompt decisions.
        token_bits: ideal length of the token decisions; 2 to this power seeds would be drawn.
        tokens: token decisions.
        surprises: tokens that are not the model's first choice; greedy needs none.
        candidates: settings that were scored.
        search_s: seconds spent.
    """

    recipe: Recipe
    patch: bytes
    settings: Settings
    files: tuple[FileReport, ...]
    prompt_bits: float
    token_bits: float
    tokens: int
    surprises: int
    candidates: int
    search_s: float

    @property
    def prompt_bytes(self) -> int:
        """Bytes of the stream that the prompt decisions fill."""
        if self.recipe.seed_source is not SeedSource.CODED:
            return len(self.recipe.stream)
        return min(len(self.recipe.stream), int(-(-self.prompt_bits // 8)))

    @property
    def seed_bytes(self) -> int:
        """The rest of the stream, or the drawn number."""
        return len(self.recipe.stream) - self.prompt_bytes + len(self.recipe.seed)

    @property
    def delta_bytes(self) -> int:
        """Classical deltas and stored files."""
        return len(self.recipe.blobs)

    @property
    def payload_bytes(self) -> int:
        """Prompt, seed and deltas: all that depends on the patch."""
        return self.prompt_bytes + self.seed_bytes + self.delta_bytes


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
class _Score:
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

    def of_file(self, k: int) -> float:
        """Bits of the k-th change."""
        return self.bits[k] - (self.bits[k - 1] if k else 0.0)


def author(
    base: Tree,
    target: Tree,
    model: LanguageModel,
    *,
    effort: Effort | None = None,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
) -> Authored:
    """Finds a short recipe for the patch from ``base`` to ``target``.

    Args:
        base: the tree on board.
        target: the tree that the probe shall have.
        model: the model pinned on board.
        effort: how hard to search; the default where None.
        report: told of progress.
        clock: seconds from any fixed moment.

    Raises:
        InputError: there is nothing to send, or the wanted seed source cannot reach the patch.
        DigestMismatch: the message does not regenerate: a defect, and nothing was handed out.
    """
    effort = effort or Effort()
    started = clock()
    patch = unified_diff(base, target)
    if not patch:
        raise InputError(
            "baseline and target are the same: there is nothing to send",
            remedy="name the changed tree with --target, or a patch that changes something",
        )
    reusing = ReusingModel(model)
    choices = [options(change, model.vocabulary) for change in changes(base, target)]
    score, candidates = _search(base, choices, reusing, effort, started, report, clock)
    final = _settle(base, choices, score, reusing)
    recipe = _write(base, patch, final, model.digest, effort, report)
    if effort.check:
        report("checking", 0, 1)
        again = regenerate(recipe, base, lambda: reusing)
        if again.patch != patch or again.target != target:
            raise DigestMismatch("the message just written does not regenerate the patch")
        report("checking", 1, 1)
    tally = final.counter.tally
    return Authored(
        recipe,
        patch,
        score.settings,
        tuple(_file_reports(choices, final)),
        tally.prompt_bits,
        tally.token_bits,
        tally.tokens,
        tally.surprises,
        candidates,
        clock() - started,
    )


def _search(
    base: Tree,
    choices: Sequence[Options],
    model: LanguageModel,
    effort: Effort,
    started: float,
    report: Report,
    clock: Callable[[], float],
) -> tuple[_Score, int]:
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
            if clock() - started > effort.max_seconds:
                return best, len(tried)
            tried.add(settings)
            score = _count(base, choices, plans, settings, model)
            if _cost(choices, score) < _cost(choices, best):
                best = score
            report("prompts", len(tried), total)
    if any(choice.inside for choice in choices) and clock() - started <= effort.max_seconds:
        best = _write_inside(base, choices, best, model)
        report("prompts", total, total)
        return best, len(tried) + 1
    return best, len(tried)


def _write_inside(
    base: Tree, choices: Sequence[Options], best: _Score, model: LanguageModel
) -> _Score:
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
) -> _Score:
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
) -> _Score:
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
    return _Score(settings, tuple(plans), counter, tuple(bits))


def _unreported(_: int) -> None:
    """For transcriptions whose progress nobody follows."""


def _cost(choices: Sequence[Options], score: _Score) -> float:
    """Bits of a candidate when every change takes its cheapest codec."""
    return sum(
        min(score.of_file(k), choice.classical_bits + 8)
        if plan.codec is Codec.MODEL
        else choice.classical_bits + 8
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    )


def _settle(base: Tree, choices: Sequence[Options], score: _Score, model: LanguageModel) -> _Score:
    """Takes the cheapest codec of every change.

    Again and again, because the model may write a file in more bits when it has not seen another.
    """
    while (plans := _choose(choices, score)) != list(score.plans):
        score = _count(base, choices, plans, score.settings, model)
    return score


def _choose(choices: Sequence[Options], score: _Score) -> list[FilePlan]:
    """The cheapest codec of every change."""
    return [
        plan
        if plan.codec is Codec.MODEL and score.of_file(k) <= choice.classical_bits + 8
        else choice.classical
        for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True))
    ]


def _write(
    base: Tree, patch: bytes, score: _Score, pin: bytes, effort: Effort, report: Report
) -> Recipe:
    """The recipe, with the wanted seed source or the one that makes it shortest."""
    tally = score.counter.tally
    source = effort.seed_source
    if source is None:
        source = SeedSource.CODED if tally.surprises else SeedSource.GREEDY
    seed = 0
    if source is SeedSource.GREEDY and tally.surprises:
        raise InputError(
            f"the model's first choice is wrong at {tally.surprises} of {tally.tokens} tokens",
            expected="a prompt after which the model writes the patch by itself",
            remedy="use --seed-source coded",
        )
    if source is SeedSource.DRAWN:
        found = find_seed(score.counter.token_intervals, effort.max_seeds, report)
        if found is None:
            raise InputError(
                f"none of {effort.max_seeds} seeds draws the patch; about 2^"
                f"{tally.token_bits:.0f} would have to be tried",
                remedy="use --seed-source coded, which costs as many bits and needs no search",
            )
        seed = found
    return Recipe(
        pin=pin,
        baseline=base.digest,
        patch_digest=sha256(patch)[:PATCH_DIGEST_BYTES],
        seed_source=source,
        stream=score.counter.stream(source),
        seed=seed_to_bytes(seed) if source is SeedSource.DRAWN else b"",
        blobs=b"".join(plan.blob for plan in score.plans),
    )


def _file_reports(choices: Sequence[Options], score: _Score) -> Iterator[FileReport]:
    for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True)):
        yield FileReport(
            path=choice.change.path,
            kind=choice.change.kind.value,
            codec=plan.codec.name.lower(),
            bits=score.of_file(k) + 8 * len(plan.blob),
            classical_bytes=len(choice.classical.blob),
            hunks=len(plan.hunks) if plan.codec is Codec.MODEL else 0,
        )
