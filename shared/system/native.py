"""Compiled extensions that are called with ctypes, where they were built.

They are extension modules only so that the build system compiles them; nothing in them is called
through Python, so that the interpreter is free while they compute.
"""

from __future__ import annotations

import ctypes
import importlib.util


def load_extension(module: str) -> ctypes.CDLL | None:
    """An extension module's shared library, or None where it was not built or does not load."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    try:
        return ctypes.CDLL(spec.origin)
    except OSError:
        return None
