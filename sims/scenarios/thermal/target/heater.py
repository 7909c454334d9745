"""Keeps the propellant lines warm: one heater, two thermistors, a band with hysteresis."""

from dataclasses import dataclass

LOW_C = 4.0
HIGH_C = 9.0
SENSOR_MIN_C = -60.0
SENSOR_MAX_C = 85.0


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
        valid = [value for value in (reading.inlet_c, reading.outlet_c) if is_plausible(value)]
        if not valid:
            self._switch(False)
            return self.powered
        coldest = min(valid)
        if coldest < LOW_C:
            self._switch(True)
        elif coldest > HIGH_C:
            self._switch(False)
        return self.powered

    def _switch(self, on: bool) -> None:
        if on != self.powered:
            self.powered = on
            self.switches += 1


def is_plausible(value: float) -> bool:
    """Whether a thermistor can have measured this."""
    return SENSOR_MIN_C <= value <= SENSOR_MAX_C


def average(reading: Reading) -> float:
    """Mean of the two thermistors, for telemetry."""
    return (reading.inlet_c + reading.outlet_c) / 2
