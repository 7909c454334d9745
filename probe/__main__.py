"""``python -m probe``."""

from __future__ import annotations

from probe.cli import app

app(prog_name="probe")
