"""Intervals of arrivals: rates, the rhythm of the day, and bursts within the hour."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipesim.workload.arrivals.cascade import LEVELS, bins, splits
from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, SATURDAY, Instants, weekday
from pipesim.workload.arrivals.days import Days, whole_days
from pipesim.workload.arrivals.model import ArrivalModel
from pipesim.workload.confidence.limits import clusters, deviation, factor_limits, share_limits
from pipesim.workload.confidence.row import Interval, rows
from pipesim.workload.laws.law import Floats

_PART = "arrivals"
#: With this many weeks their scatter tells the variance; neighbouring days are alike.
_WEEKS = 4
_KINDS = {"Monday to Friday": np.arange(7) < SATURDAY, "weekend": np.arange(7) >= SATURDAY}


def arrival_intervals(submitted: Instants, begin: int, end: int, arrivals: ArrivalModel, level: float) -> Iterator[Interval]:
    """Return the intervals of an arrival model.

    Args:
        submitted: Sorted submission instants of the log, at least one.
        begin: Where the log begins, in microseconds since 1970.
        end: Where it ends.
        arrivals: The model.
        level: The probability of the intervals.
    """
    days = np.arange(begin // DAY_US, max(int(submitted[-1]), end - 1) // DAY_US + 1)
    counts = np.bincount(submitted // HOUR_US - days[0] * 24, minlength=len(days) * 24).reshape(-1, 24).astype(np.float64)
    whole = whole_days(days, len(submitted), begin, end)
    days, counts = days[whole], counts[whole]
    rates = arrivals.weekly_rates().reshape(7, 24)
    if len(days) > 1:
        yield from _rates(days, counts.sum(axis=1), rates.sum(axis=1), level)
        yield from _rhythm(days, counts, rates, level)
    if arrivals.kind in ("day-block", "day-ar"):
        yield from _bursts(submitted, np.array(arrivals.cascade.alphas), level)


def _rates(days: Days, totals: Floats, rates: Floats, level: float) -> Iterator[Interval]:
    """Return the intervals of the runs a day, all days of the week weighing the same.

    Days of one weekday are compared with each other. Busy days follow busy days, so whole weeks are the clusters.
    """
    week = (days - days[0]) // 7
    enough = int(week[-1]) + 1 >= _WEEKS
    of = clusters(week if enough else days)
    how = "weeks as clusters, log scale" if enough else "days as clusters, log scale: under four weeks"
    for name, chosen in {"": np.ones(7, dtype=bool), **_KINDS}.items():
        mine = chosen[weekday(days)]
        if not totals[mine].any():
            continue
        group = weekday(days)
        if np.bincount(group[mine], minlength=7)[chosen].min() < 2:
            group = np.where(group < SATURDAY, 0, SATURDAY)
        influence: Floats = np.zeros(len(days))
        mean = 0.0
        groups, sizes = np.unique(group[mine], return_counts=True)
        for one, size in zip(groups.tolist(), sizes.tolist(), strict=True):
            weight = _weight(one, chosen, len(groups))
            same = mine & (group == one)
            mean += weight * float(totals[same].mean())
            influence[same] = weight * (totals[same] - totals[same].mean()) / size
        low, high = factor_limits(mean, float(deviation(influence / mean, of, level)))
        yield Interval(_PART, "runs a day", name, float(rates[chosen].mean()), low, high, how)


def _weight(group: int, chosen: Floats, groups: int) -> float:
    """Return the share of a group of days among the days of the week that are chosen."""
    if groups == np.count_nonzero(chosen):
        return 1.0 / groups
    share = np.count_nonzero(chosen[:SATURDAY]) / np.count_nonzero(chosen)
    return float(share if group < SATURDAY else 1 - share) if groups > 1 else 1.0


def _rhythm(days: Days, counts: Floats, rates: Floats, level: float) -> Iterator[Interval]:
    """Return the intervals of the share of each hour in the runs of its kind of day."""
    for name, chosen in _KINDS.items():
        mine = counts[chosen[weekday(days)]]
        if not mine.any():
            continue
        expected = rates[chosen].sum(axis=0)
        limits = share_limits(mine, np.broadcast_to(mine.sum(axis=1, keepdims=True), mine.shape), level)
        of = [f"{name}, {hour:02d} h" for hour in range(24)]
        yield from rows(_PART, "share of the hour", of, expected / max(expected.sum(), 1e-300), limits, _SHARES)


def _bursts(submitted: Instants, alphas: Floats, level: float) -> Iterator[Interval]:
    """Return the intervals of how often two runs of a cell of the cascade are in the same half of it.

    If the left half has Binomial(n, p), p ~ Beta(a, a), that is (a + 1) / (2 a + 1): half if they spread evenly, 1 if all come
    at once. Every pair of runs counts once.
    """
    day = submitted // DAY_US
    place = np.unique(day, return_inverse=True)[1]
    for number in range(LEVELS):
        first, left, total = splits(submitted, number)
        if not len(first):
            continue
        pairs = total * (total - 1.0)
        same = left * (left - 1.0) + (total - left) * (total - left - 1.0)
        hits, of = (np.bincount(place[first], count)[:, None].astype(np.float64) for count in (same, pairs))
        together = (alphas[number] + 1) / (2 * alphas[number] + 1)
        estimate = float(np.sum(together[bins(total)] * pairs) / np.sum(pairs))
        name = f"cells of {3600 / 2**number:.3g} s"
        yield from rows(_PART, "pairs in one half", [name], [estimate], share_limits(hits, of, level), _SHARES)


_SHARES = "Wilson, days as clusters"
