"""``make demo``: a release of a flight library reaches a probe as a prompt and a seed.

Two folders stand for the two ends.  The ground's commands run in one environment, the probe's in
another that has no torch.  Every command shown is run as shown.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from demo.account import account, as_table
from demo.stage import Place, Stage
from groundstation.corpus.sources.release_trees import NEW, OLD, PACKAGE, Releases, fetch_releases
from shared.errors import BadSignature, RehydrationError, Replayed
from shared.terminal import print_error
from shared.tree import write_tree

MODEL = "smollm2-135m-patch"
RESULTS = Path("demo-run")


def main() -> int:
    """Run the demo; returns 0 only if everything was as it must be."""
    parser = argparse.ArgumentParser(prog="python -m demo.run")
    parser.add_argument("--probe-environment", type=Path, required=True, help="without torch")
    light = parser.parse_args().probe_environment
    started = time.monotonic()
    stage = Stage(Console(width=None if sys.stdout.isatty() else 100))
    try:
        play(stage, fetch_releases(), light.resolve() / "bin")
    except RehydrationError as error:
        print_error(error)
        return error.exit_code
    taken = time.monotonic() - started
    stage.console.print(f"\neverything held; {taken:.1f} s in all", highlight=False)
    return 0


def play(stage: Stage, releases: Releases, probe_programs: Path) -> None:
    """Every step in order."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    ground = Place("ground", (RESULTS / "ground").resolve(), Path(sys.executable).parent)
    probe = Place("probe", (RESULTS / "probe").resolve(), probe_programs)
    for place, name, tree in (
        (ground, "base", releases.old),
        (ground, "target", releases.new),
        (probe, "flight", releases.old),
    ):
        write_tree(tree, place.folder / name)
    prepare(stage, ground, probe)
    write(stage, ground)
    envelope = stage.facts(ground, "groundstation inspect patch.envelope")
    stream = next(field for field in envelope["fields"] if field["name"] == "stream")
    travel(stage, probe, at=stream["offset"] + stream["bytes"] // 2)
    apply(stage, releases, probe)
    stage.heading("What it cost; framing of the link comes on top, for every form alike")
    stage.console.print(as_table(account(releases.old, releases.new, envelope)))


def prepare(stage: Stage, ground: Place, probe: Place) -> None:
    """Before launch: both ends get the same model, the probe gets the ground's public key."""
    stage.heading(f"Before launch: {PACKAGE} {OLD} is on board, and one model at both ends")
    stage.run(ground, f"groundstation model fetch {MODEL}")
    stage.run(ground, "groundstation keygen --out keys")
    stage.run(probe, "cp ../ground/keys/ground.pub .")
    stage.run(probe, f"probe init --state state --root flight --model {MODEL} --trust ground.pub")
    stage.run(probe, "python -c 'import torch'", exit_code=1)


def write(stage: Stage, ground: Place) -> None:
    """On the ground: from two folders to an envelope."""
    stage.heading(f"On the ground: {PACKAGE} {NEW} is out, and shall be on board")
    stage.run(ground, "diff -rq base target", exit_code=1)
    stage.run(
        ground,
        f"groundstation author --base base --target target --model {MODEL} "
        "--key keys/ground.key --out patch.envelope --trials 12 --no-history",
    )
    stage.run(ground, "groundstation inspect patch.envelope")


def travel(stage: Stage, probe: Place, at: int) -> None:
    """The link, and what the probe does with damage to byte ``at``."""
    stage.heading("The link: a copy of one file")
    stage.run(probe, "cp ../ground/patch.envelope received.envelope")
    damage(probe.folder / "received.envelope", probe.folder / "damaged.envelope", at)
    stage.remark(f"damaged.envelope: the same with one bit of byte {at} flipped")
    before = stage.facts(probe, "probe status --state state")
    stage.run(probe, "probe apply damaged.envelope --state state", exit_code=BadSignature.exit_code)
    after = stage.facts(probe, "probe status --state state")
    stage.hold("tree, counter and history are as before", before == after)


def damage(source: Path, copy: Path, at: int) -> None:
    """Copy a file with the lowest bit of one byte flipped."""
    data = bytearray(source.read_bytes())
    data[at] ^= 1
    copy.write_bytes(data)


def apply(stage: Stage, releases: Releases, probe: Place) -> None:
    """On board: verify, regenerate, apply, refuse a replay, roll back."""
    stage.heading("On board: the prompt and the seed become the patch again")
    stage.run(probe, "probe verify received.envelope --state state")
    stage.run(probe, "probe regenerate received.envelope --state state --out regenerated.patch")
    stage.run(probe, "cat regenerated.patch")
    stage.remark("an independent judge: git applies the regenerated patch to a copy")
    stage.run(probe, "cp -r flight by-git")
    stage.run(probe, "git -C by-git apply ../regenerated.patch")
    stage.run(probe, "diff -r by-git ../ground/target")
    stage.run(probe, "probe apply received.envelope --state state")
    stage.run(probe, "diff -r flight ../ground/target")
    stage.run(probe, "probe status --state state")
    status = stage.facts(probe, "probe status --state state")
    new, old = releases.new.digest.hex(), releases.old.digest.hex()
    stage.hold(f"the tree on board is the target, {new[:16]}", status["tree_found"] == new)

    stage.heading("The same message again, and the way back")
    stage.run(probe, "probe apply received.envelope --state state", exit_code=Replayed.exit_code)
    stage.run(probe, "probe rollback --state state")
    stage.run(probe, "diff -r flight ../ground/base")
    status = stage.facts(probe, "probe status --state state")
    stage.hold(f"the tree on board is the baseline, {old[:16]}", status["tree_found"] == old)


if __name__ == "__main__":
    sys.exit(main())
