"""``make cross``: the probe on other processors, in emulation, compared with the golden digests.

A check that has ended is not computed again while code and digests are the same, so that a run
that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.cross.check import KERNELS
from benchmarks.cross.debian import check_tools, mirror
from benchmarks.cross.golden import Golden, load_golden
from benchmarks.cross.machines import ARCHITECTURES, foreign
from benchmarks.cross.report import Run, described, page, verdict
from benchmarks.cross.userland import REPOSITORY, Userland, code_digest, cross_home, prepare
from groundstation.corpus.sources.release_trees import fetch_releases
from groundstation.models.catalogue import known_model
from groundstation.models.download import fetch_weights
from shared.errors import InputError
from shared.exact.pin import cache_home, load_pin, pins_home, resolve_pin
from shared.terminal import progress, reports_errors
from shared.tree import write_tree

RESULT = Path(__file__).parents[1] / "CROSS.md"
NATIVE = "this machine"

Key = tuple[str, str, str]
"""Kernel, pin and name of a check."""


@dataclass(frozen=True)
class Task:
    """One machine's part: how to run Python on it, where our code is, the file of its results."""

    title: str
    emulator: str
    command: Callable[..., list[str]]
    code: Path
    results: Path


def keys(golden: Golden) -> Iterator[Key]:
    """Every check, those first that take least."""
    ordered = sorted(golden.sendings, key=lambda each: len(each.tokens))
    for kernel in KERNELS:
        for reading in golden.readings:
            yield kernel, reading.model, "logits"
        for sending in ordered:
            if kernel == "c" or not sending.release:
                yield kernel, sending.model, sending.name
    for making in golden.makings:
        yield "numpy", making.model, "pin"
    for sending in ordered:
        if sending.release:
            yield "numpy", sending.model, sending.name


def runs_of(
    task: Task, wanted: list[Key], places: list[str], tell: Callable[[str], None]
) -> Iterator[Run]:
    """Makes one machine do what it has not done yet; all it has done, after each check."""
    code = code_digest()
    found: dict[Key, dict[str, Any]] = {}

    def known() -> dict[Key, dict[str, Any]]:
        # another run may have done others meanwhile; what differs is found anew by every run
        return {**_known(task.results, code), **found}

    task.results.parent.mkdir(parents=True, exist_ok=True)
    for key in wanted:
        if key in known():
            continue
        kernel, model, name = key
        words = ["--kernel", kernel, "--model", model, "--name", name, *places]
        facts, outcome = _one(task, ["-m", "benchmarks.cross.check", *words], key)
        found[key] = {"facts": facts, "outcome": outcome}
        _write(task.results, known(), code)
        tell(
            f"{task.title:13} {kernel:6} {model:19} {described(outcome):45} {verdict(outcome)}"
            f"  {outcome['seconds']:.0f} s"
        )
        yield _so_far(task, known())
    yield _so_far(task, known())


def _so_far(task: Task, known: dict[Key, dict[str, Any]]) -> Run:
    done = [known[key] for key in keys(load_golden()) if key in known]
    outcomes = tuple(each["outcome"] for each in done)
    return Run(task.title, task.emulator, done[0]["facts"] if done else {}, outcomes)


def _one(task: Task, arguments: list[str], key: Key) -> tuple[dict[str, Any], dict[str, Any]]:
    """One check on one machine: what it is, and what it found."""
    nice = ["nice", "-n", "19"] if shutil.which("nice") else []
    command = [*nice, *task.command(*arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=task.code)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = [line for line in lines if "check" in line]
    if found:
        return lines[0]["machine"], found[0]
    raise InputError(
        f"the check {' / '.join(key)} did not end: exit code {done.returncode}, "
        + (done.stderr.strip().splitlines() or ["nothing said"])[-1],
        expected="a result, equal or not",
        remedy=f"run it alone: {' '.join(command)}",
    )


def _known(results: Path, code: str) -> dict[Key, dict[str, Any]]:
    """What was found to be equal before with the same code and digests."""
    try:
        value = json.loads(results.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if value["code"] != code:
        return {}
    return {tuple(each["key"]): each for each in value["found"] if each["outcome"]["equal"]}


def _write(results: Path, known: dict[Key, dict[str, Any]], code: str) -> None:
    value = {"code": code, "found": [{**each, "key": key} for key, each in known.items()]}
    partial = results.with_suffix(".partial")
    partial.write_text(json.dumps(value, indent=1), "utf-8")
    partial.replace(results)


def _emulated(made: Userland) -> Task:
    version = subprocess.run(
        [made.command()[0], "--version"], capture_output=True, text=True, check=True
    )
    emulator = " ".join(version.stdout.splitlines()[0].split()[:3])
    return Task(
        made.architecture.name,
        f"{emulator}, {made.architecture.cpu}",
        made.command,
        made.code,
        made.folder / "results.json",
    )


def _native(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]


def _places(golden: Golden) -> list[str]:
    """Options that say where pins, weights and the demo's tree lie; fetches what is missing."""
    models = {each.model for each in golden.readings} | {each.model for each in golden.sendings}
    for model in sorted(models):
        load_pin(resolve_pin(model))
    for making in golden.makings:
        fetch_weights(known_model(making.model), cache_home() / "downloads")
    release = cross_home() / "release"
    shutil.rmtree(release, ignore_errors=True)
    write_tree(fetch_releases().old, release)
    downloads = cache_home() / "downloads"
    return [f"--pins={pins_home()}", f"--downloads={downloads}", f"--release={release}"]


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@reports_errors
def main(
    architecture: Annotated[
        list[str] | None, typer.Option(help="arm64, amd64, riscv64 or s390x; may be repeated.")
    ] = None,
    kernel: Annotated[
        list[str] | None, typer.Option(help="c or numpy; may be repeated; else both.")
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="Only these checks: logits, pin, an envelope's name.")
    ] = None,
    source: Annotated[
        str, typer.Option("--mirror", help="Debian mirror; else that of this machine's apt.")
    ] = "",
    setup_only: Annotated[bool, typer.Option(help="Fetch and compile, compute nothing.")] = False,
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT,
) -> None:
    """Compute golden.json anew on every processor that can be emulated, and compare."""
    chosen = architecture or list(foreign(platform.machine()))
    if unknown := [each for each in chosen if each not in ARCHITECTURES]:
        raise InputError(
            f"no such architecture: {', '.join(unknown)}", expected=", ".join(ARCHITECTURES)
        )
    check_tools()
    golden = load_golden()
    hosts = {each.machine: name for name, each in ARCHITECTURES.items()}
    address = source or mirror()
    with progress() as report:
        made = [
            prepare(ARCHITECTURES[each], hosts[platform.machine()], address, report)
            for each in chosen
        ]
        places = [] if setup_only else _places(golden)
    if setup_only:
        return
    wanted = [
        key
        for key in keys(golden)
        if (not kernel or key[0] in kernel) and (not name or key[2] in name)
    ]
    native = Task(NATIVE, "", _native, REPOSITORY, cross_home() / "native.json")
    runs: dict[str, Run] = {}
    for task in (native, *map(_emulated, made)):
        for run in runs_of(task, wanted, places, typer.echo):
            runs[task.title] = run
            done = [each for each in runs.values() if each.outcomes]
            out.write_text(page(done, len(list(keys(golden)))), "utf-8")
    wrong = sum(each.wrong for each in runs.values())
    typer.echo(
        f"{sum(len(each.outcomes) for each in runs.values())} checks, {wrong} not equal: {out}"
    )
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    app()
