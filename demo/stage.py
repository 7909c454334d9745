"""Runs commands as they would be typed, shows what they print, and stops where one surprises."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from shared.errors import RehydrationError

WORTH_TELLING_S = 1.0


@dataclass(frozen=True)
class Place:
    """Where commands are typed.

    Attributes:
        name: what stands before the prompt.
        folder: working folder.
        programs: folder that is searched for programs first.
    """

    name: str
    folder: Path
    programs: Path

    def environment(self, columns: int) -> dict[str, str]:
        """Variables of a shell in which this place's virtual environment is active."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        return inherited | {
            "PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "VIRTUAL_ENV": str(self.programs.parent),
            "COLUMNS": str(columns),
            # git apply must not take the repository around the folder for its own.
            "GIT_CEILING_DIRECTORIES": str(self.folder),
        }


@dataclass(frozen=True)
class Stage:
    """Shows the steps; each raises ``RehydrationError`` where something is not as it must be.

    Attributes:
        console: where everything is printed.
    """

    console: Console

    def heading(self, text: str) -> None:
        """Begin a step."""
        self.console.print(f"\n[bold cyan]{text}[/]")

    def remark(self, text: str) -> None:
        """Say something that no command prints."""
        self.console.print(f"[dim]# {text}[/]", highlight=False)

    def hold(self, text: str, truth: bool) -> None:
        """Show a condition and whether it holds."""
        mark = "[green]yes[/]" if truth else "[bold red]NO[/]"
        self.console.print(f"[dim]#[/] {text}: {mark}", highlight=False)
        if not truth:
            raise RehydrationError(f"it does not hold that {text}")

    def run(self, place: Place, command: str, *, exit_code: int = 0) -> None:
        """Type a command, show what it prints, and expect an exit code."""
        self.console.print(f"[bold]{place.name}$[/] {command}", highlight=False, soft_wrap=True)
        # On a terminal the command's own progress bar is worth seeing; it goes to standard error.
        shown = None if sys.stderr.isatty() else subprocess.STDOUT
        started = time.monotonic()
        done = subprocess.run(
            shlex.split(command),
            cwd=place.folder,
            env=place.environment(self.console.width),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=shown,
            check=False,
        )
        taken = time.monotonic() - started
        printed = done.stdout.decode(errors="replace").rstrip("\n")
        if printed:
            self.console.print(printed, markup=False, highlight=False, soft_wrap=True)
        if done.returncode:
            self.remark(f"exit code {done.returncode}")
        if taken >= WORTH_TELLING_S:
            self.remark(f"{taken:.1f} s")
        if done.returncode != exit_code:
            raise RehydrationError(
                f"`{command}` ended with {done.returncode}", expected=f"exit code {exit_code}"
            )

    def facts(self, place: Place, command: str) -> Mapping[str, Any]:
        """What a command says with ``--json``; nothing is shown."""
        done = subprocess.run(
            [*shlex.split(command), "--json"],
            cwd=place.folder,
            env=place.environment(self.console.width),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise RehydrationError(
                f"`{command} --json` ended with {done.returncode}", expected="exit code 0"
            )
        said: Mapping[str, Any] = json.loads(done.stdout)
        return said
