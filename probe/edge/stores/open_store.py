"""Which store a place stands for; the library of the other kind is not loaded."""

from __future__ import annotations

from pathlib import Path

from probe.edge.stores.store import Store
from shared.errors import InputError


def open_store(place: str, *, create: bool = False) -> Store:
    """A store by its place: a folder, or a URL like ``redis://localhost:6379/0``.

    Args:
        place: where.
        create: make the folder if it is not there.

    Raises:
        InputError: no such place.
        StoreError: it cannot be opened.
    """
    scheme, colon, _ = place.partition("://")
    if colon and scheme in ("redis", "rediss", "unix"):
        from probe.edge.stores.redis_store import RedisStore

        return RedisStore(place)
    if colon:
        raise InputError(
            f"the store {place!r} is of no kind that is known",
            expected="a folder, or redis://HOST:PORT/NUMBER",
        )
    from probe.edge.stores.lmdb_store import LmdbStore

    return LmdbStore(Path(place), create=create)
