"""What past searches tried and what it gained: a local database, from which the next one learns.

It decides nothing but an order.  SQLite in write-ahead mode: several authors may write at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from groundstation.authoring.result import Authored
from groundstation.search.steps import SETTINGS, VALUES, Order
from shared.errors import InputError
from shared.exact.pin import cache_home
from shared.lines import LineEdit, line_edits, split_lines
from shared.message.codec_version import CODEC
from shared.system.private import keep_private
from shared.tree import Change, Tree, changes

APPLICATION_ID = 0x52485548
"""In the file's header (``PRAGMA application_id``): "RHUH"."""

VERSION = 1
BUSY_SECONDS = 10.0

_SCHEMA = """
CREATE TABLE run (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, pin TEXT NOT NULL, codec TEXT NOT NULL,
    files INTEGER NOT NULL, suffixes TEXT NOT NULL, hunks INTEGER NOT NULL,
    lines INTEGER NOT NULL, patch_bytes INTEGER NOT NULL, payload_bytes INTEGER NOT NULL,
    candidates INTEGER NOT NULL, seconds REAL NOT NULL);
CREATE TABLE move (
    run INTEGER NOT NULL REFERENCES run, position INTEGER NOT NULL, kind TEXT NOT NULL,
    what TEXT NOT NULL, bits_before REAL NOT NULL, bits_after REAL NOT NULL);
CREATE TABLE tried (
    run INTEGER NOT NULL REFERENCES run, position INTEGER NOT NULL, kind TEXT NOT NULL,
    what TEXT NOT NULL, bits_before REAL NOT NULL, bits REAL NOT NULL);
"""


@dataclass(frozen=True)
class Features:
    """What is remembered of a patch: nothing of its text.

    Attributes:
        files: changes in it.
        suffixes: of their names, sorted, joined by blanks.
        hunks: runs of changed lines.
        lines: lines removed and added.
        patch_bytes: length of the canonical patch.
    """

    files: int
    suffixes: str
    hunks: int
    lines: int
    patch_bytes: int

    @classmethod
    def of(cls, base: Tree, target: Tree, patch: bytes) -> Features:
        """Those of a patch."""
        found = changes(base, target)
        edits = [edit for change in found for edit in _edits(change)]
        return cls(
            len(found),
            " ".join(sorted({PurePosixPath(each.path).suffix or "-" for each in found})),
            len(edits),
            sum(e.old_end - e.old_start + e.new_end - e.new_start for e in edits),
            len(patch),
        )


def _edits(change: Change) -> Sequence[LineEdit]:
    old, new = (b"" if side is None else side.data for side in (change.old, change.new))
    return line_edits(split_lines(old), split_lines(new))


@dataclass(frozen=True)
class Run:
    """One remembered search.

    Attributes:
        id: its number.
        at: when it ended, in ISO 8601.
        pin: digest of the model, in hexadecimal.
        codec: name of the codec.
        features: of the patch.
        payload_bytes: of the message.
        candidates: prompts that were scored.
        seconds: that it took.
        gained_bits: by all moves together.
    """

    id: int
    at: str
    pin: str
    codec: str
    features: Features
    payload_bytes: int
    candidates: int
    seconds: float
    gained_bits: float

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return asdict(self)


@dataclass(frozen=True)
class Gain:
    """How a kind of step has done.

    Attributes:
        kind: see ``moves.Step``.
        what: see there.
        tried: how often it was counted.
        taken: how often it was taken.
        bits: that it saved in all where it was taken.
    """

    kind: str
    what: str
    tried: int
    taken: int
    bits: float

    def as_dict(self) -> dict[str, object]:
        """For ``--json`` output."""
        return asdict(self)


def default_history() -> Path:
    """Beside the pins."""
    return cache_home() / "history.sqlite"


def close_to_others(path: Path) -> str:
    """Take from other users what an earlier version let them read: names, hints, sizes of patches.

    Returns:
        What was changed, as a sentence for the user; "" if nothing had to be, or there is nothing.
    """
    files = (path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))
    try:
        return "; ".join(filter(None, (keep_private(file) for file in files if file.exists())))
    except OSError as error:
        return f"{path} is open to other users and cannot be closed to them: {error.strerror}"


def remember(path: Path, base: Tree, target: Tree, authored: Authored, at: str) -> None:
    """Adds a search, as a whole or not at all.

    Args:
        path: of the database; made where it is not there.
        base: the tree on board.
        target: the target.
        authored: what was found.
        at: the moment, in ISO 8601.

    Raises:
        InputError: the database is damaged, foreign, locked for long, or cannot be written.
    """
    features = Features.of(base, target, authored.patch)
    with _open(path, write=True) as database, database:
        database.execute("BEGIN IMMEDIATE")
        run = database.execute(
            "INSERT INTO run (at, pin, codec, files, suffixes, hunks, lines, patch_bytes,"
            " payload_bytes, candidates, seconds) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                at,
                authored.recipe.pin.hex(),
                CODEC,
                *asdict(features).values(),
                authored.payload_bytes,
                authored.candidates,
                authored.search_s,
            ),
        ).lastrowid
        database.executemany(
            "INSERT INTO move VALUES (?,?,?,?,?,?)",
            [
                (run, k, move.kind, move.what, move.bits_before, move.bits_after)
                for k, move in enumerate(authored.moves)
            ],
        )
        database.executemany(
            "INSERT INTO tried VALUES (?,?,?,?,?,?)",
            [
                (run, k, step.kind, step.what, step.bits_before, step.bits)
                for k, step in enumerate(authored.tried)
            ],
        )


def runs(path: Path, limit: int) -> list[Run]:
    """The last searches, the newest first.

    Raises:
        InputError: the database is missing, damaged or foreign.
    """
    with _open(path) as database:
        rows = database.execute(
            "SELECT id, at, pin, codec, files, suffixes, hunks, lines, patch_bytes,"
            " payload_bytes, candidates, seconds,"
            " (SELECT total(bits_before - bits_after) FROM move WHERE run = run.id)"
            " FROM run ORDER BY id DESC LIMIT ?",
            (limit,),
        ).fetchall()
    return [
        Run(row[0], row[1], row[2], row[3], Features(*row[4:9]), row[9], row[10], row[11], row[12])
        for row in rows
    ]


def gains(path: Path, pin: bytes | None = None) -> list[Gain]:
    """How each step has done, those first that saved most in all.

    Args:
        path: of the database.
        pin: of one model, written with this program's codec; None for all of them.

    Raises:
        InputError: the database is missing, damaged or foreign.
    """
    of_pin = "WHERE run IN (SELECT id FROM run WHERE pin = :pin AND codec = :codec)"
    only = "" if pin is None else of_pin
    with _open(path) as database:
        rows = database.execute(
            "SELECT kind, what, sum(tried), sum(taken), total(bits) FROM ("
            f" SELECT kind, what, count(*) AS tried, 0 AS taken, 0.0 AS bits FROM tried {only}"
            " GROUP BY kind, what UNION ALL"
            f" SELECT kind, what, 0, count(*), total(bits_before - bits_after) FROM move {only}"
            " GROUP BY kind, what) GROUP BY kind, what ORDER BY 5 DESC, kind, what",
            {} if pin is None else {"pin": pin.hex(), "codec": CODEC},
        ).fetchall()
    return [Gain(*row) for row in rows]


def learned_order(found: Sequence[Gain]) -> Order:
    """Coordinates, and values of each, by what one try of them has saved in the mean.

    What was never tried, or ties, keeps its usual place.
    """
    tried: dict[tuple[str, int], tuple[int, float]] = {}
    for gain in found:
        coordinate, _, value = gain.what.partition("=")
        if gain.kind == SETTINGS and coordinate in VALUES and value.isdecimal():
            tried[coordinate, int(value)] = (gain.tried, gain.bits)

    def mean(keys: Sequence[tuple[str, int]]) -> float:
        count = sum(tried.get(key, (0, 0.0))[0] for key in keys)
        return sum(tried.get(key, (0, 0.0))[1] for key in keys) / max(1, count)

    every = {name: [(name, value) for value in range(size)] for name, size in VALUES.items()}
    return Order(
        tuple(sorted(every, key=lambda name: -mean(every[name]))),
        {
            name: tuple(value for _, value in sorted(keys, key=lambda key: -mean([key])))
            for name, keys in every.items()
        },
    )


@contextmanager
def _open(path: Path, *, write: bool = False) -> Iterator[sqlite3.Connection]:
    """An open database of this version; whatever SQLite says on the way is an ``InputError``."""
    if not write and not path.is_file():
        raise InputError(
            f"there is no history at {path}", remedy="author a patch first, or use --history"
        )
    try:
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite would make it as the umask says; its -wal and -shm take over its mode.
            path.touch(0o600)
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
            _check(path, database, write=write)
            yield database
    except OSError as error:
        raise _unusable(path, str(error.strerror)) from error
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error


def _check(path: Path, database: sqlite3.Connection, *, write: bool) -> None:
    """Nothing is written to a file before it is known to be ours or empty."""
    if write and not _tables(database):
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("BEGIN IMMEDIATE")
        if not _tables(database):  # of several writers, one makes the tables
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {VERSION}")
        database.execute("COMMIT")
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise _unusable(path, "it belongs to another program")
    if version != VERSION:
        raise _unusable(path, f"its version is {version}, not {VERSION}")


def _tables(database: sqlite3.Connection) -> int:
    (count,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return int(count)


def _unusable(path: Path, why: str) -> InputError:
    return InputError(
        f"{path} is no usable history: {why}",
        expected="a database that `groundstation author` has made",
        remedy="name another file with --history, delete this one, or use --no-history",
    )
