"""HOSTILE.md: what was measured, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from textwrap import fill

from benchmarks.hostile.bench import BEFORE_S, RATE_BYTES_S, ROUNDS, Row, Run
from benchmarks.hostile.cases import GAP_S
from benchmarks.hostile.edge import ASKS, EdgeRow, Round
from benchmarks.hostile.lines import LINE_BYTES_S

LISTENER_HEAD = (
    "| line | attack | quiet, s | delay, s | times | bytes sent | answered "
    "| to disk, quiet | to disk | processor, quiet | processor, s | reports |"
)
EDGE_HEAD = (
    "| attack | quiet, ms | delay, ms | times | slowest, ms | wrong "
    "| processor, quiet | processor, s | closed | log, bytes |"
)
WIDTH = 100

LISTENERS = f"""
Each row is one real `probe listen` on the loopback, a stranger at {RATE_BYTES_S:.0f} bytes a
second, and {ROUNDS} honest messages that change a tree of 41 files there and back (176 bytes,
made by `groundstation author`). The stranger begins {BEFORE_S} s before each message and goes
on until the tree is new; what it has left in the listener stays for the next one. The delay
runs from the first honest byte to the exchange of the trees. Before and after each round the
same kind of message goes to a second listener that no stranger knows: *times* is the median of
a round's delay over the mean of the two around it, so that other work on the machine cancels.
Bytes to disk and processor time are the process's own (`/proc/PID/io` and `stat`), medians of a
round; a disturbed round is longer by the {BEFORE_S} s. *Answered* counts bytes that came back
to either sender. *Frames* are segments of Type-BD, one each {GAP_S} s. Streams carry
{LINE_BYTES_S} bytes a second; strange pieces lie between honest ones. Messages of a chain
(TESLA) are closed by the disclosure of their key one second after their interval has begun. Of
*a restart* the listener is ended and started anew amid the segments. *Early* disclosures are
genuine keys of intervals that are still 250 s away.
"""

NOTES = """
On streams telemetry is the line's own and nobody is answered; a message there waits until the
stranger's in hand has left the line. Of *messages to be held* fewer than
sixteen come between two disclosures here. A probe holds no more than that: with intervals so long
that a stranger sends sixteen in one, lots decide who stays, and the honest message has the
chance that room and flood leave it ([authentication.md](../docs/authentication.md)). Nobody can
tell them apart before the key is public, so such a chain wants the link's own security
(SDLS) in front.
"""

EDGES = f"""
Each row is one real `probe edge serve --limit-concurrency 60 --request-seconds 1 --answer-seconds
1` with an origin behind it, and a stranger who connects or asks at most fifty times a second
(connections alone: two hundred), or holds 60 connections, as many as there is room for. A client
asks for {ASKS} pictures, on a connection each, {ROUNDS} times; *delay* is the median, *times* as
above with a second edge. *Wrong* counts answers that were not the picture. *Closed* are the
counters of `edge_connections_closed_total`. Of the origin's SVG and HTML nothing comes through.
Answers unread
at this rate stay in the system's buffers: there was no need to close. An edge does not limit
requests a second: who asks for whole pictures without a pause takes the
share that his connections have. That is for what stands in front of it
([edge.md](../docs/edge.md)).
"""


def listener_row(row: Row) -> str:
    """One line of the table; medians of its rounds, sums of bytes sent and answered."""
    came = [run.delay_s for run in row.disturbed if run.delay_s is not None]
    all_came = len(came) == len(row.disturbed)
    quiet = [run.delay_s for run in row.quiet if run.delay_s is not None]

    def middle(runs: tuple[Run, ...], of: Callable[[Run], float]) -> float:
        return median(map(of, runs))

    reports = ", ".join(f"{n} {kind}" for kind, n in sorted(row.events.items()) if kind != "ready")
    times = "-" if row.times is None else f"{row.times:.2f}"
    return (
        f"| {row.where} | {row.name} | {median(quiet):.2f} "
        f"| {f'{median(came):.2f}' if all_came else 'never'} | {times} "
        f"| {sum(run.sent for run in row.disturbed)} | {row.answered} "
        f"| {middle(row.quiet, lambda run: run.written):.0f} "
        f"| {middle(row.disturbed, lambda run: run.written):.0f} "
        f"| {middle(row.quiet, lambda run: run.processor_s):.2f} "
        f"| {middle(row.disturbed, lambda run: run.processor_s):.2f} | {reports} |"
    )


def edge_row(row: EdgeRow) -> str:
    """One line of the table of the edge; medians of its rounds."""

    def ms(rounds: tuple[Round, ...]) -> float:
        return 1000 * median(median(one.delays_s) for one in rounds)

    closed = ", ".join(f"{count} {why}" for why, count in row.closed.items()) or "-"
    slowest = 1000 * max(max(one.delays_s) for one in row.disturbed)
    return (
        f"| {row.name} | {ms(row.quiet):.1f} | {ms(row.disturbed):.1f} | {row.times:.2f} "
        f"| {slowest:.0f} | {row.wrong} "
        f"| {median(one.took.processor_s for one in row.quiet):.2f} "
        f"| {median(one.took.processor_s for one in row.disturbed):.2f} "
        f"| {closed} | {row.log_bytes} |"
    )


def page(rows: Iterable[Row], edges: Iterable[EdgeRow]) -> str:
    """The page, with every figure of this run."""
    lines = [
        "# Strangers on the line",
        "",
        "Written by `python -m benchmarks.hostile`.",
        "",
        "## A listening probe",
        "",
        fill(" ".join(LISTENERS.split()), WIDTH),
        "",
        LISTENER_HEAD,
        "|---|---" + "|---:" * 9 + "|---|",
        *map(listener_row, rows),
        "",
        fill(" ".join(NOTES.split()), WIDTH),
        "",
        "## An edge",
        "",
        fill(" ".join(EDGES.split()), WIDTH),
        "",
        EDGE_HEAD,
        "|---" + "|---:" * 7 + "|---|---:|",
        *map(edge_row, edges),
        "",
    ]
    return "\n".join(lines)
