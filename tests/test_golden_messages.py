"""Whole messages, byte for byte: they are made again, and the old bytes still lead to their trees.

Output bytes are an interface.  When this fails and the change is meant, raise CODEC in
shared/message/codec_version.py; then tests/vectors/make_message.py writes the file anew.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shared.digest import sha256
from shared.message.codec_version import CODEC
from shared.message.envelope import open_envelope
from shared.prompts import changeset
from shared.regenerate import regenerate
from shared.tree import Entry, Mode, Tree, path_text

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parent / "vectors" / "message.json").read_text()
)
MESSAGES: list[dict[str, Any]] = VECTORS["messages"]


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


@pytest.mark.parametrize("vector", MESSAGES, ids=[vector["name"] for vector in MESSAGES])
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
    if reason := maker.forgotten(VECTORS, made):
        pytest.fail(reason)
    assert VECTORS["codec"] == CODEC, "CODEC was raised: run tests/vectors/make_message.py"
    assert made == VECTORS, "cases were added: run tests/vectors/make_message.py"


def test_changed_prompts_are_noticed(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in another order, as small a change as there can be, asks for another codec."""
    kinds = changeset.KINDS
    monkeypatch.setattr(changeset, "KINDS", (*kinds[2:], *kinds[:2]))
    reason = maker.forgotten(VECTORS, maker.vectors())
    assert reason is not None
    assert "raise CODEC in shared/message/codec_version.py" in reason
    assert VECTORS["codec"] in reason


@pytest.mark.parametrize("key", ["envelope", "patch_sha256", "base", "target", "pin", "model"])
def test_any_change_is_noticed(maker: ModuleType, key: str) -> None:
    changed = copy.deepcopy(VECTORS)
    changed["messages"][-1][key] = "other"
    assert MESSAGES[-1]["name"] in maker.forgotten(VECTORS, changed)
    assert maker.forgotten(VECTORS, {**changed, "codec": CODEC + "0"}) is None
    changed["messages"].pop()
    assert MESSAGES[-1]["name"] in maker.forgotten(VECTORS, changed)


def test_cases_may_be_added(maker: ModuleType) -> None:
    more = {**VECTORS, "messages": [*MESSAGES, {**MESSAGES[0], "name": "one more"}]}
    assert maker.forgotten(VECTORS, more) is None


def test_a_new_codec_changes_only_its_prefix_and_the_signature(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it costs no byte, and every message is another."""
    monkeypatch.setattr("shared.message.codec_version.CODEC", VECTORS["codec"] + "0")
    for old, case in zip(MESSAGES, maker.cases(), strict=True):
        before, after = bytes.fromhex(old["envelope"]), case.envelope()
        assert len(before) == len(after)
        message = [n for n in range(len(after) - 64) if before[n] != after[n]]
        assert message == [4]  # key id, head and two bytes of counter come before it
        assert before[-64:] != after[-64:]


def test_the_vectors_cover_the_format(maker: ModuleType) -> None:
    """Each shape, seed source, codec and kind of change is in some message."""
    cases = maker.cases()
    assert {case.settings.shape.name for case in cases} == {"FENCED", "PLAIN", "DIFF"}
    assert {(bool(case.references), bool(case.hint)) for case in cases} == {
        (False, False), (True, False), (False, True), (True, True)
    }  # fmt: skip
    assert {case.source.name for case in cases} == {"CODED", "GREEDY", "DRAWN"}
    wanted = maker.plans(cases[0].base, cases[0].target, maker.MODELS[cases[0].model])
    assert {plan.codec.name for plan in wanted} >= {"MODEL", "DELTA"}
    assert {plan.kind.name for plan in wanted} == {"ADD", "DELETE", "MODIFY", "RENAME"}
