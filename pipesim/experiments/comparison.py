"""Scenarios beside each other: differences to a baseline, replication by replication, and the frontier of strategies.

Replications of equal number share their random numbers in all scenarios (common random numbers), so that differences are
taken within them: what chance does to all scenarios alike cancels out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pipesim.errors import RequestError
from pipesim.experiments.figures import METRICS, Figures
from pipesim.experiments.intervals import CONFIDENCE, Interval, Paired, holm
from pipesim.simulation import RunSummary, Scenario

#: What strategies spend: the first of these that all of them tell.
_SPENT = ("retraining_cost", "retraining_gpu_hours", "retrainings")
#: What is found where a difference may be chance.
SAME = "no difference found"
#: How likely one false alarm or more is, among all that is found in a comparison.
_LEVEL = 1 - CONFIDENCE
#: Of many names as many are told.
_TOLD = 20


@dataclass(frozen=True)
class Difference:
    """How a figure of a scenario differs from the baseline's.

    Args:
        scenario: The scenario.
        metric: The figure, one of `METRICS`.
        unit: Its unit.
        pairs: In how many replications both tell it.
        baseline_mean: The baseline's mean over these.
        mean: The scenario's.
        difference: The mean difference,
        low: and the ends of its 95 % confidence interval; None with one pair only.
        high: Likewise.
        relative: The mean difference as a part of the baseline's mean; None where that is not positive.
        relative_low: The ends of its 95 % confidence interval.
        relative_high: Likewise.
        p_value: Of the paired t-test, adjusted by Holm for all differences of the comparison; None with one pair only.
        finding: higher, lower, or no difference found, at 5 % by the p-value; None without one.
    """

    scenario: str
    metric: str
    unit: str
    pairs: int
    baseline_mean: float
    mean: float
    difference: float
    low: float | None
    high: float | None
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p_value: float | None
    finding: str | None

    def share_in_words(self) -> str | None:
        """Return the difference as a share: `31 % lower (95 % interval 28 to 34 %)`; None where it is none."""
        if self.relative is None:
            return None
        sign = 1 if self.relative >= 0 else -1
        told = f"{_percent(abs(self.relative))} % {'higher' if sign > 0 else 'lower'}"
        if self.relative_low is None or self.relative_high is None:
            return told
        low, high = sorted((sign * self.relative_low, sign * self.relative_high))
        return f"{told} (95 % interval {_percent(low)} to {_percent(high)} %)"


@dataclass(frozen=True)
class Strategy:
    """A point of the frontier: how well a strategy keeps models, and what that costs.

    Args:
        scenario: The scenario.
        performance: Mean performance of its models, over the time in which they are live.
        performance_low: The ends of the 95 % confidence interval of that.
        performance_high: Likewise.
        spent: What its retraining costs in the simulated time, in `unit`.
        spent_low: The ends of its interval.
        spent_high: Likewise.
        unit: money; GPU x hours where a scenario gives no rates, or retrainings where none holds a GPU.
        carbon_kg: What that causes; None where a scenario does not say how much a kilowatt-hour does.
        gain_points: Hundredths of performance gained on the baseline, replication by replication.
        gain_low: The ends of its interval.
        gain_high: Likewise.
        efficient: Whether no other strategy performs at least as well for at most as much, and better in one of the two.
        per_point: What is spent beyond the next cheaper efficient strategy for each further point; None for the cheapest.
    """

    scenario: str
    performance: float
    performance_low: float | None
    performance_high: float | None
    spent: float
    spent_low: float | None
    spent_high: float | None
    unit: str
    carbon_kg: float | None
    gain_points: float | None
    gain_low: float | None
    gain_high: float | None
    efficient: bool
    per_point: float | None


@dataclass(frozen=True)
class Comparison:
    """Scenarios against a baseline.

    Args:
        baseline: Its name.
        differences: By scenario as given, then by metric.
        frontier: The strategies, the cheapest first, by the replications that all of them have; empty where there are not two.
    """

    baseline: str
    differences: tuple[Difference, ...]
    frontier: tuple[Strategy, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


def compare(summaries: Iterable[RunSummary], baseline: str | None = None) -> Comparison:
    """Compare simulated scenarios.

    Args:
        summaries: Those of all replications of all scenarios.
        baseline: The scenario that the others are compared with; by default the first.

    Raises:
        RequestError: If there is nothing to compare with, or the baseline is not among them.
    """
    figures: Figures = {}
    for summary in summaries:
        figures.setdefault(summary.scenario, {})[summary.replication] = summary.as_dict()
    return compare_figures(figures, baseline)


def compare_figures(figures: Figures, baseline: str | None = None) -> Comparison:
    """Compare simulated scenarios by the figures of their replications; otherwise as `compare`.

    Raises:
        RequestError: If there is nothing to compare with, or the baseline is not among them.
    """
    names = list(figures)
    check_names(names, baseline)
    base = baseline or names[0]
    differences = [
        found
        for name in names
        if name != base
        for metric in METRICS
        if (found := _difference(name, metric, figures[base], figures[name])) is not None
    ]
    return Comparison(base, tuple(_judged(differences)), _frontier(figures, base))


def check_names(names: Sequence[str], baseline: str | None) -> None:
    """Refuse what cannot be compared, before anything is simulated.

    Raises:
        RequestError: If there is nothing to compare with, or the baseline is not among the scenarios.
    """
    if len(names) < 2:
        raise RequestError("there is nothing to compare with", where="scenarios", remedy="name two scenario files at least")
    if baseline is not None and baseline not in names:
        known = ", ".join(names[:_TOLD]) + (", ..." if len(names) > _TOLD else "")
        raise RequestError(f"no scenario is called {baseline!r}", where="--baseline", remedy=f"choose from: {known}")


def unlike(scenarios: Sequence[Scenario]) -> list[str]:
    """Return the keys in which scenarios differ though they make the world, not a strategy: differences may come from them."""
    of_all = ("workload", "horizon_days", "warmup_days")
    of_models = ("decay", "data", "objective")
    with_models = [scenario.lifecycle for scenario in scenarios if scenario.lifecycle is not None]
    found = [name for name in of_all if any(getattr(s, name) != getattr(scenarios[0], name) for s in scenarios)]
    return found + [
        f"lifecycle.{name}" for name in of_models if any(getattr(m, name) != getattr(with_models[0], name) for m in with_models)
    ]


def _values(runs: dict[int, dict[str, Any]], metric: str) -> dict[int, float]:
    return {number: run[metric] for number, run in runs.items() if run.get(metric) is not None}


def _difference(name: str, metric: str, base: dict[int, dict[str, Any]], runs: dict[int, dict[str, Any]]) -> Difference | None:
    ours, theirs = _values(runs, metric), _values(base, metric)
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return None
    found = Paired.of([ours[number] for number in both], [theirs[number] for number in both])
    return Difference(
        scenario=name,
        metric=metric,
        unit=METRICS[metric][0],
        pairs=len(both),
        baseline_mean=float(np.mean([theirs[number] for number in both])),
        mean=float(np.mean([ours[number] for number in both])),
        difference=found.difference.mean or 0.0,
        low=found.difference.low,
        high=found.difference.high,
        relative=found.relative.mean,
        relative_low=found.relative.low,
        relative_high=found.relative.high,
        p_value=found.p_value,
        finding=None,
    )


def _judged(differences: Sequence[Difference]) -> Iterator[Difference]:
    """Yield the differences with what is found, at a level that holds for all of them together."""
    tested = [found for found in differences if found.p_value is not None]
    adjusted = dict(zip(map(id, tested), holm([found.p_value or 0.0 for found in tested]), strict=True))
    for found in differences:
        p_value = adjusted.get(id(found))
        if p_value is None:
            yield found
            continue
        finding = SAME if p_value > _LEVEL else "higher" if found.difference > 0 else "lower"
        yield replace(found, p_value=p_value, finding=finding)


def _frontier(figures: Figures, base: str) -> tuple[Strategy, ...]:
    told = {name: runs for name, runs in figures.items() if _values(runs, "mean_performance")}
    if len(told) < 2:
        return ()
    common = set.intersection(*(set(runs) for runs in told.values()))
    told = {name: {number: runs[number] for number in sorted(common)} for name, runs in told.items()}
    if not all(_values(runs, "mean_performance") for runs in told.values()):
        return ()
    spent_by = next((metric for metric in _SPENT if _spend(told, metric)), _SPENT[-1])
    performance = {name: Interval.of([*_values(runs, "mean_performance").values()]) for name, runs in told.items()}
    spent = {name: Interval.of([*_values(runs, spent_by).values()]) for name, runs in told.items()}
    names = sorted(told, key=lambda name: (spent[name].mean, -(performance[name].mean or 0.0), name))
    points = np.array([[spent[name].mean, performance[name].mean] for name in names], np.float64)
    efficient = efficient_points(points)
    found: list[Strategy] = []
    last: int | None = None
    for place, name in enumerate(names):
        gain = _difference(name, "mean_performance", figures[base], told[name]) if base in told else None
        carbon = Interval.of([*_values(told[name], "retraining_carbon_kg").values()])
        per_point = None
        if efficient[place]:
            if last is not None:
                more, better = points[place] - points[last]
                per_point = float(more / (100 * better)) if better > 0 else None
            last = place
        found.append(
            Strategy(
                scenario=name,
                performance=float(points[place, 1]),
                performance_low=performance[name].low,
                performance_high=performance[name].high,
                spent=float(points[place, 0]),
                spent_low=spent[name].low,
                spent_high=spent[name].high,
                unit=METRICS[spent_by][0],
                carbon_kg=carbon.mean,
                gain_points=_points(gain.difference if gain else None),
                gain_low=_points(gain.low if gain else None),
                gain_high=_points(gain.high if gain else None),
                efficient=bool(efficient[place]),
                per_point=per_point,
            )
        )
    return tuple(found)


def _spend(told: dict[str, dict[int, dict[str, Any]]], metric: str) -> bool:
    """Whether all strategies tell what they spend by this measure, and not all of them nothing."""
    spent = [_values(runs, metric) for runs in told.values()]
    return all(spent) and any(value > 0 for values in spent for value in values.values())


def efficient_points(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which of n points, [n, 2] of what is spent and what is had, no other beats in one and equals in the other."""
    spent, had = points[:, 0], points[:, 1]
    no_dearer, no_worse = spent[:, None] <= spent[None, :], had[:, None] >= had[None, :]
    better = (spent[:, None] < spent[None, :]) | (had[:, None] > had[None, :])
    beaten = no_dearer & no_worse & better
    return np.asarray(~beaten.any(axis=0))


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _percent(share: float) -> str:
    digits = 0 if abs(share) >= 0.1 and not 0.99 < abs(share) < 1 else 1  # what is not all of it does not read so
    return f"{100 * share:.{digits}f}"
