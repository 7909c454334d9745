"""Runs probe commands, each in a process of its own, without the cost of starting Python.

Reads a JSON list of arguments from each line of standard input, answers with the number of the
process that works on it, and with its exit status once it has ended (negative: killed).
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import sys

import shared.regenerate  # noqa: F401 - loaded here once, not in every child
from probe.cli import app


def warm_up() -> None:
    """Let the libraries load here what they load late, once and not in every child."""
    with contextlib.redirect_stderr(io.StringIO()), contextlib.suppress(SystemExit):
        app(["apply", "none", "--state", "/none"])
    gc.freeze()


def serve() -> None:
    """Until standard input ends."""
    warm_up()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            with open(os.devnull, "w") as silence:  # noqa: PTH123
                os.dup2(silence.fileno(), 1)
                os.dup2(silence.fileno(), 2)
            try:
                app(json.loads(line))
            except SystemExit as end:
                os._exit(int(end.code or 0))
            os._exit(99)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


serve()
