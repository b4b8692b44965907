"""Confidence limits of quantiles and means of seconds or bytes, some of which are only known to be larger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipesim.workload.confidence.limits import Clusters, Limits, deviation, factor_limits, normal
from pipesim.workload.laws.law import Floats


class Lifetimes:
    """The Kaplan-Meier estimate of a sample, and what each of its rows adds to it.

    With d of Y rows at risk at a point, row i adds S(t) (1[exact, x_i <= t] / (Y - d)(x_i) - C(min(x_i, t))) to the
    distribution function at t, C being the sum of d / (Y (Y - d)): the derivative of the product-limit estimate. Without lower
    bounds that is (1[x_i <= t] - F(t)) / n; squared and summed it is Greenwood's variance (1926).

    Args:
        values: [n] Non-negative numbers, one exact at least.
        censored: [n] Where the truth is only known to be larger.
        of: The rows' clusters.
    """

    def __init__(self, values: Floats, censored: NDArray[np.bool_], of: Clusters) -> None:
        self._values, self._exact, self._clusters = values, ~censored, of
        self._points, died = np.unique(values[~censored], return_counts=True)
        at_risk = len(values) - np.searchsorted(np.sort(values), self._points, side="left")
        left = at_risk - died
        self._survival = np.cumprod(left / at_risk)
        # Where nobody is left, S is 0, and nothing is added any more.
        self._one = np.divide(1.0, left, out=np.zeros(len(left)), where=left > 0)
        self._sum = np.cumsum(died / at_risk * self._one)
        cdf = 1.0 - self._survival
        self._middle = cdf - np.diff(cdf, prepend=0.0) / 2

    def quantile_limits(self, probability: float, level: float) -> tuple[float, float | None]:
        """Return the limits of a quantile: the quantiles at the limits of the share of rows that may lie below it.

        Woodruff, Journal of the American Statistical Association 47, 1952. That share is binomial but for its variance; its
        limits are those of the normal law and the first term of Cornish and Fisher for the skewness. The upper limit is None
        where there are too few exact rows to tell.
        """
        at = min(int(np.searchsorted(1.0 - self._survival, probability)), len(self._points) - 1)
        share = 1.0 - float(self._survival[at])
        rows = float(len(self._values))
        if 0 < share < 1:
            off = float(deviation(self._influence(at), self._clusters, level))
            rows = share * (1 - share) * (normal(level) / off) ** 2 if off > 0 else rows
        z = normal(level)
        centre = probability + (z**2 - 1) / 6 * (1 - 2 * probability) / rows
        half = z * float(np.sqrt(probability * (1 - probability) / rows))
        below, above = np.interp([centre - half, centre + half], self._middle, self._points)
        return float(below), float(above) if centre + half <= self._middle[-1] else None

    def mean_limits(self, level: float) -> Limits:
        """Return the limits of the mean, symmetric on its logarithm; of what lies beyond all rows nothing is known."""
        end = max(float(self._values.max()), float(self._points[-1]))
        knots = np.concatenate([[0.0], self._points, [end]])
        widths = np.diff(knots)
        survival, sums = (np.concatenate([[first], v]) for first, v in ((1.0, self._survival), (0.0, self._sum)))
        past = np.concatenate([[0.0], np.cumsum(survival * sums * widths)])
        lived = np.concatenate([[0.0], np.cumsum(survival * widths)])
        mean = float(lived[-1])
        if mean <= 0:
            return 0.0, 0.0
        x, place = self._values, self._places()
        own = np.where(self._exact, np.append(self._one, 0.0)[place], 0.0) - np.append(self._sum, 0.0)[place]
        influence = np.interp(x, knots, past) - own * (mean - np.interp(x, knots, lived))
        return factor_limits(mean, float(deviation(influence / mean, self._clusters, level)))

    def _places(self) -> NDArray[np.int64]:
        """Return for each row the last point at or before it; -1 where there is none."""
        return np.searchsorted(self._points, self._values, side="right") - 1

    def _influence(self, at: int) -> Floats:
        place = self._places()
        sums = np.append(self._sum, 0.0)
        died = self._exact & (place <= at)
        own = np.where(died, np.append(self._one, 0.0)[place], 0.0)
        return np.asarray(self._survival[at] * (own - sums[np.where(place < at, place, at)]))
