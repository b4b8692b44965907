"""Confidence intervals: of independent replications, of pairs of them, and of the batches of one long run.

Sources: Law, Simulation Modeling and Analysis (5th ed., 2015), chapters 9 (output of one system) and 10 (paired comparison);
Fieller, Some problems in interval estimation (Journal of the Royal Statistical Society B 16, 1954); Holm, A simple sequentially
rejective multiple test procedure (Scandinavian Journal of Statistics 6, 1979); von Neumann, Distribution of the ratio of the
mean square successive difference to the variance (Annals of Mathematical Statistics 12, 1941).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: With what probability an interval covers what it is of.
CONFIDENCE = 0.95
#: The fewest batches that are taken for independent.
_FEWEST_BATCHES = 8
#: How likely independent batches are to be taken for dependent ones.
_SERIAL_LEVEL = 0.1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % confidence interval by Student's t; None where there is one value only, or none.

    Args:
        mean: The mean.
        low: The lower end.
        high: The upper end.
    """

    mean: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Return that of independent values."""
        if not len(values):
            return cls(None, None, None)
        mean = float(np.mean(values))
        if len(values) < 2:
            return cls(mean, None, None)
        half = quantile(len(values) - 1) * float(np.std(values, ddof=1)) / len(values) ** 0.5
        return cls(mean, mean - half, mean + half)

    @property
    def relative_half_width(self) -> float | None:
        """Half its width as a part of the mean; None where there is no interval, infinite around zero."""
        if self.mean is None or self.low is None or self.high is None:
            return None
        half = (self.high - self.low) / 2
        return half / abs(self.mean) if self.mean else (0.0 if half == 0 else float("inf"))


@dataclass(frozen=True)
class Paired:
    """How much more one of two has, pair by pair.

    Args:
        difference: The mean difference.
        relative: The same as a part of the other's mean, which is positive; all None where it is not.
        p_value: How likely so large a mean difference is if there is none in truth (two-sided t-test); None with one pair.
    """

    difference: Interval
    relative: Interval
    p_value: float | None

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Paired:
        """Compare n pairs.

        The relative difference is that of the means, mean(ours) / mean(theirs) - 1. By Fieller, its interval is of all R for
        which the mean of ours - (R + 1) theirs does not differ from zero by the t-test; where these are no interval, there is
        none.
        """
        one, other = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
        return cls(Interval.of((one - other).tolist()), _relative(one, other), _p_value(one - other))


def _relative(one: Floats, other: Floats) -> Interval:
    base = float(other.mean()) if len(other) else 0.0
    if base <= 0:
        return Interval(None, None, None)
    mean = float(one.mean()) / base - 1
    if len(one) < 2:
        return Interval(mean, None, None)
    # In units of the base, so that nothing overflows.
    one, other = one / base, other / base
    squared = quantile(len(one) - 1) ** 2 / len(one)
    (var_one, both), (_, var_other) = np.cov(one, other)
    a, b, c = 1 - squared * var_other, mean + 1 - squared * both, (mean + 1) ** 2 - squared * var_one
    root = b * b - a * c
    if a <= 0 or root < 0:
        return Interval(mean, None, None)
    return Interval(mean, float((b - root**0.5) / a) - 1, float((b + root**0.5) / a) - 1)


def _p_value(differences: Floats) -> float | None:
    if len(differences) < 2:
        return None
    mean, spread = float(differences.mean()), float(differences.std(ddof=1))
    if spread <= 1e-12 * abs(mean) or spread == 0:
        return 0.0 if mean else 1.0
    from scipy.special import stdtr

    return float(2 * stdtr(len(differences) - 1, -abs(mean) / (spread / len(differences) ** 0.5)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may be held to a level each, so that with that probability none of all is a false alarm."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def of_batches(means: Sequence[float]) -> Interval:
    """Return the interval of a long run's mean from the means of its equal batches, in their order.

    Neighbouring batches are joined until von Neumann's ratio no longer shows that they depend on each other, or there are no
    more than eight. Of fewer than eight there is no interval.

    Args:
        means: [n] The means of n batches of as many observations each.
    """
    batches = np.asarray(means, np.float64)
    if len(batches) < _FEWEST_BATCHES:
        return Interval(float(batches.mean()) if len(batches) else None, None, None)
    mean = float(batches.mean())
    while len(batches) >= 2 * _FEWEST_BATCHES and _depend(batches):
        batches = batches[: len(batches) // 2 * 2].reshape(-1, 2).mean(axis=1)
    found = Interval.of(batches.tolist())
    assert found.mean is not None
    shift = mean - found.mean  # what the last batch of an odd number would have added
    return Interval(mean, None if found.low is None else found.low + shift, None if found.high is None else found.high + shift)


def _depend(batches: Floats) -> bool:
    """Whether von Neumann's ratio, normal for independent values, tells that neighbours are alike."""
    from scipy.special import ndtri

    squares = float(((batches - batches.mean()) ** 2).sum())
    if squares == 0:
        return False
    count = len(batches)
    correlation = 1 - float((np.diff(batches) ** 2).sum()) / (2 * squares)
    # Under independence, its mean is 0 and its variance (n - 2) / (n^2 - 1).
    return bool(correlation > ndtri(1 - _SERIAL_LEVEL) * ((count - 2) / (count * count - 1)) ** 0.5)


def quantile(degrees: int, confidence: float = CONFIDENCE) -> float:
    """Return how many standard errors an interval reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + confidence) / 2))
