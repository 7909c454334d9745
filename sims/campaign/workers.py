"""Who flies the chunks of a campaign: this process, others on this machine, or a Dask cluster.

Results come in the order of the report, whoever is done first.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from shared.errors import InputError
from shared.system.processes import begin_worker, unheard_interrupts
from sims.campaign.campaign import Campaign, Chunk, fly_chunk
from sims.mission.mission import Result

CONNECT_SECONDS = 10
AHEAD = 3
"""Chunks handed out to each worker before its first has come back."""

Submit = Callable[[Chunk], Any]
R = TypeVar("R")
Task = Callable[[Campaign, Chunk], R]
"""What is done with a chunk; a function of a module, so that others can be told of it."""


def fly_all(
    campaign: Campaign, chunks: Sequence[Chunk], workers: int = 1, cluster: str | None = None
) -> Iterator[tuple[Chunk, list[Result]]]:
    """The chunks with their results, in order; see ``do_all``."""
    return do_all(fly_chunk, campaign, chunks, workers, cluster)


def do_all(
    task: Task[R],
    campaign: Campaign,
    chunks: Sequence[Chunk],
    workers: int = 1,
    cluster: str | None = None,
) -> Iterator[tuple[Chunk, R]]:
    """The chunks with what a task makes of them, in order.

    Args:
        task: what is done with each.
        campaign: which.
        chunks: of it.
        workers: local processes; 1 is this one.
        cluster: address of a Dask scheduler, which goes before local processes.

    Raises:
        InputError: the cluster cannot be reached, or workers were lost.
    """
    if cluster is not None:
        with _on_cluster(task, campaign, cluster) as (submit, count):
            yield from _in_order(chunks, submit, AHEAD * count)
    elif workers == 1:
        for chunk in chunks:
            yield chunk, task(campaign, chunk)
    else:
        with _on_processes(task, campaign, workers) as submit:
            yield from _in_order(chunks, submit, AHEAD * workers)


def _in_order(chunks: Sequence[Chunk], submit: Submit, ahead: int) -> Iterator[tuple[Chunk, Any]]:
    waiting: deque[tuple[Chunk, Any]] = deque()
    left = iter(chunks)
    try:
        while True:
            while len(waiting) < ahead and (chunk := next(left, None)) is not None:
                waiting.append((chunk, submit(chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            yield chunk, future.result()
    except BrokenExecutor as error:
        raise InputError(
            f"a worker was lost: {error}",
            remedy="run it again: the journal has what was done; or use --workers 1",
        ) from error
    finally:
        for _, future in waiting:
            future.cancel()


@contextmanager
def _on_processes(task: Task[R], campaign: Campaign, count: int) -> Iterator[Submit]:
    # spawn: a fork would copy threads that do not live on
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, context, _begin, (campaign,))
    try:

        def submit(chunk: Chunk) -> Future[R]:
            with unheard_interrupts():
                return pool.submit(_here, task, chunk)

        yield submit
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_campaign: list[Campaign] = []


def _begin(campaign: Campaign) -> None:
    begin_worker()
    _campaign[:] = [campaign]


def _here(task: Task[R], chunk: Chunk) -> R:
    return task(_campaign[0], chunk)


@contextmanager
def _on_cluster(task: Task[R], campaign: Campaign, address: str) -> Iterator[tuple[Submit, int]]:
    """A scheduler that somebody has started; the campaign travels with every chunk."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "--cluster needs the package distributed",
            remedy="pip install 'rehydration-uplink[cluster]', here and on the workers",
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = str(error)
        raise InputError(
            f"no cluster answers at {address}: {why}",
            expected="the address of a Dask scheduler, such as tcp://host:8786",
            remedy="start one with `dask scheduler` and `dask worker`, or use --workers",
        ) from None
    with client:
        count = len(client.nthreads())
        if not count:
            raise InputError(f"the cluster at {address} has no workers", remedy="start some")

        def submit(chunk: Chunk) -> Future[R]:
            future: Future[R] = client.submit(task, campaign, chunk, pure=False, retries=3)
            return future

        yield submit, count
