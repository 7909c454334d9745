"""Order and size of what may be drawn: by digest, never by looking at a codec's result."""

from __future__ import annotations

import difflib
import hashlib
import re


def rank(*names: str) -> str:
    """A fixed, meaningless order."""
    return hashlib.sha256(" ".join(names).encode()).hexdigest()


def unified_bytes(old: bytes, new: bytes) -> int:
    """Size of the plain unified diff: three context lines, the two name lines without names."""
    lines = difflib.diff_bytes(
        difflib.unified_diff, old.splitlines(keepends=True), new.splitlines(keepends=True)
    )
    return sum(map(len, lines))


def canonical(package: str) -> str:
    """A package's name as the index compares it: lower case, one hyphen for each separator."""
    return re.sub(r"[-_.]+", "-", package).lower()


def is_final(version: str) -> bool:
    """Whether a version is numbers and dots alone: no candidate, no post-release."""
    return all(part.isdigit() for part in version.split("."))
