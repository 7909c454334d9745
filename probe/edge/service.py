"""What the edge does with a request, apart from HTTP.

name -> record -> memory, or draw, check and encode once for all who wait -> answer
              \\-> the origin, if there is no record, or what it draws is not what was signed
"""

from __future__ import annotations

import asyncio
import time

from probe.edge.drawing import Renderers, drawn
from probe.edge.formats import (
    Format,
    choose,
    decoded,
    entity_tag,
    goes_as_it_is,
    has_alpha,
    liking,
    media_type_of,
    moves,
    ranges,
    tag_matches,
)
from probe.edge.http import responses
from probe.edge.http.missing import Missing
from probe.edge.http.request import Asked, Options, unacceptable, upstream_accept
from probe.edge.http.responses import Answer, Timing
from probe.edge.http.upstream import Fetched, Upstream, UpstreamError, missing
from probe.edge.ingest import Accepted, Policy, accept
from probe.edge.metrics import Metrics, Outcome
from probe.edge.render_pool import Pixels, Workshop
from probe.edge.singleflight import Busy, Flights
from probe.edge.stores.store import PROMPT_HEAD, Store, Stored
from shared.errors import InputError, RehydrationError, StoreError
from shared.media.fixed import U8
from shared.media.message import decode_record
from shared.media.names import name_of_url


class Edge:
    """The edge of one process.

    Args:
        store: what it remembers.
        policy: whose batches it takes.
        options: how it works.
        upstream: whom it asks for what it has not.
    """

    def __init__(
        self,
        store: Store,
        policy: Policy | None = None,
        options: Options | None = None,
        upstream: Upstream | None = None,
    ) -> None:
        self.store, self.upstream = store, upstream
        self.policy, self.options = policy or Policy(), options or Options()
        self.metrics = Metrics(store.facts)
        self.renderers = Renderers(store)
        self.workshop = Workshop(self.options, self.metrics)
        self._formats = self.options.quality.formats()
        self._fetches: Flights[Fetched] = Flights()
        self._missing = Missing(time.monotonic, self.options.missing_s)
        self._taking = asyncio.Lock()

    async def picture(self, asked: Asked) -> Answer:
        """The answer to a request; every request is counted here."""
        began = time.perf_counter()
        answer = await self._answer(asked)
        sent_bytes = 0 if asked.head else len(answer.body)
        self.metrics.answered(answer.outcome, time.perf_counter() - began, sent_bytes)
        self.workshop.gauge()
        return answer

    async def take(self, data: bytes) -> Accepted:
        """Verifies and stores a batch.

        Raises:
            Refusal: it is not to be had; nothing has changed.
            StoreError: the store fails.
        """
        try:
            async with self._taking:
                done = await asyncio.to_thread(
                    accept, self.store, data, self.policy, self.renderers
                )
        except RehydrationError as error:
            self.metrics.batch(error.kind)
            raise
        self.metrics.batch("accepted")
        return done

    async def close(self) -> None:
        """Waits for drawings under way and lets go of everything."""
        self.workshop.close()
        if self.upstream is not None:
            await self.upstream.close()
        self.store.close()

    async def _answer(self, asked: Asked) -> Answer:
        timing = Timing()
        try:
            name = name_of_url(asked.path, asked.query, self.options.parameters)
        except InputError as error:
            return responses.problem(error)
        try:
            stored = await self._lookup(name, timing)
            if stored is not None:
                return await self._own(asked, stored, timing)
        except Busy as error:
            return responses.problem(error)
        except RehydrationError as error:
            return await self._elsewhere(asked, name, timing, error)
        return await self._elsewhere(asked, name, timing, None)

    async def _lookup(self, name: str, timing: Timing) -> Stored | None:
        began = time.perf_counter()
        get = self.store.get
        stored = await asyncio.to_thread(get, name) if self.store.remote else get(name)
        timing.steps["store"] = time.perf_counter() - began
        return stored

    async def _own(self, asked: Asked, stored: Stored, timing: Timing) -> Answer:
        if stored.record[:1] == bytes([PROMPT_HEAD]):
            renderer = self.renderers.ready(stored.generator)
            if renderer is None:
                renderer = await self.workshop.aside(self.renderers.get, stored.generator)
            able = renderer
            alpha = renderer.generator.channels == 4

            def pixels() -> U8:
                return self.workshop.verified(lambda: drawn(able, stored.record))

            outcome = Outcome.REHYDRATED
        else:
            image = self.workshop.verified(lambda: decode_record(stored.record).image)
            media_type = media_type_of(image)
            alpha = has_alpha(image)
            if media_type and (
                moves(image) or goes_as_it_is(media_type, asked.accept, self._formats, alpha)
            ):
                tag = entity_tag(stored.generator, stored.record, None)
                if tag_matches(asked.if_none_match, tag):
                    return responses.not_modified(tag, timing, self.options.max_age_s)
                return responses.picture(
                    image, media_type, tag, Outcome.FILE, timing, self.options.max_age_s
                )

            def pixels() -> U8:
                return decoded(image)

            outcome = Outcome.FILE
        into = choose(asked.accept, self._formats, alpha)
        if into is None:
            return responses.problem(unacceptable(asked.accept, self._formats), 406)
        return await self._written(asked, stored, into, pixels, outcome, timing)

    async def _written(
        self,
        asked: Asked,
        stored: Stored,
        into: Format,
        pixels: Pixels,
        outcome: Outcome,
        timing: Timing,
    ) -> Answer:
        tag = entity_tag(stored.generator, stored.record, into)
        max_age_s = self.options.max_age_s
        if tag_matches(asked.if_none_match, tag):
            return responses.not_modified(tag, timing, max_age_s)
        body = self.workshop.memory.get(tag)
        if body is not None:
            return responses.picture(body, into.media_type, tag, Outcome.HIT, timing, max_age_s)

        made, joined = await self.workshop.file(tag, stored, into, pixels)
        timing.steps.update(made.steps)
        how = Outcome.COALESCED if joined else outcome
        return responses.picture(made.body, into.media_type, tag, how, timing, max_age_s)

    async def _elsewhere(
        self, asked: Asked, name: str, timing: Timing, error: RehydrationError | None
    ) -> Answer:
        """The origin's picture, where the edge has none or a bad one."""
        upstream = self.upstream
        if upstream is None:
            if error is not None:
                # a store may come back; a record that draws something else stays as it is
                status = 503 if isinstance(error, StoreError) else 500
                return responses.problem(error, status)
            return responses.problem(
                InputError(
                    f"the edge has no picture {name!r}", remedy="publish it, or name an --upstream"
                ),
                404,
            )
        wanted = upstream_accept(asked.accept, self._formats)
        if not wanted:
            return responses.problem(unacceptable(asked.accept, self._formats), 406)
        if name in self._missing:
            return responses.problem(missing(name, remembered=True))

        async def fetch() -> Fetched:
            try:
                fetched = await upstream.fetch(name, wanted)
            except UpstreamError as failure:
                if failure.status == 404:
                    self._missing.add(name)
                raise
            self.metrics.fetched(len(fetched.body))
            return fetched

        began = time.perf_counter()
        try:
            fetched, _ = await self._fetches.run((name, wanted), fetch)
        except (UpstreamError, Busy) as failure:
            return responses.problem(failure)
        timing.steps["upstream"] = time.perf_counter() - began
        if liking(fetched.media_type, ranges(asked.accept))[0] == 0:
            return responses.problem(unacceptable(asked.accept, self._formats), 406)
        tag = fetched.fields.get("etag")
        fresh = tag is not None and tag_matches(asked.if_none_match, tag)
        why = "uri-miss" if error is None else f"miss; detail={error.kind}"
        return responses.from_upstream(fetched, why, timing, fresh=fresh)
