"""Where files are made: each once for all who wait, so many at a time, the last ones kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from probe.edge.cache import Memory
from probe.edge.formats import Format, encoded
from probe.edge.http.request import Options
from probe.edge.metrics import Metrics
from probe.edge.singleflight import Flights, Turnstile
from probe.edge.stores.store import Stored
from shared.errors import DigestMismatch
from shared.media.fixed import U8

V = TypeVar("V")
Pixels: TypeAlias = Callable[[], U8]
"""Draws or reads a picture."""


@dataclass(frozen=True)
class Made:
    """A file that was made, and how long each step took, seconds."""

    body: bytes
    steps: dict[str, float]


class Workshop:
    """Threads that draw and encode, and a memory of what they made.

    Args:
        options: how many, and how much is kept.
        metrics: where the work is counted.
    """

    def __init__(self, options: Options, metrics: Metrics) -> None:
        self.metrics = metrics
        self.memory = Memory(options.memory_bytes)
        self._turnstile = Turnstile("a processor", options.workers, options.queue)
        self._pool = ThreadPoolExecutor(options.workers, "draw")
        self._files: Flights[Made] = Flights()
        self._pixels: Flights[tuple[U8, float]] = Flights()

    async def file(
        self, tag: str, stored: Stored, into: Format, pixels: Pixels
    ) -> tuple[Made, bool]:
        """A picture's file, and whether somebody else was having it made.

        Args:
            tag: that names its bytes.
            stored: what it is made from.
            into: its format.
            pixels: draws or reads it; called in a thread, at most once for all formats that are
                asked for at a time.

        Raises:
            Busy: the queue is full.
            Exception: what ``pixels`` raises.
        """

        async def make() -> Made:
            made = await self._made(stored, into, pixels)
            self.memory.put(tag, made.body)
            return made

        return await self._files.run(tag, make)

    async def aside(self, work: Callable[..., V], *arguments: object) -> V:
        """Does something in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)

    def verified(self, work: Callable[[], V]) -> V:
        """What is drawn or read, counted by whether its digest is as recorded."""
        try:
            result = work()
        except DigestMismatch:
            self.metrics.drew(verified=False)
            raise
        self.metrics.drew(verified=True)
        return result

    def gauge(self) -> None:
        """Tells the metrics how full it is."""
        self.metrics.memory_bytes.set(self.memory.size_bytes)
        self.metrics.waiting.set(self._turnstile.waiting)

    def close(self) -> None:
        """Waits for what is under way."""
        self._pool.shutdown(wait=True)

    async def _made(self, stored: Stored, into: Format, pixels: Pixels) -> Made:
        async def draw() -> tuple[U8, float]:
            return await self.aside(_timed, pixels)

        async with self._turnstile.passed() as waited_s:
            (shown, drew_s), _ = await self._pixels.run((stored.generator, stored.record), draw)
            body, encoded_s = await self.aside(_timed, lambda: encoded(shown, into))
        self.metrics.wrote(into.name)
        return Made(body, {"queue": waited_s, "draw": drew_s, "encode": encoded_s})


def _timed(work: Callable[[], V]) -> tuple[V, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began
