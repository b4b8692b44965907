"""Marks of the same day: the default, which keeps the work of a day with its arrivals."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, SATURDAY, Instants, Submissions, weekday
from pipesim.workload.marks.combinations import Combinations
from pipesim.workload.marks.drawn import Indices, Marks
from pipesim.workload.marks.source_runs import BLOCK, SourceRuns
from pipesim.workload.part import Part

#: By how many runs a block may begin before or after its place.
_AWAY = 5
_NEAREST = 6


class SameDayMarks(Part):
    """Blocks of 20 runs of the day of the log that lent the day its arrivals, from about the same time of the day.

    An arrival model that borrows no days has, for each day, one of the six days of the log of the same kind (Monday to Friday,
    or the weekend), or of the nearest quarter if these are fewer, with the nearest number of runs.
    """

    kind: Literal["same-day"] = "same-day"
    runs: SourceRuns

    def sample(self, rng: np.random.Generator, submissions: Submissions, combinations: Combinations) -> Marks:
        """Return the marks of submissions."""
        hour = np.asarray(self.runs.hour, dtype=np.int64)
        day = submissions.instants // DAY_US - submissions.first_day
        days = int(day.max(initial=-1)) + 1
        ends = np.searchsorted(day, np.arange(days + 1))
        lent = submissions.source_days
        aligned = lent is not None
        if lent is None:
            lent = self._nearest(rng, np.diff(ends) / submissions.scale, submissions.first_day)
        source = np.empty(len(day), dtype=np.int64)
        for i in np.flatnonzero(np.diff(ends)).tolist():
            of_day = slice(ends[i], ends[i + 1])
            first, last = np.searchsorted(hour, [lent[i] * 24, lent[i] * 24 + 24]).tolist()
            if first == last:  # its runs were too many to keep, or have no marks
                source[of_day] = rng.integers(len(hour), size=ends[i + 1] - ends[i])
                continue
            if aligned:
                place = _places(submissions.instants[of_day], hour[first:last] - lent[i] * 24)
            else:  # other hours are busy than those of the log's day, so its runs come in their order
                place = np.arange(ends[i + 1] - ends[i]) * (last - first) // (ends[i + 1] - ends[i])
            heads = place[::BLOCK] + rng.integers(-_AWAY, _AWAY + 1, size=len(place[::BLOCK]))
            rows = np.repeat(heads, BLOCK)[: len(place)] + np.arange(len(place)) % BLOCK
            source[of_day] = first + np.abs(rows) % (last - first)
        return Marks(np.asarray(self.runs.combination, dtype=np.int64)[source], source)

    def _nearest(self, rng: np.random.Generator, counts: np.ndarray, first_day: int) -> Indices:
        """Return a day of the log for each day of the horizon."""
        of_log, sizes = np.unique(np.asarray(self.runs.hour, dtype=np.int64) // 24, return_counts=True)
        lent = np.empty(len(counts), dtype=np.int64)
        weekend = weekday(np.arange(first_day, first_day + len(counts))) >= SATURDAY
        for kind in (False, True):
            alike = (weekday(of_log) >= SATURDAY) == kind
            alike = np.flatnonzero(alike if alike.any() else np.ones(len(of_log), dtype=bool))
            mine = np.flatnonzero(weekend == kind)
            apart = np.abs(np.log((counts[mine, None] + 1) / (sizes[alike] + 1)))
            near = alike[np.argsort(apart, axis=1, kind="stable")[:, : max(1, min(_NEAREST, len(alike) // 4))]]
            lent[mine] = of_log[near[np.arange(len(mine)), rng.integers(near.shape[1], size=len(mine))]]
        return lent


def _places(instants: Instants, hour: Indices) -> Indices:
    """Return for each submission of a day the run of the source day at about the same time of the day.

    Within an hour the k-th of n submissions has the place k / n of the way through the source's runs of that hour.

    Args:
        instants: The day's submissions, ascending.
        hour: The hour of the day of each run of the source day, ascending.
    """
    of_day = instants % DAY_US // HOUR_US
    begins = np.searchsorted(of_day, np.arange(24))
    sizes = np.bincount(of_day, minlength=24)
    sources = np.bincount(hour, minlength=24)
    share = (np.arange(len(of_day)) - begins[of_day]) / sizes[of_day]
    return np.asarray((np.cumsum(sources) - sources)[of_day] + (share * sources[of_day]).astype(np.int64))
