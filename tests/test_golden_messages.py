"""Whole messages, byte for byte: they are made again, and the old bytes still lead to their trees.

Output bytes are an interface.  When this fails and the change is meant, the wire version must rise;
tests/vectors/make_message.py writes the file anew.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.digest import sha256
from shared.envelope import open_envelope
from shared.regenerate import regenerate
from shared.tree import Entry, Mode, Tree, path_text

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "vectors" / "message.json").read_text()
)


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that wrote the vectors."""
    path = Path(__file__).parent / "vectors" / "make_message.py"
    spec = importlib.util.spec_from_file_location("make_message", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_message"] = module
    spec.loader.exec_module(module)
    return module


def tree(described: dict[str, list[str]]) -> Tree:
    """A tree from its JSON."""
    return Tree(
        {
            path_text(bytes.fromhex(path)): Entry(Mode(int(mode, 8)), bytes.fromhex(data))
            for path, (mode, data) in described.items()
        }
    )


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_old_bytes_lead_to_their_tree(maker: ModuleType, vector: dict[str, Any]) -> None:
    """As a probe follows them."""
    base = tree(vector["base"])
    message = open_envelope(
        bytes.fromhex(vector["envelope"]),
        [maker.KEY.public_key()],
        bytes.fromhex(vector["pin"]),
        base.digest,
    )
    assert message.counter == maker.COUNTER
    made = regenerate(message, base, lambda: maker.MODELS[vector["model"]])
    assert made.target == tree(vector["target"])
    assert sha256(made.patch).hex() == vector["patch_sha256"]
    assert sha256(made.patch)[:8] == message.patch_digest


def test_the_same_bytes_are_made_again(maker: ModuleType) -> None:
    made = json.loads(json.dumps(maker.vectors()))
    assert [vector["name"] for vector in made] == [vector["name"] for vector in VECTORS]
    for new, old in zip(made, VECTORS, strict=True):
        assert new == old


def test_the_vectors_cover_the_format(maker: ModuleType) -> None:
    """Each shape, seed source, codec and kind of change is in some message."""
    cases = maker.cases()
    assert {case.settings.shape.name for case in cases} == {"FENCED", "PLAIN", "DIFF"}
    assert {case.source.name for case in cases} == {"CODED", "GREEDY", "DRAWN"}
    wanted = maker.plans(cases[0].base, cases[0].target, maker.MODELS[cases[0].model])
    assert {plan.codec.name for plan in wanted} >= {"MODEL", "DELTA"}
    assert {plan.kind.name for plan in wanted} == {"ADD", "DELETE", "MODIFY", "RENAME"}
