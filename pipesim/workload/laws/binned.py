"""Samples as counts of intervals: the likelihood of rounded, exact and censored rows at a cost that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipesim.workload.laws.closed_forms import Floats

Flags = NDArray[np.bool_]
#: Of (values) to the probabilities of being at or below them, and above.
Distribution = Callable[[Floats], tuple[Floats, Floats]]

#: Half of the bins are even in the logarithm, half hold equally many rows, so that neither a far outlier nor a narrow body
#: leaves most rows in one bin.
_MOST_BINS, _LEAST_BINS = 512, 64
#: Grouping costs about (width / standard deviation)^2 / 12 of the information, which is far below sampling error.
_ROWS_A_BIN = 8
#: Least width of an interval, relative to its values.
_NARROW = 1e-9
_UNLIKELY = 1e-300


@dataclass(frozen=True)
class Binned:
    """Counts of rows in adjacent intervals, and of right-censored rows at their lower bounds.

    Attributes:
        edges: Ascending; interval i is [edges[i], edges[i + 1]).
        counts: Exact rows in each interval.
        log_means: Mean logarithm of the rows of each interval, its middle where it has none.
        bounds: Values which as many rows as `open_counts` says are known to exceed.
        open_counts: Censored rows at each bound.
    """

    edges: Floats
    counts: Floats
    log_means: Floats
    bounds: Floats
    open_counts: Floats

    @property
    def exact(self) -> float:
        """Number of exact rows."""
        return float(self.counts.sum())

    @property
    def rows(self) -> float:
        """Number of rows, censored ones included."""
        return self.exact + float(self.open_counts.sum())

    def log_likelihoods(self, distribution: Distribution) -> tuple[Floats, Floats]:
        """Return the log likelihood of one row of each interval and of each bound.

        That of an interval is the log of its probability over its width, which is the log of the mean density in it. A
        probability is never taken for less than 1e-300, so that the result is finite.
        """
        cdf, survival = distribution(self._points)
        n = len(self.edges)
        mass = np.maximum(interval_probabilities(cdf[:n], survival[:n]), _UNLIKELY)
        return np.log(mass) - self._log_widths, np.log(np.maximum(survival[n:], _UNLIKELY))

    def log_likelihood(self, distribution: Distribution) -> float:
        """Return the log likelihood of all rows."""
        inside, beyond = self.log_likelihoods(distribution)
        return float(self.counts @ inside + self.open_counts @ beyond)

    @cached_property
    def _points(self) -> Floats:
        return np.concatenate([self.edges, self.bounds])

    @cached_property
    def _log_widths(self) -> Floats:
        return np.asarray(np.log(np.diff(self.edges)))

    def log_moments(self) -> tuple[float, float]:
        """Return mean and standard deviation of the logarithms, censored rows counted at their bounds."""
        at = np.concatenate([self.log_means, np.log(self.bounds)])
        weights = np.concatenate([self.counts, self.open_counts])
        mean = float(np.average(at, weights=weights))
        return mean, float(np.sqrt(np.average((at - mean) ** 2, weights=weights)))


def interval_probabilities(cdf: Floats, survival: Floats) -> Floats:
    """Return the probabilities between neighbouring points, by differences in whichever tail is the smaller."""
    upper = cdf[:-1] > 0.5
    return np.where(upper, survival[:-1] - survival[1:], cdf[1:] - cdf[:-1])


def bin_edges(values: Floats, resolution: float | None) -> Floats:
    """Return the edges of intervals that hold all of the values, one for eight of these, but 64 at least and 512 at most.

    Args:
        values: Ascending and positive; with a resolution zeros are allowed.
        resolution: The unit that values were rounded down to: a value v stands for [v, v + unit). A value of a sample
            that has no more distinct ones than intervals is an interval of its own.
    """
    half = int(np.clip(len(values) / _ROWS_A_BIN, _LEAST_BINS, _MOST_BINS)) // 2
    positive = values[np.searchsorted(values, 0.0, side="right") :]
    low, high = float(positive[0]), float(positive[-1])
    if resolution is None:
        ranks = np.linspace(0, len(positive) - 1, min(half, len(positive)) + 1).astype(np.int64)
        inner = np.unique(np.concatenate([np.geomspace(low, high, half + 1), positive[ranks]]))
        inner = inner[(inner > low * (1 + _NARROW)) & (inner < high)]
        apart = np.diff(inner, append=np.inf) > _NARROW * inner
        return np.concatenate([[low], inner[apart], [high * (1 + _NARROW)]])
    steps = np.rint(values / resolution)
    distinct = steps[np.flatnonzero(np.diff(steps, prepend=-1.0))]
    if len(distinct) > 2 * half:
        even = np.geomspace(max(steps[0], 1.0), steps[-1], half + 1)
        ranks = np.linspace(0, len(steps) - 1, half + 1).astype(np.int64)
        distinct = np.concatenate([[steps[0], steps[-1]], np.rint(even), steps[ranks]])
        return np.unique(np.concatenate([distinct, [steps[-1] + 1.0]])) * resolution
    return np.unique(np.concatenate([distinct, distinct + 1.0])) * resolution


def bin_rows(values: Floats, censored: Flags, edges: Floats) -> Binned:
    """Return the counts of a sample.

    Args:
        values: Ascending and positive, between the first edge and the last; of rounded ones the middles of their intervals.
        censored: Where the truth is only known to be larger.
        edges: As `bin_edges` returns them.
    """
    exact = values[~censored] if censored.any() else values
    counts, log_means = _count(exact, edges)
    bounds, open_counts = np.empty(0), np.empty(0)
    if censored.any():
        open_counts, at = _count(values[censored], edges)
        bounds, open_counts = np.exp(at[open_counts > 0]), open_counts[open_counts > 0]
    return Binned(edges, counts, log_means, bounds, open_counts)


def _count(values: Floats, edges: Floats) -> tuple[Floats, Floats]:
    """Return the number of rows in each interval and the mean of their logarithms."""
    ends = np.searchsorted(values, edges, side="left")
    counts = np.diff(ends).astype(np.float64)
    sums = np.diff(np.concatenate([[0.0], np.cumsum(np.log(values))])[ends])
    return counts, np.where(counts > 0, sums / np.maximum(counts, 1.0), np.log((edges[:-1] + edges[1:]) / 2))
