"""Writes message.json: whole messages, and the trees that they lead from and to.

The models are those of tests/tiny_codec.py: weights from an integer generator, no library's random
stream.  Whoever changes the bytes changes what probes understand, so they change only together with
CODEC of shared/message/codec_version.py, and this program writes no others.  From the repository's
root:

    python tests/vectors/make_message.py

With --same-codec it writes them all the same.  That is right only while no message of this codec
was ever meant to be kept: between two changes that are released as one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from codec_ends import plans, write  # noqa: E402
from tiny_codec import bigram_model, random_model, vocabulary  # noqa: E402

from shared.diff import unified_diff  # noqa: E402
from shared.digest import sha256  # noqa: E402
from shared.message.codec_version import CODEC  # noqa: E402
from shared.message.envelope import sign  # noqa: E402
from shared.message.wire import encode_message  # noqa: E402
from shared.prompts.context.excerpts import Reference  # noqa: E402
from shared.prompts.language_model.model import LanguageModel  # noqa: E402
from shared.prompts.settings import Settings, Shape  # noqa: E402
from shared.seeds.coins import SeedSource  # noqa: E402
from shared.tree import Entry, Mode, Tree, path_bytes  # noqa: E402

TARGET = Path(__file__).with_name("message.json")
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(7, 39)))
COUNTER = 517
DRAWN_SEED = 302
"""Not the smallest that draws its patch, but one of two bytes."""

_IDS = {text: token for token, text in enumerate(vocabulary().spelling) if text}
MODELS: Mapping[str, LanguageModel] = {
    "random 11": random_model(11),
    "random 12, words": random_model(12, words=True),
    "bigram": bigram_model(
        {
            _IDS[b"```\n"]: {_IDS[b"a\n"]: 9.0},
            _IDS[b"a\n"]: {_IDS[b"x\n"]: 8.0, _IDS[b"c\n"]: 8.5, _IDS[b"q"]: 9.0},
        },
        vocabulary(),
    ),
}

MAIN = b"""\
#include "queue.h"

/* Takes the oldest item. */
int queue_take(struct queue *q, int *out)
{
    if (q->count == 0) {
        return -1;
    }
    *out = q->items[q->head];
    q->head = (q->head + 1) % QUEUE_SIZE;
    q->count--;
    return 0;
}
"""


EXCERPTS = (Reference("src/queue.c", 3, 10), Reference("doc/old name.md", 1, 2))


@dataclass(frozen=True)
class Case:
    """One message.

    Attributes:
        name: of the case.
        model: key of MODELS.
        base: the tree on board.
        target: the tree after it.
        settings: how the model is asked.
        inside: changes inside lines are written alone.
        source: of the seed.
        seed: the number of a drawn seed.
        references: excerpts before each file that the model writes.
        hint: what is said before each of them.
    """

    name: str
    model: str
    base: Tree
    target: Tree
    settings: Settings = field(default_factory=Settings)
    inside: bool = False
    source: SeedSource = SeedSource.CODED
    seed: int = 0
    references: tuple[Reference, ...] = ()
    hint: bytes = b""

    def envelope(self) -> bytes:
        """The signed message."""
        model = MODELS[self.model]
        recipe = write(
            self.base,
            self.target,
            model,
            self.settings,
            wanted=[
                replace(plan, references=self.references, hint=self.hint)
                for plan in plans(self.base, self.target, model, inside=self.inside)
            ],
            source=self.source,
            seed=self.seed,
        )
        return sign(encode_message(recipe, COUNTER), recipe.pin, recipe.baseline, KEY)


def regular(data: bytes) -> Entry:
    """A plain file."""
    return Entry(Mode.REGULAR, data)


def cases() -> tuple[Case, ...]:
    """Every shape, every seed source, every kind of change and every codec."""
    base = Tree(
        {
            "src/queue.c": regular(MAIN),
            "src/queue.h": regular(b"#define QUEUE_SIZE 16\r\nstruct queue;\r\n"),
            "bin/run": Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec ./queue \xff\n"),
            "doc/old name.md": regular(b"# Queue\n\nHolds *16* items.\nOldest first.\n"),
            "latest": Entry(Mode.SYMLINK, b"doc/old name.md"),
            "stale": regular(b"gone\n"),
        }
    )
    target = base.replace(
        {
            "src/queue.c": regular(
                MAIN.replace(b"q->count == 0", b"q == NULL || q->count == 0").replace(
                    b"    q->count--;\n", b"    q->count -= 1;\n    q->taken += 1;\n"
                )
            ),
            "src/queue.h": regular(b"#define QUEUE_SIZE 32\r\nstruct queue;\r\n// \xc3\xa9"),
            "bin/run": Entry(Mode.EXECUTABLE, b"#!/bin/sh\nexec nice ./queue \xff\n"),
            "doc/old name.md": None,
            "doc/queue.md": regular(b"# Queue\n\nHolds *32* items.\nOldest first.\n"),
            "latest": Entry(Mode.SYMLINK, b"doc/queue.md"),
            "src/sum.py": regular(b"import sys\n\nprint(sum(map(int, sys.stdin)))\n"),
            "stale": None,
        }
    )
    small, changed = Tree({"f": regular(b"a\nb\nc\n")}), Tree({"f": regular(b"a\nx\nc\n")})
    mode = Tree({"f": Entry(Mode.EXECUTABLE, b"a\nb\nc\n")})
    diff = Settings(Shape.DIFF, before=1, after=3, temperature=2)
    plain = Settings(Shape.PLAIN, before=3, after=2, temperature=1)
    return (
        Case("fenced", "random 11", base, target),
        Case("fenced, inside lines", "random 12, words", base, target, inside=True),
        Case("plain", "random 12, words", base, target, plain),
        Case("diff", "random 11", base, target, diff),
        Case("diff, inside lines", "random 11", base, target, diff, inside=True),
        Case("excerpts", "random 11", base, target, references=EXCERPTS),
        Case(
            "excerpts and a hint",
            "random 12, words",
            base,
            target,
            diff,
            references=EXCERPTS[:1],
            hint=b" not NULL",
        ),
        Case("a hint", "random 11", base, target, plain, hint=b" x"),
        Case("greedy", "random 11", small, mode, source=SeedSource.GREEDY),
        Case("drawn", "bigram", small, changed, source=SeedSource.DRAWN, seed=DRAWN_SEED),
    )


def described(tree: Tree) -> dict[str, list[str]]:
    """A tree in JSON: path (in hex) to mode and contents."""
    return {
        path_bytes(path).hex(): [entry.mode.octal, entry.data.hex()] for path, entry in tree.items()
    }


def vectors() -> dict[str, Any]:
    """What message.json holds."""
    return {
        "codec": CODEC,
        "messages": [
            {
                "name": case.name,
                "model": case.model,
                "pin": MODELS[case.model].digest.hex(),
                "base": described(case.base),
                "target": described(case.target),
                "patch_sha256": sha256(unified_diff(case.base, case.target)).hex(),
                "envelope": case.envelope().hex(),
            }
            for case in cases()
        ],
    }


def forgotten(old: Mapping[str, Any], new: Mapping[str, Any]) -> str | None:
    """Says so if messages have changed and the codec has not; what is merely added may be."""
    if old["codec"] != new["codec"]:
        return None
    now = {message["name"]: message for message in new["messages"]}
    changed = [
        message["name"] for message in old["messages"] if now.get(message["name"]) != message
    ]
    if not changed:
        return None
    return (
        f"the messages {changed} are not what they were in {old['codec']}: raise CODEC in "
        "shared/message/codec_version.py, then run tests/vectors/make_message.py"
    )


def main() -> None:
    """Writes message.json."""
    made = vectors()
    if TARGET.exists() and "--same-codec" not in sys.argv[1:]:
        refusal = forgotten(json.loads(TARGET.read_text(encoding="ascii")), made)
        if refusal:
            sys.exit(refusal)
    TARGET.write_text(json.dumps(made, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
