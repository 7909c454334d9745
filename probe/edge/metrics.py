"""What an edge tells Prometheus: requests, bytes and seconds by outcome, and what it holds."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from probe.edge.server.patience import Reason
from probe.edge.stores.store import Facts
from shared.errors import StoreError

BUCKETS_S: Final = (
    *(0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.1, 0.15, 0.25, 0.5),
    *(1.0, 2.0, 5.0, 10.0),
)


class Outcome(StrEnum):
    """How a request for a picture ended."""

    HIT = "hit"
    REHYDRATED = "rehydrated"
    COALESCED = "coalesced"
    FILE = "file"
    NOT_MODIFIED = "not_modified"
    UPSTREAM = "upstream"
    MISSING = "missing"
    REFUSED = "refused"
    BUSY = "busy"
    FAILED = "failed"


OWN: Final = (
    Outcome.HIT,
    Outcome.REHYDRATED,
    Outcome.COALESCED,
    Outcome.FILE,
    Outcome.NOT_MODIFIED,
)
"""Answered without the origin."""


class Metrics:
    """The counts of one process, in a registry of their own.

    Args:
        facts: what the store counts; asked when the metrics are read.
    """

    def __init__(self, facts: Callable[[], Facts]) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "edge_requests", "Requests for pictures.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            "edge_request_seconds",
            "From request to answer.",
            ["outcome"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._bytes = Counter(
            "edge_response_bytes",
            "Bytes of pictures: sent by the edge as its own, fetched from upstream.",
            ["source"],
            registry=self.registry,
        )
        self._drawn = Counter(
            "edge_generations",
            "Pictures drawn, by whether their digest was the recorded one.",
            ["result"],
            registry=self.registry,
        )
        self._encoded = Counter(
            "edge_encodings", "Files made, by format.", ["format"], registry=self.registry
        )
        self._batches = Counter(
            "edge_batches", "Batches, by what became of them.", ["result"], registry=self.registry
        )
        self._closed = Counter(
            "edge_connections_closed",
            "Connections closed by the edge: half a request, an answer not read, no room.",
            ["reason"],
            registry=self.registry,
        )
        self.memory_bytes = Gauge(
            "edge_memory_bytes", "Encoded pictures in memory.", registry=self.registry
        )
        self.waiting = Gauge(
            "edge_queue", "Drawings that wait for a processor.", registry=self.registry
        )
        for outcome in Outcome:
            self._requests.labels(outcome)
            self._seconds.labels(outcome)
        for reason in Reason:
            self._closed.labels(reason)
        for source in ("edge", "upstream"):
            self._bytes.labels(source)
        for result in ("verified", "mismatch"):
            self._drawn.labels(result)
        self.outcomes: Tally[Outcome] = Tally()
        self.moved_bytes: Tally[str] = Tally()
        self.registry.register(_Derived(self, facts))

    def answered(self, outcome: Outcome, seconds: float, size_bytes: int) -> None:
        """A request is over; a HEAD or a 304 sends no bytes."""
        self.outcomes[outcome] += 1
        self._requests.labels(outcome).inc()
        self._seconds.labels(outcome).observe(seconds)
        if outcome in OWN:
            self._moved("edge", size_bytes)

    def fetched(self, size_bytes: int) -> None:
        """The origin sent a picture."""
        self._moved("upstream", size_bytes)

    def drew(self, verified: bool) -> None:
        """A picture was drawn and checked."""
        self._drawn.labels("verified" if verified else "mismatch").inc()

    def wrote(self, format_name: str) -> None:
        """A file was made."""
        self._encoded.labels(format_name.lower()).inc()

    def batch(self, result: str) -> None:
        """A batch came: ``accepted``, or the kind of the refusal."""
        self._batches.labels(result).inc()

    def closed(self, reason: Reason) -> None:
        """A connection was closed for want of patience or room."""
        self._closed.labels(reason).inc()

    def _moved(self, source: str, size_bytes: int) -> None:
        self.moved_bytes[source] += size_bytes
        self._bytes.labels(source).inc(size_bytes)


class _Derived(Collector):
    """Ratios, and what the store holds."""

    def __init__(self, metrics: Metrics, facts: Callable[[], Facts]) -> None:
        self._metrics, self._facts = metrics, facts

    def describe(self) -> list[Metric]:
        """None beforehand: the store may not answer yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Now."""
        metrics = self._metrics
        edge, upstream = metrics.moved_bytes["edge"], metrics.moved_bytes["upstream"]
        own = sum(metrics.outcomes[outcome] for outcome in OWN)
        answered = own + metrics.outcomes[Outcome.UPSTREAM]
        yield _gauge(
            "edge_origin_offload_ratio",
            "Bytes that the origin did not send, of those and what it sent.",
            edge / (edge + upstream) if edge + upstream else 0.0,
        )
        yield _gauge(
            "edge_hit_ratio",
            "Requests answered without the origin, of all that got a picture.",
            own / answered if answered else 0.0,
        )
        try:
            facts = self._facts()
        except StoreError:
            yield _gauge("edge_store_up", "Whether the store answers.", 0)
            return
        yield _gauge("edge_store_up", "Whether the store answers.", 1)
        records = GaugeMetricFamily("edge_records", "Records in the store.", labels=["kind"])
        records.add_metric(["prompt"], facts.prompts)
        records.add_metric(["image"], facts.images)
        yield records
        held = facts.prompts + facts.images
        yield _gauge(
            "edge_qa_pass_ratio",
            "Records whose prompt passed the quality gate on the ground, of all records.",
            facts.prompts / held if held else 0.0,
        )
        yield _gauge("edge_generators", "Generators in the store.", facts.generators)
        yield _gauge("edge_batch_counter", "Counter of the last batch.", facts.counter)
        synced = CounterMetricFamily(
            "edge_synced_bytes",
            "Bytes of accepted batches, since the store was made.",
            labels=["what"],
        )
        synced.add_metric(["generators"], facts.generator_bytes)
        synced.add_metric(["records"], facts.record_bytes)
        yield synced


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
