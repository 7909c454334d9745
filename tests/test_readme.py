"""The README says what is there: commands, options, make targets, files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import groundstation.cli
import probe.cli
import sims.cli

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
APPS = {"groundstation": groundstation.cli.app, "probe": probe.cli.app, "linksim": sims.cli.app}
LEAD = re.compile(r"(?:[a-z]+\$ )?((?:groundstation|probe|linksim) [a-z].*)")


def commands(program: str) -> dict[str, Any]:
    """Every command that can be typed, with its group's name in front, and its parameters."""
    found: dict[str, Any] = {}

    def walk(command: Any, name: str) -> None:
        if not hasattr(command, "commands"):
            found[name] = command
            return
        for word, below in command.commands.items():
            walk(below, f"{name} {word}")

    walk(get_command(APPS[program]), program)
    return found


COMMANDS = {name: command for program in APPS for name, command in commands(program).items()}


def typed(page: str) -> Iterator[str]:
    """What a page shows as typed: a line of a block, or code between backticks."""
    for line in page.splitlines():
        shown = LEAD.fullmatch(line.strip())
        if line.startswith(("    ", "ground$", "probe$", "groundstation ")) and shown:
            yield shown[1]
        yield from re.findall(r"`((?:groundstation|probe|linksim) [a-z][^`]*)`", line)


def command_of(line: str) -> str:
    """The longest command that a line begins with."""
    words = line.split()
    for size in range(len(words), 1, -1):
        if " ".join(words[:size]) in COMMANDS:
            return " ".join(words[:size])
    if any(name.startswith(f"{' '.join(words)} ") for name in COMMANDS):
        return " ".join(words)  # a group, named without one of its commands
    raise AssertionError(f"no such command: {line}")


def test_the_table_lists_exactly_the_commands_there_are() -> None:
    listed = re.findall(r"^\| `((?:groundstation|probe|linksim) [a-z ]+)` \|", README, re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_shown_exist(page: Path) -> None:
    for line in typed(page.read_text("utf-8")):
        command = COMMANDS.get(command_of(line))
        known = {option for each in command.params for option in each.opts} if command else set()
        used = set(re.findall(r"(?<!\S)--[a-z-]+", line))
        assert used <= known | {"--help"}, line


def test_the_readme_shows_commands_at_all() -> None:
    assert {command_of(line) for line in typed(README)} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_works(name: str) -> None:
    program, *words = name.split()
    result = CliRunner().invoke(APPS[program], [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_programs_are_installed_under_the_names_the_readme_uses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["scripts"]) == set(APPS)


def test_make_targets_named_exist() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b(?=`| +#|$)", README, re.MULTILINE))
    listed = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert named >= {"demo", "test", "setup", "lint", "bench", "clean"}
    assert named <= set(re.findall(r"^  make ([a-z]+) ", listed, re.MULTILINE))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = set(re.findall(r"\]\(([^)#\s]+)\)", index.read_text("utf-8")))
    pages = {path.relative_to(index.parent).as_posix() for path in index.parent.rglob("*.md")}
    assert linked == pages - {"README.md"}


def test_folders_listed_are_the_folders_there_are() -> None:
    block = README.split("## Folders")[1].split("## ")[0]
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    folders = {line.split("/")[0] for line in tracked.splitlines() if "/" in line}
    listed = set(re.findall(r"^    (\w+)/ ", block, re.MULTILINE))
    assert listed == {name for name in folders if not name.startswith(".")}
