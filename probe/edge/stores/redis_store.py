"""A store in Redis, for several edges that share one; as durable as that server is set up to be.

Three hashes and a string under one prefix.  A batch is one MULTI/EXEC that a WATCH on the counts
guards: of two edges that accept at the same moment one starts anew and sees the other's counter.

Source: https://redis.io/docs/latest/develop/interact/transactions/ (optimistic locking).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, cast

import redis

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
from shared.errors import InputError, StoreError
from shared.media.batch import Batch

PREFIX: Final = "rehydration-edge/1:"
_RECORDS, _GENERATORS = PREFIX + "records", PREFIX + "generators"
_NUMBERS, _FACTS = PREFIX + "numbers", PREFIX + "facts"
_TIMEOUT_S: Final = 5.0
_TRIES: Final = 100
_CHUNK: Final = 1000


class RedisStore:
    """Records, generators and counts in Redis.

    Args:
        url: ``redis://HOST:PORT/NUMBER``, ``rediss://``, or ``unix://PATH``.

    Raises:
        InputError: no such URL.
        StoreError: nobody answers there.
    """

    remote = True

    def __init__(self, url: str) -> None:
        try:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
            )
        except ValueError as error:
            raise InputError(f"the URL of the store is none: {error}") from None
        with _storing("reach the server"):
            self._redis.ping()

    def get(self, name: str) -> Stored | None:
        """See ``Store``."""
        with _storing("read a record"):
            value = cast("bytes | None", self._redis.hget(_RECORDS, name))
            if value is None:
                return None
            digest = cast("bytes | None", self._redis.hget(_NUMBERS, _field(value[:NUMBER_BYTES])))
        if digest is None:
            raise StoreError(f"the record of {name!r} names no generator")
        return Stored(digest, value[NUMBER_BYTES:])

    def generator(self, digest: bytes) -> bytes | None:
        """See ``Store``."""
        with _storing("read a generator"):
            return cast("bytes | None", self._redis.hget(_GENERATORS, digest.hex()))

    def digests(self) -> tuple[bytes, ...]:
        """See ``Store``."""
        with _storing("list generators"):
            found = cast("dict[bytes, bytes]", self._redis.hgetall(_NUMBERS))
        return tuple(found[number] for number in sorted(found))

    def names(self) -> Iterator[str]:
        """See ``Store``."""
        with _storing("list names"):
            for name, _ in self._redis.hscan_iter(_RECORDS, count=_CHUNK):
                yield cast("bytes", name).decode("utf-8")

    def facts(self) -> Facts:
        """See ``Store``."""
        with _storing("read the counts"):
            return facts_from_bytes(cast("bytes | None", self._redis.get(_FACTS)))

    def accept(self, batch: Batch, size_bytes: int, check: Callable[[int], None]) -> Change:
        """See ``Store``."""
        with _storing("store a batch"), self._redis.pipeline() as pipe:
            for _ in range(_TRIES):
                try:
                    return self._accept(pipe, batch, size_bytes, check)
                except redis.WatchError:
                    continue
        raise StoreError("others wrote to the store all the time", remedy="publish it again")

    def _accept(
        self,
        pipe: redis.client.Pipeline,
        batch: Batch,
        size_bytes: int,
        check: Callable[[int], None],
    ) -> Change:
        pipe.watch(_FACTS)  # type: ignore[no-untyped-call]
        facts = facts_from_bytes(cast("bytes | None", pipe.get(_FACTS)))
        check(facts.counter)
        held = cast("dict[bytes, bytes]", pipe.hgetall(_NUMBERS))
        numbers = {digest: int(number, 16) for number, digest in held.items()}
        number, is_new = number_of(batch, numbers)
        prefix = number.to_bytes(NUMBER_BYTES, "big")
        names = list(batch.records)
        old: dict[str, bytes | None] = {}
        for start in range(0, len(names), _CHUNK):
            some = names[start : start + _CHUNK]
            found = cast("list[bytes | None]", pipe.hmget(_RECORDS, some))
            old.update(zip(some, found, strict=True))
        after, change = changed(facts, batch, size_bytes, old, prefix.__add__, is_new)
        pipe.multi()
        if is_new:
            pipe.hset(_NUMBERS, _field(prefix), batch.generator)
            pipe.hset(_GENERATORS, batch.generator.hex(), batch.file)
        for name, record in batch.records.items():
            if record:
                pipe.hset(_RECORDS, name, prefix + record)
            else:
                pipe.hdel(_RECORDS, name)
        pipe.set(_FACTS, facts_to_bytes(after))
        pipe.execute()
        return change

    def close(self) -> None:
        """See ``Store``."""
        self._redis.close()


def _field(number: bytes) -> str:
    return number.hex()


@contextmanager
def _storing(attempt: str) -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise StoreError(
            f"cannot {attempt}: {error}",
            expected="a Redis server that answers",
            remedy="check --store, the server and its memory",
        ) from None
