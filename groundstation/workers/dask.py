"""Workers of a Dask cluster that somebody else started."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any

from groundstation.scoring.candidate import Candidate
from groundstation.scoring.score import Result
from groundstation.workers.open import Job, Pool, score
from shared.errors import InputError

CONNECT_SECONDS = 10

DESERTED_SECONDS = 120
"""A cluster without any worker for so long is given up; one that restarts them needs less."""

RETRIES = 3
"""Times that the cluster itself runs a candidate again."""


@contextmanager
def open_cluster(address: str, job: Job) -> Iterator[tuple[Pool, Executor]]:
    """Connects to a scheduler.

    Args:
        address: as ``tcp://host:8786``, or a scheduler's file.
        job: the patch.

    Raises:
        InputError: ``distributed`` is not installed, the address is wrong or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "--cluster needs the package distributed",
            remedy="pip install 'rehydration-uplink[cluster]', here and on the workers",
        ) from error
    why = None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = str(error)  # not the error itself, whose traceback holds the client
    if why is not None:
        # A client that has not come to be still closes itself when it is collected, and waits for
        # its thread: at a moment of its own choice that can be for ever.
        gc.collect()
        raise InputError(
            f"no cluster answers at {address}: {why}",
            expected="the address of a Dask scheduler, such as tcp://host:8786",
            remedy="start one with `dask scheduler` and `dask worker`, or use --workers",
        )
    with client:
        if not client.nthreads():
            raise InputError(f"the cluster at {address} has no workers", remedy="start some")
        executor = client.get_executor(pure=False, retries=RETRIES)
        yield ClusterPool(client, executor, job), executor


class ClusterPool(Pool):
    """Hands candidates to a cluster, which gives those of a lost worker to another."""

    def __init__(self, client: Any, executor: Executor, job: Job) -> None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm.core import CommClosedError

        self.lost = (*Pool.lost, KilledWorker, FutureCancelledError, CommClosedError)
        self._client, self._executor, self._job = client, executor, job

    def ahead(self) -> int:
        """Two a worker, of those that are there now."""
        return 2 * max(1, len(self._client.nthreads()))

    def submit(self, candidate: Candidate) -> Future[Result]:
        """See ``Pool``.

        The patch goes with every candidate: what lies on the cluster beforehand can be lost with
        the workers that hold it, and then everything that waits for it waits for ever.
        """
        return self._executor.submit(score_there, self._job, candidate)

    def wait(self, future: Future[Result]) -> Result:
        """See ``Pool``.

        Raises:
            InputError: all workers are gone and none comes back.
        """
        deserted_since: float | None = None
        while True:
            try:
                return future.result(timeout=1)
            except TimeoutError:
                if future.done():
                    raise  # the candidate's own
            now = time.monotonic()
            if self._client.nthreads():
                deserted_since = None
            elif deserted_since is None:
                deserted_since = now
            elif now - deserted_since > DESERTED_SECONDS:
                raise InputError(
                    "the cluster has lost all its workers",
                    remedy="start some and run it again: what was counted is in the journal",
                )

    def renew(self) -> None:
        """Nothing is to be done: the cluster mends itself."""


def score_there(job: Job, candidate: Candidate) -> Result:
    """On a worker: see ``workers.open.score``; it may use the threads granted to it."""
    from distributed import get_worker

    return score(job, candidate, lambda: int(get_worker().state.nthreads))
