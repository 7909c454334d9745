"""What no key of a scenario shows by itself: values that do not go together, or do nothing.

A setting that nothing reads is an error, as an unknown one is: whoever wrote it meant something.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sims.mission.strategies import Order
from sims.scenario.schema import KEYS, Settings

TESLA: Final = "tesla"


@dataclass(frozen=True)
class Problem:
    """What is wrong.

    Attributes:
        name: of the key at which it is reported.
        found, expected, remedy: as errors say it.
    """

    name: str
    found: str
    expected: str
    remedy: str


@dataclass(frozen=True)
class Half:
    """Two keys of which one does nothing without the other.

    Attributes:
        what: they describe together.
        switch: 0 turns it off.
        other: what it needs.
        least: of both where it is on; above 0 in any case.
    """

    what: str
    switch: str
    other: str
    least: float = 0.0

    def wrong(self, settings: Settings) -> bool:
        """Whether it is on, and not whole."""
        switch, other = settings[self.switch], settings[self.other]
        return switch > 0 and not (other > 0 and min(switch, other) >= self.least)


HALVES: Final = (
    Half("bursts", "good_bits", "burst_bits", 1.0),
    Half("bursts", "good_bits", "burst_ber"),
    Half("outages of the uplink", "up_outage_between_s", "up_outage_length_s"),
    Half("outages of the downlink", "down_outage_between_s", "down_outage_length_s"),
    Half("delays", "delay", "delay_s"),
)


def problem(cells: Sequence[Settings], given: Collection[str]) -> Problem | None:
    """The first thing that is wrong, or None.

    Args:
        cells: all settings of each cell of the sweep.
        given: the keys that the file names, in tables or as axes.
    """
    for settings in cells:
        for found in _within(settings):
            return found
    return next(_idle(cells, given), None)


def _within(settings: Settings) -> Iterator[Problem]:
    """What is wrong in one cell."""
    for half in HALVES:
        if half.wrong(settings):
            least = f"at least {half.least:g}" if half.least else "more than 0"
            # bits of a burst are told first: its share of wrong ones has a default
            burst = half.other == "burst_bits"
            found = f"{half.other} is {settings[half.other]:g}, {half.switch} "
            found += f"{settings[half.switch]:g}"
            if burst:
                found = f"bursts of {settings['burst_bits']:g} bits, "
                found += f"{settings['good_bits']:g} between them"
            yield Problem(
                half.switch,
                found,
                "at least one bit of each" if burst else f"{least} of each",
                f"set {half.switch} and {half.other}, or neither",
            )
    period, length = settings["pass_period_s"], settings["pass_length_s"]
    if length > period:
        yield Problem(
            "pass_length_s",
            f"passes of {length:g} s, one every {period:g} s",
            "passes that end before the next begins, or last as long as the period: always in view",
            "set pass_period_s and pass_length_s; what the file does not name is the preset's",
        )
    bursts, ldpc = settings["good_bits"] > 0, settings["coding"].startswith("ldpc")
    if bursts and ldpc and settings["level"] == "frames":
        yield Problem(
            "coding",
            f"{settings['coding']} with bursts at level frames",
            "BCH, or white noise",
            'set level = "bits": for bursts there is no formula',
        )
    if settings["strategy"] == Order.COP1.value and settings["attempts"] > 1:
        yield Problem(
            "attempts",
            f"cop-1 with attempts = {settings['attempts']}",
            "1",
            "copies says how often COP-1 sends a frame",
        )


def _idle(cells: Sequence[Settings], given: Collection[str]) -> Iterator[Problem]:
    """What is given and does nothing in any cell."""
    for half in HALVES:
        used = any(settings[half.switch] > 0 for settings in cells)
        meant = half.other in given and any(settings[half.other] > 0 for settings in cells)
        if meant and not used:
            yield Problem(
                half.other,
                f"{half.other} without {half.switch}",
                f"both, for {half.what}",
                f"set {half.switch} too, or leave both out",
            )
    for name, key in KEYS.items():
        tesla = any(settings["authentication"] == TESLA for settings in cells)
        if key.section == TESLA and name in given and not tesla:
            yield Problem(
                name,
                f"{name} without a TESLA chain",
                'authentication = "tesla" in some cell',
                'set authentication = "tesla", or leave [tesla] out',
            )
    once = all(settings["strategy"] == Order.ONCE.value for settings in cells)
    if once and "copies" in given and any(settings["copies"] > 1 for settings in cells):
        yield Problem(
            "copies",
            "copies with the strategy once, which sends every frame one time",
            "copies = 1, or another strategy",
            "set strategy to one that repeats frames",
        )
    always = all(settings["pass_length_s"] >= settings["pass_period_s"] for settings in cells)
    if always and any(settings["pass_first_s"] > 0 for settings in cells):
        yield Problem(
            "pass_first_s",
            "a first pass where the probe is always in view",
            "passes that are shorter than their period",
            "set pass_length_s, or leave pass_first_s out",
        )
