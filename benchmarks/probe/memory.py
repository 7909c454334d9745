"""How much memory a probe takes to regenerate a patch: ``probe apply`` in a process of its own.

The patch is made here: a C file of some hundred lines, two of which the pinned model writes anew
after it has read what is around them.  No search is run, so the prompt is the plain one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from probe.trees.setup import Setup, initialise
from shared.errors import RegenerationError
from shared.exact.pin import load_pin, resolve_pin
from shared.message.envelope import sign
from shared.message.wire import encode_message
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Entry, Mode, Tree, write_tree
from sims.hil.recipes import written

MODEL: Final = "smollm2-135m"
KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(40, 72)))
FUNCTIONS: Final = 60


@dataclass(frozen=True)
class Usage:
    """What one ``probe apply`` took, as it says itself.

    Attributes:
        peak_kib: highest resident memory of the process (VmHWM).
        seconds: wall time of regeneration.
        cpu_seconds: processor time of the same.
        tokens: that the model read and wrote.
        operations: multiply-adds of the model.
        tree: digest of the new tree, hex.
    """

    peak_kib: int
    seconds: float
    cpu_seconds: float
    tokens: int
    operations: int
    tree: str


def trees() -> tuple[Tree, Tree]:
    """The tree on board, and the one after the patch."""
    functions = [
        f"static int32_t scale_{n}(int32_t raw)\n{{\n    if (raw > {n * 37 % 1000})\n    {{\n"
        f"        return {n * n % 251};\n    }}\n    return raw * {n + 3} / {n % 7 + 1};\n}}\n\n"
        for n in range(FUNCTIONS)
    ]
    old = "#include <stdint.h>\n\n" + "".join(functions)
    new = old.replace(" > 110", " >= 110").replace("raw * 43 /", "raw * 44 /")
    return tuple(Tree({"scale.c": Entry(Mode.REGULAR, text.encode())}) for text in (old, new))  # type: ignore[return-value]


def prepare(folder: Path, model: Path) -> bytes:
    """A probe's tree below a folder; the envelope that changes it."""
    base, target = trees()
    write_tree(base, folder / "root")
    pin = load_pin(model)
    recipe = written(base, target, PinnedModel.open(pin), by_model=True)
    keys = [KEY.public_key().public_bytes_raw()]
    initialise(folder / "state", Setup(folder / "root", model, pin.digest, keys), now_s=0.0)
    return sign(encode_message(recipe, 1), recipe.pin, recipe.baseline, KEY)


def apply_once(command: Sequence[str], folder: Path, *, low_memory: bool) -> Usage:
    """Run ``probe apply`` on a fresh tree.

    Args:
        command: what runs the probe.
        folder: empty.
        low_memory: in that mode.

    Raises:
        RegenerationError: it did not apply the patch.
    """
    (folder / "patch.env").write_bytes(prepare(folder, resolve_pin(MODEL)))
    words = [*command, "apply", str(folder / "patch.env"), "--state", str(folder / "state")]
    words += ["--json", *(["--low-memory"] if low_memory else [])]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RegenerationError(f"probe apply ended with {done.returncode}: {done.stderr}")
    told = json.loads(done.stdout)
    return Usage(
        told["peak_memory_kib"],
        told["seconds"],
        told["cpu_seconds"],
        told["tokens"],
        told["operations"],
        told["new_tree"],
    )
