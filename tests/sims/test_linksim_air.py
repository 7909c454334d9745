"""UDP on the loopback: two processes, the real probe behind one of them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from spacepackets.ccsds.spacepacket import SpHeader

from shared.ccsds.link import receive_frames
from shared.ccsds.stack import Stack
from shared.errors import InputError
from shared.tree import read_tree
from sims.mission.endpoints import Spacecraft
from sims.mission.strategies import Order, Strategy
from sims.mission.synthetic import BASE, PATH, sized_cargo
from sims.mission.udp import Receiver, address_of, datagrams, transmit
from sims.scenario.schema import CODINGS

SMALL = Stack(max_frame_bytes=128)
LISTEN = "from sims.cli import app; app()"


def test_over_the_loopback_into_the_real_probe(tmp_path: Path) -> None:
    """Spoilt, then whole, then the same again: dropped, applied, refused."""
    base, cargo = sized_cargo(300)
    probe = Spacecraft(tmp_path / "probe", base, cargo)
    arguments = ["listen", "--udp", "127.0.0.1:0", "--state", str(probe.state), "--json"]
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTEN, *arguments, "--max-frame-bytes", "128", "--seconds", "60"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert listener.stdout is not None
        decoder = _objects(listener.stdout)
        address = ("127.0.0.1", next(decoder)["port"])
        packets = datagrams(cargo.envelope, SMALL, Strategy())
        assert len(packets) == 3
        transmit([b"\x55" * 40], address, 0)
        assert next(decoder) == {"what": "dropped", "why": "no frame in this datagram"}
        transmit(packets, address, 0)
        assert next(decoder) == {"what": "applied", "bytes": 300}
        transmit(packets, address, 0)
        assert next(decoder)["kind"] == "counter"
    finally:
        listener.kill()
        listener.communicate()
    assert set(read_tree(tmp_path / "probe/live/root")) == {*BASE, PATH}


def _objects(stream):  # type: ignore[no-untyped-def]
    """JSON objects that stand one behind the other, over several lines or not."""
    text = ""
    for line in stream:
        text += line
        try:
            found = json.loads(text)
        except ValueError:
            continue
        text = ""
        yield found


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("order", [Order.ONCE, Order.HAMMER, Order.CYCLE])
def test_every_code_and_every_blind_strategy(coding: str, order: Order) -> None:
    envelope = bytes(range(250))
    stack = Stack(channel=CODINGS[coding], max_frame_bytes=100)
    packets = datagrams(envelope, stack, Strategy(order, 2))
    assert len(packets) == 3 * (1 if order is Order.ONCE else 2)
    receiver = Receiver(stack)
    assert [each for packet in packets for each in receiver.hear(packet)[0]] == [envelope]


def test_a_lost_and_a_spoilt_datagram_are_made_good_by_copies() -> None:
    envelope = bytes(reversed(range(250)))
    packets = datagrams(envelope, SMALL, Strategy(Order.HAMMER, 2))
    spoilt = bytearray(packets[2])
    spoilt[40:44] = b"\0\xff\0\xff"
    heard = [*packets[1:2], bytes(spoilt), *packets[3:]]
    receiver = Receiver(SMALL)
    assert [each for packet in heard for each in receiver.hear(packet)[0]] == [envelope]


def test_what_is_on_the_air_is_a_packet_for_spacepackets() -> None:
    envelope = b"an envelope of 26 bytes..."
    (packet,) = datagrams(envelope, Stack(), Strategy())
    (frame,) = receive_frames(packet, Stack()).frames
    header = SpHeader.unpack(frame.data[1:])
    assert frame.data[7:] == envelope and header.data_len == len(envelope) - 1


def test_the_rate_is_kept() -> None:
    pauses: list[float] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ears:
        ears.bind(("127.0.0.1", 0))
        transmit([b"a" * 20, b"b" * 30], ears.getsockname(), 160.0, pauses.append)
        assert [ears.recv(99), ears.recv(99)] == [b"a" * 20, b"b" * 30]
    assert pauses == [1.0, 1.5]


def test_refusals() -> None:
    for text in ("", "127.0.0.1", ":1", "host:x", "host:70000"):
        with pytest.raises(InputError, match="HOST:PORT"):
            address_of(text)
    assert address_of("[::1]:5") == ("::1", 5)
    with pytest.raises(InputError, match="telemetry"):
        datagrams(b"x", Stack(), Strategy(Order.COP1))
