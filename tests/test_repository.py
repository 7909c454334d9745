"""What must hold across the repository, whichever file is changed."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def tracked_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def pins() -> dict[str, str]:
    """Release by distribution, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, version = line.split("==")
            found[canonicalize_name(name)] = version
    return found


def test_one_version_everywhere() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest is not None
    assert newest[1] == PROJECT["version"] == importlib.metadata.version(PROJECT["name"])


def test_layers_and_what_the_probe_may_import() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    checked = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    written = (ROOT / "pyproject.toml").read_text("utf-8").count("[[tool.importlinter.contracts]]")
    assert f"Contracts: {written} kept, 0 broken." in checked.stdout


def test_every_requirement_is_pinned_to_one_release_that_it_admits() -> None:
    wanted = list(PROJECT["dependencies"])
    for extra in PROJECT["optional-dependencies"].values():
        wanted += extra
    pinned = pins()
    for requirement in map(Requirement, wanted):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_what_is_installed_here_is_what_is_pinned() -> None:
    """Else a test that passes says nothing about the releases that others get."""
    pinned = pins()
    for requirement in map(Requirement, PROJECT["dependencies"]):
        found = importlib.metadata.version(requirement.name)
        assert found == pinned[canonicalize_name(requirement.name)], requirement


def test_no_file_names_a_machine_or_a_registry() -> None:
    """Paths of one machine, and hosts that pip may be configured not to use."""
    marks = [
        *(f"{name}.org" for name in ("pypi", "pythonhosted", "npmjs")),
        *(f"/{name}/" for name in ("root", "work", "home", "opt")),
    ]
    wrong = [
        f"{path.relative_to(ROOT)}: {mark}"
        for path in tracked_files()
        for mark in marks
        if re.search(rf"(?<![\w.$}}~-]){re.escape(mark)}", path.read_bytes().decode("latin-1"))
    ]
    assert wrong == []


def test_no_large_or_generated_file_is_tracked() -> None:
    """Weights, archives and compiled files are fetched or built; adapters have no other place."""
    for path in tracked_files():
        limit_bytes = {".adapter": 8_000_000, ".csv": 2 << 20}.get(path.suffix, 1 << 20)
        assert path.stat().st_size < limit_bytes, path
        assert path.suffix not in {".so", ".o", ".pyc", ".gguf", ".safetensors", ".whl"}, path
