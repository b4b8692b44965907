"""Arrivals by whole days of the log, in an order of their own: the default."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from pipesim.workload.arrivals.clock import DAY_US, Submissions, microseconds, weekday
from pipesim.workload.arrivals.cox import CoxArrivals, submissions
from pipesim.workload.arrivals.days import Days


class DayBlockArrivals(CoxArrivals):
    """A Cox process whose days have the hourly intensities of days of the log, spread within hours by a cascade.

    Days follow each other as in the log until the next would be no day that may stand for the weekday, or, with probability
    `jump`, before. The new day is one of those that were used least, so that every day of the log comes as often as any other
    of its weekday: a balanced bootstrap (Davison, Hinkley and Schechtman, Biometrika 73, 1986) of blocks of days.
    """

    kind: Literal["day-block"] = "day-block"
    jump: float = Field(default=1 / 3, ge=0, le=1)

    def sample(self, rng: np.random.Generator, start: datetime, days: float, scale: float) -> Submissions:
        """Return the submissions in [start, start + days)."""
        begin = microseconds(start)
        end = begin + round(days * DAY_US)
        horizon = np.arange(begin // DAY_US, -(-end // DAY_US))
        walk = self._walk(rng, horizon)
        intensity = np.array(self.source.intensity)[walk]
        return Submissions(
            submissions(rng, self.cascade, horizon, intensity, scale, begin, end),
            begin // DAY_US,
            np.asarray(self.source.day)[walk],
            scale,
        )

    def _walk(self, rng: np.random.Generator, horizon: Days) -> Days:
        """Return for each day of the horizon the position of a day of the log."""
        source = np.asarray(self.source.day)
        candidates = [self.source.candidates(w) for w in range(7)]
        follows = np.append(np.diff(source) == 1, False)
        used = np.zeros(len(source), dtype=np.int64)
        walk = np.empty(len(horizon), dtype=np.int64)
        jumps = rng.random(len(horizon)) < self.jump
        at = -1
        for i, day_of_week in enumerate(weekday(horizon).tolist()):
            mine = candidates[day_of_week]
            least = used[mine].min()
            if at >= 0 and follows[at] and not jumps[i] and used[at + 1] == least and at + 1 in mine:
                at += 1
            else:
                at = int(rng.choice(mine[used[mine] == least]))
            used[at] += 1
            walk[i] = at
        return walk
