"""What goes out for what strangers send: nothing by default, and never more than came in."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from probe.reception.transports import SENDER, Printed, Udp


@contextmanager
def grounds(count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind(("127.0.0.1", 0))
            made.append(one)
        yield made


def heard(ground: socket.socket) -> list[bytes]:
    """All that has come; on the loopback what was sent is there when sendto returns."""
    found = []
    while select.select([ground], [], [], 0)[0]:
        found.append(ground.recv(1 << 16))
    return found


def test_a_sender_gets_nothing_by_default() -> None:
    line = Udp("127.0.0.1:0")
    with grounds(1) as [ground]:
        ground.sendto(bytes(1000), ("127.0.0.1", line.port))
        assert line.receive(60.0) == bytes(1000)
        line.send(b"x")
        assert heard(ground) == []
    line.close()


def test_a_named_listener_gets_all_and_the_sender_nothing() -> None:
    with grounds(2) as [ground, listener]:
        line = Udp("127.0.0.1:0", f"127.0.0.1:{listener.getsockname()[1]}")
        ground.sendto(b"x", ("127.0.0.1", line.port))
        assert line.receive(60.0) == b"x"
        line.send(bytes(300))
        assert (heard(listener), heard(ground)) == ([bytes(300)], [])
        line.close()


steps = st.lists(
    st.one_of(
        st.tuples(st.just("in"), st.integers(0, 2), st.integers(1, 2000)),
        st.tuples(st.just("out"), st.just(0), st.integers(1, 700)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_no_sender_gets_more_bytes_than_it_sent(steps: list[tuple[str, int, int]]) -> None:
    line = Udp("127.0.0.1:0", SENDER)
    sent, got, latest = [0, 0, 0], [0, 0, 0], None
    with grounds(3) as ends:
        for kind, who, size in steps:
            if kind == "in":
                ends[who].sendto(bytes(size), ("127.0.0.1", line.port))
                assert line.receive(60.0) == bytes(size)
                sent[who] += size
                latest = who
                continue
            line.send(bytes(size))
            now = [sum(map(len, heard(end))) for end in ends]
            assert sum(now) in (0, size)
            assert all(not count for who, count in enumerate(now) if who != latest)
            got = [a + b for a, b in zip(got, now, strict=True)]
            assert all(g <= s for g, s in zip(got, sent, strict=True))
    line.close()


def test_a_sender_is_answered_where_that_is_wanted_and_paid_for() -> None:
    line = Udp("127.0.0.1:0", SENDER)
    with grounds(1) as [ground]:
        ground.sendto(bytes(100), ("127.0.0.1", line.port))
        line.receive(60.0)
        for size in (62, 62, 38):
            line.send(bytes(size))
        assert [len(data) for data in heard(ground)] == [62, 38]
    line.close()


def test_a_reader_that_does_not_read_stops_nothing() -> None:
    read, write = os.pipe()
    printed = Printed(write)
    for _ in range(3000):
        printed.send(bytes(300))
    os.close(read)
    printed.send(b"nobody listens")
    os.close(write)
