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
    """Return the unit that values are whole multiples of, or None if there is none.

    At least 99 % of the values are multiples of it. Few values do not prove the coarsest unit that has this property: were a
    finer one the true one, each distinct value would be a multiple of the coarse one by accident, with a probability of the
    ratio of the two. The finest unit is returned for which all of them together would be with a millionth or more.

    Args:
        values: Non-negative finite numbers.
    """
    distinct, counts = np.unique(values[values > 0], return_counts=True)
    for i, unit in enumerate(UNITS):
        steps = distinct / unit
        # Beyond 1e10 units the spacing of floating-point numbers hides what a value is a multiple of.
        told = steps < 1e10
        on = told & (steps > 0.5) & (np.abs(steps - np.rint(steps)) <= _TOLERANCE)
        if on.any() and counts[on].sum() >= _SHARE * counts[told].sum():
            possible = [finer for finer in UNITS[i:] if (finer / unit) ** int(on.sum()) >= _CHANCE]
            return possible[-1]
    return None


def share_tied(values: Floats) -> float:
    """Return the share of the positive values that another one equals."""
    _, counts = np.unique(values[values > 0], return_counts=True)
    return float(counts[counts > 1].sum() / max(counts.sum(), 1))
