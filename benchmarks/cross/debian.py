"""Debian packages of any architecture, unpacked into a folder; nothing is installed.

apt works with a state of its own in the cache, so that the machine's is neither read nor changed,
and needs no privileges.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from shared.errors import DownloadError, InputError

KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_TOOLS: Final = ("apt-get", "dpkg-deb")
_QUIET: Final = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}


def check_tools() -> None:
    """Finds out whether this machine can download Debian packages.

    Raises:
        InputError: it cannot.
    """
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    missing += [] if KEYRING.is_file() else [str(KEYRING)]
    if missing:
        raise InputError(
            f"{', '.join(missing)} not found",
            expected="a Debian machine, from whose mirror other architectures are taken",
            remedy="install apt, dpkg and debian-archive-keyring, or compare on a real board: "
            "docs/cross.md",
        )


def mirror() -> str:
    """Where this machine takes Debian from.

    Raises:
        InputError: it takes it from nowhere.
    """
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        env=_QUIET,
        check=False,
    )
    for line in listed.stdout.splitlines():
        label, _, address = line.rpartition(" ")
        if label == "Debian":
            return address
    raise InputError(
        "apt on this machine knows no Debian mirror",
        expected="sources of Debian, whose lists were fetched",
        remedy="run `apt-get update`, or name a mirror with --mirror",
    )


def unpack(
    folder: Path,
    architecture: str,
    suites: Sequence[str],
    packages: Sequence[str],
    source: str,
) -> None:
    """Downloads packages with all that they depend on and unpacks them.

    Args:
        folder: to unpack into; new.
        architecture: as Debian calls it.
        suites: releases; the first whose index can be had is used.
        packages: their names.
        source: address of a mirror.

    Raises:
        DownloadError: the mirror does not answer, or lacks a package.
    """
    state = folder.with_name(folder.name + ".apt")
    for below in ("state/lists/partial", "cache/archives/partial"):
        (state / below).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    options = _options(state, architecture)
    _update(state, options, architecture, suites, source)
    _apt([*options, "--yes", "--download-only", "install", *packages])
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for package in sorted((state / "cache/archives").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(partial)])
    # Newer releases keep everything below usr and make these links only when they are installed.
    for name in ("bin", "lib", "lib64"):
        if not (partial / name).exists() and (partial / "usr" / name).is_dir():
            (partial / name).symlink_to(f"usr/{name}")
    partial.replace(folder)
    shutil.rmtree(state)


def _options(state: Path, architecture: str) -> list[str]:
    settings = {
        "Dir::State": state / "state",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "APT::Architecture": architecture,
        "APT::Architectures::": architecture,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _update(
    state: Path, options: list[str], architecture: str, suites: Sequence[str], source: str
) -> None:
    """Fetches the index of the first suite that has a sound one."""
    for suite in suites:
        line = f"deb [arch={architecture} signed-by={KEYRING}] {source} {suite} main\n"
        (state / "sources.list").write_text(line, "utf-8")
        try:
            _apt([*options, "update"])
        except DownloadError:
            if suite == suites[-1]:
                raise
        else:
            return


def _apt(arguments: list[str]) -> None:
    _run(["apt-get", "--quiet", *arguments])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=_QUIET, check=False)
    told = [line for line in done.stderr.splitlines() if line.startswith(("E:", "dpkg-deb:"))]
    # apt calls an index that it could not fetch a warning, and succeeds
    unfetched = any("Failed to fetch" in line for line in done.stderr.splitlines())
    if done.returncode or unfetched:
        raise DownloadError(
            f"{command[0]} has failed: {(told or [done.stderr.strip() or 'no reason given'])[0]}",
            expected="a Debian mirror that answers",
            remedy="check the network, then run the command again: what is there is kept",
        )
