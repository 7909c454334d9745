"""Git repositories that want to run a program, or to lead a reader astray, one trick each."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

from tree_pairs import git

Trick = Callable[[Path, str], None]
"""Changes a repository; the second argument is a command that leaves a mark."""


def configured(*settings: str) -> Trick:
    """Settings ``name=value`` of the repository; RUN stands for the command."""

    def trick(folder: Path, run: str) -> None:
        for setting in settings:
            name, _, value = setting.partition("=")
            git(["config", "--add", name, value.replace("RUN", run)], folder)

    return trick


def _hooks(folder: Path, run: str) -> None:
    hooks = folder / "hooks of ours"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman",
                 "post-index-change", "pre-commit", "post-rewrite"):  # fmt: skip
        (hooks / name).write_text(f"#!/bin/sh\n{run}\n")
        (hooks / name).chmod(0o755)
    git(["config", "core.hooksPath", str(hooks)], folder)


def _attributes(folder: Path, run: str) -> None:
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/attributes").write_text("* filter=ours diff=ours merge=ours\n")
    for name in ("filter.ours.clean", "filter.ours.smudge", "filter.ours.process",
                 "diff.ours.command", "diff.ours.textconv", "merge.ours.driver"):  # fmt: skip
        git(["config", name, run], folder)


def _promise(folder: Path, run: str, *settings: str) -> None:
    """A partial clone that lacks a file and would have to fetch it."""
    for name, value in [
        ("core.repositoryFormatVersion", "1"), ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        *(tuple(each.replace("RUN", run).split("=", 1)) for each in settings),
    ]:  # fmt: skip
        git(["config", name, value], folder)
    name = git(["rev-parse", "HEAD:kept.py"], folder).decode().strip()
    (folder / ".git/objects" / name[:2] / name[2:]).unlink(missing_ok=True)


def _ssh(folder: Path, run: str) -> None:
    _promise(folder, run, "remote.origin.url=ssh://nowhere/x", "core.sshCommand=RUN")


def _external_transport(folder: Path, run: str) -> None:
    script = folder / "transport"
    script.write_text(f"#!/bin/sh\n{run}\n")
    script.chmod(0o755)
    _promise(folder, run, f"remote.origin.url=ext::{script}", "protocol.ext.allow=always",
             "protocol.allow=always")  # fmt: skip


def _upload_pack(folder: Path, run: str) -> None:
    _promise(folder, run, f"remote.origin.url={folder}", "remote.origin.uploadpack=RUN",
             "uploadpack.packObjectsHook=RUN", "core.alternateRefsCommand=RUN")  # fmt: skip


def _include(folder: Path, run: str) -> None:
    far = folder.parent / f"{folder.name}.config"
    far.write_text(f"[core]\nfsmonitor = {quoted(run)}\nsshCommand = {quoted(run)}\n")
    git(["config", "include.path", str(far)], folder)
    git(["config", f"includeIf.gitdir:{folder}/.path", str(far)], folder)


def _include_a_pipe(folder: Path, run: str) -> None:  # noqa: ARG001
    pipe = folder.parent / f"{folder.name}.pipe"
    os.mkfifo(pipe)
    with (folder / ".git/config").open("a") as file:
        file.write(f"[include]\npath = {pipe}\n")


def _replaced(folder: Path, run: str) -> None:  # noqa: ARG001
    """Replacement refs and grafts that tell another history."""
    other = git(["hash-object", "-w", "--stdin"], folder, b"replaced = 1\n").decode().strip()
    blob = git(["rev-parse", "HEAD:a.py"], folder).decode().strip()
    git(["replace", "-f", blob, other], folder)
    head = git(["rev-parse", "HEAD"], folder).decode().strip()
    (folder / ".git/info").mkdir(exist_ok=True)
    (folder / ".git/info/grafts").write_text(f"{head}\n")


def _alternates(folder: Path, run: str) -> None:  # noqa: ARG001
    """Objects elsewhere, on a pipe that nobody writes to."""
    far = folder.parent / f"{folder.name}.objects"
    (far / "pack").mkdir(parents=True)
    (far / "info").mkdir()
    os.mkfifo(far / "info" / "alternates")
    (folder / ".git/objects/info").mkdir(exist_ok=True)
    (folder / ".git/objects/info/alternates").write_text(f"{far}\n")


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


TRICKS: Mapping[str, Trick] = {
    "fsmonitor": configured("core.fsmonitor=RUN"),
    "hooks": _hooks,
    "attributes": _attributes,
    "external diff": configured("diff.external=RUN"),
    "pager": configured("core.pager=RUN", "pager.rev-list=RUN", "pager.diff-tree=RUN",
                        "pager.cat-file=RUN"),
    "editor": configured("core.editor=RUN", "sequence.editor=RUN"),
    "gpg": configured("gpg.program=RUN", "log.showSignature=true", "gpg.ssh.program=RUN"),
    "alias": configured("alias.rev-list=!RUN", "alias.cat-file=!RUN", "alias.config=!RUN"),
    "credentials": configured("credential.helper=!RUN", "core.askPass=RUN", "core.gitProxy=RUN"),
    "ssh": _ssh,
    "external transport": _external_transport,
    "upload pack": _upload_pack,
    "include": _include,
    "include of a pipe": _include_a_pipe,
    "another history": _replaced,
    "alternates": _alternates,
}  # fmt: skip


_STOPS_GIT = ("alternates", "include of a pipe")
"""Whatever git does after these waits for ever, so they come last, in this order."""


def contents(number: int) -> bytes:
    """Of a.py after so many commits."""
    return b"first = 'a line that is long enough to count'\nvalue = %d\nlast = 3\n" % number


def hostile_repository(folder: Path, mark: Path, tricks: list[str]) -> None:
    """Three commits, two of them with one parent, and these tricks."""
    folder.mkdir()
    git(["init", "-q", "-b", "main", "."], folder)
    for name in ("user.name", "user.email"):
        git(["config", name, "t@example.org"], folder)
    for number in range(3):
        (folder / "a.py").write_bytes(contents(number))
        (folder / "kept.py").write_text("kept = True\n")
        git(["add", "."], folder)
        git(["commit", "-qm", f"step {number}"], folder)
    run = f"sh -c {shlex.quote(f'echo ran >> {mark}')}"
    for name in sorted(
        tricks, key=lambda trick: (*sorted(set(TRICKS) - set(_STOPS_GIT)), *_STOPS_GIT).index(trick)
    ):
        TRICKS[name](folder, run)
    assert stat.S_ISDIR((folder / ".git").stat().st_mode)
