"""Instants as whole numbers, and where in the week they lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

#: Microseconds since 1970 in UTC.
Instants = NDArray[np.int64]

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
HOURS_OF_WEEK = 168
#: Of the days of the week from 0, Monday, the first of the weekend.
SATURDAY = 5
_EPOCH = datetime(1970, 1, 1)


@dataclass(frozen=True)
class Submissions:
    """What an arrival model draws.

    Args:
        instants: [n] Ascending, in microseconds since 1970.
        first_day: The day since 1970 on which the horizon begins.
        source_days: [D] For each day of the horizon the day of the log whose intensity it has; None where the model knows none.
        scale: What the rate was multiplied by.
    """

    instants: Instants
    first_day: int
    source_days: NDArray[np.int64] | None
    scale: float


def microseconds(instant: datetime) -> int:
    """Return a naive UTC instant as microseconds since 1970."""
    return (instant - _EPOCH) // timedelta(microseconds=1)


def hour_of_week(instants: Instants) -> NDArray[np.int64]:
    """Return 0..167, counted from Monday 00:00 UTC, for microseconds since 1970 (a Thursday)."""
    return (instants // HOUR_US + 3 * 24) % HOURS_OF_WEEK


def weekday(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0..6, from Monday, for days since 1970."""
    return (days + 3) % 7


def resolution(instants: Instants, steps: Sequence[int] = (60 * SECOND_US, SECOND_US, 1_000)) -> int:
    """Return the coarsest of the steps of which every instant is a whole multiple, in microseconds; 1 where none is."""
    return next((step for step in steps if not np.any(instants % step)), 1)
