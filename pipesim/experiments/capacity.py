"""The smallest capacity of a pool that meets an objective, and how sure that is.

The search holds an objective such as `p95_wait_s < 600` against the mean of that figure over replications: it is met where
the upper end of a one-sided confidence interval of the mean lies below the limit. Capacities share their random numbers,
replication by replication, so that a larger one is seldom worse by chance. It doubles until the objective is met and then
halves the range, which finds the smallest capacity where more never makes it worse.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pipesim.errors import RequestError
from pipesim.experiments.backends import Backend, backend, default_workers
from pipesim.experiments.comparison import METRICS
from pipesim.experiments.intervals import Interval
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.simulation.oversized import OversizedError
from pipesim.simulation.scenario.platform import CAPACITIES, Pool

#: Replications of each capacity, where nothing else is said: enough for an interval, few enough for a dozen capacities.
REPLICATIONS = 10
#: No pool is searched beyond this many times what it has in the scenario.
_MOST_TIMES = 4096
#: A pool that has twice as much and changes the figure by less than this share does not decide on it.
_UNCHANGED = 1e-3
#: At which shares of the answer the curve is taken, beside what the search has tried.
_CURVE = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)

_OBJECTIVE = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+0-9.eE]+)\s*")


@dataclass(frozen=True)
class Objective:
    """What the mean of a figure is to keep: `p95_wait_s < 600`."""

    metric: str
    below: bool
    limit: float

    @classmethod
    def parse(cls, text: str) -> Objective:
        """Read an objective.

        Raises:
            RequestError: If it is none, or there is no such figure.
        """
        found = _OBJECTIVE.fullmatch(text)
        try:
            limit = float(found[3]) if found else math.nan
        except ValueError:
            limit = math.nan
        if found is None or not math.isfinite(limit):
            raise RequestError(
                f"{text!r} is no objective", where="--slo", remedy='write a figure, < or >, and a number: "p95_wait_s < 600"'
            )
        if found[1] not in METRICS:
            raise RequestError(f"there is no figure {found[1]!r}", where="--slo", remedy=f"choose from: {', '.join(METRICS)}")
        return cls(found[1], found[2].startswith("<"), limit)

    def __str__(self) -> str:
        return f"{self.metric} {'<' if self.below else '>'} {self.limit:g}"

    def is_met(self, values: Sequence[float], confidence: float) -> bool:
        """Whether the mean keeps it, by the end of its one-sided interval at a confidence."""
        mean = float(np.mean(values))
        if len(values) > 1:
            from scipy.special import stdtrit

            reach = float(stdtrit(len(values) - 1, confidence)) * float(np.std(values, ddof=1)) / len(values) ** 0.5
            mean += reach if self.below else -reach
        return mean < self.limit if self.below else mean > self.limit


@dataclass(frozen=True)
class Point:
    """What a capacity leads to.

    Args:
        capacity: The capacity.
        scenario: Under which name it was simulated; None where it is too small for the largest task.
        mean: The figure's mean over replications, with its 95 % interval; None where there is none.
        low: The lower end.
        high: The upper end.
        met: Whether it meets the objective with the confidence that was asked for.
    """

    capacity: int
    scenario: str | None
    mean: float | None
    low: float | None
    high: float | None
    met: bool


@dataclass(frozen=True)
class Answer:
    """The smallest capacity of a pool that meets an objective.

    Args:
        scenario: The scenario whose pool is sized.
        pool: The pool.
        resource: What of it: GPUs, slots, cores or gigabytes, or nodes.
        objective: The objective.
        confidence: How sure it is that the mean of the figure keeps it.
        replications: Of how many replications.
        capacity: The smallest capacity that does.
        curve: All capacities that were tried, ascending.
    """

    scenario: str
    pool: str
    resource: str
    objective: str
    confidence: float
    replications: int
    capacity: int
    curve: tuple[Point, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


def find_capacity(
    lake: Lake,
    scenario: Scenario,
    pool: str,
    objective: Objective,
    *,
    confidence: float = 0.95,
    replications: int = REPLICATIONS,
    engine: str | None = None,
    workers: int | None = None,
    on: Backend | None = None,
    tell: Callable[[Point], None] | None = None,
) -> Answer:
    """Search for the smallest capacity.

    Args:
        lake: Where the workload comes from and the results go; a capacity that it holds already is not simulated again.
        scenario: The what-if.
        pool: The name of the pool that is sized.
        objective: What is to be kept.
        confidence: With what confidence, from 0.5 to below 1.
        replications: How often each capacity is simulated, at least twice.
        engine: The engine; by default the fastest.
        workers: How many processes.
        on: Where to run, instead.
        tell: Called with each capacity once it has been tried.

    Raises:
        RequestError: If there is no such pool, it changes its size by itself, or no capacity of it meets the objective.
    """
    if not 0.5 <= confidence < 1:
        raise RequestError(f"{confidence:g} is no confidence", where="--confidence", remedy="give 0.5 to below 1, as 0.95")
    sized = _sized(scenario, pool)
    search = _Search(lake, scenario, sized, objective, confidence, replications, engine, tell)
    if on:
        return search.answer(on)
    with backend(workers or default_workers(replications)) as place:
        return search.answer(place)


@dataclass(frozen=True)
class _Sized:
    """What of a pool is searched for: its key in the scenario, and how much it has there."""

    place: int
    name: str
    resource: str
    given: int

    def scenario_with(self, scenario: Scenario, capacity: int) -> Scenario:
        content = scenario.model_dump(mode="json", exclude_none=True)
        pool = content["platform"]["pools"][self.place]
        if self.resource == "nodes":
            pool["nodes"] = [{**pool["nodes"][0], "count": capacity}]
        else:
            pool[self.resource] = capacity
        # To turn work away would make waits short.
        content["platform"]["oversized"] = "refuse"
        content["name"] = f"{scenario.name[:60]}-{self.name}-{self.resource}-{capacity}".replace(" ", "-")
        return Scenario.model_validate(content)


def _sized(scenario: Scenario, name: str) -> _Sized:
    pools = {pool.name: (place, pool) for place, pool in enumerate(scenario.platform.pools)}
    if name not in pools:
        raise RequestError(
            f"the scenario {scenario.name} has no pool {name!r}", where="--pool", remedy=f"choose from: {', '.join(pools)}"
        )
    place, pool = pools[name]
    if pool.autoscale is not None:
        raise RequestError(
            f"the pool {name} of {scenario.name} changes its size by itself", where="--pool", remedy="leave out its `autoscale`"
        )
    resource, given = _resource(pool)
    return _Sized(place, name, resource, given)


def _resource(pool: Pool) -> tuple[str, int]:
    if pool.nodes is not None:
        if len(pool.nodes) > 1:
            raise RequestError(
                f"the pool {pool.name} has several kinds of nodes", where="--pool", remedy="give it one kind, or a capacity"
            )
        return "nodes", pool.nodes[0].count
    resource = next(name for name in CAPACITIES if getattr(pool, name) is not None)
    return resource, math.ceil(getattr(pool, resource))


class _Search:
    """A search under way: what has been tried, and where the answer can still lie."""

    def __init__(
        self,
        lake: Lake,
        scenario: Scenario,
        sized: _Sized,
        objective: Objective,
        confidence: float,
        replications: int,
        engine: str | None,
        tell: Callable[[Point], None] | None,
    ) -> None:
        self._lake, self._scenario, self._sized = lake, scenario, sized
        self._objective, self._confidence = objective, confidence
        self._replications, self._engine, self._tell = replications, engine, tell
        self._points: dict[int, Point] = {}
        self._refusal: OversizedError | None = None

    def answer(self, on: Backend) -> Answer:
        """Search.

        Raises:
            RequestError: If no capacity meets the objective.
        """
        enough = self._enough(on)
        too_few = max((c for c, point in self._points.items() if c < enough and not point.met), default=0)
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            if self._try(middle, on).met:
                enough = middle
            else:
                too_few = middle
        for share in _CURVE:
            self._try(max(1, round(share * enough)), on)
        return Answer(
            scenario=self._scenario.name,
            pool=self._sized.name,
            resource=self._sized.resource,
            objective=str(self._objective),
            confidence=self._confidence,
            replications=self._replications,
            capacity=enough,
            curve=tuple(self._points[capacity] for capacity in sorted(self._points)),
        )

    def _enough(self, on: Backend) -> int:
        """Return a capacity that meets the objective, near the least that does: half of it does not, or is none."""
        capacity = max(1, self._sized.given)
        point = self._try(capacity, on)
        if point.met:
            while capacity > 1 and self._try(capacity // 2, on).met:
                capacity //= 2
            return capacity
        unchanged = 0
        while True:
            if capacity > _MOST_TIMES * max(1, self._sized.given) or unchanged == 2:
                raise self._impossible(point)
            capacity *= 2
            before, point = point, self._try(capacity, on)
            if point.met:
                return capacity
            if before.mean is not None and point.mean is not None:
                same = abs(point.mean - before.mean) <= _UNCHANGED * max(abs(before.mean), 1e-9)
                unchanged = unchanged + 1 if same else 0

    def _impossible(self, last: Point) -> RequestError:
        if last.mean is None and self._refusal is not None:
            return self._refusal
        what = f"{self._sized.resource} of the pool {self._sized.name}"
        return RequestError(
            f"no number of {what} meets {self._objective}: with {last.capacity:,} it is {last.mean:,.6g}",
            where=f"scenario {self._scenario.name}",
            remedy="something else decides on it, another pool for example; or ask for less",
        )

    def _try(self, capacity: int, on: Backend) -> Point:
        if capacity in self._points:
            return self._points[capacity]
        scenario = self._sized.scenario_with(self._scenario, capacity)
        try:
            results = run_scenarios(
                self._lake, [scenario], engine=self._engine, replications=self._replications, on=on, reuse=True
            )
        except OversizedError as error:  # it is smaller than the largest task
            self._refusal = error
            self._lake.drop_replications(scenario.name, keep=0)
            point = Point(capacity, None, None, None, None, met=False)
        else:
            figures = [result.summary.as_dict().get(self._objective.metric) for result in results]
            values = [figure for figure in figures if figure is not None]
            if not values:
                raise RequestError(
                    f"the scenario {self._scenario.name} has no {self._objective.metric}",
                    where="--slo",
                    remedy="choose another figure",
                )
            found = Interval.of(values)
            met = self._objective.is_met(values, self._confidence)
            point = Point(capacity, scenario.name, found.mean, found.low, found.high, met)
        self._points[capacity] = point
        if self._tell:
            self._tell(point)
        return point
