"""Where ``linksim`` begins: so small that Ctrl-C finds nothing before it is guarded."""

from __future__ import annotations

from collections.abc import Callable

from shared.system.interrupt import run_program


def main() -> None:
    """Runs the command line."""
    run_program(_load)


def _load() -> Callable[[], object]:
    from sims.cli import app

    return app
