"""What a browser may do with an answer: show it, and nothing else.

A picture of the origin is somebody else's file under the name of this site.  SVG is a document that
can hold scripts; a list of two media types, or bytes that look like HTML, can be taken for one.

Sources: RFC 9110, 8.3.1 (media types); WHATWG MIME Sniffing (nosniff) and Fetch (of several types
in a field the last one counts); W3C Content Security Policy 3, 6.3.2 (sandbox).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

GUARD: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
    ),
}
"""On every answer.  Sandboxed: opened by itself it has an origin of its own, runs no script, sends
no form and loads nothing.  In an ``<img>`` none of this changes a picture."""

SVG: Final = "image/svg+xml"
PICTURES: Final = frozenset(
    {
        *("image/avif", "image/webp", "image/jpeg", "image/png", "image/apng", "image/gif"),
        *("image/jxl", "image/heic", "image/heif", "image/bmp", "image/tiff", "image/x-icon"),
        *("image/vnd.microsoft.icon", "image/jpg", "image/pjpeg", "image/x-png", SVG),
    }
)
"""Pixels, and SVG, which the guard sandboxes.  What is not listed does not pass."""

_TYPE: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+/[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(;.*)?")


def picture_type(field: str) -> str | None:
    """The media type of a Content-Type, in lower case without parameters, if it is a picture's.

    None for anything else: several types in one field, active content, what is not known.
    """
    found = _TYPE.fullmatch(field.strip())
    if found is None or "," in field:
        return None
    essence = found[1].lower()
    return essence if essence in PICTURES else None
