"""One piece of work for all who wait for it, and no more of it at once than the machine can do."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from shared.errors import RehydrationError

V = TypeVar("V")


class Busy(RehydrationError):  # noqa: N818 - named for what it says
    """The queue is full; not a refusal of what was asked for.

    Args:
        retry_after_s: when there may be room again.
    """

    kind = "busy"

    def __init__(self, what: str, waiting: int, retry_after_s: int) -> None:
        super().__init__(
            f"{waiting} requests wait for {what} already",
            expected="a shorter queue",
            remedy=f"ask again in {retry_after_s} s",
        )
        self.retry_after_s = retry_after_s


class Flights(Generic[V]):
    """Coalesces requests: whoever asks for a key under way waits for that, and starts nothing."""

    def __init__(self) -> None:
        self._tasks: dict[Hashable, asyncio.Task[V]] = {}

    async def run(self, key: Hashable, start: Callable[[], Awaitable[V]]) -> tuple[V, bool]:
        """The result for a key, and whether somebody else had started it.

        The work goes on if a client that waits for it hangs up: others may wait too, and if none
        does the next one will be glad of it.

        Raises:
            Exception: what the work raises, to all who wait.
        """
        task = self._tasks.get(key)
        joined = task is not None
        if task is None:
            task = asyncio.ensure_future(_awaited(start))
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task), joined

    def _landed(self, key: Hashable, task: asyncio.Task[V]) -> None:
        del self._tasks[key]
        if not task.cancelled():
            task.exception()  # looked at, also if all who waited have gone


async def _awaited(start: Callable[[], Awaitable[V]]) -> V:
    return await start()


class Turnstile:
    """So many at a time, so many more in a queue, and the rest turned away at once.

    Args:
        what: that is waited for, as errors name it.
        places: at work at a time.
        queue: that may wait.
    """

    def __init__(self, what: str, places: int, queue: int) -> None:
        self.what, self.places, self.queue = what, places, queue
        self.waiting = 0
        self.working = 0
        self._mean_s = 0.05
        self._room = asyncio.Semaphore(places)

    @asynccontextmanager
    async def passed(self) -> AsyncIterator[float]:
        """A place, for as long as the context lasts; yields how long was waited for it, seconds.

        Raises:
            Busy: the queue is full.
        """
        if self.waiting + self.working >= self.places + self.queue:
            seconds = self._mean_s * (self.waiting + 1) / self.places
            raise Busy(self.what, self.waiting, min(max(1, math.ceil(seconds)), 30))
        came = time.perf_counter()
        self.waiting += 1
        try:
            await self._room.acquire()
        finally:
            self.waiting -= 1
        self.working += 1
        began = time.perf_counter()
        try:
            yield began - came
        finally:
            self._mean_s += (time.perf_counter() - began - self._mean_s) / 16
            self.working -= 1
            self._room.release()
