"""Confidence limits of shares, means, spreads and correlations of rows that come in clusters: the days of a log.

Runs of a day resemble each other: users come in sessions, a bad node fails all who get it. Rows therefore count as independent
only from one day to another. A statistic is written as a sum over rows (Taylor linearisation), and its variance is that of
the sums of days (Binder, International Statistical Review 51, 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipesim.workload.draws import Indices
from pipesim.workload.laws.law import Floats

LEVEL = 0.95
Limits = tuple[float, float]


@dataclass(frozen=True)
class Clusters:
    """Which rows belong together.

    Attributes:
        of: [n] The cluster of each row, from 0.
        count: How many clusters there are.
    """

    of: Indices
    count: int

    @property
    def freedom(self) -> float:
        """The degrees of freedom of a variance between clusters."""
        return float(free(np.bincount(self.of)))

    def sums(self, values: Floats) -> Floats:
        """Return the sum of the rows' values in each cluster: [n, ...] to [count, ...]."""
        found: Floats = np.zeros((self.count, *values.shape[1:]))
        np.add.at(found, self.of, values)
        return found


def clusters(day: Indices) -> Clusters:
    """Return the clusters of rows by their days; rows of a single day have to count as independent.

    Args:
        day: [n] The day of each row, n > 0.
    """
    days, of = np.unique(day, return_inverse=True)
    return Clusters(of, len(days)) if len(days) > 1 else Clusters(np.arange(len(day)), len(day))


def deviation(influence: Floats, of: Clusters, level: float) -> Floats:
    """Return by how much a statistic may be off at a level: Student's quantile times its standard error.

    Args:
        influence: [n, ...] What each row adds to the statistic, about its mean; the sum over rows is 0.
        of: The rows' clusters, two at least.
        level: The probability of the two-sided interval.
    """
    variance = np.sum(of.sums(influence) ** 2, axis=0) * of.count / (of.count - 1)
    return np.asarray(student(level, of.freedom) * np.sqrt(variance))


def free(rows: NDArray[np.number]) -> Floats:
    """Return the degrees of freedom of a variance between clusters: of unequal ones, the large count (Kish, 1965).

    Args:
        rows: [D, ...] The rows of each cluster.
    """
    total, squares = np.sum(rows, axis=0), np.sum(np.square(rows, dtype=np.float64), axis=0)
    return np.asarray(np.maximum(total**2 / np.maximum(squares, 1e-300) - 1, 1.0))


def share_limits(hits: Floats, of: Floats, level: float) -> tuple[Floats, Floats]:
    """Return the confidence limits of shares.

    Wilson's limits at the effective number of rows, at which independent rows would have the variance of the days' (Kish,
    Survey Sampling, 1965; Dean and Pagano, Journal of Survey Statistics and Methodology 3, 2015).

    Args:
        hits: [D, K] How many rows of each day have each of K properties.
        of: [D, K] Out of how many.
        level: The probability of the two-sided interval.

    Returns:
        The limits, [K] each; 0 and 1 where no row tells.
    """
    total = of.sum(axis=0)
    share = hits.sum(axis=0) / np.maximum(total, 1)
    days = np.maximum(np.count_nonzero(of, axis=0), 2)
    variance = np.sum((hits - share * of) ** 2, axis=0) * days / (days - 1)
    own = total * share * (1 - share) * (normal(level) / student(level, free(of))) ** 2
    # One day tells of no other; nor do days of which none, or each row, was hit.
    told = (variance > 0) & (np.count_nonzero(of, axis=0) > 1)
    rows = np.where(told, np.divide(own * total, variance, out=np.zeros_like(own), where=told), total)
    return wilson(share, rows, level)


def wilson(share: Floats, rows: Floats, level: float) -> tuple[Floats, Floats]:
    """Return Wilson's confidence limits of shares (Journal of the American Statistical Association 22, 1927).

    Args:
        share: [K] The observed shares.
        rows: [K] Of how many independent rows; 0 gives the limits 0 and 1.
        level: The probability of the two-sided interval.
    """
    z2 = normal(level) ** 2
    centre = (rows * share + z2 / 2) / (rows + z2)
    half = np.sqrt(z2 * (rows * share * (1 - share) + z2 / 4)) / (rows + z2)
    return np.asarray(np.clip(centre - half, 0.0, share)), np.asarray(np.clip(centre + half, share, 1.0))


def mean_limits(values: Floats, of: Clusters, level: float) -> Limits:
    """Return the limits of the mean of some values, which may be negative."""
    centre = float(np.mean(values))
    off = float(deviation((values - centre) / len(values), of, level))
    return centre - off, centre + off


def spread_limits(values: Floats, of: Clusters, level: float) -> Limits:
    """Return the limits of a standard deviation, symmetric on its logarithm."""
    square = (values - np.mean(values)) ** 2
    variance = float(np.mean(square))
    if variance <= 0:
        return 0.0, 0.0
    off = float(deviation((square / variance - 1) / (2 * len(values)), of, level))
    return factor_limits(float(np.sqrt(variance)), off)


def correlation_limits(x: Floats, y: Floats, of: Clusters, level: float) -> Limits:
    """Return the limits of a correlation, symmetric on Fisher's scale."""
    a, b = ((v - np.mean(v)) / max(float(np.std(v)), 1e-300) for v in (x, y))
    rho = float(np.clip(np.mean(a * b), -1 + 1e-9, 1 - 1e-9))
    influence = (a * b - rho * (a**2 + b**2) / 2) / ((1 - rho**2) * len(x))
    off = float(deviation(influence, of, level))
    return float(np.tanh(np.arctanh(rho) - off)), float(np.tanh(np.arctanh(rho) + off))


def factor_limits(estimate: float, off: float) -> Limits:
    """Return limits that are symmetric on the logarithm of a quantity of one sign, `off` being the distance there."""
    # Beyond a factor of e^50 nothing is known; infinite limits are for quantities that the log does not tell at all.
    factor = float(np.exp(min(off, 50.0)))
    return min(estimate / factor, estimate * factor), max(estimate / factor, estimate * factor)


def normal(level: float) -> float:
    """Return the two-sided quantile of the normal law."""
    from scipy import special

    return float(special.ndtri((1 + level) / 2))


def student(level: float, freedom: Floats | float) -> Floats:
    """Return the two-sided quantiles of Student's law."""
    from scipy import special

    return np.asarray(special.stdtrit(freedom, (1 + level) / 2))
