"""The default store: LMDB, one folder, read by any number of processes without locks.

Source: http://www.lmdb.tech/doc/ (transactions, durability, limits).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import lmdb

from probe.edge.stores.store import (
    NUMBER_BYTES,
    Change,
    Facts,
    Stored,
    changed,
    facts_from_bytes,
    facts_to_bytes,
    number_of,
)
from shared.errors import StoreError
from shared.media.batch import Batch

MAP_BYTES: Final = 1 << 35
"""Most that the file may grow to; address space, not disk."""
MAX_READERS: Final = 1024
"""At a time, of all processes; a thread each."""
_FACTS: Final = b"facts"


class LmdbStore:
    """Records, generators and counts in three tables of one LMDB environment.

    Args:
        folder: of the environment.
        create: make it if it is not there.
        map_bytes: see ``MAP_BYTES``.

    Raises:
        StoreError: there is none, or it cannot be opened.
    """

    remote = False

    def __init__(self, folder: Path, *, create: bool = False, map_bytes: int = MAP_BYTES) -> None:
        if not create and not (folder / "data.mdb").is_file():
            raise StoreError(
                f"{folder} is no store of an edge",
                expected="a folder that `probe edge load` or `probe edge serve` made",
                remedy="check the path, or load a batch into it first",
            )
        with _storing(f"open {folder}"):
            folder.mkdir(parents=True, exist_ok=True)
            self._env = lmdb.open(
                str(folder),
                map_size=map_bytes,
                max_dbs=4,
                max_readers=MAX_READERS,
                readahead=False,
                mode=0o600,
            )
            # Whoever was killed has left his place taken; it is free again from here on.
            self._env.reader_check()
            self._records = self._env.open_db(b"records")
            self._generators = self._env.open_db(b"generators")
            self._numbers = self._env.open_db(b"numbers")
            self._meta = self._env.open_db(b"meta")

    def get(self, name: str) -> Stored | None:
        """See ``Store``."""
        with _storing("read a record"), self._env.begin() as transaction:
            value = transaction.get(name.encode("utf-8"), db=self._records)
            if value is None:
                return None
            digest = transaction.get(value[:NUMBER_BYTES], db=self._numbers)
        if digest is None:
            raise StoreError(f"the record of {name!r} names no generator")
        return Stored(bytes(digest), bytes(value[NUMBER_BYTES:]))

    def generator(self, digest: bytes) -> bytes | None:
        """See ``Store``."""
        with _storing("read a generator"), self._env.begin() as transaction:
            found = transaction.get(digest, db=self._generators)
            return None if found is None else bytes(found)

    def digests(self) -> tuple[bytes, ...]:
        """See ``Store``."""
        with _storing("list generators"), self._env.begin(db=self._numbers) as transaction:
            return tuple(bytes(digest) for _, digest in transaction.cursor())

    def names(self) -> Iterator[str]:
        """See ``Store``."""
        with _storing("list names"), self._env.begin(db=self._records) as transaction:
            for name in transaction.cursor().iternext(keys=True, values=False):
                yield bytes(name).decode("utf-8")

    def facts(self) -> Facts:
        """See ``Store``."""
        with _storing("read the counts"), self._env.begin(db=self._meta) as transaction:
            found = transaction.get(_FACTS)
        return facts_from_bytes(None if found is None else bytes(found))

    def accept(self, batch: Batch, size_bytes: int, check: Callable[[int], None]) -> Change:
        """See ``Store``: one write transaction, which waits for another process's."""
        with _storing("store a batch"), self._env.begin(write=True) as transaction:
            found = transaction.get(_FACTS, db=self._meta)
            facts = facts_from_bytes(None if found is None else bytes(found))
            check(facts.counter)
            numbers = {
                bytes(digest): int.from_bytes(number, "big")
                for number, digest in transaction.cursor(db=self._numbers)
            }
            number, is_new = number_of(batch, numbers)
            prefix = number.to_bytes(NUMBER_BYTES, "big")
            old = {
                name: transaction.get(name.encode("utf-8"), db=self._records)
                for name in batch.records
            }
            after, change = changed(facts, batch, size_bytes, old, prefix.__add__, is_new)
            if is_new:
                transaction.put(prefix, batch.generator, db=self._numbers)
                transaction.put(batch.generator, batch.file, db=self._generators)
            for name, record in batch.records.items():
                if record:
                    transaction.put(name.encode("utf-8"), prefix + record, db=self._records)
                else:
                    transaction.delete(name.encode("utf-8"), db=self._records)
            transaction.put(_FACTS, facts_to_bytes(after), db=self._meta)
        return change

    def close(self) -> None:
        """See ``Store``."""
        self._env.close()


@contextmanager
def _storing(attempt: str) -> Iterator[None]:
    try:
        yield
    except lmdb.MapFullError:
        raise StoreError(
            f"cannot {attempt}: the store is full",
            expected=f"at most {MAP_BYTES} bytes",
            remedy="take away records that are not asked for",
        ) from None
    except (lmdb.Error, OSError) as error:
        raise StoreError(
            f"cannot {attempt}: {error}", remedy="check rights, disk and whether it is a store"
        ) from None
