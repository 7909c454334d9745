"""The one place from which git is run, and what it is told.

Nothing of the user's or the machine's configuration is read and no variable of git's is passed on:
what a repository gives is the same for everybody.  Nothing is fetched and nobody is asked.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from shared.errors import InputError

_SETTINGS = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # whatever would be fetched, by whatever means
    "GIT_NO_LAZY_FETCH": "1",  # git 2.45
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": "/dev/null",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GIT_SSH_COMMAND": "false",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "false",
}
_OPTIONS = (
    "--no-pager",
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.attributesFile=/dev/null",
    "-c", "credential.helper=",
    "-c", "protocol.allow=never",
)  # fmt: skip


def run_git(arguments: Sequence[str], stdin: bytes = b"", *, none: int | None = None) -> bytes:
    """Standard output of a git command.

    Args:
        arguments: options of git that choose the repository, the command, its own.
        stdin: what it reads.
        none: exit code by which the command says that it found nothing.

    Raises:
        InputError: git is not installed or fails; with its own words.
    """
    try:
        done = subprocess.run(
            ["git", *_OPTIONS, *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            env=_environment(os.environ),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise _not_installed() from error
    if done.returncode and done.returncode != none:
        words = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise InputError(f"git says: {words}")
    return done.stdout


def start_git(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """A git command that reads and writes as long as it is talked to.

    Raises:
        InputError: git is not installed.
    """
    try:
        return subprocess.Popen(
            ["git", *_OPTIONS, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(os.environ),
            start_new_session=True,  # an interrupt is for us alone: what is done is still reported
        )
    except FileNotFoundError as error:
        raise _not_installed() from error


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Ours without git's variables, and what keeps git to itself."""
    return {name: value for name, value in ours.items() if not name.startswith("GIT_")} | _SETTINGS


def _not_installed() -> InputError:
    return InputError("git is not installed", remedy="install git 2.30 or later")
