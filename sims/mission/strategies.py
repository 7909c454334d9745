"""How the ground gets frames across: the order of sending, and whether it waits for answers.

| strategy | sends | waits |
|---|---|---|
| once | ABC | no |
| AAABBB | each frame n times in a row: against single losses, with the least memory on board | no |
| ABCABC | the whole message n times: bursts and outages hit different frames | no |
| cop-1 | numbered frames, again from the first that is missing (232.1-B-2) | a round trip a loss |

The blind ones with copies are what CCSDS calls systematic retransmission, for links on which an
answer comes too late to be of use.  Their frames are numbered too (Type AD): a segment has no
number of its own, and without the FARM, which drops what it has already, a second copy of a middle
segment would be taken for the next one.  So AAABBB brings each frame for itself, while of ABCABC a
round goes on where the one before it lost the first frame.  ``once`` sends Type BD.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Order(Enum):
    """Which strategy; the values are the names in scenarios."""

    ONCE = "once"
    HAMMER = "AAABBB"
    CYCLE = "ABCABC"
    COP1 = "cop-1"


@dataclass(frozen=True)
class Strategy:
    """A strategy with its count.

    Attributes:
        order: which.
        copies: how often each frame is sent, with ``HAMMER`` and ``CYCLE``; with ``COP1`` how
            often at most.
    """

    order: Order = Order.ONCE
    copies: int = 1

    @property
    def name(self) -> str:
        """As reports show it."""
        return (
            self.order.value if self.order is Order.ONCE else f"{self.order.value} x{self.copies}"
        )


def blind_order(strategy: Strategy, frames: int) -> list[int]:
    """Which frame is sent when, by its index; not for COP-1, whose order depends on the answers.

    >>> blind_order(Strategy(Order.HAMMER, 3), 2)
    [0, 0, 0, 1, 1, 1]
    >>> blind_order(Strategy(Order.CYCLE, 3), 2)
    [0, 1, 0, 1, 0, 1]
    """
    if strategy.order is Order.HAMMER:
        return [index for index in range(frames) for _ in range(strategy.copies)]
    if strategy.order is Order.CYCLE:
        return list(range(frames)) * strategy.copies
    return list(range(frames))
