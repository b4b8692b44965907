"""The days of a log that lend their hourly intensities to the days of a horizon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipesim.words import count
from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, SATURDAY, Instants, weekday
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part

Days = NDArray[np.int64]

#: With this many days of a weekday in the log, only these stand for it.
_ENOUGH = 2


class SourceDays(Part):
    """The whole days of a log, and how many submissions to expect in each of their hours.

    Attributes:
        day: Days since 1970, ascending.
        intensity: [day][hour] Expected submissions in the hour, its chance taken out (`fit_source_days`).
    """

    day: tuple[int, ...] = Field(min_length=1)
    intensity: tuple[tuple[float, ...], ...] = Field(min_length=1)

    def candidates(self, day_of_week: int) -> Days:
        """Return the positions of the days that may stand for a weekday (0, Monday, to 6).

        The days of that weekday if there are two; else those of its kind (Monday to Friday, or the weekend); else all.
        """
        mine = weekday(np.asarray(self.day))
        same = np.flatnonzero(mine == day_of_week)
        if len(same) >= _ENOUGH:
            return same
        alike = np.flatnonzero((mine >= SATURDAY) == (day_of_week >= SATURDAY))
        return alike if len(alike) else np.arange(len(mine))

    def weekly_rates(self) -> Floats:
        """Return the mean submissions per hour of each hour of the week, [168] from Monday 00:00."""
        intensity = np.array(self.intensity)
        return np.concatenate([intensity[self.candidates(w)].mean(axis=0) for w in range(7)])


def fit_source_days(submitted: Instants, begin: int, end: int) -> tuple[SourceDays, list[str]]:
    """Return the whole days of a log, and what was done about a short one.

    An hour's count is its intensity and Poisson chance. Drawn again as Poisson, a sparse log's counts would have that chance
    twice, so counts are shrunk towards their mean until the variance of what will be drawn is that of the log: first the
    totals of days towards those of their weekday, then each day's hours towards the weekday's shares.

    Args:
        submitted: Sorted submission instants, at least one.
        begin: Where the log begins, in microseconds since 1970: its first submission, or the window's first instant.
        end: Where it ends.
    """
    days = np.arange(begin // DAY_US, max(int(submitted[-1]), end - 1) // DAY_US + 1)
    of_hour = np.bincount(submitted // HOUR_US - days[0] * 24, minlength=len(days) * 24)
    counts = of_hour.reshape(-1, 24).astype(np.float64)
    whole = whole_days(days, len(submitted), begin, end)
    if not counts[whole].any():
        return _part_of_a_day(submitted, begin, end)
    source = SourceDays(day=tuple(days[whole].tolist()), intensity=tuple(map(tuple, counts[whole].tolist())))
    groups = _groups(source)
    notes = []
    if left_out := len(days) - int(whole.sum()):
        notes.append(f"arrivals: no intensities from {count(left_out, 'day')} that the log covers in part")
    sizes = np.bincount(weekday(np.asarray(source.day)), minlength=7)
    if sizes.min() < _ENOUGH:
        notes.append(
            f"arrivals: the log has {count(int(sizes.sum()), 'whole day')}, under two of some weekdays; for these, days of the "
            "same kind (Monday to Friday, or the weekend) stand, or any where there are none"
        )
    shrunk = _shrink(counts[whole], groups)
    return source.model_copy(update={"intensity": tuple(map(tuple, shrunk.tolist()))}), notes


def whole_days(days: Days, submissions: int, begin: int, end: int) -> NDArray[np.bool_]:
    """Return which days the log covers.

    It tells of its ends only through submissions, so up to three mean gaps may be missing there, but an hour and half a day at
    most.
    """
    slack = min(max(3 * (end - begin) // max(submissions, 1), HOUR_US), DAY_US // 2)
    return np.asarray((days * DAY_US >= begin - slack) & ((days + 1) * DAY_US <= end + slack))


def _part_of_a_day(submitted: Instants, begin: int, end: int) -> tuple[SourceDays, list[str]]:
    """Return one day of the rate of a log without a whole day that has runs: by hour of the day if it has all 24, else flat."""
    hours = np.arange(begin // HOUR_US, end // HOUR_US + 1)
    covered = np.maximum(np.minimum((hours + 1) * HOUR_US, end) - np.maximum(hours * HOUR_US, begin), 0) / HOUR_US
    exposure = np.bincount(hours % 24, weights=covered, minlength=24)
    counts = np.bincount(submitted // HOUR_US % 24, minlength=24)
    span = max(float(exposure.sum()), 1.0)
    if exposure.min() >= 0.5:
        rates, what = counts / exposure, "each hour of the day has its own rate, every day the same"
    else:
        rates, what = np.full(24, len(submitted) / span), "the rate is its mean, without a rhythm"
    note = f"arrivals: the log covers {exposure.sum():.3g} h and no whole day with runs; {what}"
    return SourceDays(day=(int(begin // DAY_US),), intensity=(tuple(rates.tolist()),)), [note]


def _groups(source: SourceDays) -> Days:
    """Return for each day the group that it is compared with: its weekday, or its kind of day where weekdays are too few."""
    mine = weekday(np.asarray(source.day))
    if np.bincount(mine, minlength=7).min() >= _ENOUGH:
        return mine
    return np.asarray((mine >= SATURDAY).astype(np.int64))


def _shrink(counts: Floats, group: Days) -> Floats:
    _, group = np.unique(group, return_inverse=True)
    sizes = np.bincount(group).astype(np.float64)
    sums: Floats = np.zeros((len(sizes), 24))
    np.add.at(sums, group, counts)
    means: Floats = sums.sum(axis=1) / sizes
    mean_total = means[group]
    shares = shares_of(sums)[group]
    totals = counts.sum(axis=1)

    freedom = len(counts) - len(sizes)
    if freedom < 1:
        return counts
    spread = float(np.sum((totals - mean_total) ** 2)) / freedom
    keep_day = _kept(spread, float(mean_total.mean()))
    shrunk_totals = mean_total + keep_day * (totals - mean_total)
    rest = counts - totals[:, None] * shares
    chance = float(np.sum(totals[:, None] * shares * (1 - shares))) * freedom / len(counts)
    keep_hour = _kept(float(np.sum(rest**2)), chance)
    ratio = np.divide(shrunk_totals, totals, out=np.zeros(len(totals)), where=totals > 0)
    shrunk = np.maximum(shrunk_totals[:, None] * shares + keep_hour * rest * ratio[:, None], 0.0)
    scale = np.divide(shrunk_totals, shrunk.sum(axis=1), out=np.zeros(len(totals)), where=shrunk.any(axis=1))
    return np.asarray(shrunk * scale[:, None])


def shares_of(counts: Floats) -> Floats:
    """Return each row's shares of its sum, 1/24 where that is 0."""
    sums: Floats = counts.sum(axis=1, keepdims=True)
    shares: Floats = np.full_like(counts, 1 / 24)
    return np.divide(counts, sums, out=shares, where=sums > 0)


def _kept(variance: float, chance: float) -> float:
    """Return by what deviations are multiplied so that, with the chance that is drawn, they vary as they were seen to."""
    return float(np.sqrt(max(0.0, 1.0 - chance / variance))) if variance > 0 else 0.0
