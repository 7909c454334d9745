"""The edge's libraries are an extra: nothing else of the probe loads them or needs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.edge.stack import environment

LIBRARIES = {"httpx", "lmdb", "prometheus_client", "redis", "starlette", "uvicorn", "PIL"}


def ran(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )


@pytest.mark.parametrize("module", ["probe.cli", "probe.edge.cli"])
def test_the_command_line_loads_no_library_of_the_edge(module: str) -> None:
    result = ran(f"import sys, {module}; print('\\n'.join(sys.modules))")
    loaded = set(result.stdout.split())
    assert module in loaded, result.stderr
    assert not {"asyncio", *LIBRARIES} & loaded


@pytest.mark.parametrize("missing", sorted(LIBRARIES - {"redis"}))
def test_without_the_extra_it_is_named(missing: str, tmp_path: object) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from probe.cli import app\n"
        "app(['edge', 'serve', '--store', sys.argv[1], '--port', '0'])"
    )
    result = ran(code, f"{tmp_path}/store")
    assert result.returncode == 4
    shown = " ".join((result.stdout + result.stderr).split())
    assert "rehydration-uplink[edge]" in shown
    assert "Traceback" not in shown


def test_redis_is_needed_for_redis_only(tmp_path: object) -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from probe.edge.stores.open_store import open_store\n"
        "open_store(sys.argv[1], create=True).close()\n"
        "from probe.cli import app\n"
        "app(['edge', 'status', '--store', 'redis://127.0.0.1:1/0'])"
    )
    result = ran(code, f"{tmp_path}/store")
    assert result.returncode == 4
    assert "rehydration-uplink[edge]" in " ".join((result.stdout + result.stderr).split())
