"""From a frame sent to the frames that the probe's receiver hands on: bit by bit, or by chance.

Both ways take the same channel state, the same fate and the same order of CLTUs.  ``Bits`` codes
the frame, flips bits and lets the real receiver search, decode and check.  ``Chances`` draws
whether all that would have gone well (``survival``), a thousand times faster; a test compares the
two.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from shared.ccsds.bits import to_bits
from shared.ccsds.cltu import FILL_BYTE, encode_cltu
from shared.ccsds.link import receive_frames
from shared.ccsds.stack import Stack
from shared.ccsds.tc_frame import TcFrame, decode_frame
from sims.channel.noise import Noise, Weather, weather_at, wrong_bits
from sims.channel.survival import survival
from sims.random_streams import Streams

IDLE_BYTES = 8
"""After each CLTU; 231.0-B-4, 7.2.4 sets no length."""


@dataclass(frozen=True)
class Received:
    """What came of a CLTU.

    Attributes:
        frames: undamaged ones.
        wrong_bits: how many of its bits were flipped; None where only chances were drawn.
    """

    frames: tuple[TcFrame, ...]
    wrong_bits: int | None = None


class Medium(Protocol):
    """One direction of the channel and the decoder at its end."""

    def carry(self, frame: bytes, number: int, first_bit: int, usable_bits: int) -> Received:
        """What the probe's receiver makes of a frame.

        Args:
            frame: as it was built.
            number: of the CLTU, from 0, in the order of sending.
            first_bit: when its first bit was sent, in bits since the start of the run.
            usable_bits: how many of its bits arrive.
        """


def cltu_bits(stack: Stack, frame: bytes) -> int:
    """Bits of a frame's CLTU."""
    return 8 * stack.channel.cltu_bytes(len(frame))


@dataclass
class Bits:
    """Every bit is coded, carried and decoded."""

    stack: Stack
    noise: Noise
    streams: Streams
    _weather: Weather | None = field(default=None, init=False)

    def carry(self, frame: bytes, number: int, first_bit: int, usable_bits: int) -> Received:
        """See ``Medium``."""
        stream = self.streams.stream("up/noise", number)
        now = weather_at(self.noise, self._weather, first_bit, stream)
        cltu = to_bits(encode_cltu(frame, self.stack.channel))
        wrong, self._weather = wrong_bits(self.noise, now, cltu.size, stream)
        idle = to_bits(bytes([FILL_BYTE]) * IDLE_BYTES)
        # Behind a bit that is missing the receiver has nothing until it has found lock again.
        kept = (cltu ^ wrong)[:usable_bits]
        whole = usable_bits >= cltu.size
        signal = np.concatenate([idle, kept, idle] if whole else [idle, kept])
        return Received(receive_frames(signal, self.stack).frames, int(wrong[:usable_bits].sum()))


@dataclass
class Chances:
    """Whether it survives is drawn."""

    stack: Stack
    noise: Noise
    streams: Streams
    _weather: Weather | None = field(default=None, init=False)

    def carry(self, frame: bytes, number: int, first_bit: int, usable_bits: int) -> Received:
        """See ``Medium``."""
        stream = self.streams.stream("up/noise", number)
        now = weather_at(self.noise, self._weather, first_bit, stream)
        chances = survival(self.stack.channel, self.noise, len(frame))
        bits = cltu_bits(self.stack, frame)
        whole = usable_bits >= chances.needed_bits
        survives, passes = chances.survives[now.bad], chances.passes[now.bad]
        chance = survives[0] + survives[1]
        alive = whole and stream.happens(chance)
        if alive:
            bad = survives[1] / chance
        elif whole:
            bad = (passes[1] - survives[1]) / (1.0 - chance) if chance < 1.0 else passes[1]
        else:
            bad = passes[1]
        self._weather = Weather(stream.happens(bad), now.bit + bits)
        frames = (decode_frame(frame, with_fecf=self.stack.fecf),) if alive else ()
        return Received(frames)
