"""Weather by name: three for benches, and what the bit error rate of a link's preset comes to."""

from __future__ import annotations

from typing import Final

from shared.errors import InputError
from sims.hil.impairments import Weather
from sims.scenario.presets import BY_NAME

WEATHERS: Final = {
    "clear": Weather(),
    "rain": Weather(lose=0.05, damage=0.02, double=0.05, overtake=0.05, flip_byte=1e-4),
    "storm": Weather(
        lose=0.15, damage=0.08, double=0.1, overtake=0.15, drop_byte=1e-3, flip_byte=1e-3
    ),
}
DATAGRAM_BYTES: Final = 150
"""What a datagram has, to reckon how many of them a bit error rate damages."""


def weather_named(name: str) -> Weather:
    """One of ``WEATHERS``, or that of a preset of linksim: its uplink's bit error rate, both ways.

    Raises:
        InputError: there is no such name.
    """
    if name in WEATHERS:
        return WEATHERS[name]
    if name not in BY_NAME:
        raise InputError(
            f"no weather is called {name!r}", expected=f"one of {', '.join([*WEATHERS, *BY_NAME])}"
        )
    kept = 1.0 - BY_NAME[name].uplink_ber.value
    return Weather(damage=1.0 - kept ** (8 * DATAGRAM_BYTES), flip_byte=1.0 - kept**8)
