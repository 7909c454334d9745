"""What every machine must compute: committed digests, and the inputs they belong to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shared.tree import Entry, Mode, Tree, path_bytes, path_text

GOLDEN = Path(__file__).with_name("golden.json")

Files = Mapping[str, tuple[str, str]]
"""A tree in JSON: path (in hex) to mode (octal) and contents (in hex)."""


@dataclass(frozen=True)
class Reading:
    """Numbers of a model after given tokens.

    Attributes:
        model: name of the pin.
        pin: its digest, hexadecimal.
        tokens: what is read: all but the last two in one batch, those one at a time.
        logits: sha256 of the logits after each token, binary64 little-endian.
        frequencies: sha256 of the frequency tables after each token, 64-bit little-endian.
    """

    model: str
    pin: str
    tokens: tuple[int, ...]
    logits: str
    frequencies: str


@dataclass(frozen=True)
class Sending:
    """A signed envelope, and what a probe must make of it.

    Attributes:
        name: what to call it.
        model: name of the pin.
        pin: its digest, hexadecimal.
        release: True where the onboard tree is that of the demo, which is fetched; else ``files``.
        files: the onboard tree.
        trust: the key that the probe trusts, as a line of its trust file.
        envelope: the received bytes, hexadecimal.
        tokens: what the model read and wrote, in this order.
        frequencies: sha256 of every frequency table on the way, 64-bit little-endian.
        patch: sha256 of the regenerated patch.
        tree: digest of the tree that is in place afterwards.
    """

    name: str
    model: str
    pin: str
    release: bool
    files: Files
    trust: str
    envelope: str
    tokens: tuple[int, ...]
    frequencies: str
    patch: str
    tree: str


@dataclass(frozen=True)
class Making:
    """A pin that published weights and a shipped adapter must give.

    Attributes:
        model: its name in the catalogue.
        pin: its digest, hexadecimal.
    """

    model: str
    pin: str


@dataclass(frozen=True)
class Golden:
    """All of it.

    Attributes:
        codec: the codec's version; another one has other envelopes.
    """

    codec: str
    readings: tuple[Reading, ...]
    sendings: tuple[Sending, ...]
    makings: tuple[Making, ...]

    def to_text(self) -> str:
        """The file."""
        lines = json.dumps(asdict(self), indent=1, sort_keys=True)
        return lines + "\n"

    @classmethod
    def from_text(cls, text: str) -> Golden:
        """Reads what ``to_text`` wrote."""
        value: dict[str, Any] = json.loads(text)
        return cls(
            codec=value["codec"],
            readings=tuple(Reading(**_tupled(each)) for each in value["readings"]),
            sendings=tuple(Sending(**_tupled(each)) for each in value["sendings"]),
            makings=tuple(Making(**each) for each in value["makings"]),
        )


def load_golden(path: Path = GOLDEN) -> Golden:
    """The committed digests."""
    return Golden.from_text(path.read_text("ascii"))


def described(tree: Tree) -> Files:
    """A tree in JSON."""
    return {
        path_bytes(path).hex(): (entry.mode.octal, entry.data.hex()) for path, entry in tree.items()
    }


def tree_of(files: Files) -> Tree:
    """The tree that ``described`` described."""
    return Tree(
        {
            path_text(bytes.fromhex(path)): Entry(Mode(int(mode, 8)), bytes.fromhex(data))
            for path, (mode, data) in files.items()
        }
    )


def _tupled(value: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(each) if isinstance(each, list) else each for name, each in value.items()}
