"""Metrics of arrivals: how many runs come, how long after each other, and in which bursts."""

from __future__ import annotations

import numpy as np

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.goal import Goal
from pipesim.quality.measures.metric import CannotTellError, Metric, Parts, percent, times, whole
from pipesim.quality.values import Int64, Values, largest_gap
from pipesim.workload.laws.law import Floats

#: The windows of the mean error of the index of dispersion, in seconds.
WINDOWS = {"1 min": 60, "10 min": 600, "1 h": 3600, "1 d": 86_400}
#: An index below this is that of a clockwork; logarithms of it would say nothing more.
_LEAST_DISPERSION = 1e-3
_FEWEST_GAPS = 20


def dispersion(counts: Int64) -> float:
    """Return the index of dispersion of counts, variance over mean: 1 for a Poisson process, 0 for a clock."""
    mean = float(np.mean(counts)) if len(counts) else 0.0
    if len(counts) < 2 or not mean:
        raise CannotTellError("there are too few submissions, or the log is too short, to tell bursts")
    return float(np.var(counts)) / mean


def autocorrelation(series: Floats, lag: int = 1) -> float:
    """Return the correlation of a series with itself, some places later (biased estimate, so within -1 and 1)."""
    centred = series - np.mean(series) if len(series) else series
    power = float(np.sum(centred**2))
    if len(series) <= lag + 1 or power <= 1e-12 * len(series):
        raise CannotTellError("there are too few values, or all are equal, so nothing can hang together")
    return float(np.sum(centred[lag:] * centred[:-lag])) / power if lag else 1.0


def count_ratio(real: Excerpt, other: Excerpt) -> Parts:
    """Return the ratio of the numbers of runs."""
    if not len(real.submitted_us):
        raise CannotTellError("no run was submitted on the days that are compared")
    return whole(len(other.submitted_us) / len(real.submitted_us))


def interarrival_ks(real: Excerpt, other: Excerpt) -> Parts:
    """Return the Kolmogorov-Smirnov distance of the times between submissions."""
    if min(len(real.gaps), len(other.gaps)) < _FEWEST_GAPS:
        raise CannotTellError(f"there are fewer than {_FEWEST_GAPS} times between submissions")
    return whole(largest_gap(Values.exact(real.gaps), Values.exact(other.gaps)) or 0.0)


def dispersion_error(real: Excerpt, other: Excerpt) -> Parts:
    """Return the logarithm of the ratio of the indices of dispersion, by window, where at least two windows fit."""
    fitting = {name: s for name, s in WINDOWS.items() if s * 2 <= real.hours * 3600}
    return {name: _log_index(other, s) - _log_index(real, s) for name, s in fitting.items()}


def mean_dispersion_error(real: Excerpt, other: Excerpt) -> Parts:
    """Return eI: the mean over windows of how far the indices of dispersion are apart, as logarithms."""
    return whole(float(np.mean(np.abs(list(dispersion_error(real, other).values())))))


def interarrival_memory(real: Excerpt, other: Excerpt) -> Parts:
    """Return how far the lag-1 autocorrelations of log(1 + seconds between submissions) are apart."""
    return whole(abs(autocorrelation(np.log1p(other.gaps)) - autocorrelation(np.log1p(real.gaps))))


def hourly_memory(real: Excerpt, other: Excerpt) -> Parts:
    """Return how far the lag-1 autocorrelations of log(1 + submissions an hour) are apart."""
    return whole(abs(autocorrelation(np.log1p(other.hourly)) - autocorrelation(np.log1p(real.hourly))))


def _log_index(one: Excerpt, window_s: int) -> float:
    return float(np.log(max(dispersion(one.counts(window_s)), _LEAST_DISPERSION)))


ARRIVALS = (
    Metric(
        "count_ratio",
        "runs, ratio",
        count_ratio,
        Goal(0.95, 1.05),
        Goal(0.98, 1.02),
        says=lambda v: f"For every 100 real runs the synthetic trace has {100 * v:.1f}",
        real_says=lambda v: f"real weeks differ from each other by {percent(v)}",
        perfect=1.0,
        two_sided=True,
    ),
    Metric(
        "interarrival_ks",
        "time between runs, distance",
        interarrival_ks,
        Goal(high=0.08),
        Goal(high=0.05),
        says=lambda v: (
            f"Whatever time between runs one asks for, the shares that come within it differ by at most {percent(v)}"
        ),
        real_says=lambda v: f"between real weeks by {percent(v)}",
    ),
    Metric(
        "dispersion_error",
        "bursts, error of log",
        mean_dispersion_error,
        Goal(high=0.20),
        Goal(high=0.12),
        says=lambda v: f"From a minute to a day, runs come in bursts that are {times(v)} too strong or too weak",
        real_says=lambda v: f"those of real weeks differ by {times(v)}",
    ),
    Metric(
        "interarrival_memory_error",
        "memory of times between runs, error",
        interarrival_memory,
        Goal(high=0.08),
        Goal(high=0.04),
        says=lambda v: f"How much a short wait for the next run tells about the one after, from 0 to 1, is off by {v:.2f}",
        real_says=lambda v: f"between real weeks by {v:.2f}",
    ),
    Metric(
        "hourly_memory_error",
        "memory of busy hours, error",
        hourly_memory,
        Goal(high=0.10),
        Goal(high=0.05),
        says=lambda v: f"How much a busy hour tells about the next one, from 0 to 1, is off by {v:.2f}",
        real_says=lambda v: f"between real weeks by {v:.2f}",
    ),
    Metric("dispersion_log_ratio", "bursts by window, log of ratio", dispersion_error, two_sided=True),
)
