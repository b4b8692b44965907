"""Samples of one quantity, some of them lower bounds, and of categories: their quantiles, and how far two are apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipesim.workload.laws.law import Floats, kaplan_meier

Mask = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Values:
    """A quantity, one value a row.

    Args:
        value: [n] The value.
        censored: [n] Whether the truth is only known to be larger.
    """

    value: Floats
    censored: Mask

    @classmethod
    def exact(cls, value: Floats) -> Values:
        """Return values that are all known exactly."""
        return cls(value, np.zeros(len(value), dtype=bool))

    def take(self, rows: Mask | Int64) -> Values:
        """Return some of the rows."""
        return Values(self.value[rows], self.censored[rows])


def quantiles(values: Values, q: Floats) -> Floats:
    """Return the least exact value that each share q of the rows is at or below; NaN where an estimate never gets there."""
    if values.censored.all():
        return np.full(len(q), np.nan)
    points, cdf = kaplan_meier(values.value, values.censored)
    return np.append(points, np.nan)[np.searchsorted(cdf, q - 1e-12)]


def quantile(values: Values, q: float) -> float | None:
    """Return the least exact value that a share q of the rows is at or below; None where an estimate never gets there."""
    (found,) = quantiles(values, np.array([q]))
    return None if np.isnan(found) else float(found)


def largest_gap(a: Values, b: Values) -> float | None:
    """Return the Kolmogorov-Smirnov distance, of Kaplan-Meier estimates where rows are censored; None without exact rows."""
    if a.censored.all() or b.censored.all():
        return None
    (x, p), (y, q) = kaplan_meier(a.value, a.censored), kaplan_meier(b.value, b.censored)
    at = np.union1d(x, y)
    for points, cdf in ((x, p), (y, q)):
        if cdf[-1] < 1 - 1e-9:  # beyond its last exact row the estimate says nothing
            at = at[at <= points[-1]]
    return float(np.max(np.abs(_step(x, p, at) - _step(y, q, at)), initial=0.0))


def share_moved(a: Mapping[str, int], b: Mapping[str, int]) -> float | None:
    """Return the total variation distance of two mixes of categories: the share that is in another one."""
    names = sorted({*a, *b})
    p, q = (np.array([mix.get(name, 0) for name in names]) for mix in (a, b))
    return float(np.sum(np.abs(p / p.sum() - q / q.sum())) / 2) if p.any() and q.any() else None


def _step(points: Floats, cdf: Floats, at: Floats) -> Floats:
    return np.concatenate([[0.0], cdf])[np.searchsorted(points, at, side="right")]
