"""Compares this machine's numbers with the golden ones: ``python -m benchmarks.cross.check``.

Runs where a probe runs: on this machine, in emulation, on a board.  One line of JSON a check.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cross.compute import make, read, receive
from benchmarks.cross.golden import Golden, Making, Reading, Sending, load_golden
from shared.errors import RehydrationError
from shared.exact.kernels import compiled_library
from shared.exact.pin import pins_home

KERNELS = ("c", "numpy")


@dataclass(frozen=True)
class Outcome:
    """One check.

    Attributes:
        check: logits, envelope or pin.
        name: of the reading, sending or making.
        model: name of the pin.
        kernel: "c" or "numpy"; numpy for a pin.
        equal: whether everything was found as it must be.
        different: the fields that were not, or what went wrong.
        seconds: wall time.
    """

    check: str
    name: str
    model: str
    kernel: str
    equal: bool
    different: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class Selection:
    """What to check.

    Attributes:
        models: names of pins; all where empty.
        kernels: of ``KERNELS``.
        names: of checks; all where empty.
    """

    models: Sequence[str] = ()
    kernels: Sequence[str] = KERNELS
    names: Sequence[str] = ()

    def takes(self, model: str, name: str) -> bool:
        """Whether a check is among them."""
        return (not self.models or model in self.models) and (not self.names or name in self.names)


@dataclass(frozen=True)
class Places:
    """Where things lie.

    Attributes:
        pins: folder of pins by name.
        downloads: folder of published weights; None where pins are not to be made.
        release: the demo's onboard tree; None where it is not to be used.
    """

    pins: Path
    downloads: Path | None = None
    release: Path | None = None


def outcomes(golden: Golden, chosen: Selection, places: Places) -> Iterator[Outcome]:
    """Every check, one after another.

    Args:
        golden: what must come out.
        chosen: which.
        places: of pins, weights and the demo's tree.
    """
    for kernel in chosen.kernels:
        for reading in golden.readings:
            if chosen.takes(reading.model, "logits"):
                yield _reading(reading, places, kernel)
        for sending in golden.sendings:
            wanted = chosen.takes(sending.model, sending.name)
            if wanted and (places.release or not sending.release):
                yield _sending(sending, places, kernel)
    for making in golden.makings:
        if chosen.takes(making.model, "pin") and places.downloads:
            yield _making(making, places.downloads)


def _reading(reading: Reading, places: Places, kernel: str) -> Outcome:
    return _compared(
        ("logits", "logits", reading.model, kernel),
        reading,
        lambda: read(reading, places.pins, kernel),
    )


def _sending(sending: Sending, places: Places, kernel: str) -> Outcome:
    return _compared(
        ("envelope", sending.name, sending.model, kernel),
        sending,
        lambda: receive(sending, places.pins, kernel, places.release),
    )


def _making(making: Making, downloads: Path) -> Outcome:
    return _compared(
        ("pin", "base + adapter", making.model, "numpy"),
        making,
        lambda: make(making, downloads),
    )


def _compared(
    names: tuple[str, str, str, str],
    wanted: Reading | Sending | Making,
    find: Callable[[], Reading | Sending | Making],
) -> Outcome:
    """Computes and compares field by field; an error is a difference."""
    started = time.monotonic()
    try:
        found, expected = asdict(find()), asdict(wanted)
        different = tuple(name for name in expected if found[name] != expected[name])
    except RehydrationError as error:
        different = (str(error),)
    return Outcome(*names, not different, different, time.monotonic() - started)


def machine() -> dict[str, Any]:
    """What computes here."""
    settings: Any = np.show_config(mode="dicts")
    blas = settings["Build Dependencies"]["blas"]
    return {
        "machine": platform.machine(),
        "byteorder": sys.byteorder,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": f"{blas.get('name', 'none')} {blas.get('version', '')}".strip(),
        "libc": " ".join(platform.libc_ver()),
        "kernel": compiled_library() is not None,
    }


def main() -> int:
    """Compute what golden.json promises, and compare; returns 1 if anything differs."""
    # argparse: a board needs no package for it
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cross.check", description=__doc__)
    parser.add_argument("--kernel", action="append", choices=KERNELS, help="both if not given")
    parser.add_argument("--model", action="append", help="only this pin; may be repeated")
    parser.add_argument(
        "--name", action="append", help="only this: logits, pin, or an envelope's name"
    )
    parser.add_argument("--pins", type=Path, default=pins_home(), help="folder of pins by name")
    parser.add_argument(
        "--downloads", type=Path, help="folder of published weights; then the pin is made too"
    )
    parser.add_argument(
        "--release", type=Path, help="the demo's onboard tree; then its patch is applied too"
    )
    given = parser.parse_args()
    chosen = Selection(given.model or (), given.kernel or KERNELS, given.name or ())
    places = Places(given.pins, given.downloads, given.release)
    print(json.dumps({"machine": machine()}), flush=True)
    count = wrong = 0
    for outcome in outcomes(load_golden(), chosen, places):
        count, wrong = count + 1, wrong + (not outcome.equal)
        print(json.dumps(asdict(outcome)), flush=True)
    print(json.dumps({"checks": count, "wrong": wrong}), flush=True)
    return 1 if wrong or not count else 0


if __name__ == "__main__":
    sys.exit(main())
