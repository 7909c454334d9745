"""What holds for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine is no defect: how long an example takes decides nothing.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
