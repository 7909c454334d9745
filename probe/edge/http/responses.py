"""Answers of the edge as values: status, header, body, and how it came about.

Sources: RFC 9110 (semantics), RFC 8246 (immutable), RFC 9211 (Cache-Status), RFC 9457 (problem
details), W3C Server Timing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from probe.edge.active_content import GUARD
from probe.edge.http.upstream import Fetched, UpstreamError
from probe.edge.metrics import Outcome
from probe.edge.singleflight import Busy
from shared import errors
from shared.errors import RehydrationError

CACHE_NAME: Final = "rehydration-edge"
YEAR_S: Final = 31_536_000
PROBLEM_TYPE: Final = "application/problem+json"
_STATUS: Final[tuple[tuple[type[RehydrationError], int], ...]] = (
    (errors.OversizedMessage, 413),
    (errors.UnknownKey, 403),
    (errors.BadSignature, 403),
    (errors.Replayed, 409),
    (errors.MalformedMessage, 400),
    (errors.InputError, 400),
    (errors.Refusal, 422),
    (errors.StoreError, 503),
)
"""The first family that an error belongs to decides; none is 500."""


@dataclass(frozen=True)
class Answer:
    """What goes back.

    Attributes:
        status: of HTTP.
        fields: of the header.
        body: its bytes; a HEAD sends none of them.
        outcome: as the metrics count it.
    """

    status: int
    fields: Mapping[str, str]
    body: bytes
    outcome: Outcome


@dataclass
class Timing:
    """How long the steps of an answer took, seconds by name, for Server-Timing."""

    steps: dict[str, float] = field(default_factory=dict)

    def text(self) -> str:
        """The field's value, milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in self.steps.items())


def picture(
    body: bytes, media_type: str, tag: str, outcome: Outcome, timing: Timing, max_age_s: int
) -> Answer:
    """A picture of the edge's own."""
    fields = {"Content-Type": media_type, **_own(tag, outcome, timing, max_age_s)}
    return Answer(200, fields, body, outcome)


def not_modified(tag: str, timing: Timing, max_age_s: int) -> Answer:
    """What the client has is still right."""
    outcome = Outcome.NOT_MODIFIED
    return Answer(304, _own(tag, outcome, timing, max_age_s), b"", outcome)


def from_upstream(fetched: Fetched, why: str, timing: Timing, *, fresh: bool) -> Answer:
    """The origin's picture.

    Args:
        fetched: what it sent.
        why: it was asked: ``uri-miss``, or ``miss`` if the edge's own record was no good.
        timing: so far.
        fresh: the client has it already, by its tag.
    """
    fields = {
        **{key.title(): value for key, value in fetched.fields.items()},
        "Vary": "Accept",
        "Cache-Status": f"{CACHE_NAME}; fwd={why}; fwd-status=200",
        "Server-Timing": timing.text(),
        **GUARD,
    }
    if fresh:
        del fields["Content-Type"]
        return Answer(304, fields, b"", Outcome.UPSTREAM)
    return Answer(200, fields, fetched.body, Outcome.UPSTREAM)


def problem(error: RehydrationError, status: int | None = None, detail: str = "") -> Answer:
    """An error, for people and programs: found, expected and remedy."""
    code = status or status_of(error)
    value = {
        "type": "about:blank",
        "title": error.kind,
        "status": code,
        "detail": str(error),
        "found": error.found,
        "expected": error.expected,
        "remedy": error.remedy,
    }
    cache = f"{CACHE_NAME}; detail={detail or error.kind}"
    if isinstance(error, UpstreamError):
        if error.remembered:
            cache = f"{CACHE_NAME}; hit; detail=missing"
        else:
            cache = f"{CACHE_NAME}; fwd=uri-miss"
            cache += f"; fwd-status={error.upstream_status}" if error.upstream_status else ""
    fields = {
        "Content-Type": PROBLEM_TYPE,
        "Cache-Control": "no-store",
        "Vary": "Accept",
        "Cache-Status": cache,
        **GUARD,
    }
    if isinstance(error, Busy):
        fields["Retry-After"] = str(error.retry_after_s)
    return Answer(code, fields, json.dumps(value).encode("utf-8"), _outcome(code, error))


def status_of(error: RehydrationError) -> int:
    """The status that tells of an error."""
    if isinstance(error, Busy):
        return 503
    if isinstance(error, UpstreamError):
        return error.status
    return next((status for family, status in _STATUS if isinstance(error, family)), 500)


def _own(tag: str, outcome: Outcome, timing: Timing, max_age_s: int) -> dict[str, str]:
    detail = "" if outcome is Outcome.HIT else f"; detail={outcome.value}"
    return {
        "ETag": tag,
        "Cache-Control": f"public, max-age={max_age_s}, immutable",
        "Vary": "Accept",
        "Cache-Status": f"{CACHE_NAME}; hit{detail}",
        "Server-Timing": timing.text(),
        **GUARD,
    }


def _outcome(status: int, error: RehydrationError) -> Outcome:
    if isinstance(error, Busy):
        return Outcome.BUSY
    if status == 404:
        return Outcome.MISSING
    return Outcome.REFUSED if status < 500 else Outcome.FAILED
