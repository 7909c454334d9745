"""``python -m benchmarks.hostile``: every attack in turn; writes HOSTILE.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.bench import BEFORE_S, GAP_S, LIMIT_S, RATE_BYTES_S, Run, measure, prepare

PAGE = Path(__file__).parents[1] / "HOSTILE.md"


def main() -> int:
    """Run all attacks, or those named; say 1 where one delays the message more than twice."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("attacks", nargs="*", metavar="ATTACK", help="all by default")
    options.add_argument("--model", default="smollm2-135m-patch")
    options.add_argument("--no-page", action="store_true")
    given = options.parse_args()
    names = ["undisturbed", *(n for n in given.attacks or ATTACKS if n != "undisturbed")]
    runs: dict[str, Run] = {}
    quiet: list[Run] = []
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made"
        made.mkdir()
        cargo = prepare(made, given.model)
        # Other work on the machine delays runs too: the undisturbed one is the median of three.
        middle = len(names) // 2
        for seed, name in enumerate([*names[:middle], names[0], *names[middle:], names[0]]):
            here = Path(folder) / str(seed)
            here.mkdir()
            runs[name] = measure(cargo, here, ATTACKS[name], given.model, seed)
            quiet += [runs[name]] if name == "undisturbed" else []
            print(row(name, runs[name], quiet[0]), flush=True)
    runs["undisturbed"] = sorted(quiet, key=lambda run: run.delay_s or LIMIT_S)[1]
    if not given.no_page:
        PAGE.write_text(page(runs))
    return int(any(not holds(run, runs["undisturbed"]) for run in runs.values()))


def holds(run: Run, quiet: Run) -> bool:
    """Whether the honest message came within twice its time, and no stranger was answered."""
    if run.delay_s is None or quiet.delay_s is None:
        return False
    return run.delay_s <= 2 * quiet.delay_s and run.answered == 0


def row(name: str, run: Run, quiet: Run) -> str:
    """One line of the table."""
    times = run.delay_s / quiet.delay_s if run.delay_s and quiet.delay_s else None
    delay = "never" if run.delay_s is None else f"{run.delay_s:.1f}"
    ratio = "-" if times is None else f"{times:.2f}"
    return (
        f"| {name} | {delay} | {ratio} | {run.sent} | {run.answered} | {run.written} "
        f"| {run.processor_s:.1f} | {run.seconds:.1f} |"
    )


def page(runs: dict[str, Run]) -> str:
    """The page, with every figure of this run."""
    lines = [
        "# Strangers on the line",
        "",
        "Written by `python -m benchmarks.hostile`. Each row is one real `probe listen --udp",
        f"--framing ccsds` on the loopback. A stranger sends {RATE_BYTES_S:.0f} bytes a second,",
        f"{BEFORE_S:.0f} s before the honest sender and to the end. The honest message comes in",
        f"segments of Type-BD, one each {GAP_S} s; the delay runs from the first of them to the",
        "new tree. Bytes to disk and processor time are the listener's (`/proc/PID/io` and `stat`)",
        "over the whole run, bytes answered those that came back to either sender. The undisturbed",
        "run is the one with the median delay of three.",
        "",
        "| attack | delay, s | times | bytes sent | answered | to disk | processor s | of s |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(row(name, run, runs["undisturbed"]) for name, run in runs.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
