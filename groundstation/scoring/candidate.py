"""What a search chooses between: settings and plans, with a name that all processes agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cached_property
from typing import Any

from groundstation.scoring.options import Options
from shared.digest import sha256
from shared.prompts.changeset import FilePlan
from shared.prompts.settings import Settings
from shared.tree import Tree


@dataclass(frozen=True)
class Problem:
    """What all candidates of one patch have in common.

    Attributes:
        base: the tree on board.
        choices: the ways to send each change.
    """

    base: Tree
    choices: tuple[Options, ...]


@dataclass(frozen=True)
class Candidate:
    """One way to say a patch.

    Attributes:
        settings: how the model is asked.
        plans: how each change is sent.
    """

    settings: Settings
    plans: tuple[FilePlan, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all of it, in hexadecimal: the same in every process and run."""
        return stable_digest(self)

    @classmethod
    def classical(cls, choices: Sequence[Options]) -> Candidate:
        """Every change by its classical codec: the model is not asked at all."""
        return cls(Settings(), tuple(choice.classical for choice in choices))


def stable_digest(value: object) -> str:
    """SHA-256 over plain values, sequences and dataclasses of them, in hexadecimal.

    Types and names of fields are part of it, so that what is added to a class changes the digest.

    Raises:
        TypeError: something else is in it.
    """
    return sha256(*_pieces(value)).hex()


def _pieces(value: Any) -> Iterator[bytes]:
    """The value in tagged pieces, each led by its length."""
    if isinstance(value, Enum):
        value = value.value
    if is_dataclass(value) and not isinstance(value, type):
        yield _piece("of", type(value).__name__.encode())
        for field in fields(value):
            yield _piece("is", field.name.encode())
            yield from _pieces(getattr(value, field.name))
        yield _piece("end", b"")
    elif isinstance(value, (tuple, list)):
        yield _piece("row", str(len(value)).encode())
        for each in value:
            yield from _pieces(each)
    elif isinstance(value, bytes):
        yield _piece("bytes", value)
    elif isinstance(value, str):
        yield _piece("text", value.encode("utf-8", "surrogatepass"))
    elif value is None or isinstance(value, (bool, int, float)):
        yield _piece(type(value).__name__, repr(value).encode())
    else:
        raise TypeError(f"{type(value).__name__} has no stable digest")


def _piece(tag: str, data: bytes) -> bytes:
    return f"{tag} {len(data)}:".encode() + data
