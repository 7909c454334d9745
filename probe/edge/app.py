"""The edge as an ASGI application: HTTP in, ``service`` asked, HTTP out.

GET, HEAD /NAME      a picture
GET /healthz         whether the store answers
GET /metrics         for Prometheus
GET /status          counter and generators, for publishers
POST /batches        a signed batch
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from probe.edge.active_content import GUARD
from probe.edge.http import responses
from probe.edge.http.request import Asked
from probe.edge.http.responses import Answer
from probe.edge.service import Edge
from probe.edge.singleflight import Busy
from shared.errors import InputError, OversizedMessage, RehydrationError

BATCH_SECONDS: Final = 120.0
"""Longest time that a batch may take to come in."""
BATCHES_AT_A_TIME: Final = 4
_UNKEPT: Final = {"Cache-Control": "no-store", **GUARD}


def application(edge: Edge) -> Starlette:
    """The application of an edge, which it closes when it stops."""
    reading = asyncio.Semaphore(BATCHES_AT_A_TIME)

    async def picture(request: Request) -> Response:
        header = request.headers
        asked = Asked(
            path=request.scope["raw_path"],
            query=request.scope["query_string"],
            accept=", ".join(header.getlist("accept")) or None,
            if_none_match=", ".join(header.getlist("if-none-match")) or None,
            head=request.method == "HEAD",
        )
        return _response(await edge.picture(asked))

    async def healthz(_: Request) -> Response:
        try:
            facts = await asyncio.to_thread(edge.store.facts)
        except RehydrationError as error:
            return _response(responses.problem(error, 503))
        value = {"status": "ok", "records": facts.prompts + facts.images}
        return JSONResponse(value, headers=_UNKEPT)

    async def metrics(_: Request) -> Response:
        text = await asyncio.to_thread(generate_latest, edge.metrics.registry)
        return Response(text, media_type=CONTENT_TYPE_LATEST, headers=_UNKEPT)

    async def status(_: Request) -> Response:
        try:
            facts = await asyncio.to_thread(edge.store.facts)
            digests = await asyncio.to_thread(edge.store.digests)
        except RehydrationError as error:
            return _response(responses.problem(error, 503))
        value = {
            "site": edge.policy.site,
            "counter": facts.counter,
            "records": facts.prompts + facts.images,
            "generators": [digest.hex() for digest in digests],
        }
        return JSONResponse(value, headers=_UNKEPT)

    async def batches(request: Request) -> Response:
        if reading.locked():
            return _response(responses.problem(Busy("a batch", BATCHES_AT_A_TIME, 5)))
        try:
            async with reading, asyncio.timeout(BATCH_SECONDS):
                data = await _body(request, edge.policy.max_bytes)
            accepted = await edge.take(data)
        except TimeoutError:
            late = InputError(f"the batch took longer than {BATCH_SECONDS} s to come")
            return _response(responses.problem(late, 408))
        except ClientDisconnect:
            return Response(status_code=400)
        except RehydrationError as error:
            return _response(responses.problem(error))
        return JSONResponse(accepted.as_dict(), headers=_UNKEPT)

    async def no_picture(_: Request) -> Response:
        raise HTTPException(405, headers={"Allow": "POST"})

    async def refused(_: Request, error: Exception) -> Response:
        """A method or path that the routes do not know."""
        if not isinstance(error, HTTPException):
            raise error
        known = InputError(
            f"HTTP: {error.detail}",
            expected="GET or HEAD of a picture, or POST /batches",
            remedy="see docs/edge.md",
        )
        answer = _response(responses.problem(known, error.status_code))
        answer.headers.update(error.headers or {})
        return answer

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await edge.close()

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/metrics", metrics),
            Route("/status", status),
            Route("/batches", batches, methods=["POST"]),
            Route("/batches", no_picture),
            Route("/{name:path}", picture),
        ],
        exception_handlers={HTTPException: refused},
        lifespan=lifespan,
    )


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, dict(answer.fields))


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise OversizedMessage(
                f"the batch has more than {most} bytes",
                expected=f"at most {most}",
                remedy="publish fewer records at a time, or raise the edge's limit",
            )
    return bytes(body)
