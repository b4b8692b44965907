"""The law of few rows: between their own and one that they would otherwise borrow unchanged."""

from __future__ import annotations

import numpy as np

from pipesim.workload.laws.binned import Flags
from pipesim.workload.laws.judging import same_law
from pipesim.workload.laws.law import KNOTS, ConstantLaw, Floats, Law, QuantileLaw, place, round_down, table_law

#: Fewer exact rows say nothing, and would nearly be told themselves.
FEWEST = 5
_SIGNIFICANCE = 0.01
#: For how many rows the borrowed law counts. Of cells of the Philly extract cut down to 5 to 45 rows, 2 came nearest.
_BORROWED_ROWS = 2
_GRID: Floats = (np.arange(5_000) + 0.5) / 5_000
#: What stands for 0 on the logarithm, in seconds, where a log has no unit.
_LEAST = 0.001


def blend(values: Floats, censored: Flags, borrowed: Law) -> QuantileLaw | None:
    """Return the law of few rows, or None where a test cannot tell them from the law that they borrow.

    Logarithms of quantiles are the mean of those of the rows' own table and of the borrowed law, weighted by n and 2 (Vincent
    averaging: Ratcliff, Psychological Bulletin 86, 1979), so that level and shape move towards the rows' own the more of them
    there are. The test is that of Kolmogorov and Smirnov at .01, on the exact rows.

    Args:
        values: Non-negative finite numbers.
        censored: Where the truth is only known to be larger.
        borrowed: The law of more rows, these perhaps among them.
    """
    exact = values[~censored]
    if len(exact) < FEWEST or isinstance(borrowed, ConstantLaw):
        return None
    if same_law(np.sort(place(borrowed, exact)), _GRID) >= _SIGNIFICANCE:
        return None
    unit = borrowed.resolution
    if unit is not None:
        values = round_down(values, unit)
    half = (unit or _LEAST) / 2
    weight = len(exact) / (len(exact) + _BORROWED_ROWS)
    own, other = (np.log(law.quantile(KNOTS) + half) for law in (table_law(values, censored, unit), borrowed))
    logs = weight * own + (1 - weight) * other
    return QuantileLaw(zero=0.0, resolution=unit, probabilities=tuple(KNOTS.tolist()), log_values=tuple(logs.tolist()))
