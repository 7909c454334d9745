"""One change of one file with its texts, wherever it comes from."""

from __future__ import annotations

import difflib
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

from groundstation.corpus.choice.ranking import unified_bytes
from groundstation.corpus.choice.selection import language_of


def short_digest(data: bytes) -> str:
    """The first 16 hexadecimal digits of a sha256: enough to tell a few million texts apart."""
    return hashlib.sha256(data).hexdigest()[:16]


@dataclass(frozen=True)
class FilePatch:
    """A file before and after a step.

    Attributes:
        package: what is released, or the name of a repository.
        archive: ``wheel``, ``sdist``, ``git`` or ``trees``.
        old_version, new_version: releases, or names of commits or trees.
        step: position of the step in the package's time, the oldest 0.
        path: in the release or tree.
        old, new: both texts, UTF-8.
    """

    package: str
    archive: str
    old_version: str
    new_version: str
    step: int
    path: str
    old: bytes
    new: bytes

    @property
    def language(self) -> str:
        """By the file's name."""
        return language_of(self.path) or "other"

    @cached_property
    def diff_bytes(self) -> int:
        """Size of the plain unified diff."""
        return unified_bytes(self.old, self.new)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of what is deleted and added, numbers and white space aside.

        The same edit in many files (an address, a year, a release number) has one fingerprint.
        """
        lines = difflib.diff_bytes(
            difflib.unified_diff, self.old.splitlines(), self.new.splitlines(), n=0, lineterm=b""
        )
        changed = (line for line in list(lines)[2:] if not line.startswith(b"@@"))
        plain = (line[:1] + re.sub(rb"\d+", b"0", b" ".join(line[1:].split())) for line in changed)
        return short_digest(b"\n".join(plain))
