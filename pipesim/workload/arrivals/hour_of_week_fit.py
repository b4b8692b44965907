"""Fitting arrivals: rates by hour of the week and the laws of the gaps between submissions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from pipesim.words import count
from pipesim.workload.arrivals.clock import HOUR_US, HOURS_OF_WEEK, Instants, hour_of_week
from pipesim.workload.arrivals.hour_of_week import HourOfWeekArrivals
from pipesim.workload.arrivals.poisson import PoissonArrivals
from pipesim.workload.laws.binned import Binned, bin_edges, bin_rows
from pipesim.workload.laws.choice import MIN_ROWS, LawChoice, choose_law
from pipesim.workload.laws.closed_forms import Floats
from pipesim.workload.laws.families import Fitted, pick, refit
from pipesim.workload.laws.law import FamilyLaw, Law, table_law
from pipesim.workload.laws.tail import BEYOND_LARGEST

Streams = Callable[..., np.random.Generator]

_MIN_EXPOSURE_H = 0.5
_RENEWAL_ROWS = 2_000


def fit_poisson(submitted: Instants, observed_until: int) -> tuple[PoissonArrivals, list[str]]:
    """Return the homogeneous process of the observed rate: gaps per hour between the first and the last submission.

    Args:
        submitted: Sorted submission instants, at least one.
        observed_until: The last instant the log covers, for logs whose submissions span less than an hour.
    """
    span_h = (int(submitted[-1]) - int(submitted[0])) / HOUR_US
    if span_h >= 1.0:
        return PoissonArrivals(runs_per_hour=(len(submitted) - 1) / span_h), []
    covered_h = max(1.0, (observed_until - int(submitted[0])) / HOUR_US)
    note = (
        f"arrivals: {count(len(submitted), 'submission')} within {span_h:.3g} h, and no others; "
        f"the rate is their number over {covered_h:.3g} h, without a rhythm"
    )
    return PoissonArrivals(runs_per_hour=len(submitted) / covered_h), [note]


def fit_hour_of_week(
    submitted: Instants, observed_until: int, streams: Streams
) -> tuple[HourOfWeekArrivals, LawChoice | None, list[str]]:
    """Return the 168 renewal laws with their rates, how the law of all gaps together was chosen, and what fell short.

    Rates are counts over exposure, the time for which the log covers each hour of the week. An hour covered for less than
    half an hour borrows the rate of its hour of the day over all days, or the overall rate where the log has less than a day.
    """
    overall, notes = fit_poisson(submitted, observed_until)
    if notes:
        flat = (overall.runs_per_hour,) * HOURS_OF_WEEK
        return HourOfWeekArrivals(runs_per_hour=flat, gap_laws=(_EXPONENTIAL,), law_of_hour=(0,) * HOURS_OF_WEEK), None, notes
    hours = hour_of_week(submitted[:-1])
    rates, rate_notes = _rates(submitted, hours, overall.runs_per_hour)
    gaps = _operational_gaps(submitted, rates)
    pooled = choose_law(gaps, np.zeros(len(gaps), dtype=bool), streams("fit", "arrivals"))
    starts = _fits(pooled.best_families, _binned(_sample(gaps, streams("fit", "arrivals", "starts"))[0]))
    laws: list[Law] = [pooled.law]
    law_of_hour = [0] * HOURS_OF_WEEK
    for hour in range(HOURS_OF_WEEK):
        mine = gaps[hours == hour]
        if starts and np.count_nonzero(mine) >= MIN_ROWS:
            law_of_hour[hour] = len(laws)
            laws.append(_renewal_law(mine, starts, streams("fit", "arrivals", hour)))
    few = law_of_hour.count(0)
    if few:
        rate_notes.append(f"arrivals: the law of all gaps serves {few} of 168 hours of the week, with under {MIN_ROWS} gaps")
    model = HourOfWeekArrivals(runs_per_hour=tuple(rates.tolist()), gap_laws=tuple(laws), law_of_hour=tuple(law_of_hour))
    return model, pooled, rate_notes


def exposure_hours(first: int, last: int) -> Floats:
    """Return for how many hours [first, last] covers each hour of the week, fractions at the ends included."""
    hours = np.arange(first // HOUR_US, last // HOUR_US + 1)
    covered = np.minimum((hours + 1) * HOUR_US, last) - np.maximum(hours * HOUR_US, first)
    exposure: Floats = np.zeros(HOURS_OF_WEEK)
    np.add.at(exposure, hour_of_week(hours * HOUR_US), covered / HOUR_US)
    return exposure


def _rates(submitted: Instants, hours: NDArray[np.int64], overall: float) -> tuple[Floats, list[str]]:
    exposure = exposure_hours(int(submitted[0]), int(submitted[-1]))
    counts = np.bincount(hours, minlength=HOURS_OF_WEEK).astype(np.float64)
    covered = exposure >= _MIN_EXPOSURE_H
    day_exposure, day_counts = (a.reshape(7, 24).sum(axis=0) for a in (exposure, counts))
    day_rates = np.divide(day_counts, day_exposure, out=np.full(24, overall), where=day_exposure >= _MIN_EXPOSURE_H)
    if exposure.sum() < 24:
        day_rates[:] = overall
    rates = np.divide(counts, exposure, out=np.tile(day_rates, 7), where=covered)
    missing = int(HOURS_OF_WEEK - covered.sum())
    source = "the overall rate" if exposure.sum() < 24 else "the rate of their hour of the day"
    notes = [f"arrivals: the log covers {HOURS_OF_WEEK - missing} of 168 hours of the week; the others use {source}"]
    return rates, notes if missing else []


def _operational_gaps(submitted: Instants, rates: Floats) -> Floats:
    """Return the gaps in units of expected arrivals: the integral of the rate from each submission to the next."""
    first = int(submitted[0]) // HOUR_US
    hours = np.arange(first, int(submitted[-1]) // HOUR_US + 2)
    passed = np.concatenate([[0.0], np.cumsum(rates[hour_of_week(hours * HOUR_US)])])
    slot = submitted // HOUR_US - first
    share = (submitted % HOUR_US) / HOUR_US
    # Submissions at one instant must have a gap of exactly 0, so equal instants are compared before the rounding of sums.
    position = passed[slot] + share * (passed[slot + 1] - passed[slot])
    return np.where(np.diff(submitted) == 0, 0.0, np.maximum(np.diff(position), 1e-12))


def _renewal_law(gaps: Floats, starts: list[Fitted], rng: np.random.Generator) -> Law:
    """Return one hour's law: the best families of all gaps together, refitted on one half of its own, judged on the other."""
    if gaps[gaps > 0].min() == gaps.max():
        return table_law(gaps)
    sample, unit = _sample(gaps, rng)
    fits = _fits([s.family for s in starts], _binned(sample[::2]), starts)
    if not fits:
        return table_law(gaps)
    best = pick(fits, _binned(sample[1::2]))
    final = refit(best.family, _binned(sample), best) or best
    return final.law(unit, maximum=BEYOND_LARGEST * unit * float(sample.max()), zero=float(np.mean(gaps == 0)))


def _sample(gaps: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """Return at most 2,000 positive gaps in random order in units of their median, and that median."""
    values = rng.permutation(gaps[gaps > 0])[:_RENEWAL_ROWS]
    unit = float(np.median(values))
    return values / unit, unit


def _binned(values: Floats) -> Binned:
    values = np.sort(values)
    return bin_rows(values, np.zeros(len(values), dtype=bool), bin_edges(values, None))


def _fits(families: Sequence[str], sample: Binned, starts: Sequence[Fitted | None] = ()) -> list[Fitted]:
    pairs = zip_longest(families, starts)
    return [f for f in (refit(family, sample, start) for family, start in pairs) if f is not None]


_EXPONENTIAL = FamilyLaw(family="expon", shapes=(), scale=1.0, zero=0.0, maximum=40.0, below_maximum=1.0)
