"""The probe in an environment that has its few libraries and nothing else: no torch at all."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tinypin import tiny_pin, written
from world import BASE, KEY, TARGET, envelope

from shared.diff import unified_diff
from shared.tree import read_tree, write_tree

REPOSITORY = Path(__file__).parents[2]
LIBRARIES = ("numpy", "cryptography", "tokenizers", "zstandard", "typer", "rich")
"""What the probe and ``shared`` may import."""

NOT_NEEDED = {"huggingface-hub"}
"""Required by tokenizers, for downloads that the probe does not make."""


def with_requirements(names: Iterable[str]) -> set[str]:
    """Distributions and, from their metadata, what they need in turn."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found | NOT_NEEDED:
            continue
        try:
            needs = metadata.distribution(name).requires or []
        except metadata.PackageNotFoundError:
            continue  # needed on other systems or versions only
        found.add(name)
        waiting += [re.match(r"[\w.-]+", need)[0] for need in needs if "extra ==" not in need]  # type: ignore[index]
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh virtual environment with links to the light libraries only."""
    folder = tmp_path_factory.mktemp("alone") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = next(folder.glob("lib/python3*/site-packages"))
    for library in with_requirements(LIBRARIES):
        files = metadata.distribution(library).files or []
        for top in {file.parts[0] for file in files if file.parts[0] not in ("..", "__pycache__")}:
            source = Path(str(metadata.distribution(library).locate_file(top)))
            if not (packages / top).exists() and source.exists():
                (packages / top).symlink_to(source)
    return folder / "bin/python"


def run(python: Path, *arguments: object, code: int = 0) -> str:
    """Standard output of ``python -m probe``, or of other Python code."""
    result = subprocess.run(
        [python, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert result.returncode == code, result.stderr
    return result.stdout


@pytest.mark.parametrize(
    "name", ["torch", "transformers", "tree_sitter", "safetensors", "requests"]
)
def test_the_environment_is_as_bare_as_it_says(python: Path, name: str) -> None:
    run(python, "-c", f"import {name}", code=1)


def test_a_patch_written_by_the_model_from_arrival_to_rollback(
    python: Path, tmp_path: Path
) -> None:
    pin = tiny_pin(tmp_path / "pin")
    root, state = tmp_path / "root", tmp_path / "state"
    write_tree(BASE, root)
    (tmp_path / "ground.pub").write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    message = tmp_path / "message"
    message.write_bytes(envelope(written(BASE, TARGET, pin), 1))

    def probe(command: str, *arguments: object, code: int = 0) -> dict[str, object]:
        shown = run(
            python, "-m", "probe", command, *arguments, "--state", state, "--json", code=code
        )
        value = json.loads(shown)
        assert isinstance(value, dict)
        return value

    trust = ("--root", root, "--model", pin.folder, "--trust", tmp_path / "ground.pub")
    probe("init", *trust)
    assert probe("verify", message)["verified"] is True
    patch = tmp_path / "patch"
    tokens = probe("regenerate", message, "--out", patch)["tokens"]
    assert isinstance(tokens, int)
    assert tokens > 20
    assert patch.read_bytes() == unified_diff(BASE, TARGET)
    probe("apply", message)
    assert read_tree(root) == TARGET
    assert probe("apply", message, code=16)["error"] == "counter"
    assert probe("status")["tree_intact"] is True
    probe("rollback")
    assert read_tree(root) == BASE
    assert probe("rollback", code=10)["error"] == "refused"
