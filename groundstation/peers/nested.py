"""Nested intervals with unbounded whole numbers: symbols into the shortest byte string, and back.

The code of a message is any number inside the interval that its symbols leave of [0, 1); the
shortest one, as a base-256 fraction with its trailing zeros left out, costs about a third of a
byte more than the information.  Nothing is rounded.  Numbers grow with the message, so this is
for payloads of kilobytes; it exists because one symbol here is a whole PPMd stream.
"""

from __future__ import annotations

from shared.errors import PatchError


class Nest:
    """The interval [low, low + width) / whole that the symbols so far leave of [0, 1)."""

    def __init__(self) -> None:
        self._low, self._width, self._whole = 0, 1, 1

    def narrow(self, start: int, share: int, total: int) -> None:
        """Keep the part [start, start + share) of ``total`` equal parts of the interval.

        Raises:
            ValueError: the part is empty or not inside.
        """
        if not 0 <= start < start + share <= total:
            raise ValueError(f"part [{start}, {start + share}) of {total}")
        self._low = self._low * total + self._width * start
        self._width *= share
        self._whole *= total

    def put_universal(self, value: int) -> None:
        """A whole number from 1 on, with probability 1 / (value (value + 1))."""
        self.narrow(value * value - 1, 1, value * (value + 1))

    def finish(self) -> bytes:
        """The shortest byte string whose fraction, padded with zero bytes, lies in the interval."""
        shortest, longest = 0, (self._whole // self._width).bit_length() // 8 + 1
        while shortest < longest:
            middle = (shortest + longest) // 2
            if self._first(middle) is None:
                shortest = middle + 1
            else:
                longest = middle
        return (self._first(shortest) or 0).to_bytes(shortest, "big")

    def _first(self, size: int) -> int | None:
        """The lowest fraction of ``size`` bytes in the interval, without its denominator."""
        scale = 1 << (8 * size)
        number = -(-self._low * scale // self._whole)
        return number if number * self._whole < (self._low + self._width) * scale else None


class Unnest:
    """The fraction of a byte string, followed into the same intervals."""

    def __init__(self, data: bytes) -> None:
        self._part, self._whole = int.from_bytes(data, "big"), 1 << (8 * len(data))

    def slot(self, total: int) -> int:
        """Which of ``total`` equal parts of the interval the fraction lies in."""
        return self._part * total // self._whole

    def enter(self, start: int, share: int, total: int) -> None:
        """As ``Nest.narrow``, for the part that ``slot`` pointed to."""
        self._part = self._part * total - start * self._whole
        self._whole *= share

    def take_universal(self, limit: int) -> int:
        """As ``Nest.put_universal``.

        Raises:
            PatchError: the number is above ``limit``.
        """
        value = self._whole // (self._whole - self._part)
        if value > limit:
            raise PatchError(f"a count of {value} in the payload", expected=f"at most {limit}")
        self.enter(value * value - 1, 1, value * (value + 1))
        return value

    def fraction(self) -> tuple[int, int]:
        """Where in the interval the fraction lies, as numerator and denominator."""
        return self._part, self._whole
