"""Frames in bits that come a few at a time: a receiver that keeps what it has decoded.

    bits -> start sequences -> lanes of codewords -> readers of frames

Behind every start sequence, wherever it lies, codewords follow at one place in 64.  All that share
that place make a *lane*: a codeword is decoded once, however many start sequences lead to it, and a
lane ends where a codeword fails.  A *reader* is one start sequence's view of its lane: it takes
away the randomiser's sequence and cuts frames out, each the moment its last byte is there.

So no bit is searched twice, at most one codeword is decoded for each bit, and nothing waits for the
end of a CLTU, for a pause or for the next one.  Endless codewords of a stranger hide nothing: a
receiver of 231.0-B-4, 5.3, that decodes a CLTU looks for no other start, and half of all blocks
pass for a codeword that may be corrected.  A start sequence inside of a CLTU gives frames for this
receiver, but no faults: as a rule it is data that looks like one.
"""

from __future__ import annotations

import functools
import heapq
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.ccsds.cltu import FILL_BYTE, TAIL_DISAGREEMENT, ChannelCoding, Coding
from shared.ccsds.coding import bch
from shared.ccsds.coding.randomiser import PERIOD_BITS, randomise
from shared.ccsds.delimiting import claimed_bytes, is_ours, read_frame, rest_fault
from shared.ccsds.errors import FrameError
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import FRAME_HEADER_BYTES, MAX_FRAME_BYTES, TcFrame
from shared.errors import InputError

_START_BITS = 16
_WORD_BITS = 8 * bch.CODEBLOCK_BYTES
_SEQUENCE = randomise(bytes(PERIOD_BITS + MAX_FRAME_BYTES + bch.DATA_BYTES))
"""The randomiser's; as bytes it repeats after as many of them as it has bits."""


@dataclass(frozen=True)
class Found:
    """What bits that came completed.

    Attributes:
        frames: for this spacecraft and channel, in the order in which they ended.
        faults: why others were dropped.
    """

    frames: tuple[TcFrame, ...]
    faults: tuple[FrameError, ...]


@dataclass
class Work:
    """What a stream has done so far.

    Attributes:
        searched: places at which a start sequence was looked for.
        codewords: decoded, whether they were one or not.
        readings: times that a reader looked at its lane's data.
    """

    searched: int = 0
    codewords: int = 0
    readings: int = 0


@dataclass
class _Reader:
    """One start sequence's view of a lane; places count the lane's bytes of data.

    Attributes:
        first: where its first codeword's data lie.
        begin: where the frame in hand begins, or what is no frame.
        wanted: how far the lane has to come for it to look again.
        covers: whether it is the CLTU that a receiver would be in: it tells faults.
        lost: whether no frame begins where one should, and the rest is only counted.
        head: the first bytes of that rest.
        passed: how many bytes of it were counted.
        solid: how many, without the fill bytes at their end.
    """

    first: int
    begin: int
    wanted: int
    covers: bool
    lost: bool = False
    head: bytes = b""
    passed: int = 0
    solid: int = 0


@dataclass
class _Lane:
    """Codewords one behind the other.

    Attributes:
        dropped: bytes of data that no reader needs any more.
        data: those behind them.
        readers: by what they would read from here on; of two alike one is enough.
    """

    dropped: int = 0
    data: bytearray = field(default_factory=bytearray)
    readers: dict[tuple[int, int, bool], _Reader] = field(default_factory=dict)

    @property
    def end(self) -> int:
        return self.dropped + len(self.data)


class FrameStream:
    """The frames of one spacecraft and channel in CLTUs of BCH, fed a piece at a time.

    How the bytes are cut into pieces changes nothing.  What it holds is bounded by what can still
    become a frame.

    Args:
        stack: the layers.

    Raises:
        InputError: another code than BCH.
    """

    def __init__(self, stack: Stack) -> None:
        if stack.channel.coding is not Coding.BCH:
            raise InputError(
                f"a stream of {stack.channel.coding.value}",
                expected="bch",
                remedy="give whole signals of the other codes to receive_frames",
            )
        self.work = Work()
        self._stack = stack
        self._starts = _start_table(stack.channel.start_errors_allowed)
        self._tail = int.from_bytes(stack.channel.tail_sequence, "big")
        self._bytes = bytearray()
        self._before = 0
        """Bytes that came before those."""
        self._due: list[int] = []
        """Bits where a codeword begins that is still to be decoded; a heap."""
        self._begun: set[int] = set()
        """Those of them with a start sequence before them."""
        self._lanes: dict[int, _Lane] = {}
        """By the bit where the next codeword of each begins."""
        self._covered = 0
        """The bit to which a CLTU has been decoded: a start sequence before it lies inside."""
        self._frames: list[TcFrame] = []
        self._faults: list[FrameError] = []

    def feed(self, data: bytes) -> Found:
        """Take more bytes; never raises."""
        self._bytes += data
        self._search(len(data))
        end = 8 * (self._before + len(self._bytes))
        while self._due and self._due[0] + _WORD_BITS <= end:
            self._decode(heapq.heappop(self._due))
        needed = self._due[0] >> 3 if self._due else end >> 3
        # The search looks two bytes back.
        used = min(needed - self._before, max(0, len(self._bytes) - 2))
        del self._bytes[:used]
        self._before += used
        return self._found()

    def end(self) -> Found:
        """No more will come: what is under way is given up."""
        for at in sorted(self._lanes):
            self._close(self._lanes.pop(at))
        self._due.clear()
        self._begun.clear()
        return self._found()

    def _found(self) -> Found:
        found = Found(tuple(self._frames), tuple(self._faults))
        self._frames.clear()
        self._faults.clear()
        return found

    def _search(self, fresh: int) -> None:
        """Look for start sequences that end in one of the last ``fresh`` bytes."""
        if not fresh:
            return
        span = self._bytes[-fresh - 2 :]
        ahead = 2 + fresh - len(span)  # at the very beginning there are no two bytes before
        last = np.frombuffer(bytes(ahead) + bytes(span), np.uint8).astype(np.uint32)
        words = last[:-2] << 16 | last[1:-1] << 8 | last[2:]
        ends = 8 * (self._before + len(self._bytes) - fresh)
        windows = words[:, None] >> np.arange(7, -1, -1, dtype=np.uint32) & 0xFFFF
        self.work.searched += windows.size
        for place in np.flatnonzero(self._starts[windows]).tolist():
            at = ends + place + 1
            if at >= _START_BITS:
                self._begun.add(at)
                if at not in self._lanes:
                    heapq.heappush(self._due, at)

    def _decode(self, at: int) -> None:
        """Decode the codeword that begins at a bit, and read what it completes."""
        self.work.codewords += 1
        byte, bit = divmod(at, 8)
        window = self._bytes[byte - self._before : byte - self._before + 9]
        word = int.from_bytes(window.ljust(9, b"\0"), "big") >> 8 - bit & (1 << _WORD_BITS) - 1
        data = bch.decode_word(word, self._stack.channel.decoding)
        lane = self._lanes.pop(at, None)
        begins = at in self._begun
        self._begun.discard(at)
        if data is None:
            if lane is not None:
                wrong = (word ^ self._tail).bit_count()
                if wrong <= TAIL_DISAGREEMENT * _WORD_BITS and self._covering(lane):
                    self._covered = at + _WORD_BITS
                self._close(lane)
            return
        lane = lane or _Lane()
        if begins:
            covers = at - _START_BITS >= self._covered
            self._place(lane, _Reader(lane.end, lane.end, lane.end + bch.DATA_BYTES, covers))
        lane.data += data
        if self._covering(lane):
            self._covered = at + _WORD_BITS
        for reader in [one for one in lane.readers.values() if one.wanted <= lane.end]:
            self._read(lane, reader)
        if lane.readers:
            unused = min(reader.begin for reader in lane.readers.values()) - lane.dropped
            del lane.data[:unused]
            lane.dropped += unused
            self._lanes[at + _WORD_BITS] = lane
            if at + _WORD_BITS not in self._begun:
                heapq.heappush(self._due, at + _WORD_BITS)

    def _covering(self, lane: _Lane) -> bool:
        return any(reader.covers for reader in lane.readers.values())

    def _key(self, reader: _Reader) -> tuple[int, int, bool]:
        """Where its frame begins, what the randomiser adds there, and whether it is lost."""
        randomised = self._stack.channel.randomise
        shift = (reader.begin - reader.first) % PERIOD_BITS if randomised else 0
        return reader.begin, shift, reader.lost

    def _place(self, lane: _Lane, reader: _Reader) -> None:
        """Put a reader where its frame begins; one that would read the same may be there."""
        other = lane.readers.setdefault(self._key(reader), reader)
        other.covers |= reader.covers

    def _read(self, lane: _Lane, reader: _Reader) -> None:
        """Cut out what is whole; a reader that has nothing to look for goes."""
        del lane.readers[self._key(reader)]
        while reader.wanted <= lane.end and not reader.lost:
            self.work.readings += 1
            rest = self._view(lane, reader)
            size = claimed_bytes(rest, self._stack)
            if not (reader.covers or (size and is_ours(rest, self._stack))):
                return
            if not size:
                reader.lost = True
            elif size > len(rest):
                reader.wanted = reader.begin + size
            else:
                self._take(rest[:size], reader)
                reader.begin += size
                reader.wanted = reader.begin + FRAME_HEADER_BYTES
        if reader.lost:
            self._pass_over(lane, reader)
        self._place(lane, reader)

    def _take(self, data: bytes, reader: _Reader) -> None:
        try:
            self._frames.append(read_frame(data, self._stack))
        except FrameError as fault:
            if reader.covers:
                self._faults.append(fault)

    def _pass_over(self, lane: _Lane, reader: _Reader) -> None:
        """Count what is no frame, to the end of what the lane has."""
        while reader.begin < lane.end:
            some = self._view(lane, reader)
            reader.head = (reader.head + some)[: bch.DATA_BYTES]
            solid = len(some.rstrip(bytes([FILL_BYTE])))
            reader.solid = reader.passed + solid if solid else reader.solid
            reader.passed += len(some)
            reader.begin += len(some)
        reader.wanted = lane.end + 1

    def _close(self, lane: _Lane) -> None:
        """The lane has ended: what its CLTU has not brought is a fault."""
        for reader in lane.readers.values():
            if reader.covers:
                self._pass_over(lane, reader)
                fault = rest_fault(reader.head, reader.passed, reader.solid, self._stack)
                self._faults += [fault] if fault else []

    def _view(self, lane: _Lane, reader: _Reader) -> bytes:
        """What a reader sees from its place on, at most a frame's length."""
        at = reader.begin - lane.dropped
        seen = bytes(lane.data[at : at + MAX_FRAME_BYTES])
        if not self._stack.channel.randomise:
            return seen
        shift = (reader.begin - reader.first) % PERIOD_BITS
        sequence = _SEQUENCE[shift : shift + len(seen)]
        plain = int.from_bytes(seen, "big") ^ int.from_bytes(sequence, "big")
        return plain.to_bytes(len(seen), "big")


@functools.cache
def _start_table(errors: int) -> NDArray[np.bool_]:
    """Which 16 bits are a start sequence with at most so many errors; shape (65,536,)."""
    pattern = int.from_bytes(ChannelCoding().start_sequence, "big")
    table = np.zeros(1 << _START_BITS, np.bool_)
    for word in range(1 << _START_BITS):
        table[word] = (word ^ pattern).bit_count() <= errors
    return table
