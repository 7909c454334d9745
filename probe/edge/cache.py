"""Encoded pictures in memory: the last ones asked for, up to so many bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable


class Memory:
    """A least-recently-used cache of bytes.  For one thread.

    Args:
        max_bytes: of all values together; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        self._values: OrderedDict[Hashable, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> bytes | None:
        """A value, which then counts as the last one used."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: bytes) -> None:
        """Keeps a value if it fits, and drops the ones that were not used for longest."""
        old = self._values.pop(key, None)
        self.size_bytes -= len(old) if old is not None else 0
        if len(value) > self.max_bytes:
            return
        self._values[key] = value
        self.size_bytes += len(value)
        while self.size_bytes > self.max_bytes:
            _, dropped = self._values.popitem(last=False)
            self.size_bytes -= len(dropped)
