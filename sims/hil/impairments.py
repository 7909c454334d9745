"""What a bad line does to what passes through it, drawn from a seed and counted."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Weather:
    """Chances, of a datagram where nothing else is said.

    Attributes:
        lose: it never arrives.
        damage: one to three of its bits are flipped.
        double: it arrives twice.
        overtake: it is held back until one to three others have passed it.
        drop_byte: a byte of a stream is left out.
        flip_byte: a bit of a byte of a stream is flipped.
    """

    lose: float = 0.0
    damage: float = 0.0
    double: float = 0.0
    overtake: float = 0.0
    drop_byte: float = 0.0
    flip_byte: float = 0.0


@dataclass
class Tally:
    """What has passed and what became of it: datagrams on UDP, bytes on a stream."""

    passed: int = 0
    lost: int = 0
    damaged: int = 0
    doubled: int = 0
    overtaken: int = 0


class Impairment(Protocol):
    """One direction of a line."""

    tally: Tally

    def carry(self, unit: bytes) -> list[bytes]:
        """What comes out when this goes in, in order."""

    def quiet(self) -> list[bytes]:
        """What still comes out when nothing has gone in for a while."""


@dataclass
class Datagrams:
    """Datagrams are lost, damaged, doubled and overtaken, each whole."""

    weather: Weather
    choose: random.Random
    tally: Tally = field(default_factory=Tally)
    _held: list[tuple[int, bytes]] = field(default_factory=list)
    """How many have still to pass, and the datagram."""

    def carry(self, unit: bytes) -> list[bytes]:
        """See ``Impairment``."""
        out = [unit for unit in self._fates(unit) if not self._hold(unit)]
        if out:
            self._held = [(left - 1, unit) for left, unit in self._held]
            out += [unit for left, unit in self._held if left <= 0]
            self._held = [(left, unit) for left, unit in self._held if left > 0]
        return out

    def quiet(self) -> list[bytes]:
        """See ``Impairment``."""
        out = [unit for _, unit in self._held]
        self._held.clear()
        return out

    def _fates(self, unit: bytes) -> list[bytes]:
        self.tally.passed += 1
        if self._happens(self.weather.lose):
            self.tally.lost += 1
            return []
        if unit and self._happens(self.weather.damage):
            self.tally.damaged += 1
            spoilt = bytearray(unit)
            for _ in range(self.choose.randint(1, 3)):
                bit = self.choose.randrange(8 * len(spoilt))
                spoilt[bit // 8] ^= 0x80 >> bit % 8
            unit = bytes(spoilt)
        if self._happens(self.weather.double):
            self.tally.doubled += 1
            return [unit, unit]
        return [unit]

    def _hold(self, unit: bytes) -> bool:
        if not self._happens(self.weather.overtake):
            return False
        self.tally.overtaken += 1
        self._held.append((self.choose.randint(1, 3), unit))
        return True

    def _happens(self, chance: float) -> bool:
        return self.choose.random() < chance


@dataclass
class Stream:
    """Bytes are left out and flipped, each for itself; their order stays."""

    weather: Weather
    choose: random.Random
    tally: Tally = field(default_factory=Tally)

    def carry(self, unit: bytes) -> list[bytes]:
        """See ``Impairment``."""
        out = bytearray()
        for byte in unit:
            fate = self.choose.random()
            if fate < self.weather.drop_byte:
                self.tally.lost += 1
            elif fate < self.weather.drop_byte + self.weather.flip_byte:
                self.tally.damaged += 1
                out.append(byte ^ 1 << self.choose.randrange(8))
            else:
                out.append(byte)
        self.tally.passed += len(unit)
        return [bytes(out)] if out else []

    def quiet(self) -> list[bytes]:
        """See ``Impairment``."""
        return []
