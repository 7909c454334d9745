"""What this process has taken of the machine."""

from __future__ import annotations

import re
import resource
from pathlib import Path


def peak_memory_kib() -> int:
    """The most resident memory that this process ever had, KiB (VmHWM, proc_pid_status(5)).

    Where the system does not tell, what getrusage(2) says; that may be a parent's.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    found = re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE)
    return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
