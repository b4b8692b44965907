"""Metrics of what a queue feels: the wait-time fidelity error at three loads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.goal import Goal
from pipesim.quality.measures.metric import CannotTellError, Metric, Parts, times, whole
from pipesim.workload.laws.law import Floats

LOADS = (0.7, 0.8, 0.9)
#: Below a minute nobody minds a difference.
_MINUTE_S = 60.0
_FEWEST_JOBS = 50

Statistic = Callable[[Floats], float]


def _percentile(q: float) -> Statistic:
    return lambda waits: float(np.quantile(waits, q))


STATISTICS: dict[str, Statistic] = {
    "mean": lambda waits: float(np.mean(waits)),
    "p95": _percentile(0.95),
    "p99": _percentile(0.99),
}


def servers(real: Excerpt, load: float) -> int:
    """Return how many servers the real jobs would keep busy for a part of the time, at least one."""
    return max(1, round(real.work_s / (real.hours * 3600 * load)))


def work_ratio(real: Excerpt, other: Excerpt) -> Parts:
    """Return the ratio of all work, GPUs times seconds (or seconds), single jobs counting for seven days at most."""
    if not real.work_s:
        raise CannotTellError("no job says how long it held its resources")
    return whole(other.work_s / real.work_s)


def log_wait_ratios(real: Excerpt, other: Excerpt, statistic: str) -> list[float]:
    """Return the logarithm of the ratio of a statistic of waits, each plus a minute, for every load."""
    if min(real.queued.height, other.queued.height) < _FEWEST_JOBS:
        raise CannotTellError(f"fewer than {_FEWEST_JOBS} jobs go through the queue")
    of = STATISTICS[statistic]
    pairs = [(of(other.waits_s(n)), of(real.waits_s(n))) for n in (servers(real, load) for load in LOADS)]
    return [float(np.log((theirs + _MINUTE_S) / (mine + _MINUTE_S))) for theirs, mine in pairs]


def wait_error(real: Excerpt, other: Excerpt) -> Parts:
    """Return the wait-time fidelity error of the 95th percentile: the mean over loads of the absolute logarithm."""
    return whole(float(np.mean(np.abs(log_wait_ratios(real, other, "p95")))))


def wait_bias(real: Excerpt, other: Excerpt) -> Parts:
    """Return the bias of the 95th percentile: the mean over loads of the logarithm."""
    return whole(float(np.mean(log_wait_ratios(real, other, "p95"))))


def by_load(real: Excerpt, other: Excerpt) -> Parts:
    """Return the logarithm for every statistic and load."""
    return {
        f"{name} at load {load}": value
        for name in STATISTICS
        for load, value in zip(LOADS, log_wait_ratios(real, other, name), strict=True)
    }


def errors(real: Excerpt, other: Excerpt) -> Parts:
    """Return the wait-time fidelity error of every statistic."""
    return {name: float(np.mean(np.abs(log_wait_ratios(real, other, name)))) for name in STATISTICS}


def _bias_in_words(value: float) -> str:
    return f"Waits at the 95th percentile are {times(value)} too {'long' if value > 0 else 'short'}, on average"


WAIT_ERROR = "wfe_p95"
WAITS = (
    Metric(
        "work_ratio",
        "work, ratio",
        work_ratio,
        Goal(0.95, 1.05),
        Goal(0.98, 1.02),
        says=lambda v: f"For every 100 real hours of work the synthetic trace has {100 * v:.1f}",
        real_says=lambda v: f"real weeks differ from each other by {100 * v:.3g} %",
        perfect=1.0,
        two_sided=True,
    ),
    Metric(
        WAIT_ERROR,
        "waits (95th percentile), error of log",
        wait_error,
        Goal(high=0.75),
        Goal(floors=1.0),
        says=lambda v: (
            f"A queue on the synthetic trace keeps jobs waiting {times(v)} too long or too short at the 95th percentile"
        ),
        real_says=lambda v: f"real weeks differ from each other by {times(v)}",
    ),
    Metric(
        "wfe_p95_bias",
        "waits (95th percentile), bias of log",
        wait_bias,
        Goal(-0.5, 0.5),
        Goal(-0.2, 0.2),
        says=_bias_in_words,
        real_says=lambda v: f"single draws of real weeks scatter by {times(v)}",
        two_sided=True,
    ),
    Metric("wfe", "waits by statistic, error of log", errors),
    Metric("wait_log_ratio", "waits by statistic and load, log of ratio", by_load, two_sided=True),
)  # fmt: skip
