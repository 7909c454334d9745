"""Other processes that count candidates: local ones, or those of a Dask cluster.

Every worker loads the pin once and remembers what it has read.  What comes back are numbers alone;
the candidate that is sent is counted again here, and regenerated before it is signed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from groundstation.scoring.cached_model import ReusingModel
from groundstation.scoring.candidate import Candidate, Problem
from groundstation.scoring.evaluator import Evaluator, InProcess
from groundstation.scoring.options import Options
from groundstation.scoring.score import Result, count
from shared.errors import InputError
from shared.exact.kernels import usable_cores
from shared.exact.pin import load_pin, resolve_pin
from shared.prompts.language_model.pinned import PinnedModel
from shared.system.processes import begin_worker, unheard_interrupts
from shared.tree import Entry, Tree

MOST_LOSSES = 4
"""Times in a row that workers may be lost before any of them has answered."""


@dataclass(frozen=True)
class Workers:
    """Who counts candidates.

    Attributes:
        pin: name or folder of the pin, as the workers find it.
        count: local processes; 1 for this one alone.
        cluster: address of a Dask scheduler, which goes before local processes; or None.
    """

    pin: str
    count: int = 1
    cluster: str | None = None


@dataclass(frozen=True)
class Job:
    """What a worker must know once about a patch; it can be pickled.

    Attributes:
        key: differs between patches.
        pin: name or folder of the pin.
        digest: of the pin; another one is refused.
        verify: whether to compare the pin's files with their digests.
        threads: of the compiled kernel.
        base: the tree on board.
        choices: the ways to send each change.
    """

    key: str
    pin: str
    digest: bytes
    verify: bool
    threads: int | None
    base: Mapping[str, Entry]
    choices: tuple[Options, ...]


@dataclass(frozen=True)
class Crew:
    """An open evaluator, and what else its workers can do.

    Attributes:
        evaluator: counts candidates.
        executor: runs anything else; None where threads of this process are to.
    """

    evaluator: Evaluator
    executor: Executor | None = None


@contextmanager
def open_workers(
    workers: Workers | None, problem: Problem, digest: bytes, local: InProcess
) -> Iterator[Crew]:
    """Starts or finds workers.

    Args:
        workers: which; None for this process alone.
        problem: the patch.
        digest: of the pin.
        local: this process.

    Raises:
        InputError: the cluster cannot be reached.
    """
    if workers is None or (workers.count == 1 and workers.cluster is None):
        yield Crew(local)
        return
    key = f"{os.getpid()} {problem.base.digest.hex()} {id(problem)}"
    threads = None if workers.cluster else max(1, usable_cores() // workers.count)
    job = Job(
        key,
        workers.pin,
        digest,
        workers.cluster is not None,  # what lies on this machine was verified when it was opened
        threads,
        dict(problem.base.entries),
        problem.choices,
    )
    if workers.cluster is not None:
        from groundstation.workers.dask import open_cluster

        with open_cluster(workers.cluster, job) as (pool, executor):
            yield Crew(Pooled(pool), executor)
        return
    processes = LocalPool(job, workers.count)
    try:
        yield Crew(Pooled(processes))
    finally:
        processes.close()


class Pool:
    """Takes candidates; how, is for the subclasses."""

    def ahead(self) -> int:
        """How many candidates to hand out before the first has come back."""
        raise NotImplementedError

    def submit(self, candidate: Candidate) -> Future[Result]:
        """Hands out a candidate."""
        raise NotImplementedError

    def renew(self) -> None:
        """Makes the pool whole again after workers were lost."""
        raise NotImplementedError

    def wait(self, future: Future[Result]) -> Result:
        """The result of a candidate that was handed out."""
        return future.result()

    lost: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    """What a future raises whose worker was lost."""


@dataclass
class Pooled:
    """An ``Evaluator`` that hands candidates out and takes their results in order."""

    pool: Pool

    def score_all(self, candidates: Sequence[Candidate]) -> Generator[Result]:
        """See ``Evaluator``; what a lost worker had is handed out again.

        Raises:
            InputError: workers are lost whatever is done.
        """
        waiting: dict[int, Future[Result]] = {}
        losses = 0
        try:
            for k in range(len(candidates)):
                while True:
                    try:
                        for n in range(k, min(k + self.pool.ahead(), len(candidates))):
                            if n not in waiting:
                                waiting[n] = self.pool.submit(candidates[n])
                        result = self.pool.wait(waiting[k])
                        break
                    except self.pool.lost as error:
                        losses += 1
                        if losses > MOST_LOSSES:
                            raise InputError(
                                f"workers were lost {losses} times: {error or 'cancelled'}",
                                remedy="use --workers 1; if it goes well, the others had too "
                                "little memory",
                            ) from error
                        waiting = {n: each for n, each in waiting.items() if _answered(each)}
                        self.pool.renew()
                del waiting[k]
                losses = 0
                yield result
        finally:
            for each in waiting.values():
                each.cancel()


def _answered(future: Future[Result]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None


class LocalPool(Pool):
    """Processes on this machine."""

    def __init__(self, job: Job, count: int) -> None:
        self._job, self._count = job, count
        self._pool = self._open()

    def _open(self) -> ProcessPoolExecutor:
        # spawn: threads of the kernel and of libraries do not survive a fork
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self._count, context, _begin_local, (self._job,))

    def ahead(self) -> int:
        """Two a worker: one that it counts, and the next."""
        return 2 * self._count

    def submit(self, candidate: Candidate) -> Future[Result]:
        """See ``Pool``."""
        with unheard_interrupts():
            return self._pool.submit(score_local, candidate)

    def renew(self) -> None:
        """See ``Pool``."""
        self.close()
        self._pool = self._open()

    def close(self) -> None:
        """Ends the processes, each after what it counts."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass
class _Worker:
    """What a worker process keeps: one patch, and a model that remembers what it read."""

    problem: Problem
    model: ReusingModel
    lock: threading.Lock

    def score(self, candidate: Candidate) -> Result:
        with self.lock:  # a cluster's worker may have several threads
            return count(self.problem, candidate, self.model).score.result


_workers: dict[str, _Worker] = {}
_opening = threading.Lock()


@lru_cache(maxsize=1)
def _open_pin(pin: str, digest: bytes, verify: bool, threads: int | None) -> PinnedModel:
    found = load_pin(resolve_pin(pin), verify=verify, expected=digest)
    return PinnedModel.open(found, threads=threads)


def score(job: Job, candidate: Candidate, threads: Callable[[], int | None]) -> Result:
    """What a candidate costs; the pin and the patch are opened with the first.

    Args:
        job: the patch.
        candidate: to be counted.
        threads: of the kernel, asked where the job does not say.

    Raises:
        PinError: the pin is not there, or is another.
    """
    with _opening:
        worker = _workers.get(job.key)
        if worker is None:
            model = _open_pin(job.pin, job.digest, job.verify, job.threads or threads())
            _workers.clear()  # of one patch at a time: what was read takes memory
            problem = Problem(Tree(dict(job.base)), job.choices)
            worker = _workers[job.key] = _Worker(problem, ReusingModel(model), threading.Lock())
    return worker.score(candidate)


_local_job: list[Job] = []


def _begin_local(job: Job) -> None:
    """Of a local process."""
    begin_worker()
    _local_job[:] = [job]


def score_local(candidate: Candidate) -> Result:
    """In a local process: see ``score``."""
    return score(_local_job[0], candidate, lambda: None)
