"""Where a simulation has forgotten its empty beginning: the MSER-5 rule."""

from __future__ import annotations

import numpy as np

from pipesim.simulation.engine import Float64

_BATCH = 5


def mser5(series: Float64) -> int:
    """Return how many of the first observations of a series are to be left out as its warm-up.

    The series is cut into batches of five, of which those are left out that make the standard error of the mean of the others
    least: the d that minimises sum((Y_i - mean)^2 for i > d) / (n - d)^2 over the n batch means Y, at most half of them, and
    the least such d. Observations beyond the last whole batch do not count; a series of less than two batches has no warm-up.

    Sources: White, An effective truncation heuristic for bias reduction in simulation output (Simulation 69, 1997), with
    batches of five as in White, Cobb and Spratt (Winter Simulation Conference 2000).

    Args:
        series: [n] Observations in the order in which they arose.
    """
    batches = len(series) // _BATCH
    if batches < 2:
        return 0
    means = series[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    # The spread is the same wherever zero lies; there, it cancels least, and not at all where most are equal.
    means = means - np.median(means)
    kept = np.arange(batches, 0, -1)
    sums, squares = (np.cumsum(values[::-1])[::-1] for values in (means, means**2))
    error = ((squares - sums**2 / kept) / kept**2)[: batches // 2 + 1]
    return int(np.argmin(error)) * _BATCH
