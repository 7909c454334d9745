"""A binary range coder whose probabilities learn as they go: what coded residuals are written in.

A message is a number between 0 and 1, as in the interval code of prompts, but worked off 32 bits at
a time, so that thousands of decisions cost no large integers.  A decision of a *context* takes the
share that this context has seen so far; one without context takes half.  Everything is an integer:

    bound = (range >> 12) * clip(share >> 4, 1, 4095)       of a zero; the rest is of a one

The bytes are the shortest whose value, with zeros after them for ever, lies in what is left, as in
``shared.seeds.interval``: they never end in a zero byte, and there is one form of each message.

Sources: G. N. N. Martin, "Range encoding", 1979; the estimate of a context with few observations
is the one of R. Krichevsky and V. Trofimov, IEEE Trans. Information Theory 27(2), 1981.
"""

from __future__ import annotations

from typing import Final, Protocol

HALF: Final = 1 << 15
"""Shares count 2**-16."""
MEMORY: Final = 30
"""From so many observations on the older ones are forgotten."""
RATES: Final = tuple(2**16 // (seen + 2) for seen in range(MEMORY + 1))
"""By how much of its error a share moves, in 2**-16, after so many observations."""
_TOP: Final = 1 << 24
_WORD: Final = (1 << 32) - 1
_WORD_BYTES: Final = 4


class Coder(Protocol):
    """What writes decisions or reads them: one walk over a message serves both."""

    def bit(self, context: int, value: int) -> int:
        """Codes a decision of a context; a reader ignores ``value`` and returns what it reads."""

    def even(self, value: int) -> int:
        """The same without a context: both are as likely."""


class RangeEncoder:
    """Writes decisions.

    Args:
        contexts: how many there are.
    """

    def __init__(self, contexts: int) -> None:
        self._shares, self._seen = [HALF] * contexts, [0] * contexts
        self._low, self._range = 0, _WORD
        self._out = bytearray()

    def bit(self, context: int, value: int) -> int:
        """See ``Coder``."""
        share = self._shares[context]
        bound = (self._range >> 12) * (min(max(share >> 4, 1), 4095))
        seen = self._seen[context]
        if value:
            self._low += bound
            self._range -= bound
            self._shares[context] = share - (share * RATES[seen] >> 16)
        else:
            self._range = bound
            self._shares[context] = share + ((65536 - share) * RATES[seen] >> 16)
        if seen < MEMORY:
            self._seen[context] = seen + 1
        if self._range < _TOP or self._low > _WORD:
            self._shift()
        return value

    def even(self, value: int) -> int:
        """See ``Coder``."""
        half = self._range >> 1
        if value:
            self._low += half
            self._range -= half
        else:
            self._range = half
        if self._range < _TOP or self._low > _WORD:
            self._shift()
        return value

    def finish(self) -> bytes:
        """The shortest bytes of what was written; they do not end in a zero byte."""
        last = _shortest(self._low, self._range)
        out = bytearray(self._out)
        if last > _WORD:
            _carry(out)
        return bytes(out + (last & _WORD).to_bytes(_WORD_BYTES, "big")).rstrip(b"\0")

    def _shift(self) -> None:
        if self._low > _WORD:
            _carry(self._out)
            self._low &= _WORD
        while self._range < _TOP:
            self._out.append(self._low >> 24)
            self._low = self._low << 8 & _WORD
            self._range <<= 8


class RangeDecoder:
    """Reads decisions; bytes that nobody wrote give some decisions too.

    Args:
        data: the bytes of ``RangeEncoder.finish``.
        contexts: as many as the encoder had.
    """

    def __init__(self, data: bytes, contexts: int) -> None:
        self._shares, self._seen = [HALF] * contexts, [0] * contexts
        self._data, self._read = data, _WORD_BYTES
        # where the message lies above the low end of what is left
        offset = int.from_bytes(data[:_WORD_BYTES].ljust(_WORD_BYTES, b"\0"), "big")
        self._beyond = offset >= _WORD  # no encoder gets there
        self._offset, self._range = min(offset, _WORD - 1), _WORD

    def bit(self, context: int, value: int = 0) -> int:
        """See ``Coder``."""
        share = self._shares[context]
        bound = (self._range >> 12) * (min(max(share >> 4, 1), 4095))
        seen = self._seen[context]
        if self._offset >= bound:
            value = 1
            self._offset -= bound
            self._range -= bound
            self._shares[context] = share - (share * RATES[seen] >> 16)
        else:
            value = 0
            self._range = bound
            self._shares[context] = share + ((65536 - share) * RATES[seen] >> 16)
        if seen < MEMORY:
            self._seen[context] = seen + 1
        if self._range < _TOP:
            self._shift()
        return value

    def even(self, value: int = 0) -> int:
        """See ``Coder``."""
        half = self._range >> 1
        value = int(self._offset >= half)
        if value:
            self._offset -= half
            self._range -= half
        else:
            self._range = half
        if self._range < _TOP:
            self._shift()
        return value

    def is_whole(self) -> bool:
        """Whether the bytes are exactly those that an encoder gives for the decisions read.

        The low end of what is left is the message less the offset.  So it is known, within the last
        word, which number an encoder would have taken.
        """
        if self._beyond or self._read < len(self._data) or self._data[-1:] == b"\0":
            return False
        start = self._read - _WORD_BYTES
        word = int.from_bytes(self._data[start:].ljust(_WORD_BYTES, b"\0"), "big")
        low = word - self._offset & _WORD
        return _shortest(low, self._range) - low == self._offset

    def _shift(self) -> None:
        while self._range < _TOP:
            more = self._data[self._read] if self._read < len(self._data) else 0
            self._offset = self._offset << 8 | more
            self._read += 1
            self._range <<= 8


def _shortest(low: int, width: int) -> int:
    """The number in [low, low + width) that has most zero bytes at its end."""
    for bits in range(8 * _WORD_BYTES, 0, -8):
        number = -(-low >> bits) << bits
        if number < low + width:
            return number
    return low


def _carry(out: bytearray) -> None:
    place = len(out) - 1
    while out[place] == 255:
        out[place] = 0
        place -= 1
    out[place] += 1
