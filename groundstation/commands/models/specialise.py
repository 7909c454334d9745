"""``groundstation specialise``."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from groundstation.git.history import parse_since
from groundstation.models.adapter import Adapter
from groundstation.models.fetch import open_adapter, open_source
from groundstation.models.source import SourceModel
from groundstation.models.vocabulary import vocabulary_of
from groundstation.specialise.course import Course, Limits
from groundstation.specialise.curve import draw_curve
from groundstation.specialise.material import Material, from_corpus, from_history, validation_of
from groundstation.specialise.plan import Note, Plan, Thin
from groundstation.specialise.run import Run
from shared.errors import InputError
from shared.files import replace_file
from shared.terminal import Report, print_json, progress, reports_errors

LOG = "log.jsonl"
CURVE = "curve.svg"


@reports_errors
def specialise(
    out: Annotated[
        Path,
        typer.Option(help="The run's folder: checkpoint, log, curve, and NAME.adapter at its end."),
    ],
    corpus: Annotated[
        Path | None, typer.Option(help="A manifest of `corpus build`: train on its patches.")
    ] = None,
    repo: Annotated[
        Path | None, typer.Option(help="A git repository: train on a mission's own history.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help='With --repo: commits up to then, 2025-11-30 or "6 weeks".')
    ] = None,
    paths: Annotated[
        list[str] | None, typer.Option(help="With --repo: a git pathspec. May be repeated.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="A model of `model fetch`, a GGUF file or a Hugging Face folder.")
    ] = "smollm2-135m",
    start: Annotated[
        str | None,
        typer.Option(
            help="An adapter to go on from, instead of a new one: a file, or the name of a "
            "specialised model. Rank and layers are then those that it has."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the specialised model.", show_default="MODEL-patch")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = Plan.steps,
    rate: Annotated[float, typer.Option(min=0.0, help="Its largest step size.")] = Plan.rate,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Of the thin matrices.")] = Thin.rank,
    first_layer: Annotated[
        int, typer.Option(min=0, help="Layers before this one stay as they are.")
    ] = Thin.first_layer,
    batch_tokens: Annotated[
        int, typer.Option(min=1024, help="Tokens of a step, at most.")
    ] = Plan.batch_tokens,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps.")] = Plan.validate_every,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many validations without a better; 0: never.")
    ] = Plan.patience,
    held_back: Annotated[int, typer.Option(min=1, help="Patches to validate with, at most.")] = 60,
    seed: Annotated[int, typer.Option(help="Of first matrices, order and settings.")] = Plan.seed,
    compiled: Annotated[
        bool,
        typer.Option(
            help="Let torch compile the network: needs a C++ compiler and some minutes, then a "
            "step takes a third less."
        ),
    ] = Plan.compiled,
    finish: Annotated[
        bool,
        typer.Option(help="Train no further: write the adapter of the best validation so far."),
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of torch; the numbers depend on it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Train a model on patches; the result is an adapter of a few megabytes.

    Stop it with Ctrl-C, or let it be killed: the same command goes on from the last checkpoint,
    to the same end; with `--finish` it ends there, with what was best. `groundstation model pin
    MODEL --adapter FILE` then pins what it made.
    """
    began = datetime.now(UTC)
    limits = Limits(batch_tokens=batch_tokens)
    adapter = None if start is None else open_adapter(start)
    if adapter is not None:
        rank, first_layer = adapter.rank, adapter.first_layer
    plan = Plan(
        steps=steps,
        rate=rate,
        thin=Thin(rank, Thin.alpha, first_layer),
        batch_tokens=batch_tokens,
        scale_tokens=max(1, batch_tokens // 16),
        validate_every=validate_every,
        patience=patience,
        seed=seed,
        compiled=compiled,
    )
    with progress(quiet=as_json) as report:
        material = _material(corpus, repo, until, paths or (), held_back, began)
        _set_threads(threads)
        source = open_source(model, report=report)
        run = Run.begin(out, plan, source, material.digest, adapter)
        went_on = run.step
        title = name or f"{Path(model).stem.lower()}-patch"
        if not finish:
            _train(run, source, material, limits, title, report)
        elif run.best is None:
            raise InputError(
                f"the run in {out} has not been validated yet",
                expected="a run to finish",
                remedy="train it first, without --finish",
            )
        report("writing the adapter", 0, 0)
        made = run.adapter(title, source.source.sha256, _facts(plan, material, run, adapter))
        path = out / f"{title}.adapter"
        replace_file(path, made.to_bytes(), durable=True)
        _write_log(out, run.notes, title)
    facts = _report(path, made, run, went_on)
    if as_json:
        print_json(facts)
    else:
        typer.echo("\n".join(_lines(facts)))


def _train(
    run: Run, source: SourceModel, material: Material, limits: Limits, title: str, report: Report
) -> None:
    vocabulary, most = vocabulary_of(source), source.shape.max_positions
    validation = validation_of(material, vocabulary, limits, most, report)
    course = Course(material.train, vocabulary, limits, run.plan.seed, most)
    try:
        for note in run.steps(course, validation, clock=time.monotonic, report=report):
            report(_stage(run, note), note.step, run.plan.steps)
            if note.validated is not None:
                _write_log(run.folder, run.notes, title)
    except KeyboardInterrupt:
        run.save()
        raise


def _material(
    corpus: Path | None,
    repo: Path | None,
    until: str | None,
    paths: Sequence[str],
    held_back: int,
    now: datetime,
) -> Material:
    if (corpus is None) == (repo is None):
        raise InputError(
            "it is not said what to train on" if corpus is None else "two sources of patches",
            expected="--corpus MANIFEST, or --repo GITDIR --until DATE",
        )
    if corpus is not None:
        if until is not None or paths:
            raise InputError("--until and --paths go with --repo")
        return from_corpus(corpus, held_back)
    assert repo is not None
    if until is None:
        raise InputError(
            "--repo without --until",
            expected="the date up to which commits are learned",
            remedy="give the day of the launch; what comes later is there to measure",
        )
    return from_history(repo, parse_since(until, now), held_back, paths=paths)


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _stage(run: Run, note: Note) -> str:
    best = "" if run.best is None else f", best {run.best[0]:.2f} B a patch"
    return f"training: {note.bits:.2f} bits a token{best}"


def _facts(plan: Plan, material: Material, run: Run, start: Adapter | None) -> dict[str, Any]:
    """What the adapter's file says about how it was made."""
    first = next((note.validated for note in run.notes if note.validated is not None), None)
    return {
        "trained_on": material.origin,
        "patches": len(material.train),
        "patches_sha256": material.digest,
        "plan": asdict(plan),
        "start": None if start is None else start.digest,
        "steps_done": run.step,
        "best_step": None if run.best is None else run.best[1],
        "held_back_bytes": None if run.best is None else round(run.best[0], 3),
        "held_back_bytes_before": None if first is None else round(first, 3),
        "licence": "of the base model's weights; trained on openly licensed packages, see the "
        "manifest of the corpus",
    }


def _write_log(out: Path, notes: Sequence[Note], title: str) -> None:
    """What is known so far, to be looked at while a long run goes on."""
    lines = "".join(json.dumps(asdict(note)) + "\n" for note in notes)
    replace_file(out / LOG, lines.encode("utf-8"), durable=True)
    draw_curve(notes, out / CURVE, title)


def _report(path: Path, adapter: Adapter, run: Run, went_on: int) -> dict[str, Any]:
    return {
        "adapter": str(path),
        "adapter_bytes": path.stat().st_size,
        "adapter_sha256": adapter.digest,
        "steps": run.step,
        "went_on_from_step": went_on,
        "run_digest": run.digest,
        "seconds": run.notes[-1].seconds,
        **{key: adapter.facts[key] for key in ("best_step", "held_back_bytes")},
        "held_back_bytes_before": adapter.facts["held_back_bytes_before"],
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    before, after = facts["held_back_bytes_before"], facts["held_back_bytes"]
    return [
        f"{facts['adapter']}: {facts['adapter_bytes']:,} bytes, sha256 {facts['adapter_sha256']}",
        f"{facts['steps']} steps in {facts['seconds']:.0f} s; best after {facts['best_step']}",
        f"patches held back: {before:.2f} -> {after:.2f} bytes each, "
        f"{100 * (after / before - 1):+.1f} %",
    ]
