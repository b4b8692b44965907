"""Metrics of likeness: each a pure function of two samples with a goal, and its noise floor from halves of the real sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipesim.checks.sample import SPLITS, Sample, halves
from pipesim.checks.verdict import Figure
from pipesim.quality.values import largest_gap, quantile, share_moved
from pipesim.schema import TASK_TYPES
from pipesim.workload.laws.law import Floats

#: The spread over splits of one sample understates that over samples where many small categories are summed.
_FACTOR = 1.3


@dataclass(frozen=True)
class Metric:
    """A way to compare a sample with the real one.

    Args:
        name: Its name among the figures.
        limit: The goal: the largest distance that is good enough.
        compute: From the real sample and the other one; None where it cannot be told.
        ratio: Whether equal samples give 1, and not 0.
    """

    name: str
    limit: float
    compute: Callable[[Sample, Sample], float | None]
    ratio: bool = False

    def distance(self, value: float | None) -> float | None:
        """Return how far a value is from that of equal samples: a ratio by `|ln value|`, so that twice and half are as far."""
        if value is None or not self.ratio:
            return value
        return abs(float(np.log(value))) if value > 0 else float("inf")


def scores(metrics: Sequence[Metric], real: Sample, values: Sequence[float | None], size: float) -> dict[str, Figure]:
    """Return the values of metrics beside their goals and noise floors, by name; what could not be told is left out.

    The floor is the mean distance between two halves of the real sample, in 16 random splits (`sample.halves`), times
    sqrt((1/n + 1/size) n/4), as halves of n runs differ more than n runs and `size` do. What lies within the floor and three
    standard deviations of it, or 1.3 times the floor, cannot be told from chance, so the goal of a single trace is never
    tighter than that. Without a floor, as in a log of fewer than four days, a value has no goal.

    Args:
        metrics: The metrics.
        real: The observed sample.
        values: What each metric says of the other sample.
        size: The runs of the other sample; infinity for a model.
    """
    noise: dict[str, list[float]] = {metric.name: [] for metric in metrics}
    for one, other in halves(real):
        for metric in metrics:
            if (apart := metric.distance(metric.compute(one, other))) is not None:
                noise[metric.name].append(apart)
    shrink = float(np.sqrt((1 + real.size / size) / 4)) if size else 1.0
    return {
        metric.name: _figure(metric, value, np.array(noise[metric.name]) * shrink)
        for metric, value in zip(metrics, values, strict=True)
        if value is not None
    }


def _figure(metric: Metric, value: float, noise: Floats) -> Figure:
    if len(noise) < SPLITS or not np.isfinite(noise).all():
        return Figure(value)
    floor = float(np.mean(noise))
    room = max(metric.limit, _FACTOR * floor, floor + 3 * float(np.std(noise)))
    if metric.ratio:
        return Figure(value, low=float(np.exp(-room)), high=float(np.exp(room)), floor=floor)
    return Figure(value, high=room, floor=floor)


def run_rate(real: Sample, other: Sample) -> float | None:
    """Return the ratio of submissions per hour, over the hours of the week that both cover."""
    return rate_ratio(real.rates(), other.rates())


def hour_of_week(real: Sample, other: Sample) -> float | None:
    """Return the share of submissions that come in another hour of the week, over the hours that both cover."""
    return profile_distance(real.rates(), other.rates())


def interarrival_ks(real: Sample, other: Sample) -> float | None:
    """Return the Kolmogorov-Smirnov distance of the times between submissions."""
    return largest_gap(real.gaps, other.gaps)


def tasks_per_run(real: Sample, other: Sample) -> float | None:
    """Return the ratio of tasks a run."""
    a, b = (float(s.tasks.sum() / s.runs.sum()) if s.runs.sum() else 0.0 for s in (real, other))
    return b / a if a and b else None


def failure_rate(real: Sample, other: Sample) -> float | None:
    """Return by how much the shares of attempts that did not succeed differ."""
    return share_moved(real.ends, other.ends)


def demand_mix(real: Sample, other: Sample) -> float | None:
    """Return the share of tasks that ask for something else: another type, or another size class of GPUs, cores or memory."""
    return share_moved(real.demand, other.demand)


def duration_ks(task_type: str) -> Callable[[Sample, Sample], float | None]:
    """Return the metric of the Kolmogorov-Smirnov distance of one task type's natural durations, or of `all`."""

    def compute(real: Sample, other: Sample) -> float | None:
        pair = real.durations.get(task_type), other.durations.get(task_type)
        return None if pair[0] is None or pair[1] is None else largest_gap(pair[0], pair[1])

    return compute


def duration_quantile(q: float) -> Callable[[Sample, Sample], float | None]:
    """Return the metric of the ratio of a quantile of the natural durations."""

    def compute(real: Sample, other: Sample) -> float | None:
        a, b = quantile(real.durations["all"], q), quantile(other.durations["all"], q)
        return b / a if a and b else None

    return compute


def rate_ratio(real: Floats, other: Floats) -> float | None:
    """Return the ratio of the mean rates over the hours of the week that both cover."""
    both = ~np.isnan(real) & ~np.isnan(other)
    return float(other[both].sum() / real[both].sum()) if real[both].any() else None


def profile_distance(real: Floats, other: Floats) -> float | None:
    """Return the total variation distance of two weekly profiles, over the hours of the week that both cover."""
    both = ~np.isnan(real) & ~np.isnan(other)
    a, b = real[both], other[both]
    return float(np.sum(np.abs(a / a.sum() - b / b.sum())) / 2) if a.any() and b.any() else None


#: The goals are those of the quality report for the mean over many seeds, where it has one.
ARRIVALS = (
    Metric("run_rate_ratio", 0.05, run_rate, ratio=True),
    Metric("hour_of_week_distance", 0.10, hour_of_week),
    Metric("interarrival_ks", 0.08, interarrival_ks),
)
DURATIONS = (
    Metric("duration_p50_ratio", float(np.log(1.25)), duration_quantile(0.5), ratio=True),
    Metric("duration_p90_ratio", float(np.log(1.25)), duration_quantile(0.9), ratio=True),
    Metric("duration_p99_ratio", float(np.log(1.25)), duration_quantile(0.99), ratio=True),
    Metric("duration_ks", 0.03, duration_ks("all")),
    *(Metric(f"duration_ks_{task_type}", 0.03, duration_ks(task_type)) for task_type in TASK_TYPES),
)
TASKS = (
    Metric("tasks_per_run_ratio", 0.05, tasks_per_run, ratio=True),
    Metric("failure_rate_difference", 0.02, failure_rate),
    Metric("demand_mix_distance", 0.03, demand_mix),
)
