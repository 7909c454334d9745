"""A probe that is worked by its commands only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner, Result
from world import KEY, World, classical, envelope

from probe.cli import app
from shared.exact.pin import Pin
from shared.tree import Tree

DOCUMENT = Path(__file__).parents[2] / "docs/probe.md"


@dataclass(frozen=True)
class Bench:
    """A probe that is worked by its commands only."""

    world: World
    pin: Pin

    def run(self, command: str, *arguments: object) -> Result:
        """One command."""
        words = [command, *map(str, arguments), "--state", str(self.world.state)]
        return CliRunner().invoke(app, words)

    def json(self, command: str, *arguments: object) -> Any:
        """What a command that succeeds reports."""
        result = self.run(command, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def init(self, *arguments: object) -> Result:
        """``probe init`` with the usual folders."""
        trust = self.world.folder / "ground.pub"
        trust.write_bytes(
            KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        return self.run(
            "init",
            "--root",
            self.world.root,
            "--model",
            self.pin.folder,
            "--trust",
            trust,
            *arguments,
        )

    def message(self, data: bytes) -> Path:
        """A file with a received envelope."""
        path = self.world.folder / "message.bin"
        path.write_bytes(data)
        return path

    def classical(self, base: Tree, target: Tree, counter: int, **changes: object) -> Path:
        """A message for this probe's pin that needs no model."""
        return self.message(
            envelope(classical(base, target, **{"pin": self.pin.digest, **changes}), counter)
        )
