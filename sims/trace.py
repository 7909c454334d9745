"""What happened, when and where: one event a line, for people or for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        time_s: seconds from the start.
        where: ``ground``, ``link`` or ``probe``.
        what: in a word or two, always the same for the same.
        detail: numbers and names.
    """

    time_s: float
    where: str
    what: str
    detail: Mapping[str, object] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """For one line of JSON."""
        return {"time_s": self.time_s, "where": self.where, "what": self.what, **self.detail}


class Trace:
    """Collects events, or nothing at all where nobody looks."""

    def __init__(self, keep: bool = True) -> None:
        self.events: list[Event] = []
        self._keep = keep

    def note(self, time_s: float, where: str, what: str, **detail: object) -> None:
        """Something happened."""
        if self._keep:
            self.events.append(Event(time_s, where, what, detail))

    def in_order(self) -> list[Event]:
        """By time; what happened at the same time in the order in which it was noted."""
        return sorted(self.events, key=lambda event: event.time_s)


def clock(time_s: float) -> str:
    """Seconds as days, hours, minutes and seconds, a width that stays.

    >>> clock(93784.5)
    '1d 02:03:04.500'
    """
    thousandths = round(time_s * 1000)
    seconds, rest = divmod(thousandths, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}d {hour:02}:{minute:02}:{second:02}.{rest:03}"
