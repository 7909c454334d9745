"""What each layer adds to an envelope, counted by formula; the tests hold it against real CLTUs."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from shared.ccsds.cltu import ChannelCoding, Coding
from shared.ccsds.space_packet import PACKET_HEADER_BYTES
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FECF_BYTES, FRAME_HEADER_BYTES


@dataclass(frozen=True)
class Overhead:
    """Bytes on the link, by what they are for.

    Attributes:
        envelope: what is to be carried.
        packet: space packet header.
        segment: segment headers.
        security: SDLS headers and trailers.
        frame: primary headers and error control fields.
        fill: 0x55 up to whole codewords.
        parity: what the code adds, BCH's filler bits included.
        sequences: start and tail sequences.
        frames: how many frames, and so CLTUs; no bytes.
    """

    envelope: int
    packet: int
    segment: int
    security: int
    frame: int
    fill: int
    parity: int
    sequences: int
    frames: int

    @property
    def total(self) -> int:
        return sum(getattr(self, each.name) for each in fields(self) if each.name != "frames")


def overhead(envelope_bytes: int, stack: Stack, security_bytes: int = 0) -> Overhead:
    """Counts an envelope in a stack.

    Args:
        envelope_bytes: at least 1, and not more than the stack carries.
        stack: which layers.
        security_bytes: the security layer's ``overhead_bytes``.
    """
    channel = stack.channel
    packet = 0 if stack.apid is None else PACKET_HEADER_BYTES
    sdu = envelope_bytes + packet
    room = stack.room_bytes() - security_bytes
    headers = FRAME_HEADER_BYTES + FECF_BYTES * stack.fecf
    around = headers + stack.field_header_bytes + security_bytes
    full, rest = divmod(sdu, room)
    sizes = [around + room] * full + [around + rest] * bool(rest)
    codewords = [-(-size // channel.data_bytes) for size in sizes]
    ends = len(channel.start_sequence) + len(channel.tail_sequence)
    return Overhead(
        envelope=envelope_bytes,
        packet=packet,
        segment=stack.field_header_bytes * len(sizes),
        security=security_bytes * len(sizes),
        frame=headers * len(sizes),
        fill=sum(codewords) * channel.data_bytes - sum(sizes),
        parity=sum(codewords) * (channel.codeword_bytes - channel.data_bytes),
        sequences=ends * len(sizes),
        frames=len(sizes),
    )


TABLE_SIZE = 96
OTHER_SIZES = (40, 115, 512, 4096)
_BARE = Stack(map_id=None, apid=None)
_CODES = tuple(ChannelCoding(coding=coding) for coding in Coding)


def table() -> str:
    """The table in docs/link-frames.md, as Markdown: one size in all layers, others in most."""
    names = [each.name for each in fields(Overhead)][1:]
    lines = [
        f"| layers | code | envelope | {' | '.join(names)} | on the link | at 16 bit/s |",
        f"|---|---|{'---|' * (len(names) + 3)}",
    ]
    for layers, stack, security in (
        ("frame", _BARE, 0),
        ("+ segment", replace(_BARE, map_id=0), 0),
        ("+ packet", Stack(), 0),
        ("+ SDLS", Stack(), 22),
    ):
        lines += [
            _row(layers, replace(stack, channel=code), TABLE_SIZE, security) for code in _CODES
        ]
    for size in OTHER_SIZES:
        lines += [_row("all", Stack(channel=code), size, 22) for code in _CODES]
    return "\n".join(lines) + "\n"


def _row(layers: str, stack: Stack, size: int, security: int) -> str:
    found = overhead(size, stack, security)
    counts = " | ".join(str(getattr(found, each.name)) for each in fields(found))
    return (
        f"| {layers} | {stack.channel.coding.value} | {counts} | "
        f"**{found.total}** | {found.total / 2:.0f} s |"
    )


if __name__ == "__main__":
    print(table(), end="")
