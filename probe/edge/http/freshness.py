"""How long a picture of the origin may be kept, where the origin does not say so itself.

Source: RFC 9111, 4.2.1 (what tells of freshness), 4.2.2 (heuristics), 4.1 (``Vary: *``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

DEFAULT_S: Final = 300
"""For a picture whose age nobody knows."""
SHARE: Final = 10
"""A picture that has not changed for ten days is taken to last one more (RFC 9111, 4.2.2)."""
MOST_S: Final = 86_400
"""Heuristics go no further than a day."""
_SAYS: Final = frozenset(
    {"max-age", "s-maxage", "no-store", "no-cache", "private", "must-revalidate"}
)
"""Directives after which nothing is left to guess."""


def cache_control(fields: Mapping[str, str], now_s: float, default_s: int = DEFAULT_S) -> str:
    """The ``Cache-Control`` that goes with an answer of the origin, or nothing to add none.

    What the origin says stays: its directives, or its ``Expires``.  An origin that says nothing
    allows to guess: a tenth of what has passed since ``Last-Modified``, a day at most, or else
    ``default_s``.

    Args:
        fields: of the origin's header, names in lower case.
        now_s: Unix time.
        default_s: where nothing tells a picture's age; 0 has caches ask every time.
    """
    said = fields.get("cache-control", "").strip()
    if fields.get("vary", "").strip() == "*":
        return said if "no-store" in said.lower() else "no-cache"
    names = {word.partition("=")[0].strip().lower() for word in said.split(",")}
    if names & _SAYS or "expires" in fields:
        return said
    guessed = f"max-age={_guess(fields.get('last-modified'), now_s, default_s)}"
    return f"{said}, {guessed}" if said else guessed


def _guess(last_modified: str | None, now_s: float, default_s: int) -> int:
    if default_s == 0 or last_modified is None:
        return default_s
    try:
        changed = parsedate_to_datetime(last_modified)
        # a date without a zone is in GMT (RFC 9110, 5.6.7)
        age_s = now_s - changed.replace(tzinfo=changed.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return default_s
    return min(int(age_s / SHARE), MOST_S) if age_s > 0 else default_s
