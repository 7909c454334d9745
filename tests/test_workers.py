"""Other processes that count: the same result as alone, and none is lost with a worker."""

from __future__ import annotations

import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from patch_of_hunks import problem, trees
from tiny_codec import write_random_pin

from groundstation.authoring.author import Effort, author
from groundstation.authoring.result import Authored
from groundstation.scoring.candidate import Candidate
from groundstation.scoring.evaluator import InProcess
from groundstation.scoring.score import Result
from groundstation.search.steps import VALUES, Order, first_candidate, hunk_steps, settings_steps
from groundstation.seeds.drawn_search import find_seed
from groundstation.workers.open import MOST_LOSSES, Crew, LocalPool, Pooled, Workers, open_workers
from shared.errors import InputError, PinError
from shared.exact.pin import load_pin
from shared.prompts.language_model.pinned import PinnedModel

BASE, TARGET = trees(2)
TRIALS = 20


@pytest.fixture(scope="module")
def pin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pins") / "tiny"
    write_random_pin(folder)
    return folder


@pytest.fixture(scope="module")
def model(pin: Path) -> PinnedModel:
    return PinnedModel.open(load_pin(pin), threads=1)


def authored(model: PinnedModel, workers: Workers | None) -> tuple[object, ...]:
    """All that must not depend on who counts."""
    effort = Effort(max_seconds=1e9, max_candidates=TRIALS, workers=workers, check=False)
    made: Authored = author(BASE, TARGET, model, effort=effort)
    assert made.candidates == TRIALS
    return made.recipe, made.settings, made.files, made.moves, made.tried


@pytest.fixture(scope="module")
def alone(model: PinnedModel) -> tuple[object, ...]:
    return authored(model, None)


def candidates(model: PinnedModel) -> list[Candidate]:
    """Some thirty different ones."""
    given = problem(model.vocabulary, 2)
    first = first_candidate(given.choices)
    steps = [each for name in VALUES for each in settings_steps(first, name, Order())]
    steps += hunk_steps(first, given.choices, 0, model.vocabulary)
    diff = settings_steps(first, "shape", Order())[-1].candidate
    more = hunk_steps(diff, given.choices, 0, model.vocabulary)
    return [first, *(each.candidate for each in (*steps, *more))]


def opened(workers: Workers, model: PinnedModel, digest: bytes | None = None) -> Any:
    given = problem(model.vocabulary, 2)
    return open_workers(workers, given, digest or model.digest, InProcess(given, model))


@pytest.fixture(scope="module")
def expected(model: PinnedModel) -> list[Result]:
    local = InProcess(problem(model.vocabulary, 2), model)
    return list(local.score_all(candidates(model)))


def test_what_travels_is_light(expected: list[Result]) -> None:
    assert max(len(pickle.dumps(each)) for each in expected) < 500


# --- processes of this machine --------------------------------------------------------------------


def test_two_processes_find_what_one_finds(
    model: PinnedModel, pin: Path, alone: tuple[object, ...]
) -> None:
    assert authored(model, Workers(str(pin), 2)) == alone


def test_a_killed_process_loses_no_result(
    model: PinnedModel, pin: Path, expected: list[Result]
) -> None:
    """Each in turn, in the middle of the work."""
    with opened(Workers(str(pin), 2), model) as crew:
        found: list[Result] = []
        killed: set[int] = set()
        for result in crew.evaluator.score_all(candidates(model)):
            found.append(result)
            if len(found) in (2, 11):
                processes = crew.evaluator.pool._pool._processes
                victim = min(processes)
                killed.add(victim)
                os.kill(victim, signal.SIGKILL)
        assert found == expected
        assert len(killed) == 2
        assert not killed & set(crew.evaluator.pool._pool._processes)


def test_workers_that_always_die_end_the_search_with_a_reason(
    model: PinnedModel, pin: Path
) -> None:
    class Dying(LocalPool):
        opened = 0

        def submit(self, candidate: Candidate) -> Future[Result]:  # noqa: ARG002
            return self._pool.submit(os._exit, 1)  # type: ignore[arg-type]

        def renew(self) -> None:
            self.opened += 1
            super().renew()

    with opened(Workers(str(pin), 2), model) as crew:
        pool = Dying(crew.evaluator.pool._job, 1)
        with pytest.raises(InputError, match=f"lost {MOST_LOSSES + 1} times") as caught:
            next(Pooled(pool).score_all(candidates(model)))
        assert pool.opened == MOST_LOSSES
        assert "--workers 1" in str(caught.value.remedy)
        pool.close()


def test_another_pin_on_the_worker_is_refused_not_retried(model: PinnedModel, pin: Path) -> None:
    with (
        opened(Workers(str(pin), 2), model, b"\7" * 32) as crew,
        pytest.raises(PinError, match="is the pin") as caught,
    ):
        next(crew.evaluator.score_all(candidates(model)))
    assert caught.value.expected == "07" * 32


def test_processes_end_with_a_parent_that_was_killed(pin: Path) -> None:
    """No orphan keeps a core and hundreds of megabytes."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_workers as t
from pathlib import Path
if __name__ == "__main__":
    pin = Path({str(pin)!r})
    model = t.PinnedModel.open(t.load_pin(pin), threads=1)
    with t.opened(t.Workers(str(pin), 2), model) as crew:
        for _ in crew.evaluator.score_all(t.candidates(model)):
            print(*crew.evaluator.pool._pool._processes, flush=True)
            sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    children = [int(word) for word in parent.stdout.readline().split()]
    assert children
    assert all(Path(f"/proc/{child}").exists() for child in children)
    parent.kill()
    parent.wait()
    while any(running(child) for child in children):
        time.sleep(0.05)


def running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


# --- a Dask cluster -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two worker processes, each of which is started again when it dies."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
    ) as found:
        yield found


def on(cluster: Any, pin: Path) -> Workers:
    return Workers(str(pin), cluster=cluster.scheduler_address)


def test_a_cluster_finds_what_one_process_finds(
    cluster: Any, model: PinnedModel, pin: Path, alone: tuple[object, ...]
) -> None:
    assert authored(model, on(cluster, pin)) == alone


def test_a_killed_worker_of_a_cluster_loses_no_result(
    cluster: Any, model: PinnedModel, pin: Path, expected: list[Result]
) -> None:
    with opened(on(cluster, pin), model) as crew:
        found: list[Result] = []
        for result in crew.evaluator.score_all(candidates(model)):
            found.append(result)
            if len(found) == 4:
                victim = cluster.workers[0].process.pid
                os.kill(victim, signal.SIGKILL)
        assert found == expected


def test_a_cluster_that_all_workers_leave_is_given_up(model: PinnedModel, pin: Path) -> None:
    from distributed import LocalCluster

    import groundstation.workers.dask as module

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address=None) as leaving,
        pytest.MonkeyPatch.context() as patch,
        opened(on(leaving, pin), model) as crew,
    ):
        patch.setattr(module, "DESERTED_SECONDS", 2)
        results = crew.evaluator.score_all(candidates(model))
        next(results)
        leaving.scale(0)
        with pytest.raises(InputError, match="lost all its workers"):
            list(results)


def test_a_cluster_finds_the_smallest_drawn_seed(
    cluster: Any, model: PinnedModel, pin: Path
) -> None:
    """One in 4096 draws these tokens: the same seed as threads here find."""
    intervals = [(5, 3, 48), (17, 1, 16), (2, 4, 64)]
    wanted = find_seed(intervals, 1 << 20)
    assert wanted is not None and wanted > 100
    with opened(on(cluster, pin), model) as crew:
        assert crew.executor is not None
        assert find_seed(intervals, 1 << 20, executor=crew.executor, workers=4) == wanted


def test_a_cluster_that_is_not_there_is_told(model: PinnedModel, pin: Path) -> None:
    import groundstation.workers.dask as module

    for address in ("tcp://127.0.0.1:9", "nonsense://x", ""):
        with (
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(InputError, match="no cluster answers"),
        ):
            patch.setattr(module, "CONNECT_SECONDS", 1)
            with opened(Workers(str(pin), cluster=address), model):
                pass
        # none is left to close itself in the middle of something else
        assert not [each for each in gc.get_objects() if type(each).__name__ == "Client"]


def test_a_cluster_without_workers_is_told(model: PinnedModel, pin: Path) -> None:
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=0, dashboard_address=None) as empty,
        pytest.raises(InputError, match="has no workers"),
        opened(on(empty, pin), model),
    ):
        pass


def test_one_process_needs_no_workers(model: PinnedModel, pin: Path) -> None:
    given = problem(model.vocabulary, 2)
    local = InProcess(given, model)
    for workers in (None, Workers(str(pin), 1)):
        with open_workers(workers, given, model.digest, local) as crew:
            assert crew == Crew(local)
