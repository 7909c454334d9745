"""Ctrl-C ends every command with 130, also while it imports, and never with a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.terminal import reports_errors

PROGRAMS = {"groundstation": ["keygen", "--help"], "probe": ["--help"], "sims": ["presets"]}


def interrupted_after(lines: int, room: str) -> tuple[int | None, str]:
    """Exit code and standard error of a program that gets Ctrl-C after so many imports.

    The interpreter tells of each import, so the moment depends on no clock.  The first of them that
    counts is the one before the program's own: from then on it is guarded.
    """
    program = f"from {room}.entry import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-c", program, *PROGRAMS[room]],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stderr is not None
    told, guarded, left = "", False, lines
    for line in process.stderr:
        told += line
        guarded = guarded or line.rstrip().endswith(f"{room}.entry")
        left -= guarded
        if left < -1:  # the line after the entry's own is of an import that is guarded
            process.send_signal(signal.SIGINT)
            break
    told += process.stderr.read()
    return process.wait(), told


@given(lines=st.integers(0, 500), room=st.sampled_from(sorted(PROGRAMS)))
@settings(max_examples=12)
def test_while_it_imports(lines: int, room: str) -> None:
    code, told = interrupted_after(lines, room)
    assert code in (130, 0), "0: it had ended before"
    assert "Traceback" not in told


def test_the_first_import_is_guarded() -> None:
    code, told = interrupted_after(0, "groundstation")
    assert code == 130
    assert "Traceback" not in told


def test_the_console_commands_begin_there() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    for name, room in {
        "groundstation": "groundstation",
        "probe": "probe",
        "linksim": "sims",
    }.items():
        assert f'{name} = "{room}.entry:main"' in text


_COMMAND = """
import os, signal, sys
from shared.system.interrupt import run_program
import typer
from shared.terminal import reports_errors
app = typer.Typer()

@app.command()
@reports_errors
def work(how: str) -> None:
    print("some of it")
    if how == "code":
        os.kill(os.getpid(), signal.SIGINT)
    elif how == "finaliser":
        class Dies:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)
                sum(range(1000))
        del_me = Dies()
        del del_me
    else:
        from concurrent.futures import ThreadPoolExecutor
        import threading
        ThreadPoolExecutor(1).submit(threading.Event().wait)  # would be waited for for ever
        os.kill(os.getpid(), signal.SIGINT)
    signal.pause()

run_program(lambda: app)
"""


@pytest.mark.parametrize("how", ["code", "finaliser", "thread"])
def test_while_it_works(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, how], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "some of it\n")
    assert "Traceback" not in done.stderr
    assert ("interrupted" in done.stderr) == (how != "finaliser")


def test_benchmarks_end_so_too(tmp_path: Path) -> None:
    script = "import benchmarks, os, signal; os.kill(os.getpid(), signal.SIGINT); input()"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 130
    assert "Traceback" not in done.stderr


def test_a_command_called_from_elsewhere_leaves_the_handler_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert reports_errors(lambda: signal.getsignal(signal.SIGINT))() is before
    assert signal.getsignal(signal.SIGINT) is before
