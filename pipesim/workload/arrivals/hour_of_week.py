"""Arrivals of the PipeSim paper: a renewal law for each hour of the week."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import numpy as np
from pydantic import Field

from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, HOURS_OF_WEEK, Instants, Submissions, hour_of_week, microseconds
from pipesim.workload.laws.law import FamilyLaw, Floats, Law, mean, mean_grid
from pipesim.workload.part import Part


class HourOfWeekArrivals(Part):
    """One renewal law for each hour of the week (Rausch et al., arXiv 2006.12587), the mean matched to the observed counts.

    Time is first stretched so that one arrival is expected per unit: an hour of rate r has length r. In that operational
    time each stretch of hours that share a law is a renewal process in equilibrium: its gaps are drawn from the law divided
    by the law's mean, and its first arrival from the residual life of such a gap. An equilibrium renewal process expects
    exactly one arrival per mean gap over any interval, so every hour of the week expects its observed count.
    """

    kind: Literal["hour-of-week"] = "hour-of-week"
    runs_per_hour: tuple[float, ...] = Field(min_length=HOURS_OF_WEEK, max_length=HOURS_OF_WEEK)
    gap_laws: tuple[Law, ...] = Field(min_length=1, description="Laws of gaps; only their shapes count.")
    law_of_hour: tuple[int, ...] = Field(min_length=HOURS_OF_WEEK, max_length=HOURS_OF_WEEK)
    mean_matched: bool = Field(default=True, description="False: gaps as fitted, uncut, whatever their mean, as in the paper.")

    def weekly_rates(self) -> Floats:
        """Return the mean submissions per hour of each hour of the week, [168] from Monday 00:00."""
        return np.asarray(self.runs_per_hour)

    def expected_runs(self, days: float, scale: float) -> float:
        """Return the expected number of arrivals, the hours of the week weighted equally."""
        return float(np.mean(self.runs_per_hour)) * 24 * days * scale

    def sample(self, rng: np.random.Generator, start: datetime, days: float, scale: float) -> Submissions:
        """Return the submissions in [start, start + days)."""
        begin = microseconds(start)
        end = begin + round(days * DAY_US)
        if not self.mean_matched:
            return Submissions(self._as_published(rng, begin, end, scale), begin // DAY_US, None, scale)
        hours = np.arange(begin // HOUR_US, -(-end // HOUR_US))
        of_week = hour_of_week(hours * HOUR_US)
        rates = np.asarray(self.runs_per_hour)[of_week] * scale
        edges = np.concatenate([[0.0], np.cumsum(rates)])
        laws = np.asarray(self.law_of_hour)[of_week]
        expected = np.bincount(laws, weights=rates, minlength=len(self.gap_laws))
        gaps = [
            _Gaps(rng, law, round(n * 1.05) + 256) if n > 0 else None for law, n in zip(self.gap_laws, expected, strict=True)
        ]

        firsts = np.concatenate([[0], np.flatnonzero(np.diff(laws)) + 1]) if len(laws) else np.empty(0, dtype=np.int64)
        points = [np.empty(0)]
        for first, last in zip(firsts.tolist(), [*firsts[1:].tolist(), len(laws)], strict=True):
            source = gaps[laws[first]]
            if source is not None:
                points.append(edges[first] + source.renewals(float(edges[last] - edges[first])))
        return Submissions(_to_instants(np.concatenate(points), edges, hours, begin, end), begin // DAY_US, None, scale)

    def _as_published(self, rng: np.random.Generator, begin: int, end: int, scale: float) -> Instants:
        """Return the instants of the paper's own process: each gap is drawn from the law of the hour in which it begins."""
        rates = np.asarray(self.runs_per_hour) * scale
        laws = [_uncut(law) for law in self.gap_laws]
        pieces = [np.empty(0)]
        at = float(begin)
        while at < end:
            of_week = int(hour_of_week(np.array([int(at)]))[0])
            next_hour = (int(at) // HOUR_US + 1) * HOUR_US
            if rates[of_week] <= 0:
                at = float(next_hour)
                continue
            gaps = laws[self.law_of_hour[of_week]].quantile(rng.random(int(rates[of_week]) + 16)) / rates[of_week]
            points = at + np.cumsum(np.minimum(gaps * HOUR_US, float(end - begin) + HOUR_US))
            # The first that comes after the hour still counts: from there on the law of its own hour holds.
            points = points[: int(np.searchsorted(points, next_hour)) + 1]
            pieces.append(points)
            at = float(points[-1])
        instants = np.concatenate(pieces)
        return np.asarray(instants[instants < end].astype(np.int64))


def _uncut(law: Law) -> Law:
    """Return a law without the end that keeps its mean finite."""
    return law.model_copy(update={"maximum": 1e300, "below_maximum": 1.0}) if isinstance(law, FamilyLaw) else law


class _Gaps:
    """An endless supply of a renewal process's gaps, of mean 1, drawn in large pieces."""

    def __init__(self, rng: np.random.Generator, law: Law, chunk: int) -> None:
        self._rng, self._law, self._chunk = rng, law, chunk
        self._mean = mean(law)
        self._ready = np.empty(0)
        self._next = 0
        self._quantiles, weights = mean_grid(law)
        self._length_biased = np.cumsum(weights) / np.sum(weights)

    def renewals(self, length: float) -> Floats:
        """Return the renewals of the equilibrium process in [0, length)."""
        pieces = [np.array([self._residual()])]
        while pieces[-1][-1] < length:
            reached = float(pieces[-1][-1])
            pieces.append(reached + np.cumsum(self._take(int(length - reached) + 16)))
        points = np.concatenate(pieces)
        count = int(np.searchsorted(points, length, side="left"))
        return points[:count]

    def _residual(self) -> float:
        """Return the time from an arbitrary instant to the next renewal: a uniform share of a length-biased gap."""
        index = int(np.searchsorted(self._length_biased, self._rng.random()))
        return float(self._quantiles[index] / self._mean * self._rng.random())

    def _take(self, count: int) -> Floats:
        if self._next + count > len(self._ready):
            drawn = self._law.quantile(self._rng.random(max(self._chunk, count))) / self._mean
            self._ready, self._next = np.concatenate([self._ready[self._next :], drawn]), 0
        self._next += count
        return self._ready[self._next - count : self._next]


def _to_instants(points: Floats, edges: Floats, hours: Instants, begin: int, end: int) -> Instants:
    """Map operational time back to instants; hours without arrivals have no length there and are jumped over."""
    points = points[points < edges[-1]]
    slot = np.searchsorted(edges, points, side="right") - 1
    share = (points - edges[slot]) / (edges[slot + 1] - edges[slot])
    instants = hours[slot] * HOUR_US + np.floor(share * HOUR_US).astype(np.int64)
    return np.asarray(instants[(instants >= begin) & (instants < end)])
