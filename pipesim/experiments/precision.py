"""As many replications as a figure needs to be known as exactly as is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pipesim.errors import RequestError
from pipesim.experiments.backends import Backend, given_or_own
from pipesim.experiments.claims import claimed
from pipesim.experiments.figures import METRICS
from pipesim.experiments.intervals import Interval
from pipesim.experiments.replications import RunResult, run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.words import count

#: Fewer replications tell too little of how far figures spread.
FEWEST = 5
#: More are not run, however far the interval still reaches.
MOST = 1000
#: How many times as many replications as there are may be added at once.
_GROWTH = 2
#: How much more than what the spread so far suggests, so that one round mostly does.
_RESERVE = 1.1


@dataclass(frozen=True)
class Precision:
    """How exactly a figure is to be known: half the width of its 95 % interval, as a part of its mean, in every scenario."""

    metric: str
    share: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise RequestError(
                f"there is no figure {self.metric!r}", where="--metric", remedy=f"choose from: {', '.join(METRICS)}"
            )
        if not 0.0005 <= self.share <= 1:
            raise RequestError(
                f"{100 * self.share:g} % cannot be asked for", where="--precision", remedy="give 0.05% to 100%, for example 5%"
            )

    @classmethod
    def parse(cls, text: str, metric: str) -> Precision:
        """Read `5%` or `0.05`.

        Raises:
            RequestError: If it is neither, or there is no such figure.
        """
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError as error:
            raise RequestError(f"{text!r} is no share", where="--precision", remedy="write it as 5% or 0.05") from error
        return cls(metric, share)


def run_to_precision(
    lake: Lake,
    scenarios: Sequence[Scenario],
    wanted: Precision,
    *,
    fewest: int | None = None,
    workers: int | None = None,
    on: Backend | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> tuple[list[RunResult], dict[str, Interval]]:
    """Run replications of scenarios until the figure is known as exactly as is wanted in each of them.

    Args:
        lake: Where the workload comes from and the results go.
        scenarios: The what-ifs.
        wanted: What is to be known how exactly.
        fewest: How many replications each has at least.
        workers: How many processes; by default as `run_scenarios` would have for the fewest.
        on: Where to run them instead; it is left open.
        say: Called with a sentence where the figure is not that exact after `MOST` replications.
        options: What `run_scenarios` takes besides.

    Returns:
        All results, and the figure's interval by scenario.

    Raises:
        RequestError: If a scenario has no such figure.
    """
    counts = {scenario.name: max(FEWEST, fewest or 1) for scenario in scenarios}
    results: list[RunResult] = []
    # All the while, as another process would drop what only the next round tells that it is wanted.
    with claimed(lake, list(counts), say), given_or_own(on, workers, sum(counts.values())) as place:
        while True:
            results = run_scenarios(lake, scenarios, replications=counts, done=results, on=place, say=say, **options)
            found = {scenario.name: _interval(results, scenario.name, wanted.metric) for scenario in scenarios}
            grown = {name: _needed(counts[name], interval, wanted.share) for name, interval in found.items()}
            if grown == counts:
                break
            counts = grown
    for name, interval in found.items():
        reached = interval.relative_half_width
        if say and reached is not None and reached > wanted.share:
            say(f"warning: {name}: after {count(counts[name], 'replication')}, {wanted.metric} is known to {reached:.1%} only")
    return results, found


def _interval(results: Sequence[RunResult], name: str, metric: str) -> Interval:
    values = [r.summary.as_dict().get(metric) for r in results if r.summary.scenario == name]
    told = [value for value in values if value is not None]
    if len(told) < 2:
        raise RequestError(
            f"the scenario {name} has no {metric}, or only in one replication", where="--metric", remedy="choose another figure"
        )
    return Interval.of(told)


def _needed(count: int, interval: Interval, share: float) -> int:
    """Return how many replications to have, by how far the figure spreads in those that there are."""
    reached = interval.relative_half_width
    if reached is None or reached <= share or count >= MOST:
        return count
    by_spread = count * (reached / share) ** 2 * _RESERVE if math.isfinite(reached) else math.inf
    return math.ceil(min(max(by_spread, count + 1), _GROWTH * count, MOST))
