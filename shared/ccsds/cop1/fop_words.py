"""The words of FOP-1: states, frames, notices, alerts, managed parameters.

Source: CCSDS 232.1-B-2, 4.3 and 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from shared.ccsds.cop1.farm import NUMBERS


class FopState(Enum):
    """5.1.2; the values are the columns of table 5-1."""

    ACTIVE = 1
    RETRANSMIT = 2
    RETRANSMIT_WAIT = 3
    INITIALISING = 4
    INITIALISING_BC = 5
    INITIAL = 6


class Service(Enum):
    """What kind of frame is transmitted."""

    AD = "AD"
    BD = "BD"
    BC = "BC"


class Alert(Enum):
    """Why the AD service ended (table 4-4)."""

    LIMIT = "the frame was sent as often as allowed"
    T1 = "the timer expired after the last transmission allowed"
    LOCKOUT = "the receiver is locked"
    SYNCH = "the receiver's report contradicts what was sent"
    NNR = "the receiver acknowledges what was not sent, or no longer what it had acknowledged"
    CLCW = "the report makes no sense"
    TERM = "terminated on request"


class What(Enum):
    """Kinds of notices."""

    ACCEPTED = "a request to send has become a frame"
    REJECTED = "a request or directive cannot be followed now"
    CONFIRMED = "a frame is acknowledged"
    FAILED = "a frame or request may or may not have arrived: its service has ended"
    INITIATED = "the AD service has begun"
    SUSPENDED = "the AD service pauses until it is resumed"
    ALERT = "the AD service has ended"


@dataclass(frozen=True)
class Frame:
    """A frame to transmit.

    Attributes:
        service: AD, BD or BC.
        number: N(S); 0 in BD and BC frames.
        data: the data field.
    """

    service: Service
    number: int
    data: bytes


@dataclass(frozen=True)
class Notice:
    """What the layer above should know.

    Attributes:
        what: the kind.
        data: of the request that it is about, if any.
        alert: why, where the service has ended.
    """

    what: What
    data: bytes = b""
    alert: Alert | None = None


@dataclass(frozen=True)
class Parameters:
    """Managed parameters of FOP-1.

    Attributes:
        window: K, frames sent and not acknowledged, 1 to 255; at most half the FARM's window.
        timer_s: T1, from the last transmission until all are sent again, seconds.
        limit: transmissions of one frame, at least 1.
        suspend: when the timer expires at the limit, pause (timeout type 1) instead of an alert.

    Raises:
        ValueError: one is out of its range.
    """

    window: int = 32
    timer_s: float = 10.0
    limit: int = 4
    suspend: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.window < NUMBERS or self.limit < 1 or not self.timer_s > 0:
            raise ValueError(f"{self} is out of range")
