"""Patches: write the canonical one, read and apply any that git can write.

``unified`` writes, ``reader`` parses into ``sections``, ``apply`` applies; ``hunks``, ``binary``,
``quoting`` and ``cursor`` serve them.  Lines and their edits are in ``shared.lines``.
"""

from __future__ import annotations

from shared.diff.apply import apply_patch
from shared.diff.unified import unified_diff
from shared.lines import LineEdit, line_edits, split_lines

__all__ = ["unified_diff", "apply_patch", "split_lines", "line_edits", "LineEdit"]
