"""What a search has counted so far: lines of JSON beside the envelope, to go on from after a kill.

The first line names the patch and the order in which settings are tried, each other line is one
candidate.  A candidate's cost depends on the patch, the pin and the codec alone, so a search that
is run again takes every step as before, without counting, up to where it was killed.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from groundstation.scoring.candidate import Candidate
from groundstation.scoring.evaluator import Evaluator
from groundstation.scoring.score import Result
from groundstation.search.steps import Order
from shared import journal
from shared.digest import sha256
from shared.message.codec_version import CODEC

FORMAT = "rehydration-search/1"

SYNCED_LINES = 16
"""Lines after which the file is forced to the disk; a kill alone loses none."""


@dataclass
class Journal:
    """An open journal; see ``open_journal``.

    Attributes:
        order: in which settings are tried: that of the search that began it.
        known: results by the candidates' digests.
    """

    order: Order
    known: dict[str, Result]
    _lines: journal.Journal
    _added: int = 0

    def add(self, candidate: Candidate, result: Result) -> None:
        """Appends a candidate.

        Raises:
            InputError: the file cannot be written.
        """
        self.known[candidate.digest] = result
        self._added += 1
        record = {"candidate": candidate.digest, "result": asdict(result)}
        self._lines.add(record, sync=self._added % SYNCED_LINES == 0)


@dataclass
class Journalled:
    """An ``Evaluator`` that asks another one only for what is not in its journal."""

    inner: Evaluator
    journal: Journal

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        """See ``Evaluator``."""
        known = self.journal.known
        missing = {each.digest: each for each in candidates if each.digest not in known}
        with closing(self.inner.score_all(list(missing.values()))) as results:
            for candidate in candidates:
                if candidate.digest not in known:
                    self.journal.add(candidate, next(results))
                yield known[candidate.digest]


@contextmanager
def open_journal(
    path: Path, base: bytes, target: bytes, pin: bytes, order: Order
) -> Iterator[Journal]:
    """Opens or starts a journal, for this process alone.

    A file of another patch, pin, codec or choice about history is begun anew, and so is what
    follows a damaged line: nothing is in it that cannot be counted again.

    Args:
        path: the file.
        base: digest of the tree on board.
        target: digest of the target.
        pin: digest of the model.
        order: in which settings are to be tried.

    Raises:
        InputError: it is in use or cannot be written.
    """
    parameters = json.dumps([CODEC, base.hex(), target.hex(), pin.hex(), order == Order()])
    of = sha256(parameters.encode()).hex()
    known: dict[str, Result] = {}
    orders = [order]

    def begins(record: Any) -> None:
        if record["format"] != FORMAT or record["of"] != of:
            raise ValueError("another search")
        orders.append(_order(record["order"]))

    def take(record: Any) -> None:
        known[str(record["candidate"])] = _result(record["result"])

    remedy = "wait for it, or name another file with --out"
    with journal.open_journal(path, work="search", remedy=remedy) as lines:
        if not lines.resume(begins, take):
            lines.add({"format": FORMAT, "of": of, "order": asdict(order)}, sync=True)
        yield Journal(orders[-1], known, lines)


def _order(order: Any) -> Order:
    values = {str(name): tuple(map(int, each)) for name, each in order["values"].items()}
    return Order(tuple(map(str, order["coordinates"])), values)


def _result(record: Any) -> Result:
    if set(record) != {field.name for field in fields(Result)}:
        raise ValueError("other fields")
    return Result(
        tuple(int(k) for k in record["classical"]),
        tuple(float(bits) for bits in record["bits"]),
        float(record["prompt_bits"]),
        float(record["token_bits"]),
        int(record["tokens"]),
        int(record["surprises"]),
        int(record["stream_bytes"]),
    )
