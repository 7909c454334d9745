"""The origin behind the edge, asked for what the edge cannot draw.

Always the one origin that the operator named: a request can choose a path below its base and
nothing else.  No redirect is followed, no header of the client but a normal Accept goes along, and
only pictures of a bounded size come back.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import httpx

from probe.edge.active_content import picture_type
from probe.edge.http.freshness import DEFAULT_S, cache_control
from probe.edge.singleflight import Turnstile
from shared.errors import InputError, RehydrationError
from shared.media.names import url_of_name

KEPT_FIELDS: Final = ("age", "cache-control", "etag", "expires", "last-modified")
_CHUNK: Final = 1 << 16
_FIELD: Final = re.compile(r"[\x20-\x7e]{0,1024}\Z")
_NO_PICTURE: Final = "check --upstream; let it send one Content-Type, of a picture format"


class UpstreamError(RehydrationError):
    """The origin gave no picture.

    Args:
        found: what happened.
        status: the answer for the client: 404, 502 or 504.
        upstream_status: the origin's own, if it answered.
        remembered: it said so before, and was not asked again.
    """

    kind = "upstream"

    def __init__(
        self,
        found: str,
        status: int,
        upstream_status: int | None = None,
        remedy: str | None = None,
        *,
        remembered: bool = False,
    ) -> None:
        super().__init__(found, expected="a picture", remedy=remedy)
        self.status, self.upstream_status = status, upstream_status
        self.remembered = remembered


@dataclass(frozen=True)
class Limits:
    """What an origin may take.

    Attributes:
        max_bytes: of a picture.
        seconds: from connecting to the last byte.
        places, queue: fetches at a time, and waiting.
    """

    max_bytes: int = 32 << 20
    seconds: float = 20.0
    places: int = 32
    queue: int = 256


@dataclass(frozen=True)
class Fetched:
    """A picture from the origin.

    Attributes:
        body: its bytes.
        media_type: what it is.
        fields: of its header, those of ``KEPT_FIELDS``, in lower case, and what was made of them.
    """

    body: bytes
    media_type: str
    fields: dict[str, str]


class Upstream:
    """An origin.

    Args:
        base: its URL, to which names are appended.
        limits: what it may take.
        default_max_age_s: how long its pictures may be kept if nothing says how long.
        transport: how to reach it; None is the network.

    Raises:
        InputError: the URL is none of http or https, or holds a password, query or fragment.
    """

    def __init__(
        self,
        base: str,
        limits: Limits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        default_max_age_s: int = DEFAULT_S,
    ) -> None:
        self._default_max_age_s = default_max_age_s
        self.base = _checked(base)
        self.limits = limits or Limits()
        self._turnstile = Turnstile("the origin", self.limits.places, self.limits.queue)
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            trust_env=False,
            timeout=self.limits.seconds,
            limits=httpx.Limits(max_connections=self.limits.places),
            transport=transport,
        )

    async def fetch(self, name: str, accept: str) -> Fetched:
        """A picture by its normal name.

        Raises:
            UpstreamError: there is none, or not in time, or not within the limits.
            Busy: too many wait for the origin.
        """
        async with self._turnstile.passed():
            try:
                async with asyncio.timeout(self.limits.seconds):
                    return await self._fetch(name, accept)
            except (TimeoutError, httpx.TimeoutException):
                raise UpstreamError(
                    f"the origin took longer than {self.limits.seconds} s", 504
                ) from None
            except httpx.HTTPError as error:
                raise UpstreamError(
                    f"the origin cannot be reached: {type(error).__name__}", 502
                ) from None

    async def _fetch(self, name: str, accept: str) -> Fetched:
        fields = {"accept": accept, "accept-encoding": "identity", "user-agent": "probe-edge"}
        url = self.base + url_of_name(name)
        async with self._client.stream("GET", url, headers=fields) as answer:
            status = answer.status_code
            if status in (404, 410):
                raise missing(name, status)
            if status == 406:
                raise UpstreamError("the origin has it in no format that is accepted", 406, status)
            if status != 200:
                raise UpstreamError(f"the origin answered {status}", 502, status)
            said = answer.headers.get("content-type", "")
            media_type = picture_type(said)
            if media_type is None:
                raise UpstreamError(f"the origin sent {said[:80]!r}", 502, status, _NO_PICTURE)
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise UpstreamError("the origin sent an encoding unasked", 502, status)
            body = await self._body(answer)
            return Fetched(body, media_type, self._fields(answer.headers, media_type))

    def _fields(self, header: httpx.Headers, media_type: str) -> dict[str, str]:
        kept = {
            key: header[key] for key in KEPT_FIELDS if key in header and _FIELD.match(header[key])
        }
        if not kept.get("age", "0").isdecimal():
            del kept["age"]
        said = cache_control({**header, **kept}, time.time(), self._default_max_age_s)
        if said:
            kept["cache-control"] = said
        return {"content-type": media_type, **kept}

    async def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for chunk in answer.aiter_raw(_CHUNK):
            body += chunk
            if len(body) > self.limits.max_bytes:
                raise UpstreamError(
                    f"the origin's picture has more than {self.limits.max_bytes} bytes",
                    502,
                    answer.status_code,
                    "raise --upstream-max-bytes if that is meant",
                )
        return bytes(body)

    async def close(self) -> None:
        """Lets go of connections."""
        await self._client.aclose()


def missing(name: str, status: int = 404, *, remembered: bool = False) -> UpstreamError:
    """That the origin has no such picture."""
    return UpstreamError(
        f"neither edge nor origin has {name!r}", 404, status, remembered=remembered
    )


def _checked(base: str) -> str:
    try:
        parts = urlsplit(base)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.password or parts.query or parts.fragment:
        raise InputError(
            f"the origin {base!r} is no URL to fetch pictures from",
            expected="http or https, host and path, as https://origin.example/pictures/",
            remedy="correct --upstream",
        )
    return base if base.endswith("/") else base + "/"
