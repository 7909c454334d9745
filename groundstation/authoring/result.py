"""What an author has found: a recipe, and what it costs where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from groundstation.scoring.options import Options
from groundstation.scoring.score import Score
from groundstation.search.search import Move, Tried
from shared.message.recipe import Recipe
from shared.prompts.changeset import Codec
from shared.prompts.settings import Settings
from shared.seeds.coins import SeedSource


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
        references: excerpts that it reads before: path, first line from 1, number of lines.
        hint: what the message says before.
    """

    path: str
    kind: str
    codec: str
    bits: float
    classical_bytes: int
    hunks: int
    references: tuple[tuple[str, int, int], ...] = ()
    hint: str = ""


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
        candidates: prompts that were scored.
        search_s: seconds spent.
        moves: what made it shorter, in order.
        tried: every step that was scored, in order.
        interrupted: whether the user ended the search; the best so far was taken.
        bits_of: ideal length by what the decisions are about; "" stands for the text itself.
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
    moves: tuple[Move, ...] = ()
    tried: tuple[Tried, ...] = ()
    interrupted: bool = False
    bits_of: Mapping[str, float] = field(default_factory=dict)

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


def file_reports(choices: Sequence[Options], score: Score) -> Iterator[FileReport]:
    """One report a change."""
    for k, (choice, plan) in enumerate(zip(choices, score.plans, strict=True)):
        yield FileReport(
            path=choice.change.path,
            kind=choice.change.kind.value,
            codec=plan.codec.name.lower(),
            bits=score.of_file(k) + 8 * len(plan.blob),
            classical_bytes=len(choice.classical.blob),
            hunks=len(plan.hunks) if plan.codec is Codec.MODEL else 0,
            references=tuple((each.path, each.start + 1, each.lines) for each in plan.references),
            hint=plan.hint.decode("utf-8", "replace").strip(),
        )
