"""What regeneration takes in energy, estimated from what the user knows of the board."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Energy:
    """How to estimate; at most one of the two.

    Attributes:
        watts: what the board draws while it regenerates.
        joules_per_operation: of one multiply-add of the model, memory and all, as measured once
            with another patch.
    """

    watts: float | None = None
    joules_per_operation: float | None = None

    def joules(self, seconds: float, operations: int) -> float | None:
        """Of a regeneration; None where nothing is known of the board.

        Args:
            seconds: that it took, wall time.
            operations: multiply-adds.
        """
        if self.watts is not None:
            return self.watts * seconds
        if self.joules_per_operation is not None:
            return self.joules_per_operation * operations
        return None
