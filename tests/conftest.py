"""What holds for every test."""

from __future__ import annotations

import signal

from hypothesis import settings

# A busy machine is no defect: how long an example takes decides nothing.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A job that a shell starts in the background ignores Ctrl-C, and so would every program that a test
# starts and then interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
