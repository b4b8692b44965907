"""Vectorised draws: one choice per row from the table of the row's group, repeated rows, and columns of whole numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.workload.laws.law import Floats

Indices = NDArray[np.int64]

#: The largest floating-point number that is a 64-bit integer.
MAX_INT64 = float(2**63 - 1024)


def grouped_choice(group: Indices, weights: NDArray[np.generic], groups: int) -> Callable[[Indices, Floats], Indices]:
    """Return a function that draws an entry of a table for each row, among the entries of the row's group.

    All groups' cumulative shares lie one after the other on one axis, group g on (g, g + 1], so that one binary search
    serves every row whatever its group.

    Args:
        group: The group of each entry, ascending.
        weights: Each entry's non-negative weight; a group's need not add up to 1.
        groups: Number of groups; each that is asked for needs a positive weight.

    Returns:
        A function of (each row's group, a uniform number per row) that returns indices of entries.
    """
    heavy = np.flatnonzero(np.asarray(weights, dtype=np.float64) > 0)
    kept, share = np.asarray(group)[heavy], np.asarray(weights, dtype=np.float64)[heavy]
    totals = np.bincount(kept, weights=share, minlength=groups)
    running = np.cumsum(share)
    before = np.concatenate([[0.0], np.cumsum(totals)])[kept]
    ends = kept + np.minimum((running - before) / totals[kept], 1.0)
    last = np.append(np.diff(kept) > 0, True) if len(kept) else np.empty(0, dtype=bool)
    ends[last] = kept[last] + 1.0  # exactly, whatever the rounding of the sums

    below = np.nextafter(np.arange(1.0, groups + 1.0), 0.0)

    def choose(rows: Indices, u: Floats) -> Indices:
        at = np.minimum(rows + u, below[rows])
        return np.asarray(heavy[np.searchsorted(ends, at, side="right")])

    return choose


def expand(counts: Indices) -> tuple[Indices, Indices]:
    """Return, for `counts[i]` rows of each i, the i and the row's number within it, counted from 0."""
    owner = np.repeat(np.arange(len(counts)), counts)
    begins = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - np.repeat(begins, counts)


def whole_numbers(values: Floats) -> pl.Series:
    """Return numbers as integers, NULL for NaN, those beyond what 64 bits hold at the most they do."""
    return pl.Series(np.minimum(np.rint(values), MAX_INT64)).cast(pl.Int64, strict=False)
