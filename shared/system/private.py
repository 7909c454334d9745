"""Files and folders that only their owner may use."""

from __future__ import annotations

import stat
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private(path: Path) -> str:
    """Take from group and others what permissions they have on something.

    Returns:
        What was changed, as a sentence for the operator; "" if nothing had to be.

    Raises:
        OSError: there is nothing at the path, or its permissions are another user's to change.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & _OTHERS:
        return ""
    path.chmod(mode & ~_OTHERS)
    return f"{path} was open to other users (mode {mode:04o}): it is {mode & ~_OTHERS:04o} now"
