"""The unit that a log rounds its values to: whole seconds, minutes, milliseconds, if any."""

from __future__ import annotations

import numpy as np

from pipesim.workload.laws.closed_forms import Floats

#: Units that logs use, coarse ones first. Each is a whole multiple of the last, and of most in between.
UNITS = (86_400.0, 3_600.0, 1_800.0, 900.0, 600.0, 300.0, 60.0, 30.0, 10.0, 5.0, 1.0, 0.1, 0.01, 0.001)
#: Of the values, so many are whole multiples of a log's unit; the others are put down to more than one source.
_SHARE = 0.99
#: How near to a multiple a value must be, in units, besides the rounding error of floating-point numbers.
_TOLERANCE = 1e-4
_CHANCE = 1e-6


def find_resolution(values: Floats) -> float | None:
    """Return the coarsest unit that values are whole multiples of, or None if there is none that chance would not explain.

    At least 99 % of the values are multiples of the unit. Were the next finer unit the true one, each distinct value would be
    such a multiple with a probability of the ratio of the two; for all of them together that must be less than one in a
    million.

    Args:
        values: Non-negative finite numbers.
    """
    distinct, counts = np.unique(values[values > 0], return_counts=True)
    for unit, finer in zip(UNITS, (*UNITS[1:], None), strict=True):
        steps = distinct / unit
        # Beyond 1e10 units the spacing of floating-point numbers hides what a value is a multiple of.
        told = steps < 1e10
        on = told & (np.abs(steps - np.rint(steps)) <= _TOLERANCE)
        chance = (finer / unit if finer else 2 * _TOLERANCE) ** int(on.sum())
        if chance < _CHANCE and counts[on].sum() >= _SHARE * counts[told].sum():
            return unit
    return None


def share_tied(values: Floats) -> float:
    """Return the share of the positive values that another one equals."""
    _, counts = np.unique(values[values > 0], return_counts=True)
    return float(counts[counts > 1].sum() / max(counts.sum(), 1))
