"""The seal of a state folder on disk: asked when the folder is opened, kept with every change.

What is decided is decided in ``probe.state.seal``, which says what the seal is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from probe.disk.filesystem import Filesystem, durable_write
from probe.state.counting import HardwareCounter, counter_of
from probe.state.pending import Pending
from probe.state.records import Config, Journal, Ledger, decode, encode, sequence_of
from probe.state.seal import NAMES, Seal, announced, check_files, check_hardware, settled
from shared.digest import sha256
from shared.errors import StoreError, words_of
from shared.system.private import keep_private

R = TypeVar("R")
Kind = type[Config] | type[Ledger] | type[Journal] | type[Pending]
_KINDS: tuple[Kind, ...] = (Config, Ledger, Journal, Pending)


class Sealing:
    """The seal of one state folder.  All methods raise OSError where the disk refuses.

    Attributes:
        mended: what was open to other users and is not any more, in sentences.
    """

    def __init__(self, folder: Path, files: Filesystem) -> None:
        self.folder = folder
        self.files = files
        self.mended: list[str] = []
        self._seal = Seal()
        self._counter: HardwareCounter | None = None
        self._unsettled = False
        self._stepped = True

    @property
    def next_number(self) -> int:
        """Of the next change."""
        return self._seal.number + 1

    def check(self, *, counted: bool = True) -> None:
        """Whether the files are of one moment, and of now; closes them to other users.

        Args:
            counted: ask the hardware's counter, if there is one.

        Raises:
            StoreError: they are not, or one is damaged or missing.
        """
        paths = [self._path(name) for name in (*NAMES, "seal")]
        self.mended = [said for one in paths if one.exists() and (said := keep_private(one))]
        found = self._found()
        numbers = {name: sequence_of(data) for name, data in found.items()}
        if self._path("seal").exists():
            self._seal = read_record(self._path("seal"), Seal)
        elif any(numbers.values()):
            raise StoreError(
                f"{self._path('seal')} is missing",
                expected="all files as the probe left them",
                remedy="restore all of them from one backup; or start a new state folder with "
                "probe init --counter N, N at least the last counter used",
            )
        else:
            self.adopt()
        digests = {name: sha256(data).hex() for name, data in found.items()}
        self._check_damage(digests)
        check_files(self._seal, digests, numbers)
        if counted and "config" in found:
            config = read_record(self._path("config"), Config)
            self._counter = counter_of(config.counter_command)
        if self._counter is not None:
            check_hardware(self._seal, self._counter.read())

    def adopt(self) -> None:
        """Take the files as they are: a new folder, or one that an earlier version made."""
        self._seal = Seal(files={name: sha256(data).hex() for name, data in self._found().items()})

    def count_with(self, command: Sequence[str]) -> None:
        """From now on let each change go with a step of this counter; of none if it is empty.

        Raises:
            StoreError: the command does not do what it should.
        """
        self._counter = counter_of(command)
        if self._counter is not None:
            self._counter.read()
        self._settle()
        self._seal, self._stepped = Seal(self._seal.number, self._seal.files), True

    @contextmanager
    def change(self, name: str, becomes: str) -> Iterator[None]:
        """Announce a change of a file, durably; what is done within makes it, durably.

        Args:
            name: of the file, one of ``probe.state.seal.NAMES``.
            becomes: sha256 of what it will be, hex; "" if it goes.

        Raises:
            StoreError: the hardware's counter does not do what it should.
        """
        self._settle()
        value = self._next_value() if self._counter is not None else None
        seal = announced(self._seal, name, becomes, value)
        self._write(seal)
        self._seal, self._unsettled, self._stepped = seal, True, self._counter is None
        if self._counter is not None and (got := self._counter.increment()) != value:
            raise StoreError(
                f"the monotonic counter went to {got}",
                expected=f"{value}",
                remedy="let nobody else step it; then probe init --renew --counter-command CMD",
            )
        self._stepped = True
        yield
        self._seal = settled(self._seal, becomes)

    def close(self) -> None:
        """Let the seal on disk say that all is settled; not while the counter may lag behind it."""
        if self._unsettled and self._stepped:
            self._settle()
            self._write(self._seal)
            self._unsettled = False

    def _next_value(self) -> int:
        """What the counter will be.

        A step that was announced and not made is made up for first: two changes must never share
        a value.
        """
        assert self._counter is not None
        value = self._counter.read()
        if self._seal.hardware is not None and value == self._seal.hardware - 1:
            value = self._counter.increment()
        return value + 1

    def _settle(self) -> None:
        """Find out what became of a change that a crash or the disk cut short."""
        if not self._seal.changing:
            return
        self.files.sync_folder(self.folder)  # what is seen now must be what is found later
        path = self._path(self._seal.changing)
        found = sha256(path.read_bytes()).hex() if path.exists() else ""
        self._seal, self._unsettled = settled(self._seal, found), True

    def _check_damage(self, digests: dict[str, str]) -> None:
        """Damage, and a missing file that has to be there, have words of their own."""
        for name, kind in zip(NAMES, _KINDS, strict=True):
            digest, due = digests.get(name, ""), self._seal.digest(name)
            lost = not digest and due and kind in (Config, Ledger)
            if lost or (digest and digest not in self._seal.allows(name)):
                read_record(self._path(name), kind)

    def _write(self, seal: Seal) -> None:
        durable_write(self.files, self._path("seal"), encode(seal, max(1, seal.number)))

    def _found(self) -> dict[str, bytes]:
        paths = {name: self._path(name) for name in NAMES}
        return {name: path.read_bytes() for name, path in paths.items() if path.exists()}

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def read_record(path: Path, kind: type[R]) -> R:
    """The record in a file of the state folder.

    Raises:
        StoreError: there is none, or it is damaged or cannot be read.
    """
    try:
        return decode(path.read_bytes(), kind)
    except FileNotFoundError as error:
        raise StoreError(
            f"{path} is missing",
            expected="a state folder made by probe init",
            remedy="run probe init, or name the right folder with --state",
        ) from error
    except OSError as error:
        raise StoreError(f"cannot read {path}: {words_of(error)}") from error
    except ValueError as error:
        raise StoreError(
            f"{path} is damaged ({error})",
            expected="the bytes that the probe wrote",
            remedy="restore the file, or start a new state folder with probe init "
            "--counter N, N at least the last counter used",
        ) from error
