"""Writes golden.json: ``python -m benchmarks.cross.make_golden``.

Whoever changes arithmetic, codec or pins changes it; on one machine, with the compiled kernel, and
``make cross`` then says whether other machines agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.cross.compute import read, receive
from benchmarks.cross.golden import GOLDEN, Golden, Making, Reading, Sending, described
from groundstation.authoring.author import Effort, author
from groundstation.authoring.signed import send
from groundstation.corpus.sources.release_trees import fetch_releases
from groundstation.models.catalogue import SMOLLM2_PATCH
from shared.auth.keys import to_text
from shared.exact.pin import load_pin, pins_home
from shared.message.codec_version import CODEC
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Entry, Mode, Tree, write_tree

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(31, 63)))
"""For tests alone: everybody knows it."""
COUNTER = 70_403

READINGS = {
    "smollm2-135m-patch": (1117, 345, 2, 30219, 11, 48000, 9906, 777),
    "qwen2.5-coder-0.5b": (750, 2877, 8, 99871, 526, 31),
}
"""Tokens to read, by pin."""

PACKET = b"""\
static int seq;

int next_seq(void)
{
    return ++seq;
}
"""

LIMIT = b"""\
def within(value, limit):
    return value < limit
"""


@dataclass(frozen=True)
class Patch:
    """A small patch and the model that writes it."""

    name: str
    model: str
    base: Tree
    target: Tree
    release: bool = False


def patches() -> tuple[Patch, ...]:
    """One small patch for each family, and the demo's."""
    packet = Tree({"seq.c": Entry(Mode.REGULAR, PACKET)})
    wrapped = PACKET.replace(
        b"    return ++seq;", b"    seq = (seq + 1) & 0x3fff;\n    return seq;"
    )
    limit = Tree({"limit.py": Entry(Mode.EXECUTABLE, LIMIT)})
    inclusive = LIMIT.replace(b"value < limit", b"value <= limit")
    releases = fetch_releases()
    return (
        Patch("a counter that wraps", "smollm2-135m-patch", packet, _one(packet, wrapped)),
        Patch("an inclusive limit", "qwen2.5-coder-0.5b", limit, _one(limit, inclusive)),
        Patch("the demo's release", "smollm2-135m-patch", releases.old, releases.new, True),
    )


def _one(base: Tree, data: bytes) -> Tree:
    """The tree with the contents of its only file replaced."""
    ((path, entry),) = base.items()
    return base.replace({path: Entry(entry.mode, data)})


def sent(patch: Patch, trials: int) -> Sending:
    """A patch as a signed envelope, without what the probe makes of it."""
    pin = load_pin(pins_home() / patch.model)
    model = PinnedModel.open(pin)
    effort = Effort(max_candidates=trials, max_seconds=3600.0)
    envelope = send(author(patch.base, patch.target, model, effort=effort), COUNTER, KEY).envelope
    return Sending(
        name=patch.name,
        model=patch.model,
        pin=pin.digest.hex(),
        release=patch.release,
        files={} if patch.release else described(patch.base),
        trust=to_text(KEY.public_key()),
        envelope=envelope.hex(),
        tokens=(),
        frequencies="",
        patch="",
        tree="",
    )


def golden() -> Golden:
    """Everything anew, with the compiled kernel of this machine."""
    pins, found = pins_home(), []
    for patch in patches():
        sending = sent(patch, trials=12 if patch.release else 4)
        with TemporaryDirectory() as name:
            release = Path(name, "release")
            if patch.release:
                write_tree(patch.base, release)
            found.append(receive(sending, pins, "c", release))
        if found[-1].tree != patch.target.digest.hex():
            raise SystemExit(f"{patch.name}: the probe's tree is not the target")
    empty = (Reading(name, "", tokens, "", "") for name, tokens in READINGS.items())
    return Golden(
        codec=CODEC,
        readings=tuple(read(each, pins, "c") for each in empty),
        sendings=tuple(found),
        makings=(Making(SMOLLM2_PATCH.name, SMOLLM2_PATCH.pin_digest),),
    )


def main() -> None:
    """Writes golden.json."""
    made = golden()
    GOLDEN.write_text(made.to_text(), "ascii")
    for each in made.sendings:
        size, count = len(bytes.fromhex(each.envelope)), len(each.tokens)
        print(f"{each.name}: envelope {size} B, {count} tokens of {each.model}")


if __name__ == "__main__":
    main()
