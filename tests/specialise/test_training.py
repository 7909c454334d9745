"""Training with a tiny model: what it minimises, what it keeps, and where it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_checkpoint

from groundstation.corpus.pairs import TextPair
from groundstation.models.adapter import read_adapter
from groundstation.models.huggingface import read_folder
from groundstation.models.pin import write_pin
from groundstation.models.source import SourceModel
from groundstation.models.vocabulary import vocabulary_of
from groundstation.scoring.candidate import Candidate
from groundstation.scoring.options import options
from groundstation.specialise.course import VALIDATED, Course, Limits, batched, pieces
from groundstation.specialise.examples import examples
from groundstation.specialise.network import build, load_thin, output_matrix, thin_matrices
from groundstation.specialise.objective import mixed_bits, token_bits
from groundstation.specialise.plan import Note, Plan, Thin
from groundstation.specialise.run import Run, Validation
from shared.errors import InputError, PinError
from shared.prompts.changeset import transcribe
from shared.prompts.context.transcripts import Desk
from shared.prompts.language_model.pinned import PinnedModel
from shared.prompts.settings import Settings
from shared.regenerate import ReceivedBlobs
from shared.seeds.decisions import DecisionCounter
from shared.tree import Entry, Mode, Tree, changes

WORDS = ("clip", "return", "min", "int", "value", "x10", "def", "other")
PLAN = Plan(steps=6, rate=3e-3, warm_up=2, thin=Thin(3, 6, 1), batch_tokens=1500, validate_every=3)


def pair(number: int) -> TextPair:
    """A function whose body changes the same way in every patch."""
    lines = [f"int f{n}_{WORDS[(n * number) % 8]}(int x) {{ return x; }}" for n in range(12)]
    old = "\n".join(lines) + "\n"
    return TextPair(
        old,
        old.replace("f5_", "int_").replace("x; }", "min(x, 10); }", 1),
        f"src/p{number}.c",
        f"p{number}",
        "train",
        "c",
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceModel:
    """A tiny model of quiet weights."""
    import torch

    folder = tmp_path_factory.mktemp("tiny") / "model"
    model = save_checkpoint(folder, "llama", max_position_embeddings=4096)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.2)
    model.save_pretrained(folder)
    return read_folder(folder)


def course(source: SourceModel) -> Course:
    return Course(
        tuple(pair(n) for n in range(20)), vocabulary_of(source), Limits(500, 2, 1500), 1, 4096
    )


def validation(source: SourceModel) -> Validation:
    found = [
        each
        for n in (30, 31)
        for each in pieces(pair(n), vocabulary_of(source), VALIDATED, Limits(), 4096)
    ]
    return Validation(batched(found, 1500), 2)


def begin(folder: Path, source: SourceModel, plan: Plan = PLAN) -> Run:
    return Run.begin(folder, plan, source, "patches")


def train(run: Run, source: SourceModel, stop: int | None = None) -> list[Note]:
    """Trains to the end, or leaves without a word after a step."""
    notes = []
    for note in run.steps(course(source), validation(source), clock=lambda: 0.0):
        notes.append(note)
        if note.step == stop:
            break
    return notes


@pytest.mark.slow
def test_what_is_minimised_is_what_a_message_costs(source: SourceModel, tmp_path: Path) -> None:
    """Against the codec with the exact pin: the same tokens, the same bits."""
    import torch

    pin = write_pin(source, tmp_path / "pin")
    model = PinnedModel.open(pin)
    patch = pair(3)
    base, target = (
        Tree({patch.path: Entry(Mode.REGULAR, text.encode())}) for text in (patch.old, patch.new)
    )
    settings = Settings(before=1, after=2)
    choices = tuple(options(change, model.vocabulary) for change in changes(base, target))
    candidate = Candidate(settings, tuple(each.model or each.classical for each in choices))
    decisions = DecisionCounter()
    transcribe(
        decisions,
        base,
        lambda chosen: Desk(lambda: model, chosen, lambda _: None),
        ReceivedBlobs(b""),
        candidate.plans,
        settings,
        lambda _: None,
    )
    network = build(source, Thin(2, 4, 0)).float()
    found = examples(base, target, model.vocabulary, settings, 4096)
    bits = token_bits(network, output_matrix(source, network), found)
    assert bits.dtype == torch.float32
    assert len(bits) == decisions.tally.tokens > 20
    total = float(bits.detach().sum())
    # what is excluded is left out of the objective, and the pin rounds
    assert decisions.tally.token_bits == pytest.approx(total, rel=0.01)
    recalled = np.concatenate([each.recalled for each in found])
    assert (recalled > 0.3).any()
    assert any(legal is not None for each in found for legal in each.legal)


def test_mixing_in_numbers() -> None:
    """Two tokens of three; what is recalled has weight 2**(-8/8) = 1/2, halved by certainty 1."""
    import torch

    p = torch.tensor([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]])
    bits = mixed_bits(
        p.log(),
        torch.tensor([1, 2]),
        torch.tensor([0.5, 0.0]),
        torch.tensor([0.75, 0.0]),
        torch.tensor([-8.0, -torch.inf]),
    )
    weight = 2 ** ((-8 - 5 * 1) / 8)  # 1 / (1 - 0.6) is 2.5: one octave
    wanted = [(0.3 + weight * 0.5) / (1 + weight * 0.75), 0.1]
    assert 2 ** -bits.numpy() == pytest.approx(wanted, rel=1e-5)


def test_thin_matrices_are_the_adapter(source: SourceModel, tmp_path: Path) -> None:
    """The network that was trained and the weights with the adapter added compute alike."""
    import torch

    run = begin(tmp_path / "run", source, replace(PLAN, steps=8, validate_every=8))
    train(run, source)
    adapter = run.adapter("tiny-patch", source.source.sha256, {"made": "here"})
    assert set(adapter.matrices) == {
        f"layers.1.{name}" for name in ("wq", "wk", "wv", "wo", "gate", "up", "down")
    }
    tokens = torch.arange(3, 90)[None]
    merged = build(adapter.applied(source), PLAN.thin, half=False)
    plain, again, network = (build(source, PLAN.thin, half=False) for _ in range(3))
    load_thin(again, PLAN.thin, adapter)
    trained_state = {k: v for k, v in run.network.state_dict().items() if "lora" in k}
    assert not network.load_state_dict(trained_state, strict=False).unexpected_keys
    with torch.no_grad():
        trained, sums, loaded, before = (
            each(input_ids=tokens).last_hidden_state for each in (network, merged, again, plain)
        )
    change = float((trained - before).abs().max())
    assert change > 0.01
    assert float((trained - sums).abs().max()) < 0.05 * change
    assert float((loaded - sums).abs().max()) < 0.01 * change
    assert thin_matrices(again, PLAN.thin)["layers.1.wq"].scale == pytest.approx(
        adapter.matrices["layers.1.wq"].scale, rel=1e-4
    )


def test_training_lowers_what_is_held_back(source: SourceModel, tmp_path: Path) -> None:
    run = begin(
        tmp_path / "run",
        source,
        replace(PLAN, steps=60, rate=3e-2, thin=Thin(8, 16, 0), validate_every=20),
    )
    notes = train(run, source)
    validated = [note.validated for note in notes if note.validated is not None]
    assert len(validated) == 4
    assert notes[0].step == 0
    assert validated[-1] < 0.9 * validated[0]
    assert run.best is not None
    assert run.best[0] == min(validated[1:])


def test_a_run_that_was_left_ends_like_one_that_was_not(
    source: SourceModel, tmp_path: Path
) -> None:
    whole = begin(tmp_path / "whole", source)
    train(whole, source)
    left = begin(tmp_path / "left", source)
    train(left, source, stop=4)  # the checkpoint is that of step 3
    again = begin(tmp_path / "left", source)
    assert again.step == 3
    train(again, source)
    assert again.digest == whole.digest
    assert [note.bits for note in again.notes] == [note.bits for note in whole.notes]
    made = [run.adapter("t", source.source.sha256, {}).to_bytes() for run in (whole, again)]
    assert made[0] == made[1]
    assert begin(tmp_path / "whole", source).digest == whole.digest


def test_another_plan_does_not_go_on(source: SourceModel, tmp_path: Path) -> None:
    train(begin(tmp_path / "run", source), source, stop=4)
    with pytest.raises(InputError, match="begun with"):
        begin(tmp_path / "run", source, replace(PLAN, seed=2))
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"no zip")
    with pytest.raises(InputError, match="cannot be read"):
        begin(tmp_path / "run", source)


def test_patience_ends_a_run(source: SourceModel, tmp_path: Path) -> None:
    plan = replace(PLAN, steps=60, rate=0.0, validate_every=2, patience=3)
    notes = train(begin(tmp_path / "run", source, plan), source)
    assert notes[-1].step == 8  # the first validation is the best, then three that are not better


def test_an_adapter_of_other_weights_is_no_start(source: SourceModel, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", source)
    adapter = run.adapter("t", "ab" * 32, {})
    with pytest.raises(PinError, match="sha256"):
        Run.begin(tmp_path / "other", PLAN, source, "patches", adapter)
    adapter = run.adapter("t", source.source.sha256, {})
    with pytest.raises(PinError, match="of rank 3"):
        plan = replace(PLAN, thin=Thin(4, 6, 1))
        Run.begin(tmp_path / "other", plan, source, "patches", adapter)
    with pytest.raises(PinError, match="7 matrices"):
        plan = replace(PLAN, thin=Thin(3, 6, 0))
        Run.begin(tmp_path / "other", plan, source, "patches", adapter)


def history(folder: Path) -> Path:
    """A repository of 16 commits, one a day."""
    from git_histories import Step, write_history

    steps = [Step("start", {"a.c": ("100644", pair(1).old.encode())}, "2025-01-01T00:00:00")]
    text = pair(1).old
    for day in range(2, 18):
        text = text.replace(f"f{day % 12}_", f"g{day}_", 1) + f"int day{day}_of_many = {day};\n"
        text += f"/* a line that makes the patch of day {day} long enough to be taken */\n" * 2
        steps.append(
            Step(f"d{day}", {"a.c": ("100644", text.encode())}, f"2025-01-{day:02}T00:00:00")
        )
    write_history(steps, folder)
    return folder


def command(folder: Path, model: Path, repo: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-c", "from groundstation.cli import app; app()", "specialise",
        "--out", str(folder),
        "--model", str(model), "--repo", str(repo), "--until", "2025-01-15", "--steps", "8",
        "--rank", "2", "--first-layer", "0", "--batch-tokens", "1024", "--validate-every", "2",
        "--threads", "1", "--name", "mission", "--json", *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_the_command_after_a_kill(tmp_path: Path) -> None:
    """Killed without warning, and run again: the same digest and the same adapter."""
    model = tmp_path / "model"
    save_checkpoint(model, "llama", max_position_embeddings=4096)
    repo = history(tmp_path / "repo")
    whole = subprocess.run(
        command(tmp_path / "whole", model, repo), capture_output=True, text=True, check=False
    )
    assert whole.returncode == 0, whole.stderr
    killed = tmp_path / "killed"
    with subprocess.Popen(command(killed, model, repo), stdout=subprocess.DEVNULL) as process:
        while not (killed / "checkpoint.pt").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not (killed / "mission.adapter").exists()
    again = subprocess.run(
        command(killed, model, repo), capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    first, second = json.loads(whole.stdout), json.loads(again.stdout)
    assert second["went_on_from_step"] >= 2
    for name in ("run_digest", "adapter_sha256", "held_back_bytes", "steps"):
        assert first[name] == second[name]
    assert (killed / "mission.adapter").read_bytes() == (
        tmp_path / "whole" / "mission.adapter"
    ).read_bytes()
    assert b"<svg" in (killed / "curve.svg").read_bytes()
    assert len((killed / "log.jsonl").read_text().splitlines()) == 9


@pytest.mark.slow
def test_finishing_early_takes_the_best_so_far(tmp_path: Path) -> None:
    """Nothing to finish is refused; later the best validated state is written, untrained on."""
    model = tmp_path / "model"
    save_checkpoint(model, "llama", max_position_embeddings=4096)
    repo = history(tmp_path / "repo")
    out = tmp_path / "run"
    early = subprocess.run(
        command(out, model, repo, "--finish"), capture_output=True, text=True, check=False
    )
    assert early.returncode == InputError.exit_code
    assert "not been validated yet" in json.loads(early.stdout)["found"]
    with subprocess.Popen(command(out, model, repo), stdout=subprocess.DEVNULL) as process:
        while not (out / "checkpoint.pt").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    done = subprocess.run(
        command(out, model, repo, "--finish"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["steps"] == facts["went_on_from_step"] < 8
    assert 2 <= facts["best_step"] <= facts["steps"]
    assert read_adapter(out / "mission.adapter").facts["steps_done"] == facts["steps"]
