"""Clients that never end their requests or never read their answers hold nothing for long, and
nobody else waits for them."""

from __future__ import annotations

import contextlib
import logging
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from edge_world import ask, batch, origin, trust_file
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.edge.stack import Running, edge_server, environment, samples
from probe.edge.server.logs import CHARACTERS, LINES, WINDOW_S, Short, Sparing
from probe.edge.server.patience import Patience, Reason, Seen, dispensable, verdict, written
from probe.edge.server.serve import allow_connections
from shared.errors import InputError

PLAIN = Patience()


@pytest.fixture(scope="module")
def small(folder: Path) -> Iterator[Running]:
    """An edge with room for eight connections and a second of patience."""
    options = ("--trust", trust_file(folder), "--limit-concurrency", 8)
    waits = ("--request-seconds", 1, "--answer-seconds", 1)
    with edge_server(str(folder / "small"), *options, *waits) as running:
        assert ask(running.url, "/batches", method="POST", body=batch()).status == 200
        yield running


def connected(edge: Running) -> socket.socket:
    host, _, port = urlsplit(edge.url).netloc.partition(":")
    return socket.create_connection((host, int(port)), timeout=60)


def closed(edge: Running, reason: str) -> float:
    return samples(edge.url)[f'edge_connections_closed_total{{reason="{reason}"}}']


def ended(half: socket.socket) -> bool:
    """Waits until the other side has closed it."""
    with contextlib.suppress(ConnectionError):
        while half.recv(1 << 16):
            pass
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /jars/01.webp HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"GET /jars/01.webp HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf",
        b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf",
        b"POST /batches HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nhalf",
        b"POST /batches HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"GET /jars/01.webp HTTP/1.1\r\nHost: a\r\n\r\nGET /jars/02.webp HT",
    ],
    ids=["silent", "header", "body", "body-405", "batch", "chunks", "second"],
)
def test_a_request_that_never_ends_is_closed(small: Running, sent: bytes) -> None:
    before = closed(small, "half")
    with connected(small) as half:
        half.sendall(sent)
        assert ended(half)
    assert closed(small, "half") == before + 1


def test_empty_lines_one_by_one_are_no_request(small: Running) -> None:
    """On a connection that has had an answer: each byte used to begin the waiting anew."""
    with connected(small) as half:
        half.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        half.recv(1 << 16)
        with pytest.raises(ConnectionError):
            for _ in range(600):
                half.sendall(b"\r\n")
                time.sleep(0.05)


def test_an_answer_that_nobody_reads_is_given_up(small: Running) -> None:
    """Either its answers or, behind them, a request of which no more is read is found first."""
    before = closed(small, "unread") + closed(small, "half")
    with connected(small) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /jars/01.webp HTTP/1.1\r\nHost: a\r\nAccept: image/png\r\n\r\n"
        with contextlib.suppress(ConnectionError):
            for _ in range(20_000):  # until the buffers of both kernels are full
                deaf.settimeout(5)
                try:
                    deaf.sendall(request)
                except TimeoutError:
                    break
        while closed(small, "unread") + closed(small, "half") == before:
            time.sleep(0.05)


def test_a_flood_of_half_requests_leaves_room_for_whole_ones(small: Running) -> None:
    with contextlib.ExitStack() as held:
        for number in range(40):
            half = held.enter_context(connected(small))
            half.sendall(b"GET /jars/01.webp HTTP/1.1\r\n")
            if number % 5 == 0:
                assert ask(small.url, "/jars/03.webp").status == 200
        assert ask(small.url, "/jars/03.webp").status == 200
    assert closed(small, "room") > 0


def test_when_all_are_at_work_the_next_one_is_told(tmp_path: Path) -> None:
    with origin() as source:
        source.hold_s = 3.0
        options = ("--upstream", source.url, "--limit-concurrency", 2)
        with (
            edge_server(str(tmp_path / "store"), *options) as busy,
            connected(busy) as one,
            connected(busy) as two,
        ):
            for number, client in enumerate((one, two)):
                client.sendall(b"GET /%d.webp HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            while len(source.asked) < 2:
                time.sleep(0.01)
            reply = ask(busy.url, "/healthz")
            assert (reply.status, reply.fields["retry-after"]) == (503, "2")
            assert one.recv(1 << 16).startswith(b"HTTP/1.1 404")


def test_garbage_fills_no_log(tmp_path: Path) -> None:
    command = ["edge", "serve", "--store", str(tmp_path / "store"), "--port", "0"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "probe", *command],
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment(),
        )
        try:
            assert process.stdout is not None
            url = process.stdout.readline().decode().split()[-1]
            host, port = urlsplit(url).hostname, urlsplit(url).port
            for _ in range(300):
                with socket.create_connection((host, port)) as stranger:
                    stranger.sendall(b"\x16\x03\x01 no HTTP at all\r\n\r\n")
                    ended(stranger)
        finally:
            process.terminate()
            assert process.wait(60) == 0
    text = (tmp_path / "log").read_text()
    assert "Invalid HTTP request" in text
    assert text.count("\n") <= 2 * LINES


# --- the decisions -----------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3000)), max_size=60))
def test_no_request_lasts_longer_than_its_bytes_allow(steps: list[tuple[float, int]]) -> None:
    """Whatever drips in, and whenever: closed at the latest when its rate is below the limit."""
    seen, now_s = Seen(0.0), 0.0
    for pause_s, size in steps:
        now_s += pause_s
        seen.received_bytes += size
        late = now_s >= PLAIN.request_s + seen.received_bytes / PLAIN.rate
        assert (verdict(seen, now_s, PLAIN) is Reason.HALF) == late


@given(st.lists(st.integers(0, 500), min_size=1, max_size=300))
def test_who_reads_a_little_is_not_waited_for_for_ever(reads: list[int]) -> None:
    """Less than the rate, a byte now and then too: given up within the time for all of it."""
    size, seen, now_s = 40_000, Seen(None), 0.0
    for read in reads:
        written(seen, size, now_s, PLAIN)
        now_s += 1.0
        size = max(size - read, 0)
        if verdict(seen, now_s, PLAIN) is Reason.UNREAD:
            return
    written(seen, size, now_s, PLAIN)
    enough = PLAIN.answer_s * PLAIN.rate
    windows = 1 + sum(reads) // enough
    assert size == 0 or now_s <= windows * (PLAIN.answer_s + 1)


@given(
    st.lists(st.tuples(st.booleans(), st.none() | st.floats(0, 100), st.none() | st.floats(0, 1)))
)
def test_nobody_at_work_is_dismissed(kinds: list[tuple[bool, float | None, float | None]]) -> None:
    inside = [
        (n, Seen(since, working=working, unread_s=unread))
        for n, (working, since, unread) in enumerate(kinds)
    ]
    goes = dispensable(inside)
    free = [n for n, seen in inside if not seen.working and seen.unread_s is None]
    assert (goes is None) == (not free)
    if goes is not None:
        halves = [n for n in free if inside[n][1].since_s is not None]
        assert goes in (halves or free)


def test_more_connections_than_the_system_allows_are_an_error() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("no limit here")
    with pytest.raises(InputError, match="open files"):
        allow_connections(hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 2)), max_size=200))
def test_a_kind_of_record_is_written_a_few_times_a_minute(steps: list[tuple[float, int]]) -> None:
    now_s = 0.0
    sparing = Sparing(lambda: now_s)
    passed: dict[int, list[float]] = {}
    for pause_s, line in steps:
        now_s += pause_s
        record = logging.LogRecord("a", logging.WARNING, "f.py", line, "said %s", ("x",), None)
        if sparing.filter(record):
            passed.setdefault(line, []).append(now_s)
    for times in passed.values():
        for first, later in zip(times, times[2 * LINES :], strict=False):
            assert later - first >= WINDOW_S  # across the border of two windows


def test_what_was_left_out_is_told_and_long_texts_are_cut() -> None:
    now_s = 0.0
    sparing = Sparing(lambda: now_s)
    made = [
        logging.LogRecord("a", logging.WARNING, "f.py", 1, "said %s", ("x" * 9999,), None)
        for _ in range(LINES + 8)
    ]
    assert [sparing.filter(record) for record in made] == [True] * LINES + [False] * 8
    now_s = WINDOW_S
    assert sparing.filter(made[0])
    assert made[0].getMessage().endswith("(8 more like it before)")
    assert len(Short().format(made[1])) < CHARACTERS + 60
