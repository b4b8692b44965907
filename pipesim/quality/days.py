"""Days in another order: how different real days are from each other, by which what is chance is told."""

from __future__ import annotations

import numpy as np

from pipesim.quality.values import Int64, Mask
from pipesim.workload.arrivals.clock import SATURDAY

#: Fewer days cannot be halved often enough to tell what is chance.
FEWEST_DAYS = 4


def half_of_the_days(weekday: Int64, rng: np.random.Generator) -> Mask:
    """Choose half of the days at random, of each weekday one of every two weeks.

    Args:
        weekday: [D] From 0, Monday.
        rng: The source of chance.
    """
    # In under two weeks no weekday comes twice, so neighbouring days are the pairs.
    order = np.argsort(weekday, kind="stable") if len(weekday) >= 14 else np.arange(len(weekday))
    flips = rng.integers(2, size=-(-len(weekday) // 2))
    chosen = np.zeros(len(weekday), dtype=bool)
    chosen[order] = (np.arange(len(weekday)) + np.repeat(flips, 2)[: len(weekday)]) % 2 == 0
    return chosen


def days_drawn(weekday: Int64, rng: np.random.Generator) -> Int64:
    """Draw for each day one of the same kind, working day or weekend, with replacement: a bootstrap of whole days.

    Args:
        weekday: [D] From 0, Monday.
        rng: The source of chance.
    """
    weekend = weekday >= SATURDAY
    drawn = np.empty(len(weekday), dtype=np.int64)
    for kind in (False, True):
        rows = np.flatnonzero(weekend == kind)
        if len(rows):
            drawn[rows] = rng.choice(rows, size=len(rows))
    return drawn
