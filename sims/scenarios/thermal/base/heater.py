"""Keeps the propellant lines warm: one heater, two thermistors, a band with hysteresis."""

from dataclasses import dataclass

LOW_C = 4.0
HIGH_C = 9.0


@dataclass
class Reading:
    """What the two thermistors say, degrees Celsius."""

    inlet_c: float
    outlet_c: float


@dataclass
class Heater:
    """State of the line heater."""

    powered: bool = False
    switches: int = 0

    def update(self, reading: Reading) -> bool:
        """Switches the heater; returns whether it is powered."""
        coldest = min(reading.inlet_c, reading.outlet_c)
        if coldest < LOW_C:
            self._switch(True)
        elif coldest > HIGH_C:
            self._switch(False)
        return self.powered

    def _switch(self, on: bool) -> None:
        if on != self.powered:
            self.powered = on
            self.switches += 1


def average(reading: Reading) -> float:
    """Mean of the two thermistors, for telemetry."""
    return (reading.inlet_c + reading.outlet_c) / 2
