"""Names of pictures: one spelling for each, whatever a URL looked like.

A name is a path without its first slash, and after a question mark the parameters that are part of
it, sorted: ``shoes/front.webp?lid=red&sole=sky``.  Publisher and edge use the same function, so a
record is found under every spelling of its URL and cannot be hidden beside it under another.

Sources: RFC 3986, 6.2.2 (percent-encoding, dot segments); Unicode UAX #15 (NFC).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from shared.errors import InputError

MAX_NAME_BYTES: Final = 500
"""LMDB takes keys of up to 511 bytes, stores at CDNs of 512."""
RESERVED: Final = frozenset({"batches", "healthz", "metrics", "status"})
"""Paths that an edge answers itself."""
DEFAULT_SITE: Final = "default"
"""For which edges a batch is signed unless another text was agreed upon."""
MAX_BATCH_BYTES: Final = 64 << 20
_MAX_PARAMETERS: Final = 64
_UNSAFE: Final = frozenset("\\?#")


def name_of_url(path: bytes, query: bytes = b"", parameters: Collection[str] = ()) -> str:
    """The name that a request asks for.

    Args:
        path: of the URL, percent-encoded as it came, with its first slash.
        query: of the URL, without the question mark.
        parameters: the names of those that are part of a picture's name; others do not count.

    Raises:
        InputError: no picture can have this name.
    """
    try:
        text = unquote_to_bytes(path.removeprefix(b"/")).decode("utf-8")
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError:
        raise _refused("the URL is not in UTF-8, or has too many parameters") from None
    kept = [pair for pair in pairs if pair[0] in parameters]
    if len({key for key, _ in kept}) < len(kept):
        raise _refused("a parameter of the URL is there twice")
    return _joined(_normal_path(text), kept)


def normal_name(name: str) -> str:
    """The one spelling of a name.

    Raises:
        InputError: it is no name.
    """
    path, mark, query = name.partition("?")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(mark), errors="strict")
    except ValueError:
        raise _refused(f"{name[:80]!r} has parameters of no form") from None
    if len({key for key, _ in pairs}) < len(pairs):
        raise _refused(f"{name[:80]!r} has a parameter twice")
    return _joined(_normal_path(path), pairs)


def url_of_name(name: str) -> str:
    """Path and query of a name, percent-encoded, without the first slash."""
    path, mark, query = name.partition("?")
    return quote(path, safe="/") + mark + query


def _normal_path(text: str) -> str:
    path = unicodedata.normalize("NFC", text)
    segments = path.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise _refused("a name has an empty segment, or one of dots alone")
    if any(unicodedata.category(c) in ("Cc", "Cs") or c in _UNSAFE for c in path):
        raise _refused("a name has a control character, a backslash, '?' or '#'")
    if path in RESERVED:
        raise _refused(f"the name {path!r} is the edge's own")
    return path


def _joined(path: str, pairs: list[tuple[str, str]]) -> str:
    query = urlencode(sorted(_normal_pair(*pair) for pair in pairs), quote_via=quote)
    name = f"{path}?{query}" if query else path
    size = len(name.encode("utf-8"))
    if size > MAX_NAME_BYTES:
        raise _refused(f"a name of {size} bytes")
    return name


def _normal_pair(key: str, value: str) -> tuple[str, str]:
    return unicodedata.normalize("NFC", key), unicodedata.normalize("NFC", value)


def _refused(found: str) -> InputError:
    return InputError(
        found,
        expected=f"a relative path in UTF-8 of at most {MAX_NAME_BYTES} bytes, as shoes/red.webp",
        remedy="rename the picture, or correct the URL",
    )
