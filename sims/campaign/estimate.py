"""What a number of runs says, and how surely: confidence limits of shares and of quantiles.

Closed forms and the standard library's normal quantile are enough, so no package is needed for
them:

- of a share, Wilson's interval (Wilson, JASA 22, 1927): close to its nominal cover even where
nearly
  all runs succeed, which is where links are operated (Brown, Cai and DasGupta, Statistical Science
  16, 2001);
- of a quantile, order statistics: which of the sorted values bound it is decided by the binomial
  distribution, whatever the distribution of the values (David and Nagaraja, Order Statistics, 7.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and its limits at ``CONFIDENCE``."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"value": self.value, "low": self.low, "high": self.high}


def share(hits: int, trials: int, confidence: float = CONFIDENCE) -> Estimate:
    """The share of trials that hit, with Wilson's limits.

    Raises:
        ValueError: no trial, or more hits than trials.
    """
    if not 0 <= hits <= trials or not trials:
        raise ValueError(f"{hits} hits in {trials} trials")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = hits / trials
    scale = 1 + z * z / trials
    centre = (p + z * z / (2 * trials)) / scale
    reach = z / scale * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    low = 0.0 if hits == 0 else max(0.0, centre - reach)
    high = 1.0 if hits == trials else min(1.0, centre + reach)
    return Estimate(p, low, high)


def quantile(
    values: Sequence[float], level: float, confidence: float = CONFIDENCE
) -> Estimate | None:
    """A quantile of what the values are drawn from.

    Args:
        values: in any order.
        level: 0.5 for the median.
        confidence: that the limits are to have.

    Returns:
        The sample's quantile (the smallest value that at least this share does not exceed), and
        the order statistics around it; None where there is no value.  With few values a limit is
        the smallest or largest of them, which then covers less than ``confidence``.
    """
    if not values:
        return None
    ordered = sorted(values)
    count = len(ordered)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle, reach = count * level, z * math.sqrt(count * level * (1 - level))
    low = max(0, math.floor(middle - reach) - 1)
    high = min(count - 1, math.ceil(middle + reach))
    at = min(count - 1, max(0, math.ceil(middle) - 1))
    return Estimate(ordered[at], ordered[low], ordered[high])


def mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Estimate | None:
    """The mean, with the normal distribution's limits; None where there is no value."""
    if not values:
        return None
    count = len(values)
    centre = math.fsum(values) / count
    if count == 1:
        return Estimate(centre, -math.inf, math.inf)
    variance = math.fsum((value - centre) ** 2 for value in values) / (count - 1)
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * math.sqrt(variance / count)
    return Estimate(centre, centre - reach, centre + reach)
