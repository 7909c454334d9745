"""Thirty rounds of apply, rollback and gc, each with an obstacle thrown in: is a probe ever stuck?

``python -m benchmarks.obstacles`` runs the ``probe`` command as root and as a user without rights,
on ext4, on tmpfs and on a case-folding filesystem where one mounts, and writes OBSTACLES.md beside
this file.  It needs root, to mount, to change users and to give files away.  The messages are real,
signed, of classical deltas; each obstacle lies there before a message comes, and the exit code of
every command is compared with what the documentation says of that obstacle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.obstacles.page import page
from probe.cli import app
from shared.message.envelope import sign
from shared.message.wire import encode_message
from shared.prompts.language_model.pinned import PinnedModel
from shared.tree import Entry, Mode, Tree, read_tree, write_tree
from sims.hil.messages import KEY, first_tree
from sims.hil.recipes import written
from sims.hil.tiny import tiny_pin

PAGE = Path(__file__).parents[1] / "OBSTACLES.md"
ROUNDS = 30
USER, OTHER = 54321, 54322
IGNORED = ("log", ".git")
DONE, ROOM, UNSTAGEABLE, STORE = 0, 19, 24, 30


@dataclass
class Scene:
    """One probe: its folders, its user, the model that its messages name.

    Attributes:
        folder: holds root, state and all else.
        user: who runs the probe.
        model: the tiny model.
        mount: where its filesystem is mounted.
        counter: of the last message.
        undo: what takes the obstacle in place away again.
    """

    folder: Path
    user: int
    model: PinnedModel
    mount: Path
    counter: int = 0
    undo: list[Callable[[], object]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def tree(self) -> Tree:
        """What lies in the root, read without the probe."""
        return read_tree(self.root, ignore=IGNORED)

    def message(self, path: str) -> tuple[Path, Tree]:
        """A message that writes a text to a path, and the tree that it brings."""
        self.counter += 1
        base = self.tree()
        target = base.replace({path: Entry(Mode.REGULAR, b"number %d\n" % self.counter)})
        recipe = written(base, target, self.model, by_model=False)
        data = sign(encode_message(recipe, self.counter), recipe.pin, base.digest, KEY)
        file = Path(tempfile.gettempdir(), f"obstacle-{os.getpid()}.envelope")
        file.write_bytes(data)
        file.chmod(0o644)
        return file, target

    def probe(self, *words: object) -> int:
        """The exit code of a ``probe`` command that the user runs in a process of its own."""
        child = os.fork()
        if child == 0:
            code = 70
            try:
                if self.user:
                    os.setgroups([])
                    os.setgid(self.user)
                    os.setuid(self.user)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.dup2(nowhere, 2)
                app([*map(str, words), "--state", str(self.state)])
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# --- obstacles: each puts something in the way --------------------------------------------------


def _log(scene: Scene, owner: int, mode: int) -> None:
    log = scene.root / f"log/of-{scene.counter}"
    log.mkdir(parents=True)
    (log / "app.log").write_bytes(b"what the flight software says\n")
    for path in (log / "app.log", log):
        os.chown(path, owner, owner)
    os.chown(log.parent, scene.user, scene.user)
    log.chmod(mode)


def another_users_folder(scene: Scene) -> None:
    _log(scene, OTHER, 0o755)


def another_users_closed_folder(scene: Scene) -> None:
    _log(scene, OTHER, 0o700)


def a_file_that_cannot_be_read(scene: Scene) -> None:
    _log(scene, scene.user, 0o755)
    secret = scene.root / f"log/of-{scene.counter}/secret"
    secret.write_bytes(b"the only copy\n")
    os.chown(secret, OTHER, OTHER)
    secret.chmod(0o600)


def a_read_only_root(scene: Scene) -> None:
    scene.root.chmod(0o555)


def a_root_of_another_user(scene: Scene) -> None:
    os.chown(scene.root, OTHER, OTHER)
    scene.root.chmod(0o755)


def _immutable(scene: Scene, path: Path) -> None:
    if subprocess.run(["chattr", "+i", path], capture_output=True).returncode:
        raise NotImplementedError("this filesystem makes nothing immutable")
    scene.undo.append(lambda: subprocess.run(["chattr", "-i", path], capture_output=True))


def an_immutable_file(scene: Scene) -> None:
    _log(scene, scene.user, 0o755)
    path = scene.root / f"log/of-{scene.counter}/app.log"
    _immutable(scene, path)
    scene.undo.clear()  # it stays so, wherever it goes


def an_immutable_root(scene: Scene) -> None:
    _immutable(scene, scene.root)


def an_immutable_folder_in_a_slot(scene: Scene) -> None:
    names = ("c", "d")
    slot = scene.state / "slots" / names[scene.counter % 2]
    if not slot.exists():
        slot.mkdir()
        _immutable(scene, slot)
        scene.undo.clear()


def a_link_in_a_slot(scene: Scene) -> None:
    precious = scene.folder / "precious"
    precious.mkdir(exist_ok=True)
    (precious / "data").write_bytes(b"must stay\n")
    link = scene.state / "slots/e"
    link.unlink(missing_ok=True)
    link.symlink_to(precious)


def drafts_that_cannot_be_removed(scene: Scene) -> None:
    for name in ("ledger", "journal"):
        draft = scene.state / f"{name}.json.new"
        draft.mkdir(exist_ok=True)
        (draft / "full").touch()
        os.chown(draft, OTHER, OTHER)


def a_sparse_log(scene: Scene) -> None:
    _log(scene, scene.user, 0o755)
    with (scene.root / f"log/of-{scene.counter}/ring").open("wb") as file:
        file.truncate(300 << 20)


def a_mount_below_the_root(scene: Scene) -> None:
    place = scene.root / f"log/mounted-{scene.counter}"
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], check=True)
    (place / "data").write_bytes(b"must stay\n")


def a_full_disk(scene: Scene) -> None:
    filler = scene.mount / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
    scene.undo.append(filler.unlink)


def a_read_only_filesystem(scene: Scene) -> None:
    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", scene.mount], check=True)

    remount("ro")
    scene.undo.append(lambda: remount("rw"))


def nothing(scene: Scene) -> None:
    """The message itself is the obstacle."""
    del scene


@dataclass(frozen=True)
class Obstacle:
    """Something in the way, and what is documented of it.

    Attributes:
        name: for the page.
        put: puts it there.
        codes: the exit codes that ``probe apply`` may end with while it lies there.
        path: where the message writes.
    """

    name: str
    put: Callable[[Scene], None]
    codes: tuple[int, ...] = (DONE,)
    path: str = "text.txt"


OBSTACLES = (
    Obstacle("an ignored folder of another user", another_users_folder),
    Obstacle("one that cannot be looked into", another_users_closed_folder),
    Obstacle("an ignored file that cannot be read", a_file_that_cannot_be_read),
    Obstacle("an immutable file", an_immutable_file),
    Obstacle("a root of mode 0555", a_read_only_root),
    Obstacle("a root of another user", a_root_of_another_user),
    Obstacle("an immutable root", an_immutable_root, (STORE,)),
    Obstacle("an immutable folder in a slot", an_immutable_folder_in_a_slot),
    Obstacle("a link in a slot", a_link_in_a_slot),
    Obstacle("drafts that cannot be removed", drafts_that_cannot_be_removed),
    Obstacle("a sparse log of 300 MiB", a_sparse_log),
    Obstacle("a filesystem mounted below", a_mount_below_the_root),
    Obstacle("a full disk", a_full_disk, (ROOM, STORE)),
    Obstacle("a read-only filesystem", a_read_only_filesystem, (STORE,)),
    Obstacle("a path that is ignored", nothing, (UNSTAGEABLE,), "log/text.txt"),
    Obstacle("a name that is too long", nothing, (UNSTAGEABLE,), "n" * 256),
)
FOLDED = Obstacle("two names that fold together", nothing, (UNSTAGEABLE,), "TEXT.TXT")


@dataclass(frozen=True)
class Round:
    """What one round gave.

    Attributes:
        obstacle: its name.
        code: of ``probe apply`` while it lay there; None where it could not be put there.
        wrong: what should not have happened, in words.
    """

    obstacle: str
    code: int | None
    wrong: tuple[str, ...] = ()


def play(scene: Scene, obstacle: Obstacle) -> Round:
    """Put an obstacle in the way, then apply, roll back, collect, apply."""
    wrong: list[str] = []

    def expect(what: str, code: int, codes: tuple[int, ...], tree: Tree) -> None:
        if code not in codes:
            wrong.append(f"{what}: exit {code}")
        if scene.tree() != tree:
            wrong.append(f"{what}: another tree")

    before = scene.tree()
    message, target = scene.message(obstacle.path)
    try:
        obstacle.put(scene)
    except NotImplementedError:
        return Round(obstacle.name, None)
    code = scene.probe("apply", message)
    expect("apply", code, obstacle.codes, target if code == DONE else before)
    while scene.undo:
        scene.undo.pop()()
    if code != DONE:
        message, target = scene.message("text.txt")
        expect("apply after it", scene.probe("apply", message), (DONE,), target)
    expect("rollback", scene.probe("rollback"), (DONE,), before)
    expect("gc", scene.probe("gc"), (DONE,), before)
    message, target = scene.message("text.txt")
    expect("the next message", scene.probe("apply", message), (DONE,), target)
    expect("status", scene.probe("status"), (DONE,), target)
    precious = scene.folder / "precious/data"
    if precious.parent.exists() and not precious.exists():
        wrong.append("what a link names was removed")
    return Round(obstacle.name, code, tuple(wrong))


def rounds(scene: Scene, count: int, obstacles: tuple[Obstacle, ...]) -> Iterator[Round]:
    """So many rounds on one probe, the obstacles in turn."""
    for number in range(count):
        yield play(scene, obstacles[number % len(obstacles)])


# --- where it is played --------------------------------------------------------------------------


@contextmanager
def mounted(kind: str, place: Path) -> Iterator[bool]:
    """Mount a small filesystem of a kind; yields whether that went."""
    image = place.with_suffix(".image")
    commands: dict[str, list[list[object]]] = {
        "tmpfs": [["mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "none", place]],
        "ext4": [
            ["truncate", "-s", "96M", image],
            ["mkfs.ext4", "-q", "-F", image],
            ["mount", "-o", "loop", image, place],
        ],
        "case-folding": [
            ["mount", "-t", "tmpfs", "-o", "size=64m,mode=755,casefold", "none", place]
        ],
    }
    place.mkdir()
    went = all(
        subprocess.run([str(word) for word in words], capture_output=True).returncode == 0
        for words in commands[kind]
    )
    try:
        yield went
    finally:
        if went:
            subprocess.run(["chattr", "-R", "-i", place], capture_output=True)
            for below in place.rglob("mounted-*"):
                subprocess.run(["umount", below], capture_output=True)
            subprocess.run(["umount", "-l", place], check=True)


def set_up(folder: Path, user: int, mount: Path) -> Scene:
    """A probe in a new folder that it owns."""
    folder.mkdir()
    pin = tiny_pin(folder / "model")
    form = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    (folder / "trust").write_bytes(KEY.public_key().public_bytes(*form))
    write_tree(first_tree(), folder / "root")
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            os.chown(Path(parent, name), user, user, follow_symlinks=False)
    os.chown(folder, user, user)
    scene = Scene(folder, user, PinnedModel.open(pin), mount)
    ignored = [word for name in IGNORED for word in ("--ignore", name)]
    places = ["--root", scene.root, "--model", folder / "model", "--trust", folder / "trust"]
    code = scene.probe("init", *places, *ignored)
    if code:
        raise RuntimeError(f"probe init ended with {code}")
    return scene


def run(count: int, work: Path) -> dict[tuple[str, str], list[Round] | None]:
    """All rounds by filesystem and user; None where the filesystem does not mount."""
    found: dict[tuple[str, str], list[Round] | None] = {}
    for kind in ("ext4", "tmpfs", "case-folding"):
        for name, user in (("root", 0), ("unprivileged", USER)):
            place = work / f"{kind}-{name}"
            with mounted(kind, place) as went:
                if not went:
                    found[kind, name] = None
                    continue
                obstacles = (*OBSTACLES, FOLDED) if kind == "case-folding" else OBSTACLES
                scene = set_up(place / "probe", user, place)
                found[kind, name] = some = []
                for one in rounds(scene, count, obstacles):
                    some.append(one)
                    said = "; ".join(one.wrong) or f"exit {one.code}"
                    typer.echo(f"{kind}, {name}: {one.obstacle}: {said}", err=True)
    return found


def main(
    count: Annotated[
        int, typer.Option("--rounds", min=1, help="Rounds for each user and filesystem.")
    ] = ROUNDS,
    out: Annotated[Path, typer.Option(help="Page to write.")] = PAGE,
) -> None:
    """Play all rounds and write the page; exits with 1 if a probe was stuck."""
    if os.geteuid() != 0:
        typer.echo("only root can mount, change users and give files away", err=True)
        raise typer.Exit(2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        found = run(count, Path(folder))
    out.write_text(page(found, count))
    wrong = [one for some in found.values() for one in some or () if one.wrong]
    for one in wrong:
        typer.echo(f"{one.obstacle}: {'; '.join(one.wrong)}", err=True)
    raise typer.Exit(1 if wrong else 0)


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    typer.run(main)
