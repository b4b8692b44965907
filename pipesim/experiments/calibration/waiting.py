"""How many attempts wait in a pool, hour by hour: what a log shows of its platform, and what a calibration compares."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

HOUR_US = 3_600_000_000


def hours_between(first: int, last: int) -> Int64:
    """Return the edges of the hours from one instant to beyond another, [H + 1] in microseconds."""
    return first + HOUR_US * np.arange(max(1, -(-(last - first) // HOUR_US)) + 1, dtype=np.int64)


def mean_number(begin: Int64, end: Int64, edges: Int64, weight: Float64 | None = None) -> Float64:
    """Return how many of some intervals cover an instant, on average over each hour, [H].

    Args:
        begin: [N] Where each interval begins, in microseconds.
        end: [N] Where it ends, not before.
        edges: [H + 1] The edges of the hours.
        weight: [N] What each counts; by default 1.
    """
    weights = np.ones(len(begin)) if weight is None else weight
    passed = _passed(begin, weights, edges) - _passed(end, weights, edges)
    return np.diff(passed) / np.diff(edges)


def _passed(at: Int64, weight: Float64, edges: Int64) -> Float64:
    """Return the sum of weight x (edge - at) over all that lies before each edge, [H + 1]."""
    order = np.argsort(at, kind="stable")
    # Measured from the first edge, so that sums stay exact enough.
    since, weights = (at[order] - edges[0]).astype(np.float64), weight[order]
    before = np.searchsorted(at[order], edges)
    sums = np.concatenate([[0.0], np.cumsum(weights)])[before]
    moments = np.concatenate([[0.0], np.cumsum(weights * since)])[before]
    return np.asarray(sums * (edges - edges[0]) - moments)
