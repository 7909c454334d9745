"""What binds the files of a state folder to each other: none of them may be an older copy.

``seal.json`` has the digest of each other file, and every file, the seal too, has the number of the
change that wrote it.  A file is changed in three steps, each durable before the next:

    1  the seal says: number n + 1, this file becomes that (and all earlier changes are settled)
    2  the file
    3  the seal says: settled     (with the next change's step 1, or as the store closes)

So the folder holds at any instant, power cuts included, files that stood there together at one
time, or it is refused.  What is decided here is about values; ``probe.state.sealing`` reads and
writes.

Where a monotonic counter of the hardware is there (``probe.state.counting``), each change goes with
one
step of it: the seal names the value to be, then the counter steps, then the file changes.  Then the
whole folder of an earlier time is refused too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.errors import StoreError

NAMES = ("config", "ledger", "journal", "pending")
"""The files that are bound."""


@dataclass(frozen=True)
class Seal:
    """What the files have to be.

    Attributes:
        number: of the last change that was begun; never falls.
        files: sha256 of each file that is there, hex, without a change that is under way.
        changing: the file of that change, or "" if all are settled.
        becomes: what it will be, sha256 in hex; "" if it goes.
        hardware: value of the hardware's counter once the change has begun; None without one.
    """

    number: int = 0
    files: Mapping[str, str] | None = None
    changing: str = ""
    becomes: str = ""
    hardware: int | None = None

    def digest(self, name: str) -> str:
        """Of a file as it is when nothing is under way; "" if it is not there."""
        return (self.files or {}).get(name, "")

    def allows(self, name: str) -> set[str]:
        """What a file may be: one digest, or two amid a change; "" stands for no file."""
        return {self.digest(name)} | ({self.becomes} if name == self.changing else set())


def announced(seal: Seal, name: str, becomes: str, hardware: int | None) -> Seal:
    """Step 1, for a seal that is settled."""
    return replace(seal, number=seal.number + 1, changing=name, becomes=becomes, hardware=hardware)


def settled(seal: Seal, found: str) -> Seal:
    """Step 3.

    Args:
        seal: with or without a change under way.
        found: what the file of that change is now.
    """
    if not seal.changing:
        return seal
    files = {name: digest for name, digest in (seal.files or {}).items() if name != seal.changing}
    if found:
        files[seal.changing] = found
    return replace(seal, files=files, changing="", becomes="")


def check_files(seal: Seal, found: Mapping[str, str], numbers: Mapping[str, int]) -> None:
    """Whether the files are of one moment.

    Args:
        seal: what they have to be.
        found: sha256 of each file that is there, hex.
        numbers: of the change that wrote each.

    Raises:
        StoreError: one of them, or the seal, is of another time.
    """
    wrong = [name for name in NAMES if found.get(name, "") not in seal.allows(name)]
    if not wrong:
        return
    told = ", ".join(
        f"{name}.json is number {numbers[name]}" if name in numbers else f"there is no {name}.json"
        for name in wrong
    )
    raise StoreError(
        f"the state folder's files are not of one moment: seal.json is number {seal.number}, and "
        f"does not know that {told}",
        expected="all files as the probe left them",
        remedy="restore all of them from one backup; or start a new state folder with probe init "
        "--counter N, N at least the last counter used",
    )


def check_hardware(seal: Seal, value: int) -> None:
    """Whether the state folder is of the time that the hardware's counter shows.

    Raises:
        StoreError: it is of another.
    """
    due = seal.hardware
    if due is None or value == due or (seal.changing and value == due - 1):
        return
    older = value > due
    raise StoreError(
        f"the monotonic counter stands at {value}, the state folder was left at {due}"
        + (": the folder is an older copy" if older else ""),
        expected="a counter that only this probe steps, and a state folder that was not put back",
        remedy="start a new state folder with probe init --counter N, N at least the last counter "
        "used; or, if the counter was replaced, probe init --renew --counter-command CMD",
    )
