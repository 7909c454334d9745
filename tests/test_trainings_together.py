"""Trainings of several kinds in one process: none decides how exactly another one computes."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")

from tiny_models import save_checkpoint

from groundstation.media.learn.diffusion import plan as diffusion
from groundstation.media.learn.diffusion.train import train
from groundstation.media.learn.network.style import train_style
from groundstation.models.huggingface import read_folder
from groundstation.specialise.plan import Plan, Thin
from groundstation.specialise.run import Run
from shared.terminal import silent

torch = pytest.importorskip("torch")
state = pytest.importorskip("accelerate.state")
PICTURES = np.random.default_rng(2).integers(0, 256, (2, 16, 16, 3), np.uint8)
PAINTED = diffusion.Plan(
    side=16, steps=6, book=16, updates=2, widths=(8, 12), groups=4, canvas=3, batch=2
)


def style(work: Path) -> bytes:
    numbers = np.random.default_rng(8)
    inputs, wanted = numbers.normal(0, 1, (40, 3)), numbers.normal(0, 1, (40, 2))
    made = train_style(inputs, wanted, np.ones(2), (5,), 50, work / "style", silent)
    return made.output[0].tobytes() + made.hidden[0][0].tobytes()


def painter(work: Path) -> bytes:
    threads = torch.get_num_threads()
    network, _ = train(PAINTED, PICTURES, [[0], [1]], [2], work / "painter", silent)
    torch.set_num_threads(threads)
    return b"".join(each.detach().numpy().tobytes() for each in network.parameters())


def adapter(work: Path) -> bytes:
    torch.manual_seed(4)
    save_checkpoint(work / "model", "llama", max_position_embeddings=4096)
    plan = Plan(steps=1, rate=3e-3, warm_up=1, thin=Thin(3, 6, 1), batch_tokens=1500)
    run = Run.begin(work / "run", plan, read_folder(work / "model"), "patches")
    with run._autocast():
        computed = run.network(torch.tensor([[3, 1, 4, 1, 5]])).last_hidden_state
        product = run.head @ run.head.T
    assert product.dtype == torch.bfloat16
    return computed.detach().float().numpy().tobytes()


TRAININGS = (style, painter, adapter)


def test_trainings_of_every_kind_in_every_order(tmp_path: Path) -> None:
    found = set()
    for number, order in enumerate(permutations(TRAININGS)):
        made = {}
        for training in order:
            work = tmp_path / f"{number}-{training.__name__}"
            work.mkdir()
            made[training.__name__] = training(work)
            assert state.AcceleratorState().mixed_precision == "no"
        found.add(tuple(made[each.__name__] for each in TRAININGS))
    assert len(found) == 1
