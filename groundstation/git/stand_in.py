"""A repository without anything in it that could run a program: what git is given instead of it.

A repository's own configuration can name programs (ssh, hooks, filters, pagers, gpg, credential
helpers, file system monitors), include other files, lead to objects elsewhere, fetch what is
missing and replace what is there.  None of it is needed to read commits.  So git never sees the
repository's folder: it gets a temporary one that has a configuration of ours, and links to the
objects and refs.  What is in those is data: names, sizes and contents.

Sources: gitrepository-layout(5), git-config(1), gitformat-pack(5).
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundstation.git.program import run_git
from shared.errors import InputError
from shared.tree import path_text

_HARMLESS = {"noop", "noop-v1", "partialclone", "preciousobjects", "relativeworktrees",
             "worktreeconfig"}  # fmt: skip
_TOLD = {"objectformat": "objectFormat", "refstorage": "refStorage"}
_FANOUT = {f"{number:02x}" for number in range(256)}
_SMALL_FILE = 4096
_LINK_FILE = b"gitdir: "


@dataclass(frozen=True)
class Found:
    """Where a repository keeps what is its own.

    Attributes:
        folder: its git folder: HEAD.
        common: the folder that its worktrees share: objects, refs, configuration.
    """

    folder: Path
    common: Path

    @property
    def borrows(self) -> bool:
        """Whether it takes objects from another repository (gitrepository-layout(5))."""
        return (self.common / "objects" / "info" / "alternates").exists()


def find_repository(start: Path, environment: Mapping[str, str]) -> Found:
    """The repository that a folder belongs to: itself, its ``.git``, or those of a folder above.

    As git looks for it, up to a folder of GIT_CEILING_DIRECTORIES or another file system; but
    no variable names another repository, and it does not matter whose it is, since nothing in it is
    obeyed.

    Raises:
        InputError: there is none.
    """
    if not start.is_dir():
        raise no_repository(start, "there is no such folder")
    ceilings = environment.get("GIT_CEILING_DIRECTORIES", "").split(":")
    limits = {os.path.realpath(each) for each in ceilings if each}
    here = start.resolve()
    try:
        device = here.stat().st_dev
        for place in (here, *here.parents):
            if place != here and (str(place) in limits or place.stat().st_dev != device):
                break
            for folder in (_followed(place / ".git"), place):
                if folder is not None and (found := _repository(folder)) is not None:
                    return found
    except OSError as error:
        raise no_repository(start, f"{error.filename}: {error.strerror}") from error
    raise no_repository(start, "neither it nor a folder above has a .git")


@contextmanager
def stand_in(found: Found) -> Iterator[Path]:
    """A git folder with the objects and refs of a repository and nothing else of it.

    Raises:
        InputError: its form is not understood, or it has pipes or devices among its files.
    """
    with tempfile.TemporaryDirectory(prefix="rehydration-git-") as name:
        folder = Path(name)
        try:
            _write_config(folder / "config", {})
            (folder / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
            _link_objects(found.common / "objects", folder / "objects")
            _link_refs(found, folder)
            _write_config(folder / "config", _extensions(found.common / "config", folder))
            (folder / "HEAD").write_bytes(_head(found.folder / "HEAD"))
        except OSError as error:
            raise no_repository(found.folder, f"{error.filename}: {error.strerror}") from error
        yield folder


def no_repository(folder: Path, why: str) -> InputError:
    """The error for a folder that is none, or none of use."""
    return InputError(
        f"{folder} is no git repository: {why}",
        expected="a folder of a git repository",
        remedy="name a clone",
    )


def _followed(path: Path) -> Path | None:
    """A ``.git``, or the folder that such a file names; None where there is none of use."""
    if path.is_dir():
        return path
    if not path.is_file():
        return None
    data = _small(path)
    if not data.startswith(_LINK_FILE):
        return None
    return path.parent / path_text(data[len(_LINK_FILE) :].rstrip(b"\r\n"))


def _repository(folder: Path) -> Found | None:
    """What a folder is the git folder of (is_git_directory in git's setup.c)."""
    common = folder
    if (folder / "commondir").is_file():
        common = folder / path_text(_small(folder / "commondir").rstrip(b"\r\n"))
    is_one = os.path.lexists(folder / "HEAD") and all(
        (common / each).is_dir() for each in ("objects", "refs")
    )
    return Found(folder.resolve(), common.resolve()) if is_one else None


def _small(path: Path) -> bytes:
    """A file of a line, which must be a file and short: a pipe would be waited for for ever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) or status.st_size > _SMALL_FILE:
        raise no_repository(path.parent, f"{path.name} is no short file")
    return path.read_bytes()


def _head(path: Path) -> bytes:
    """Of a link, as early versions of git made it, what it says."""
    if path.is_symlink():
        target = os.fsencode(path.readlink())
        if target.startswith(b"refs/"):
            return b"ref: " + target + b"\n"
    return _small(path)


def _link_objects(objects: Path, folder: Path) -> None:
    """Loose objects and packs; not ``info``, which leads elsewhere or claims what is not so."""
    folder.mkdir()
    for name in sorted({"pack"} | _FANOUT):
        source = objects / name
        if source.is_dir():
            _refuse_odd(source)
            (folder / name).symlink_to(source)


def _link_refs(found: Found, folder: Path) -> None:
    for name in ("refs", "reftable"):
        if (found.common / name).is_dir():
            _refuse_odd(found.common / name)
            (folder / name).symlink_to(found.common / name)
    for name in ("packed-refs", "shallow"):
        if os.path.lexists(found.common / name):
            _refuse_unless_file(found.common / name)
            (folder / name).symlink_to(found.common / name)


def _refuse_odd(folder: Path) -> None:
    """Refuses what git would open and wait for."""
    for base, folders, names in os.walk(folder):
        for name in folders:
            if Path(base, name).is_symlink():
                raise no_repository(Path(base, name), "a link to a folder")
        for name in names:
            _refuse_unless_file(Path(base, name))


def _refuse_unless_file(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):  # a link to nothing is as good as nothing
        if not stat.S_ISREG(path.stat().st_mode):
            raise no_repository(path, "neither a file nor a folder")


def _extensions(config: Path, folder: Path) -> dict[str, str]:
    """What a repository's configuration says of its form; nothing else is asked of it.

    Raises:
        InputError: a form that we do not know.
    """
    if not config.exists():
        return {}
    _refuse_unless_file(config)
    told = run_git(
        [f"--git-dir={folder}", "config", "--file", str(config), "--no-includes", "-z",
         "--get-regexp", r"^extensions\..*"],
        none=1,
    )  # fmt: skip
    found = {}
    for item in told.decode("utf-8", "replace").split("\0")[:-1]:
        key, _, value = item.partition("\n")
        name = key.removeprefix("extensions.")
        if name in _TOLD:
            found[_TOLD[name]] = value
        elif name not in _HARMLESS:
            raise no_repository(config.parent, f"it has the extension {name!r}")
    return found


def _write_config(path: Path, extensions: Mapping[str, str]) -> None:
    lines = ["[core]", "repositoryFormatVersion = 1", "bare = true", "commitGraph = false"]
    lines += ["[extensions]"] if extensions else []
    for name, value in extensions.items():
        if not value.isalnum():
            raise no_repository(path.parent, f"its {name} is {value!r}")
        lines.append(f"{name} = {value}")
    path.write_text("\n".join(lines) + "\n", "ascii")
