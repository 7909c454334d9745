"""A training run: steps, what is noted of them, and where it goes on.

The same seed, thread count and machine give the same numbers, step by step; the checkpoint holds
everything that the next step depends on, so a run that was killed ends where it would have ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from groundstation.models.adapter import Adapter
from groundstation.models.source import SourceModel, missing_package
from groundstation.specialise.course import Course, Place
from groundstation.specialise.examples import Example
from groundstation.specialise.network import build, load_thin, output_matrix, thin_matrices
from groundstation.specialise.objective import token_bits
from groundstation.specialise.plan import Note, Plan
from groundstation.training.accelerator import full_precision
from groundstation.training.checkpoint import read_checkpoint, write_checkpoint
from shared.terminal import Report, silent

CHECKPOINT_S = 180.0
"""How often a run is saved, in seconds."""


def return_memory() -> None:
    """Gives unused memory back to the system.

    Batches of ever other sizes leave holes that glibc keeps: some gigabytes an hour.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


@dataclass(frozen=True)
class Validation:
    """What is held back, to see how good the model is.

    Attributes:
        batches: examples.
        patches: how many patches they are of.
    """

    batches: Sequence[Sequence[Example]]
    patches: int


@dataclass
class Run:
    """A training run.

    Attributes:
        folder: of its checkpoint.
        plan: how it is trained.
        identity: what it depends on besides its state.
        forward: the network, compiled if the plan says so.
        network, head, optimiser, accelerator: as torch, transformers and accelerate have them.
        step: steps done.
        place: in the course.
        best: the lowest validation, and after how many steps; None before the first.
        best_tensors: the trained tensors there.
        notes: one a step, and those of validations.
    """

    folder: Path
    plan: Plan
    identity: str
    forward: Any
    network: Any
    head: Any
    optimiser: Any
    accelerator: Any
    step: int = 0
    place: Place = field(default_factory=Place)
    best: tuple[float, int] | None = None
    best_tensors: dict[str, Any] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    @classmethod
    def begin(
        cls,
        folder: Path,
        plan: Plan,
        source: SourceModel,
        patches: str,
        start: Adapter | None = None,
    ) -> Run:
        """A new run, or the one that the folder has, from its last checkpoint on.

        Args:
            folder: made if there is none.
            plan: must be that of the checkpoint.
            source: the weights.
            patches: names what it is trained on; must be that of the checkpoint.
            start: thin matrices to begin with, instead of new ones.

        Raises:
            InputError: the folder's checkpoint is of another run.
            PinError: a package is missing, or ``start`` is of other weights or sizes.
        """
        try:
            import torch

            accelerator = full_precision()
        except ImportError as error:
            raise missing_package(error, "ground,train") from error
        torch.manual_seed(plan.seed)
        torch.use_deterministic_algorithms(True)
        network = build(source, plan.thin)
        if start is not None:
            start.check_base(source)
            load_thin(network, plan.thin, start)
        head = output_matrix(source, network)
        optimiser = torch.optim.AdamW(
            [each for each in network.parameters() if each.requires_grad],
            lr=plan.rate,
            betas=(0.9, 0.98),
            weight_decay=plan.decay,
        )
        network, optimiser = accelerator.prepare(network, optimiser)
        head = head.to(accelerator.device, torch.bfloat16)
        identity = json.dumps(
            {
                "plan": asdict(plan),
                "weights": source.source.sha256,
                "patches": patches,
                "start": None if start is None else start.digest,
            },
            sort_keys=True,
        )
        folder.mkdir(parents=True, exist_ok=True)
        forward = torch.compile(network, dynamic=True) if plan.compiled else network
        run = cls(folder, plan, identity, forward, network, head, optimiser, accelerator)
        state = read_checkpoint(folder, identity)
        if state is not None:
            run._restore(state)
        return run

    def steps(
        self,
        course: Course,
        validation: Validation,
        *,
        clock: Callable[[], float],
        checkpoint_s: float = CHECKPOINT_S,
        report: Report = silent,
    ) -> Iterator[Note]:
        """Trains until the plan's end, or its patience's.

        Args:
            course: the patches.
            validation: what is measured before the first step and every ``validate_every``.
            clock: seconds; only when checkpoints are written and notes depend on it.
            checkpoint_s: how often one is written; also whenever something was validated.
            report: told about validations.

        Yields:
            A note after each step, and one before the first.
        """
        before = self.notes[-1].seconds if self.notes else 0.0
        began = saved = clock()

        def seconds() -> float:
            return round(before + clock() - began, 1)

        if not self.notes:
            self.notes.append(Note(0, 0.0, 0, self.validate(validation, report), seconds()))
            yield self.notes[-1]
        for place, batch in course.batches(self.place):
            if self.step >= self.plan.steps or self._out_of_patience():
                break
            bits, written = self._step(batch)
            self.step, self.place = self.step + 1, place
            validated = None
            if self.step % self.plan.validate_every == 0 or self.step == self.plan.steps:
                validated = self.validate(validation, report)
                if self.best is None or validated < self.best[0]:
                    self.best = (validated, self.step)
                    self.best_tensors = {
                        name: each.detach().clone() for name, each in self._trained().items()
                    }
            self.notes.append(Note(self.step, bits, written, validated, seconds()))
            if validated is not None or clock() - saved > checkpoint_s:
                self.save()
                saved = clock()
            yield self.notes[-1]
        self.save()

    def _step(self, batch: Sequence[Example]) -> tuple[float, int]:
        self.network.train()
        for group in self.optimiser.param_groups:
            group["lr"] = self.plan.rate_at(self.step)
        with self._autocast():
            bits = token_bits(self.forward, self.head, batch)
        self.accelerator.backward(bits.sum() / self.plan.scale_tokens)
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return float(bits.detach().mean()), len(bits)

    def _autocast(self) -> contextlib.AbstractContextManager[None]:
        """Products are of bfloat16 inside: half the time, and matrices stay as they are."""
        import torch

        context: contextlib.AbstractContextManager[None] = torch.autocast(
            self.accelerator.device.type, torch.bfloat16
        )
        return context

    def validate(self, validation: Validation, report: Report = silent) -> float:
        """Bytes a patch of what is held back."""
        import torch

        self.network.eval()
        total = 0.0
        with torch.no_grad(), self._autocast():
            for number, batch in enumerate(validation.batches):
                report("validating", number, len(validation.batches))
                total += float(token_bits(self.forward, self.head, batch).sum())
        return total / 8 / max(1, validation.patches)

    def adapter(self, name: str, base_sha256: str, facts: Mapping[str, Any]) -> Adapter:
        """The best thin matrices so far, as an adapter; the last ones before any validation."""
        import torch

        trained = self._trained()
        now = {key: each.detach().clone() for key, each in trained.items()}
        with torch.no_grad():
            for key, each in (self.best_tensors or now).items():
                trained[key].copy_(each)
            network = self.accelerator.unwrap_model(self.network)
            matrices = thin_matrices(network, self.plan.thin)
            for key, each in now.items():
                trained[key].copy_(each)
        return Adapter(name, base_sha256, matrices, dict(facts))

    @property
    def digest(self) -> str:
        """sha256 of everything that the next step depends on, in hexadecimal."""
        sha = hashlib.sha256(json.dumps([self.step, asdict(self.place), self.best]).encode())
        for name, each in sorted(self._trained().items()):
            sha.update(name.encode())
            state = self.optimiser.state.get(each, {})
            for tensor in (each.detach(), *(state[key] for key in sorted(state))):
                sha.update(tensor.cpu().numpy().tobytes())
        return sha.hexdigest()

    def save(self) -> None:
        """Writes the checkpoint."""
        import torch

        state = {
            "step": self.step,
            "place": asdict(self.place),
            "best": self.best,
            "best_tensors": self.best_tensors,
            "trained": {name: each.detach() for name, each in self._trained().items()},
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "notes": [asdict(each) for each in self.notes],
        }
        write_checkpoint(self.folder, self.identity, state)
        return_memory()

    def _restore(self, state: Mapping[str, Any]) -> None:
        import torch

        with torch.no_grad():
            for name, each in self._trained().items():
                each.copy_(state["trained"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.step, self.place = state["step"], Place(**state["place"])
        self.best = None if state["best"] is None else (state["best"][0], state["best"][1])
        self.best_tensors = dict(state["best_tensors"])
        self.notes = [Note(**each) for each in state["notes"]]

    def _trained(self) -> dict[str, Any]:
        """The thin matrices, by their names in torch."""
        network = self.accelerator.unwrap_model(self.network)
        return {name: each for name, each in network.named_parameters() if each.requires_grad}

    def _out_of_patience(self) -> bool:
        plan = self.plan
        return bool(
            plan.patience
            and self.best is not None
            and self.step - self.best[1] >= plan.patience * plan.validate_every
        )
