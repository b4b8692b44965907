"""Arrivals by an autoregressive model of days, which copies none: for scaling up, and for traces that are given away."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from pipesim.workload.arrivals.cascade import Cascade
from pipesim.workload.arrivals.clock import DAY_US, SATURDAY, Submissions, microseconds, weekday
from pipesim.workload.arrivals.cox import CoxArrivals, submissions
from pipesim.workload.arrivals.days import Days, SourceDays, shares_of
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part

_NEAREST = 6
#: Fewer days tell no correlation between days.
FEWEST_DAYS = 14
#: A day without a submission has a logarithm too.
_HALF = 0.5


class DayKind(Part):
    """Monday to Friday, or the weekend.

    Attributes:
        days: Weekdays that had any submission; the others have none.
        logs: Of the totals (and a half) of their days, ascending.
    """

    days: tuple[int, ...]
    logs: tuple[float, ...]


class DayArArrivals(CoxArrivals):
    """A Cox process of days whose log totals follow an AR(1) process, none of them a day of the log.

    The normal scores of the totals follow the autoregression. Their quantiles are those of the log's days of the kind (Monday
    to Friday, or the weekend), each part of which is drawn as often as any other in a horizon. A day's hourly shares are those
    of one of the six days of its kind with the nearest totals until some hour of the day, and from then on those of another.

    Attributes:
        kinds: The totals of weekdays and of weekends.
        correlation: Of the deviations of neighbouring days from the mean logarithm of their kind.
    """

    kind: Literal["day-ar"] = "day-ar"
    kinds: tuple[DayKind, DayKind]
    correlation: float = Field(gt=-1, lt=1)

    def sample(self, rng: np.random.Generator, start: datetime, days: float, scale: float) -> Submissions:
        """Return the submissions in [start, start + days)."""
        begin = microseconds(start)
        end = begin + round(days * DAY_US)
        horizon = np.arange(begin // DAY_US, -(-end // DAY_US))
        totals = self._totals(rng, horizon)
        shares = self._shares(rng, horizon, totals)
        return Submissions(
            submissions(rng, self.cascade, horizon, totals[:, None] * shares, scale, begin, end), begin // DAY_US, None, scale
        )

    def _totals(self, rng: np.random.Generator, horizon: Days) -> Floats:
        from scipy import signal

        noise = rng.standard_normal(len(horizon))
        noise[1:] *= np.sqrt(1 - self.correlation**2)
        scores = signal.lfilter([1.0], [1.0, -self.correlation], noise)
        totals: Floats = np.zeros(len(horizon))
        for kind in self.kinds:
            mine = np.flatnonzero(np.isin(weekday(horizon), kind.days))
            # One score in each of as many equal parts of the law as there are days, in the order of the autoregression.
            rank = np.argsort(np.argsort(scores[mine], kind="stable"), kind="stable")
            u = (rank + rng.random(len(mine))) / max(len(mine), 1)
            if len(mine):
                middle = (np.arange(len(kind.logs)) + 0.5) / len(kind.logs)
                totals[mine] = np.maximum(np.exp(np.interp(u, middle, np.asarray(kind.logs))) - _HALF, 0.0)
        return totals

    def _shares(self, rng: np.random.Generator, horizon: Days, totals: Floats) -> Floats:
        intensity = np.array(self.source.intensity)
        of_source = intensity.sum(axis=1)
        shares = shares_of(intensity)
        out = np.empty((len(horizon), 24))
        weekend = weekday(np.asarray(self.source.day)) >= SATURDAY
        for kind in (False, True):
            mine = np.flatnonzero((weekday(horizon) >= SATURDAY) == kind)
            alike = np.flatnonzero((weekend == kind) & (of_source > 0))
            # One day alone would be copied.
            candidates = alike if len(alike) > 1 else np.arange(len(of_source))
            apart = np.abs(np.log((of_source[candidates] + _HALF) / (totals[mine, None] + _HALF)))
            near = candidates[np.argsort(apart, axis=1, kind="stable")[:, : max(2, min(_NEAREST, len(candidates) // 4))]]
            rows = np.arange(len(mine))
            first = rng.integers(near.shape[1], size=len(mine))
            second = (first + rng.integers(1, max(near.shape[1], 2), size=len(mine))) % near.shape[1]
            early = np.arange(24) < rng.integers(6, 19, size=(len(mine), 1))
            out[mine] = np.where(early, shares[near[rows, first]], shares[near[rows, second]])
        return shares_of(out)


def fit_day_ar(source: SourceDays, cascade: Cascade) -> DayArArrivals:
    """Return the autoregression of the totals of days.

    Args:
        source: The whole days of a log.
        cascade: How it spreads an hour's submissions.
    """
    totals = np.array(source.intensity).sum(axis=1)
    logs = np.log(totals + _HALF)
    days = np.asarray(source.day)
    of_week = weekday(days)
    active = [bool(totals[source.candidates(w)].any()) for w in range(7)]
    deviations: Floats = np.full(len(days), np.nan)
    kinds = []
    for span in (range(SATURDAY), range(SATURDAY, 7)):
        mine = np.isin(of_week, [w for w in span if active[w]])
        # A log without such days lends those of the other kind.
        some = mine if mine.any() else np.isin(of_week, np.flatnonzero(active))
        kinds.append(DayKind(days=tuple(w for w in span if active[w]), logs=tuple(np.sort(logs[some]).tolist())))
        deviations[mine] = logs[mine] - logs[mine].mean() if mine.any() else 0.0
    known = ~np.isnan(deviations)
    pairs = np.flatnonzero((np.diff(days) == 1) & known[1:] & known[:-1])
    power = float(np.mean(deviations[known] ** 2)) if known.any() else 0.0
    together = float(np.mean(deviations[pairs] * deviations[pairs + 1])) if len(pairs) > 1 else 0.0
    correlation = float(np.clip(together / power, -0.95, 0.95)) if power > 0 else 0.0
    return DayArArrivals(source=source, cascade=cascade, kinds=(kinds[0], kinds[1]), correlation=correlation)
