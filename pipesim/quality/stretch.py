"""What is compared: which days of the real trace, and which of a synthetic one, so that weekdays meet their like."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np

from pipesim.workload import WorkloadModel
from pipesim.workload.fitting import days as days_of_window
from pipesim.workload.synthesis import midnight_after

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)
#: Twelve weeks tell as much as the goals need.
MOST_DAYS = 84
#: What one comparison works on, so that logs of millions of jobs take minutes.
MOST_JOBS = 1_000_000


@dataclass(frozen=True)
class Stretch:
    """Days of a trace that are compared, put one after the other.

    Args:
        begin: When day 0 begins.
        days: Which days after that, in their order: mostly 0, 1, 2, ...
        hours: How many hours they last together; the last day may be cut short.
    """

    begin: datetime
    days: tuple[int, ...]
    hours: int

    def beginning_at(self, begin: datetime) -> Stretch:
        """Return as many days one after the other, from another instant on."""
        return Stretch(begin, tuple(range(len(self.days))), self.hours)


def real_stretch(model: WorkloadModel) -> Stretch:
    """Return the days of the window that a model was fitted to.

    Whole days in UTC; the first and the last count if at most an hour of them is missing, or if the window was given in days. A
    window without a whole day is taken by the hour. Of more than 84 days, or more than a million jobs, whole weeks are
    taken that are spread evenly over the window.
    """
    begin, end = model.window.start, model.window.end
    asked = days_of_window(model.provenance.window) if model.provenance.window else (None, None)
    first, last = _midnight(begin), _midnight(end)
    if begin - first > HOUR and first != asked[0]:
        first += DAY
    if end - last > DAY - HOUR or last + DAY == asked[1]:
        last += DAY
    whole = (last - first) // DAY
    if whole < 1:
        begin = begin.replace(minute=0, second=0, microsecond=0)
        hours = max(1, math.ceil((end - begin) / HOUR))
        return Stretch(begin, tuple(range(math.ceil(hours / 24))), hours)
    weeks = whole // 7
    most = max(1, min(MOST_DAYS // 7, int(weeks * MOST_JOBS / max(model.provenance.task_runs, 1))))
    if weeks <= most:
        chosen = tuple(range(min(whole, MOST_DAYS)))
    else:
        each = np.floor((np.arange(most) + 0.5) * weeks / most).astype(int)
        chosen = tuple((each[:, None] * 7 + np.arange(7)).ravel().tolist())
    return Stretch(first, chosen, 24 * len(chosen))


def synthetic_stretch(real: Stretch, model: WorkloadModel) -> tuple[Stretch, int]:
    """Return as many days of a synthetic trace that begin on the same weekday, and how many days have to be drawn for that.

    A synthetic trace begins at the first midnight at or after the end of the window, so up to a week of it is left out.
    """
    start = midnight_after(model.window.end)
    offset = (real.begin - start) % WEEK
    return real.beginning_at(start + offset), math.ceil((offset + real.hours * HOUR) / DAY)


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time())
