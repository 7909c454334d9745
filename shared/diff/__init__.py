"""Patches: write the canonical one, read and apply any that git can write.

``unified`` writes, ``reader`` parses, ``apply`` applies; ``binary`` and ``quoting`` serve both.
"""

from __future__ import annotations

from shared.diff.unified import unified_diff
from shared.lines import LineEdit, line_edits, split_lines

__all__ = ["LineEdit", "line_edits", "split_lines", "unified_diff"]
