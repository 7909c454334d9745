"""FARM-1, the receiving end of COP-1: which frames the probe accepts, and what it reports.

A ``Farm`` is a value; each event is a method that gives the next one.  AD frames are accepted in
sequence only, BD frames always; control commands (BC) end a lockout or set the sequence.

Three states follow from two flags: *open*; *wait*, no room for the frame that was due; *lockout*,
a frame came from so far outside the window that the ends must have lost each other.

Source: CCSDS 232.1-B-2, section 6, table 6-1; the names E1 to E10 are that table's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from shared.ccsds.cop1.clcw import Clcw

NUMBERS = 256
"""Frame sequence numbers are counted modulo this."""

UNLOCK = b"\x00"
_SET_VR = b"\x82\x00"
_B_COUNTER = 4


def set_vr(number: int) -> bytes:
    """The control command that makes FARM expect this number next (232.0-B-4, 4.1.3.3.3).

    Raises:
        ValueError: not in 0 to 255.
    """
    if not 0 <= number < NUMBERS:
        raise ValueError(f"sequence number {number} is not in 0 to {NUMBERS - 1}")
    return _SET_VR + bytes([number])


class FarmState(Enum):
    """6.1.2; the values are the columns of table 6-1."""

    OPEN = 1
    WAIT = 2
    LOCKOUT = 3


@dataclass(frozen=True)
class Farm:
    """The state of FARM-1 on one virtual channel.

    Attributes:
        vr: V(R), the number that is expected next.
        lockout: see the module's text.
        wait: the same.
        retransmit: a frame is known to be missing.
        b_counter: accepted BD and BC frames, modulo 4.
        window: W, even, 2 to 254; half of it lies above V(R) and half below.

    Raises:
        ValueError: a field is out of its range.
    """

    vr: int = 0
    lockout: bool = False
    wait: bool = False
    retransmit: bool = False
    b_counter: int = 0
    window: int = 64

    def __post_init__(self) -> None:
        if not 2 <= self.window < NUMBERS or self.window % 2:
            raise ValueError(f"a window of {self.window} is not even and in 2 to 254")
        if not 0 <= self.vr < NUMBERS or not 0 <= self.b_counter < _B_COUNTER:
            raise ValueError("V(R) or the FARM-B counter is out of its range")

    @property
    def state(self) -> FarmState:
        """The column of the state table."""
        if self.lockout:
            return FarmState.LOCKOUT
        return FarmState.WAIT if self.wait else FarmState.OPEN

    def ad(self, number: int, *, room: bool = True) -> tuple[Farm, bool]:
        """A valid AD frame has come.

        Args:
            number: N(S).
            room: whether the layer above can take its data.

        Returns:
            The next state, and whether the frame is accepted.
        """
        ahead = (number - self.vr) % NUMBERS
        half = self.window // 2
        if self.lockout:
            return self, False
        if half <= ahead < NUMBERS - half:  # E5: neither window
            return replace(self, lockout=True), False
        if ahead >= NUMBERS - half:  # E4: an old frame once more
            return self, False
        if self.wait:
            return self, False
        if ahead:  # E3: one before it is missing
            return replace(self, retransmit=True), False
        if not room:  # E2
            return replace(self, retransmit=True, wait=True), False
        return replace(self, vr=(self.vr + 1) % NUMBERS, retransmit=False), True  # E1

    def bd(self) -> Farm:
        """A valid BD frame has come (E6); it is always accepted."""
        return replace(self, b_counter=(self.b_counter + 1) % _B_COUNTER)

    def control(self, command: bytes) -> Farm:
        """A valid BC frame has come (E7, E8); commands that FARM does not know change nothing.

        Args:
            command: the frame's data field.
        """
        if command == UNLOCK:
            return replace(self.bd(), lockout=False, wait=False, retransmit=False)
        if len(command) == len(_SET_VR) + 1 and command.startswith(_SET_VR):
            if self.lockout:  # counted, and not obeyed
                return self.bd()
            return replace(self.bd(), vr=command[-1], wait=False, retransmit=False)
        return self

    def buffer_released(self) -> Farm:
        """There is room again (E10)."""
        return replace(self, wait=False)

    def report(self, vcid: int) -> Clcw:
        """What FARM tells the ground now."""
        return Clcw(
            report_value=self.vr,
            vcid=vcid,
            lockout=self.lockout,
            wait=self.wait,
            retransmit=self.retransmit,
            farm_b_counter=self.b_counter,
        )
