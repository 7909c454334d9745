"""The licence of a release, by its own metadata (core metadata 2.4, PEP 639)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.parser import BytesHeaderParser

UNKNOWN = "unknown"
LONGEST = 60
"""Characters; some packages put the whole text of their licence into the field."""


def licence_of(members: Mapping[str, bytes]) -> str:
    """A short name: an expression, else classifiers, else the field; ``unknown`` where none is.

    Args:
        members: files of an sdist (without its top folder) or of a wheel.
    """
    metadata = next(
        (
            data
            for path, data in sorted(members.items())
            if path == "PKG-INFO" or path.endswith(".dist-info/METADATA")
        ),
        None,
    )
    if metadata is None:
        return UNKNOWN
    headers = BytesHeaderParser().parsebytes(metadata)
    expression = _short(str(headers.get("License-Expression", "")))
    if expression:
        return expression
    classifiers = sorted(
        str(value).rpartition("::")[2].strip()
        for value in headers.get_all("Classifier", [])
        if str(value).startswith("License ::") and not str(value).endswith("OSI Approved")
    )
    named = _short(" AND ".join(dict.fromkeys(classifiers)))
    return named or _short(str(headers.get("License", ""))) or UNKNOWN


def _short(text: str) -> str:
    """The first line, printable, cut; an explicit "UNKNOWN" says nothing."""
    line = text.strip().partition("\n")[0]
    plain = re.sub(r"[^ -~]|[,\"]", " ", line)
    plain = re.sub(r" +", " ", plain).strip()[:LONGEST].strip()
    return "" if plain.upper() in {"UNKNOWN", "NONE"} else plain
