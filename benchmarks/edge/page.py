"""The measurements of the edge as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.edge.load import Spread
from benchmarks.edge.result import Load, Result

WAYS = {
    "nginx": "out of nginx's cache, or waited for there (it looks every 500 ms)",
    "hit": "out of an edge's memory",
    "rehydrated": "drawn, checked and encoded",
    "coalesced": "waited for somebody else's drawing",
    "upstream": "fetched from the origin",
    "other": "errors",
}
HEAD = """\
# The edge under load

`python -m benchmarks.edge` wrote this page; [docs/edge.md](../docs/edge.md) has the edge itself.
nginx as in [docs/edge-nginx.conf](../docs/edge-nginx.conf), two edges on one LMDB store behind it,
an origin (nginx with JPEG files) behind those, and {connections} clients, all on one machine with
{cores} cores, which they share: times are those of a machine at its limit, and of a loopback.

Clients ask for {keys:,} pictures in a Zipf mix (exponent {exponent}). {late:,} of these, chosen at
random, are not published at first: they come from the origin, until their batch is pushed in the
middle of the load. Meanwhile an edge is stopped and started, a forged batch and a replay are
pushed, and the other edge is killed and started. Every answer to our own clients is compared, byte
by byte, with a file encoded from what numpy's kernel draws (the edges draw with the C kernel) from
the record, whose check is compared too; an answer from the origin is compared with the original.
"""


def page(
    results: Sequence[Result],
    *,
    connections: int,
    cores: int,
    keys: int,
    late: int,
    exponent: float,
) -> str:
    """The whole page, in Markdown."""
    head = HEAD.format(
        connections=connections, cores=cores, keys=keys, late=late, exponent=exponent
    )
    return "\n".join([head, *(_section(result) for result in results)])


def _section(result: Result) -> str:
    load = result.load
    wrong = [*result.wrong, *load.wrong]
    lines = [
        f"## {result.family}, {result.width} x {result.height}",
        "",
        "| | |",
        "|---|---|",
        f"| generator | {result.generator_bytes:,} bytes |",
        f"| batches, generator along in the first | {_listed(result.batch_bytes)} bytes, "
        f"{(sum(result.batch_bytes) - result.generator_bytes) / result.records:.1f} a record with "
        "name and signature |",
        f"| originals of the same {result.records:,} pictures | {result.original_bytes:,} bytes |",
        f"| answers to our own clients, in all formats | {_answers(result):,} |",
        f"| of these wrong or lost | {len(wrong)} |",
        f"| different files compared | {result.files:,}, none below {result.least_db:.1f} dB "
        "against the pixels |",
        f"| drawings that were not as signed | {result.mismatches} |",
        f"| herds: {result.herds} new pictures, each asked of an edge by all clients at once | "
        f"{result.herd.get('rehydrated', 0)} drawings, "
        f"{sum(result.herd.values()) - result.herd.get('rehydrated', 0)} answers shared them |",
        f"| counter of the last batch, as both edges have it | {_listed(result.counters)} |",
        "",
        *(f"- {text}" for text in wrong[:20]),
        *([""] if wrong else []),
        "### One client at a time, of one edge",
        "",
        *_times({**result.quiet, **result.steps}),
        "",
        f"### {load.requests:,} requests in the Zipf mix",
        "",
        *_load_lines(load),
        "### wrk on the full cache",
        "",
        f"{result.wrk.requests / result.wrk.seconds:,.0f} requests a second over "
        f"{result.wrk.seconds:.0f} s: p50 {_ms(result.wrk.p50)}, p95 {_ms(result.wrk.p95)}, p99 "
        f"{_ms(result.wrk.p99)} ms, with wrk's checking of each body on the same cores. "
        f"{result.wrk.right:,} bodies right, {result.wrk.wrong} wrong, {result.wrk.unknown} of "
        f"an unknown tag, {result.wrk.lost} lost; {result.wrk.from_nginx:,} out of nginx's cache.",
        "",
    ]
    return "\n".join(lines)


def _load_lines(load: Load) -> list[str]:
    requests, origin_bytes = load.origin
    return [
        f"{load.names:,} different pictures, {load.requests / load.seconds:,.0f} answers a second.",
        "",
        *_times(load.spreads),
        "",
        f"- One generation a key: {load.drawn:,} pictures were drawn, {load.drawn_again} of them "
        "a second time.",
        f"- Origin offload: clients got {load.sent_bytes:,} bytes of pictures, the origin sent "
        f"{origin_bytes:,} in {requests:,} answers, for keys not yet published: "
        f"{1 - origin_bytes / load.sent_bytes:.1%} offload by bytes. Once every key is published "
        f"it sends nothing; to a cache without prompts it would have sent each picture once, "
        f"{load.once_bytes:,} bytes.",
        *(
            f"- While {text} {count:,} requests were begun and answered."
            for text, count in load.under.items()
        ),
        "",
        "| after | what happened | |",
        "|---:|---|---|",
        *(f"| {when:.1f} s | {what} | {outcome} |" for when, what, outcome in load.happened),
        "",
    ]


def _times(spreads: Mapping[str, Spread]) -> list[str]:
    return [
        "| answers | count | p50, ms | p95, ms | p99, ms |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {WAYS.get(way, way)} | {one.count:,} | {_ms(one.p50)} | {_ms(one.p95)} | "
            f"{_ms(one.p99)} |"
            for way, one in spreads.items()
        ),
    ]


def _answers(result: Result) -> int:
    quiet = sum(one.count for one in result.quiet.values())
    return quiet + sum(result.herd.values()) + result.load.requests + result.mixed


def _listed(values: Sequence[int]) -> str:
    return " and ".join(f"{value:,}" for value in values)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f}" if seconds < 0.01 else f"{1e3 * seconds:.0f}"
