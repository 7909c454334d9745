"""A software tree as a frozen value, on disk, and compared with another.

``entries`` is the value and its digest, ``folders`` reads and writes it, ``changes`` says what
differs between two of them, ``renames`` which files of both are one.
"""

from __future__ import annotations

from shared.tree.changes import Change, ChangeKind, changes
from shared.tree.entries import Entry, Mode, Tree, check_path, path_bytes, path_text, serialise
from shared.tree.folders import read_tree, write_tree
from shared.tree.renames import similarity

__all__ = [
    "Mode",
    "Entry",
    "Tree",
    "serialise",
    "path_bytes",
    "path_text",
    "check_path",
    "read_tree",
    "write_tree",
    "Change",
    "ChangeKind",
    "changes",
    "similarity",
]
