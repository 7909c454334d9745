"""What can be said of a message when it comes, before anything is done with it: pure decisions.

Only what is authentic is worth a durable write of its own and a place that nobody can take.  Most
of what strangers send can be told at a glance; the rest, a signature that does not fit the tree in
place, may be the second of two honest messages that overtook the first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from probe.messages.rotate import check
from probe.resources.room import Standing
from shared.auth.keys import key_id
from shared.auth.profiles import DISCLOSURE_BYTES
from shared.auth.rotation import is_rotation
from shared.auth.tesla import decode_disclosure
from shared.errors import BadSignature, Refusal, UnsupportedVersion, WrongBaseline
from shared.message import checks
from shared.message.envelope import parse_envelope, profile_named
from shared.message.recipe import Kind

__all__ = ["Standing", "group", "standing"]


def standing(data: bytes, record: checks.Record | None, now_ms: int) -> Standing:
    """What is known of a message.

    Args:
        data: its bytes.
        record: what the probe knew when it looked last; None before it has.
        now_ms: Unix time by the probe's clock, milliseconds.
    """
    if record is None:
        return Standing.UNPROVEN
    try:
        if len(data) == DISCLOSURE_BYTES:
            return _of_disclosure(data, record, now_ms)
        if is_rotation(data):
            check(data, record)
            return Standing.AUTHENTIC
        if checks.waits(data, record):
            checks.claim(data, record)
            return Standing.UNPROVEN
        checks.authenticate(data, record)
    except (BadSignature, WrongBaseline):
        return Standing.UNPROVEN
    except UnsupportedVersion:
        return _of_picture(data, record)
    except Refusal:
        return Standing.HOPELESS
    return Standing.AUTHENTIC


def _of_disclosure(data: bytes, record: checks.Record, now_ms: int) -> Standing:
    """The chain tells for good: a key is new and genuine, or it is worth nothing."""
    disclosure = decode_disclosure(data)
    for chain, known in record.chains:
        if key_id(chain) == disclosure.key_id:
            with suppress(BadSignature):
                new = chain.accept(known, disclosure.shown, now_ms) != known
                return Standing.AUTHENTIC if new else Standing.HOPELESS
    return Standing.HOPELESS


def _of_picture(data: bytes, record: checks.Record) -> Standing:
    try:
        checks.claim(data, replace(record, kind=Kind.MEDIA))
    except Refusal:
        return Standing.HOPELESS
    return Standing.UNPROVEN


def group(data: bytes, record: checks.Record | None) -> bytes:
    """What a message says that it is: key and counter.  A flood under one name is one group."""
    if record is None or len(data) == DISCLOSURE_BYTES or is_rotation(data):
        return data[:3]
    try:
        envelope = parse_envelope(data, profile_named(data, record.keys))
    except Refusal:
        return b""
    return data[:1] + envelope.message.counter.to_bytes(8, "big", signed=True)
