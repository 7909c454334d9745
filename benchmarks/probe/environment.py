"""What a probe has to carry: packages in a new environment, their size, import times, and memory.

``python -m benchmarks.probe.environment`` makes a virtual environment, installs this repository
without any extra into it, as a probe would be, applies a patch there, and writes PROBE.md.
"""

from __future__ import annotations

import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Final

import typer

from benchmarks.probe.memory import MODEL, Usage, apply_once
from shared.errors import DownloadError
from shared.terminal import progress, reports_errors

REPOSITORY: Final = Path(__file__).parents[2]
RESULT: Final = Path(__file__).parents[2] / "PROBE.md"
SOURCES: Final = ("shared", "probe", "groundstation", "sims", "pyproject.toml", "README.md")
SOURCES_ALSO: Final = ("LICENSE", "MANIFEST.in", "constraints.txt")
TOOLS: Final = frozenset({"pip", "setuptools", "wheel"})
"""In every new environment; no part of the probe."""

ABSENT: Final = (
    "torch",
    "transformers",
    "tree_sitter",
    "accelerate",
    "peft",
    "gguf",
    "safetensors",
)
"""What must not be importable."""

REPEATS: Final = 7
RUNS: Final = 3
MODES: Final = {False: "normal", True: "`--low-memory`"}
LIMITS: Final = {False: 400, True: 250}
"""Megabytes (10^6 bytes) that a mode must stay under."""
IMPORTS: Final[Mapping[str, str]] = {
    "nothing: the interpreter alone": "pass",
    "the commands (`probe.cli`)": "import probe.cli",
    "the same, and runs one (`probe status`)": (
        "import probe.cli\n"
        "try: probe.cli.app(['status', '--state', 'nowhere'])\n"
        "except SystemExit: pass"
    ),
    "all that regeneration needs": (
        "import probe.cli, probe.messages.model, shared.exact.pin, "
        "shared.prompts.language_model.pinned, shared.regenerate"
    ),
}

_SIZES = """
import json
from importlib import metadata
sizes = {}
for each in metadata.distributions():
    files = [file.locate() for file in each.files or [] if ".." not in file.parts]
    sizes[each.metadata["Name"].lower()] = sum(
        file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc"
    )
print(json.dumps(sizes))
"""

_LOADED = """
import json, sys
import probe.cli, probe.messages.model, shared.exact.pin, shared.regenerate
import shared.prompts.language_model.pinned
from importlib import metadata
from typer.testing import CliRunner
assert CliRunner().invoke(probe.cli.app, ["status", "--state", "nowhere"]).exit_code == 30
tops = {name.partition(".")[0] for name in sys.modules}
owners = metadata.packages_distributions()
print(json.dumps(sorted({owner.lower() for top in tops for owner in owners.get(top, [])})))
"""


@dataclass(frozen=True)
class Measured:
    """An environment.

    Attributes:
        sizes: bytes by distribution, compiled Python not counted.
        loaded: distributions of which something is imported by a command that regenerates a patch.
        seconds: median processor time of a new process, by what it imports.
        importable: of ``ABSENT``, what can be imported nevertheless.
        python: its version.
        usages: of regenerating one patch several times, by whether in low-memory mode.
    """

    sizes: Mapping[str, int]
    loaded: Sequence[str]
    seconds: Mapping[str, float]
    importable: Sequence[str]
    python: str
    usages: Mapping[bool, Sequence[Usage]]


def install(folder: Path) -> Path:
    """Makes an environment with the probe in it; its interpreter.

    Raises:
        DownloadError: pip could not install it.
    """
    copy = folder / "source"
    copy.mkdir()
    skipped = shutil.ignore_patterns("__pycache__", "*.so", "*.o")
    for name in (*SOURCES, *SOURCES_ALSO):
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=skipped)
        else:
            shutil.copy2(source, copy / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv/bin/python"
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["install", "-c", str(copy / "constraints.txt"), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        raise DownloadError(
            f"pip cannot install the probe: {(told or ['no reason given'])[-1]}",
            expected="the releases of constraints.txt",
            remedy="check the network and `pip config list`, then run the command again",
        )
    return python


def measure(python: Path) -> Measured:
    """Sizes, import times and what can be imported, of an environment."""
    sizes = json.loads(_told(python, _SIZES))
    return Measured(
        sizes={name: size for name, size in sizes.items() if name not in TOOLS},
        loaded=json.loads(_told(python, _LOADED)),
        seconds={what: _seconds(python, code) for what, code in IMPORTS.items()},
        importable=[name for name in ABSENT if _runs(python, f"import {name}")],
        python=_told(python, "import platform; print(platform.python_version())").strip(),
        usages={low: [_usage(python, low_memory=low) for _ in range(RUNS)] for low in MODES},
    )


def _usage(python: Path, *, low_memory: bool) -> Usage:
    command = [str(python), "-I", "-m", "probe"]
    with tempfile.TemporaryDirectory() as folder:
        return apply_once(command, Path(folder), low_memory=low_memory)


def _told(python: Path, code: str) -> str:
    # away from the repository, so that what is installed is imported
    done = subprocess.run(
        [python, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=python.parent
    )
    return done.stdout


def _runs(python: Path, code: str) -> bool:
    command = [str(python), "-I", "-c", code]
    return not subprocess.run(
        command, capture_output=True, check=False, cwd=python.parent
    ).returncode


def _seconds(python: Path, code: str) -> float:
    """Median processor time of some processes, after one that fills the caches.

    Wall time would say how busy the machine is; one process on an idle one takes as long.
    """
    times = []
    for _ in range(REPEATS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _told(python, code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return median(times[1:])


def page(found: Measured) -> str:
    """The report."""
    unused = {name: size for name, size in found.sizes.items() if name not in found.loaded}
    lines = [
        "# What a probe carries",
        "",
        "Written by `python -m benchmarks.probe.environment`; do not edit. A new environment, this",
        "repository installed into it without extras, in the releases of constraints.txt; Python",
        f"{found.python}, {platform.machine()}, {platform.system()}. The model's pin comes on top.",
        "rehydration-uplink has the ground's modules too, and 7.3 MB of adapter, not for",
        "a probe. huggingface_hub and what it needs are there because tokenizers asks for them; of",
        "them nothing is imported. Compiled Python files are not counted.",
        "",
        "| package | MB | imported to regenerate a patch |",
        "|---|---|---|",
    ]
    for name, size in sorted(found.sizes.items(), key=lambda item: -item[1]):
        used = "yes" if name in found.loaded else "no"
        lines.append(f"| {name} | {size / 1e6:.2f} | {used} |")
    total, idle = sum(found.sizes.values()), sum(unused.values())
    lines += [
        f"| **all** | **{total / 1e6:.2f}** | {(total - idle) / 1e6:.2f} of it |",
        "",
        f"| a new process that imports | processor seconds, median of {REPEATS} |",
        "|---|---|",
        *(f"| {what} | {seconds:.2f} |" for what, seconds in found.seconds.items()),
        "",
        "| package | importable there |",
        "|---|---|",
        *(f"| {name} | {'YES' if name in found.importable else 'no'} |" for name in ABSENT),
        "",
        *memory_lines(found.usages),
    ]
    return "\n".join(lines)


def memory_lines(usages: Mapping[bool, Sequence[Usage]]) -> list[str]:
    """What regenerating a patch takes."""
    first = usages[False][0]
    lines = [
        f"`probe apply` there, of a patch of {first.tokens:,} tokens with {MODEL}"
        f" ({first.operations / 1e9:.0f} * 10^9 multiply-adds), {RUNS} runs each; highest",
        "resident memory of the whole process (VmHWM), the mapped model included:",
        "",
        "| mode | MB, each run | must stay under | seconds, median | processor seconds, median |",
        "|---|---|---|---|---|",
    ]
    for low, runs in usages.items():
        peaks = ", ".join(f"{run.peak_kib * 1024 / 1e6:.0f}" for run in runs)
        lines.append(
            f"| {MODES[low]} | {peaks} | {LIMITS[low]} | {median(r.seconds for r in runs):.1f} |"
            f" {median(r.cpu_seconds for r in runs):.1f} |"
        )
    trees = {run.tree for runs in usages.values() for run in runs}
    same = "the same tree" if len(trees) == 1 else f"{len(trees)} DIFFERENT TREES"
    return [*lines, "", f"All runs gave {same}.", ""]


def too_much(found: Measured) -> bool:
    """Whether anything is there that must not be, or takes more than it may."""
    runs = [(LIMITS[low] * 1e6, run) for low, some in found.usages.items() for run in some]
    over = any(run.peak_kib * 1024 > limit for limit, run in runs)
    return bool(found.importable) or over or len({run.tree for _, run in runs}) != 1


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@reports_errors
def main(out: Annotated[Path, typer.Option(help="Where the report goes.")] = RESULT) -> None:
    """Install the probe into a new environment and measure it. Exit code 1: it is too much."""
    with tempfile.TemporaryDirectory() as name, progress() as report:
        report("installing the probe", 0, 0)
        python = install(Path(name))
        report("measuring", 0, 0)
        found = measure(python)
    out.write_text(page(found), "utf-8")
    typer.echo(out.read_text("utf-8"))
    raise typer.Exit(int(too_much(found)))


if __name__ == "__main__":
    app()
