"""Arrivals by whole days of the log, in an order of their own: the default."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from pipesim.workload.arrivals.cascade import Cascade
from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, Instants, Submissions, microseconds, weekday
from pipesim.workload.arrivals.days import Days, SourceDays
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part


class DayBlockArrivals(Part):
    """A Cox process whose days have the hourly intensities of days of the log, spread within hours by a cascade.

    Days follow each other as in the log until the next would be no day that may stand for the weekday, or, with probability
    `jump`, before. The new day is one of those that were used least, so that every day of the log comes as often as any other
    of its weekday: a balanced bootstrap (Davison, Hinkley and Schechtman, Biometrika 73, 1986) of blocks of days.
    """

    kind: Literal["day-block"] = "day-block"
    source: SourceDays
    cascade: Cascade
    jump: float = Field(default=1 / 3, ge=0, le=1)

    def weekly_rates(self) -> Floats:
        """Return the mean submissions per hour of each hour of the week, [168] from Monday 00:00."""
        return self.source.weekly_rates()

    def expected_runs(self, days: float, scale: float) -> float:
        """Return the expected number of arrivals, the weekdays weighted equally."""
        return float(np.mean(self.weekly_rates())) * 24 * days * scale

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


def submissions(
    rng: np.random.Generator, cascade: Cascade, horizon: Days, intensity: Floats, scale: float, begin: int, end: int
) -> Instants:
    """Return the instants, in [begin, end), of a Cox process.

    Args:
        rng: The generator.
        cascade: Spreads an hour's submissions.
        horizon: [D] Days since 1970.
        intensity: [D, 24] Expected submissions in each hour at scale 1.
        scale: Multiplies them.
        begin: The first instant, in microseconds since 1970.
        end: The instant after the last.
    """
    hours = np.repeat(horizon * 24, 24) + np.tile(np.arange(24), len(horizon))
    needed = (hours >= begin // HOUR_US) & (hours * HOUR_US < end)
    counts = rng.poisson(intensity.ravel()[needed] * scale)
    instants = cascade.spread(rng, hours[needed], counts, scale)
    return np.asarray(instants[(instants >= begin) & (instants < end)])
