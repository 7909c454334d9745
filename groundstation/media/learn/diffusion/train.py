"""Training: pictures with noise in, the velocity between noise and picture out.

Every update draws its pictures, steps and noise from numbers made of the plan's seed and its own
count.  So a run that was stopped goes on from its checkpoint as if nothing had happened, and on one
thread ends with the same weights.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from groundstation.media.learn.diffusion.network import build, schedule
from groundstation.media.learn.diffusion.plan import Plan
from groundstation.models.source import missing_package
from groundstation.training.accelerator import full_precision
from groundstation.training.checkpoint import read_checkpoint, write_checkpoint
from shared.digest import sha256, to_hex
from shared.media.fixed import U8
from shared.terminal import Report

CHECKPOINT_S: Final = 60.0
STAGE: Final = "updates"


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Attributes:
        updates: done.
        loss: mean squared error of the velocity, over the last hundred updates since it went on.
    """

    updates: int
    loss: float


def train(
    plan: Plan,
    pictures: U8,
    choices: Sequence[Sequence[int]],
    values: Sequence[int],
    work: Path,
    report: Report,
    *,
    minutes: float | None = None,
    threads: int = 1,
    clock: Callable[[], float] = time.monotonic,
    preview: Callable[[Any, int], None] | None = None,
) -> tuple[Any, Progress]:
    """Trains, or goes on.

    Args:
        plan: how.
        pictures: ``[n, height, width, 3]``.
        choices: of each picture the positions of its values.
        values: of each attribute, how many.
        work: folder of the checkpoint; made if need be.
        report: told about progress.
        minutes: stop after so long even if updates are left; a rerun goes on.
        threads: of torch, from now on; with several the weights differ in their last bits from run
            to run.
        clock: seconds; decides only when to stop and when to write checkpoints.
        preview: told network and count whenever a checkpoint is written.

    Returns:
        The network, and how far it came.

    Raises:
        InputError: the folder has a run of another plan or of other pictures.
        PinError: a package is missing.
    """
    try:
        import torch

        accelerator = full_precision()
    except ImportError as error:
        raise missing_package(error, "ground,diffusion") from error
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(plan.seed)
    network = build(plan, (pictures.shape[2], pictures.shape[1]), values)
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=0.01)
    network, optimiser = accelerator.prepare(network, optimiser)
    shown = to_hex(sha256(pictures.tobytes(), json.dumps(list(choices)).encode()))
    identity = json.dumps({"plan": dataclasses.asdict(plan), "pictures": shown}, sort_keys=True)
    done, state = 0, read_checkpoint(work, identity)
    if state is not None:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        done = int(state["updates"])

    def save() -> None:
        kept = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
        write_checkpoint(work, identity, {"updates": done, **kept})
        if preview is not None:
            preview(copy.deepcopy(accelerator.unwrap_model(network)).cpu(), done)

    noise_of = schedule(plan.steps)
    wanted = torch.from_numpy(pictures.astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1)
    told = torch.tensor([list(row) for row in choices], dtype=torch.long)
    began = saved = clock()
    losses: list[float] = []
    while done < plan.updates and (minutes is None or clock() - began < 60 * minutes):
        report(STAGE, done, plan.updates)
        for group in optimiser.param_groups:
            group["lr"] = plan.rate_at(done)
        losses.append(_update(plan, done, network, optimiser, accelerator, noise_of, wanted, told))
        done += 1
        if clock() - saved > CHECKPOINT_S:
            save()
            saved = clock()
    report(STAGE, done, plan.updates)
    if losses:
        save()
    recent = losses[-100:]
    loss = sum(recent) / len(recent) if recent else float("nan")
    return accelerator.unwrap_model(network).cpu(), Progress(done, loss)


def _update(
    plan: Plan,
    count: int,
    network: Any,
    optimiser: Any,
    accelerator: Any,
    noise_of: Any,
    wanted: Any,
    told: Any,
) -> float:
    import torch

    coins = torch.Generator().manual_seed(plan.seed * 1_000_003 + count)
    chosen = torch.randint(len(wanted), (plan.batch,), generator=coins)
    steps = torch.randint(plan.steps, (plan.batch,), generator=coins)
    # Large plain parts show their colour through much noise, so that only in the noisiest steps
    # the attributes must be listened to: half of the batch is of those.
    noisiest = torch.randint(plan.steps * 3 // 4, plan.steps, (plan.batch // 2,), generator=coins)
    steps[: plan.batch // 2] = noisiest
    clean = wanted[chosen]
    noise = torch.randn(clean.shape, generator=coins)
    noisy = noise_of.add_noise(clean, noise, steps)
    velocity = noise_of.get_velocity(clean, noise, steps)
    network.train()
    noisy, velocity, steps, asked = (
        each.to(accelerator.device) for each in (noisy, velocity, steps, told[chosen])
    )
    error = network(noisy, steps, asked) - velocity
    loss = (error * error).mean()
    optimiser.zero_grad()
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())
