"""One piece of work for all who wait, and a queue with an end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.edge.cache import Memory
from probe.edge.singleflight import Busy, Flights, Turnstile


def test_all_who_ask_meanwhile_get_the_one_result() -> None:
    async def run() -> None:
        flights: Flights[int] = Flights()
        started, gate = 0, asyncio.Event()

        async def work() -> int:
            nonlocal started
            started += 1
            await gate.wait()
            return 40 + started

        tasks = [asyncio.create_task(flights.run("key", work)) for _ in range(200)]
        other = asyncio.create_task(flights.run("other", work))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        tasks[0].cancel()  # the one who began it hangs up
        tasks[7].cancel()
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert started == 2
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1:7] == [(42, True)] * 6
        assert [result for result in results if isinstance(result, tuple)] == [(42, True)] * 198
        assert await other == (42, False)
        assert await flights.run("key", work) == (43, False)  # landed: the next one starts anew

    asyncio.run(run())


def test_what_goes_wrong_goes_wrong_for_all_and_is_not_kept() -> None:
    async def run() -> None:
        flights: Flights[int] = Flights()
        tries = 0

        async def fail() -> int:
            nonlocal tries
            tries += 1
            await asyncio.sleep(0)
            raise OSError("no")

        results = await asyncio.gather(
            *(flights.run(1, fail) for _ in range(9)), return_exceptions=True
        )
        assert [type(result) for result in results] == [OSError] * 9
        assert tries == 1

        async def good() -> int:
            return 5

        assert await flights.run(1, good) == (5, False)

    asyncio.run(run())


@pytest.mark.parametrize(("places", "queue"), [(1, 0), (2, 3), (3, 0)])
def test_the_queue_has_an_end(places: int, queue: int) -> None:
    async def run() -> None:
        turnstile = Turnstile("a seat", places, queue)
        gate, working, most = asyncio.Event(), 0, 0

        async def one() -> str:
            nonlocal working, most
            try:
                async with turnstile.passed():
                    working += 1
                    most = max(most, working)
                    await gate.wait()
                    working -= 1
                    return "done"
            except Busy as busy:
                assert 1 <= busy.retry_after_s <= 30
                return "busy"

        tasks = [asyncio.create_task(one()) for _ in range(10)]
        for _ in range(5):
            await asyncio.sleep(0)
        assert (turnstile.working, turnstile.waiting) == (places, queue)
        gate.set()
        results = await asyncio.gather(*tasks)
        assert results.count("done") == places + queue
        assert results.count("busy") == 10 - places - queue
        assert most == places
        assert (turnstile.working, turnstile.waiting) == (0, 0)
        assert await one() == "done"

    asyncio.run(run())


def test_who_hangs_up_in_the_queue_leaves_it() -> None:
    async def run() -> None:
        turnstile = Turnstile("a seat", 1, 1)
        gate = asyncio.Event()

        async def one() -> None:
            async with turnstile.passed():
                await gate.wait()

        first, second = asyncio.create_task(one()), asyncio.create_task(one())
        for _ in range(3):
            await asyncio.sleep(0)
        second.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
        third = asyncio.create_task(one())
        for _ in range(3):
            await asyncio.sleep(0)
        assert (turnstile.working, turnstile.waiting) == (1, 1)
        gate.set()
        await asyncio.gather(first, third)
        assert (turnstile.working, turnstile.waiting) == (0, 0)

    asyncio.run(run())


@given(
    st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(0, 50)))),
)
def test_memory_is_a_list_of_the_last_ones_used(
    limit: int, steps: list[tuple[int, int | None]]
) -> None:
    memory = Memory(limit)
    model: list[tuple[int, bytes]] = []  # the last one used at the end
    for key, size in steps:
        if size is None:
            found = next((value for k, value in model if k == key), None)
            assert memory.get(key) == found
            if found is not None:
                model = [(k, v) for k, v in model if k != key] + [(key, found)]
            continue
        value = bytes([key]) * size
        memory.put(key, value)
        model = [(k, v) for k, v in model if k != key]
        if size <= limit:
            model.append((key, value))
            while sum(len(v) for _, v in model) > limit:
                model.pop(0)
        assert memory.size_bytes == sum(len(v) for _, v in model)
        assert len(memory) == len(model)
