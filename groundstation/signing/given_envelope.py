"""Envelopes that a user names: what is none is told from what another version wrote."""

from __future__ import annotations

import re

from shared.auth.profiles import Profile
from shared.errors import MalformedMessage, UnsupportedVersion
from shared.message.envelope import Envelope, parse_envelope

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_REMEDY = "name the file that `author --out` wrote"


def taken_apart(data: bytes, profile: Profile = Profile.ED25519) -> Envelope:
    """Take apart the bytes of a file that is said to be an envelope; nothing is verified.

    Args:
        data: the whole file.
        profile: of the key that signed it.

    Raises:
        MalformedMessage: the bytes are no envelope, or one cut short.
        UnsupportedVersion: they are none, or one of a version that this program does not know.
    """
    if _is_text(data):
        raise MalformedMessage("the file is text, no envelope", expected="bytes", remedy=_REMEDY)
    try:
        return parse_envelope(data, profile)
    except UnsupportedVersion as error:
        raise UnsupportedVersion(
            f"the file is no envelope, or one of another version: {error.found}",
            expected=error.expected,
            remedy=f"{_REMEDY}; one of another version needs a program of that version",
        ) from error


def _is_text(data: bytes) -> bool:
    """Whether all of it is text; of a tail of 8 random bytes or more that is next to impossible."""
    try:
        return len(data) > 1 and _CONTROL.search(data.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False
