"""One patch, every way to send it: authored, signed, applied by the real probe, and the peers."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.patches.pairs import Pair
from groundstation.authoring.author import Effort, author
from groundstation.authoring.signed import send
from groundstation.peers import measure_peers
from groundstation.scoring.cached_model import ReusingModel
from groundstation.scoring.candidate import Problem
from groundstation.scoring.options import options
from groundstation.scoring.score import count
from groundstation.search.steps import first_candidate
from groundstation.signing.keys import write_key_pair
from shared.prompts.language_model.model import LanguageModel
from shared.prompts.settings import RECALL_SHIFTS
from shared.tree import Entry, Mode, Tree, changes, read_tree, write_tree

COUNTER = 7


@dataclass(frozen=True)
class Setting:
    """What is the same for all patches of a run.

    Attributes:
        model: the opened model.
        pin: its folder, for the probe.
        effort: how hard to search.
    """

    model: LanguageModel
    pin: Path
    effort: Effort


def trees(pair: Pair) -> tuple[Tree, Tree]:
    """Baseline and target with the patched file alone: peers are told no path either."""
    name = Path(pair.path).name
    return (
        Tree({name: Entry(Mode.REGULAR, pair.old)}),
        Tree({name: Entry(Mode.REGULAR, pair.new)}),
    )


def measure(pair: Pair, setting: Setting) -> dict[str, Any]:
    """Everything the report says about one patch, as a JSON object."""
    base, target = trees(pair)
    key = Ed25519PrivateKey.generate()
    model = ReusingModel(setting.model)  # the probe's command checks by the model itself
    sent = send(author(base, target, model, effort=setting.effort), COUNTER, key)
    row: dict[str, Any] = {
        "id": pair.id,
        "language": pair.language,
        "package": pair.package,
        "diff_bytes": pair.diff_bytes,
        "ours": sent.as_dict(),
        "first_bits": _first_bits(base, target, model),
        "probe": _apply(sent.envelope, base, target, key, setting.pin),
        "peers": [
            {"name": peer.name, "bytes": peer.bytes, "verified": peer.verified, "note": peer.note}
            for peer in measure_peers(base, target)
        ],
    }
    return row


def _first_bits(base: Tree, target: Tree, model: LanguageModel) -> dict[str, float]:
    """Bits of the candidate that a search begins with: as it is, and with nothing recalled."""
    choices = tuple(options(change, model.vocabulary) for change in changes(base, target))
    first = first_candidate(choices)
    plain = replace(first, settings=replace(first.settings, recall=RECALL_SHIFTS.index(None)))
    problem = Problem(base, choices)
    return {
        "usual": count(problem, first, model).counter.tally.bits,
        "nothing recalled": count(problem, plain, model).counter.tally.bits,
    }


def _apply(
    envelope: bytes, base: Tree, target: Tree, key: Ed25519PrivateKey, pin: Path
) -> dict[str, Any]:
    """Applies an envelope with the probe's own commands, in processes of their own.

    Returns:
        exact: whether the tree on disk is the target bit for bit; seconds of ``probe apply``, from
        start to end; its peak resident memory in bytes.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_key_pair(folder / "keys", key)
        write_tree(base, folder / "onboard")
        (folder / "envelope").write_bytes(envelope)
        state = ["--state", str(folder / "state")]
        onboard = ["--root", str(folder / "onboard"), "--model", str(pin)]
        _probe("init", *state, *onboard, "--trust", str(folder / "keys" / "ground.pub"))
        started = time.monotonic()
        answer, peak = _probe("apply", str(folder / "envelope"), *state, "--json")
        seconds = time.monotonic() - started
        exact = read_tree(folder / "onboard") == target
        tokens = answer.get("tokens") if answer else None
    return {"exact": exact, "seconds": seconds, "resident_bytes": peak, "tokens": tokens}


# VmHWM and not ru_maxrss: the latter counts the process that this one was started from
_WITH_PEAK = """
import pathlib, re, runpy, sys
sys.argv = ["probe", *sys.argv[1:]]
try:
    runpy.run_module("probe", run_name="__main__")
finally:
    status = pathlib.Path("/proc/self/status").read_text()
    print(1024 * int(re.search(r"VmHWM:\\s*(\\d+) kB", status)[1]), file=sys.stderr)
"""


def _probe(*arguments: str) -> tuple[dict[str, Any] | None, int]:
    """Runs a command of the probe; its JSON, and its peak resident memory in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _WITH_PEAK, *arguments], capture_output=True, text=True, check=False
    )
    answer: dict[str, Any] | None = None
    with contextlib.suppress(json.JSONDecodeError):
        answer = json.loads(done.stdout)
    if done.returncode:
        sys.stderr.write(f"probe {' '.join(arguments)}: exit code {done.returncode}\n{done.stderr}")
    lines = done.stderr.split()
    return answer, int(lines[-1]) if lines and lines[-1].isdigit() else 0
