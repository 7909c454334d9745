"""Proof that what is held out is not in the texts: no run of tokens that it adds is shared.

By names first: packages of held-out lists are never drawn from.  Then by text, because files travel
between packages: every run of ``RUN`` lexical tokens of a held-out new file that has at least one
added line's token in it and does not occur in its old file must not occur in any text of the
corpus.  Runs of the old file do not count: the probe has that file on board anyway.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RUN = 20
"""Tokens; long enough that two authors do not write it by chance, shorter than most hunks."""

NEVER = frozenset({"spacepackets", "cfdp-py"})
"""Packages kept for judging whatever list is given, in canonical form."""

_TOKEN = re.compile(rb"[A-Za-z_][A-Za-z_0-9]*|[0-9][0-9A-Za-z_.]*|[^\sA-Za-z_0-9]")
_FACTOR = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class HeldOut:
    """A patch that the corpus must not know: where it is from, and both texts."""

    name: str
    old: bytes
    new: bytes


@dataclass(frozen=True)
class Leak:
    """A run of tokens that a text of the corpus shares with what a held-out patch adds.

    Attributes:
        where: the text of the corpus.
        held_out: the name of the held-out patch.
        run: the tokens, with a space between them.
    """

    where: str
    held_out: str
    run: str


def tokens(text: bytes) -> list[bytes]:
    """Names, numbers and single signs; white space only separates."""
    return _TOKEN.findall(text)


def run_hashes(found: Sequence[bytes]) -> Hashes:
    """64-bit hashes of each run of ``RUN`` tokens, in order: a polynomial of the tokens' CRCs.

    Returns:
        max(0, number of tokens - RUN + 1) hashes.
    """
    crcs = np.fromiter(map(zlib.crc32, found), dtype=np.uint64, count=len(found))
    crcs = crcs * np.uint64(_FACTOR) + np.uint64(1)  # wraps; spreads 32 bits over 64
    count = len(found) - RUN + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    made = np.zeros(count, np.uint64)
    for place in range(RUN):
        made += crcs[place : place + count] * np.uint64(pow(_FACTOR, place + 2, _MASK + 1))
    return made


def added_runs(old: bytes, new: bytes) -> set[tuple[bytes, ...]]:
    """Runs of the new text that touch an added line and that the old text does not have."""
    lines = new.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(None, old.splitlines(keepends=True), lines, autojunk=False)
    added = {
        number
        for tag, _, _, start, stop in matcher.get_opcodes()
        if tag != "equal"
        for number in range(start, stop)
    }
    found: list[bytes] = []
    is_added: list[bool] = []
    for number, line in enumerate(lines):
        of_line = tokens(line)
        found += of_line
        is_added += [number in added] * len(of_line)
    known = set(_runs(tokens(old)))
    return {
        run for place, run in enumerate(_runs(found)) if any(is_added[place : place + RUN])
    } - known


def _runs(found: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
    return (tuple(found[place : place + RUN]) for place in range(len(found) - RUN + 1))


class Guard:
    """What held-out patches add, ready to be looked for in many texts."""

    def __init__(self, held_out: Iterable[HeldOut]) -> None:
        runs: dict[tuple[bytes, ...], str] = {}
        for patch in held_out:
            for run in added_runs(patch.old, patch.new):
                runs.setdefault(run, patch.name)
        self._by_hash: Mapping[int, tuple[tuple[bytes, ...], str]] = {
            int(run_hashes(run)[0]): (run, name) for run, name in runs.items()
        }
        self._hashes = np.array(sorted(self._by_hash), dtype=np.uint64)
        self.digest = f"{zlib.crc32(self._hashes.tobytes()):08x}-{len(self._hashes)}"

    def __len__(self) -> int:
        """Runs that are looked for."""
        return len(self._by_hash)

    def first_leak(self, where: str, text: bytes) -> Leak | None:
        """The first held-out run in a text, compared token by token, or None."""
        if not len(self._hashes):
            return None
        found = tokens(text)
        hashes = run_hashes(found)
        places = np.searchsorted(self._hashes, hashes)
        places[places == len(self._hashes)] = 0
        for place in np.flatnonzero(self._hashes[places] == hashes):
            run, name = self._by_hash[int(hashes[place])]
            if tuple(found[place : place + RUN]) == run:
                return Leak(where, name, b" ".join(run).decode("utf-8", "replace"))
        return None
