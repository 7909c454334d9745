"""The overhead by formula is that of real CLTUs, and the page shows it as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.link import send
from shared.ccsds.overhead import overhead, table
from shared.ccsds.stack import Stack

PAGE = Path(__file__).parents[2] / "docs" / "link-frames.md"


class Spacer:
    """Only takes room."""

    overhead_bytes = 22

    def protect(self, frame_header: bytes, data: bytes) -> bytes:  # noqa: ARG002
        return b"\xee" * 6 + data + b"\xee" * 16

    def unprotect(self, frame_header: bytes, data: bytes) -> bytes:  # noqa: ARG002
        return data[6:-16]


@pytest.mark.parametrize("security", [None, Spacer()])
@pytest.mark.parametrize("coding", Coding)
def test_formula_against_real_cltus(coding: Coding, security: Spacer | None) -> None:
    for stack in (
        Stack(map_id=None, apid=None),
        Stack(apid=None),
        Stack(),
        Stack(fecf=False, max_frame_bytes=61),
    ):
        stack = replace(stack, channel=ChannelCoding(coding))
        room = stack.room_bytes(security)
        for size in (1, 2, 6, 7, 8, 31, 32, 33, 96, room - 7, room - 6, room - 1, room, room + 1):
            if stack.map_id is None and size > room:
                continue
            cltus = send(bytes(size), stack, security=security)
            found = overhead(size, stack, security.overhead_bytes if security else 0)
            assert found.total == sum(map(len, cltus))
            assert found.frames == len(cltus)


def test_a_96_byte_message() -> None:
    """As computed by hand: bare in BCH 130 bytes, with everything 162, in the long code 328."""
    assert overhead(96, Stack(map_id=None, apid=None)).total == 2 + 8 * 15 + 8 == 130
    assert overhead(96, Stack(), 22).total == 162
    long = Stack(channel=ChannelCoding(Coding.LDPC_512_256))
    assert overhead(96, long, 22).total == 328


def test_the_page_has_the_table_as_it_is() -> None:
    """Else: python -m shared.ccsds.overhead, and put what it prints into the page."""
    assert f"\n{table()}\n" in PAGE.read_text("utf-8")
