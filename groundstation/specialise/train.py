"""Training: steps, what is noted of them, and how a run that was killed goes on.

The same seed, thread count and machine give the same numbers, step by step; a checkpoint holds
everything that the next step depends on.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from groundstation.sources import SourceModel, missing_package
from groundstation.specialise.adapter import Adapter
from groundstation.specialise.course import Course, Place
from groundstation.specialise.examples import Example
from groundstation.specialise.files import replace_file
from groundstation.specialise.network import (
    Thin,
    build,
    load_thin,
    output_matrix,
    thin_matrices,
)
from groundstation.specialise.objective import token_bits
from shared.errors import InputError


CHECKPOINT: Final = "checkpoint.pt"
LOG: Final = "log.jsonl"


@dataclass(frozen=True)
class Plan:
    """How a model is trained.

    Attributes:
        steps: of the optimiser.
        rate: its largest step size; it rises over ``warm_up`` steps and falls as a cosine to 0.
        warm_up: steps.
        thin: the matrices that are trained.
        first_layer: the first layer that has them; those before stay as they are.
        clip: the gradient's norm is not larger.
        decay: of the weights, as in AdamW (Loshchilov and Hutter 2019).
        tokens_a_step: written tokens by which a step's sum of bits is divided.
        validate_every: steps.
        patience: validations without a better one before it stops; 0 for never.
        seed: of the first matrices, the order and the settings.
    """

    steps: int = 450
    rate: float = 1e-3
    warm_up: int = 20
    thin: Thin = Thin(24, 32.0)
    first_layer: int = 0
    clip: float = 1.0
    decay: float = 0.0
    tokens_a_step: int = 500
    validate_every: int = 50
    patience: int = 0
    seed: int = 1

    def rate_at(self, step: int) -> float:
        """The step size of a step, counted from 0."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        gone = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * 0.5 * (1.0 + math.cos(math.pi * min(1.0, gone)))


@dataclass(frozen=True)
class Note:
    """What is known after a step.

    Attributes:
        step: how many are done.
        bits: of the step's written tokens, on average.
        written: how many tokens these were.
        validated: bytes a patch of the validation split, where it was measured.
        seconds: since the run was begun or went on.
    """

    step: int
    bits: float
    written: int
    validated: float | None
    seconds: float


@dataclass
class Run:
    """A training run in a folder.

    Attributes:
        folder: of checkpoint and log.
        plan: how it is trained.
        step: steps done.
        place: in the course.
        best: the lowest validation, and after how many steps; None before the first.
    """

    folder: Path
    plan: Plan
    network: Any
    head: Any
    optimiser: Any
    accelerator: Any
    step: int = 0
    place: Place = Place()
    best: tuple[float, int] | None = None
    notes: list[Note] = field(default_factory=list)

    @classmethod
    def begin(
        cls, folder: Path, plan: Plan, source: SourceModel, start: Adapter | None = None
    ) -> Run:
        """A new run, or the one that the folder has, from its last checkpoint on.

        Args:
            folder: made if there is none.
            plan: must be that of the checkpoint, but for ``steps`` that are behind.
            source: the weights.
            start: thin matrices to begin with, instead of new ones.

        Raises:
            InputError: the folder's checkpoint is of another plan or other weights.
            PinError: a package is missing.
        """
        try:
            import torch
            from accelerate import Accelerator
        except ImportError as error:
            raise missing_package(error) from error
        torch.manual_seed(plan.seed)
        torch.use_deterministic_algorithms(True)
        network = build(source, plan.thin, plan.first_layer)
        if start is not None:
            load_thin(network, plan.thin, start)
        head = output_matrix(source, network)
        accelerator = Accelerator(mixed_precision="bf16")
        optimiser = torch.optim.AdamW(
            [each for each in network.parameters() if each.requires_grad],
            lr=plan.rate,
            betas=(0.9, 0.98),
            weight_decay=plan.decay,
        )
        network, optimiser = accelerator.prepare(network, optimiser)
        head = head.to(accelerator.device, torch.bfloat16)
        run = cls(folder, plan, network, head, optimiser, accelerator)
        folder.mkdir(parents=True, exist_ok=True)
        run._identity = {
            "plan": asdict(plan),
            "weights": source.source.sha256,
            "start": None if start is None else start.digest,
        }
        if (folder / CHECKPOINT).exists():
            run._load()
        return run

    _identity: dict[str, Any] = field(default_factory=dict)

    def steps(
        self,
        course: Course,
        validation: Sequence[Sequence[Example]],
        *,
        clock: Callable[[], float],
        checkpoint_s: float = 180.0,
    ) -> Iterator[Note]:
        """Trains until the plan's end, or its patience's.

        Args:
            course: the patches.
            validation: batches that are measured every ``validate_every`` steps.
            clock: seconds; only checkpoints and notes depend on it.
            checkpoint_s: how often one is written; also whenever something was validated.

        Yields:
            A note after each step.
        """
        began = saved = clock()
        for place, batch in course.batches(self.place):
            if self.step >= self.plan.steps or self._out_of_patience():
                break
            bits, written = self._step(batch)
            self.step, self.place = self.step + 1, place
            validated = None
            if self.step % self.plan.validate_every == 0 or self.step == self.plan.steps:
                validated = self.validate(validation)
                if self.best is None or validated < self.best[0]:
                    self.best = (validated, self.step)
                    self.save_adapter_state()
            note = Note(self.step, bits, written, validated, round(clock() - began, 1))
            self.notes.append(note)
            if validated is not None or clock() - saved > checkpoint_s:
                self.save()
                saved = clock()
            yield note
        self.save()

    def _step(self, batch: Sequence[Example]) -> tuple[float, int]:
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        with self.accelerator.autocast():
            bits = token_bits(self.network, self.head, batch)
        self.accelerator.backward(bits.sum() / self.plan.tokens_a_step)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return float(bits.detach().mean()), len(bits)

    def validate(self, batches: Sequence[Sequence[Example]]) -> float:
        """Bits of all written tokens of some batches, on average a token."""
        import torch

        self.network.eval()
        total, count = 0.0, 0
        with torch.no_grad(), self.accelerator.autocast():
            for batch in batches:
                bits = token_bits(self.network, self.head, batch)
                total, count = total + float(bits.sum()), count + len(bits)
        return total / max(1, count)

    def _out_of_patience(self) -> bool:
        plan = self.plan
        return bool(
            plan.patience
            and self.best is not None
            and self.step - self.best[1] >= plan.patience * plan.validate_every
        )

    @property
    def trained(self) -> dict[str, Any]:
        """The thin matrices, by their names in torch."""
        network = self.accelerator.unwrap_model(self.network)
        return {name: each for name, each in network.named_parameters() if each.requires_grad}

    @property
    def digest(self) -> str:
        """sha256 of everything that the next step depends on, in hexadecimal."""
        sha = hashlib.sha256(json.dumps([self.step, asdict(self.place), self.best]).encode())
        for name, each in sorted(self.trained.items()):
            sha.update(name.encode())
            state = self.optimiser.state.get(each, {})
            for tensor in (each.detach(), *(state[key] for key in sorted(state))):
                sha.update(tensor.cpu().numpy().tobytes())
        return sha.hexdigest()

    def save(self) -> None:
        """Writes the checkpoint and the log, each all or nothing."""
        import io

        import torch

        buffer = io.BytesIO()
        torch.save(
            {
                "identity": json.dumps(self._identity, sort_keys=True),
                "step": self.step,
                "place": asdict(self.place),
                "best": self.best,
                "trained": {name: each.detach() for name, each in self.trained.items()},
                "optimiser": self.optimiser.state_dict(),
                "random": torch.get_rng_state(),
                "notes": [asdict(each) for each in self.notes],
            },
            buffer,
        )
        replace_file(self.folder / CHECKPOINT, buffer.getvalue())
        lines = "".join(json.dumps(asdict(each)) + "\n" for each in self.notes)
        replace_file(self.folder / LOG, lines.encode("utf-8"))

    def _load(self) -> None:
        import torch

        try:
            state = torch.load(self.folder / CHECKPOINT, weights_only=True, map_location="cpu")
            identity = state["identity"]
        except Exception as error:
            raise InputError(
                f"{self.folder / CHECKPOINT} cannot be read: {error}",
                remedy="begin in another folder",
            ) from error
        if identity != json.dumps(self._identity, sort_keys=True):
            raise InputError(
                f"{self.folder} has a run that was begun otherwise: {identity}",
                expected=json.dumps(self._identity, sort_keys=True),
                remedy="go on with the same options, or begin in another folder",
            )
        for name, each in self.trained.items():
            each.data.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.step, self.place = state["step"], Place(**state["place"])
        self.best = None if state["best"] is None else tuple(state["best"])
        self.notes = [Note(**each) for each in state["notes"]]

    def save_adapter_state(self) -> None:
        """Keeps the thin matrices of the best step so far."""
        import io

        import torch

        buffer = io.BytesIO()
        torch.save({name: each.detach() for name, each in self.trained.items()}, buffer)
        replace_file(self.folder / "best.pt", buffer.getvalue())

    def adapter(self, name: str, base_sha256: str, facts: dict[str, Any]) -> Adapter:
        """The best thin matrices, as an adapter."""
        import torch

        best = self.folder / "best.pt"
        if best.exists():
            state = torch.load(best, weights_only=True, map_location="cpu")
            for key, each in self.trained.items():
                each.data.copy_(state[key])
        network = self.accelerator.unwrap_model(self.network)
        return Adapter(name, base_sha256, thin_matrices(network, self.plan.thin), facts)
