"""Trying capacities: the scenario with other sizes of one pool or more, simulated and held against the objective."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pipesim.errors import RequestError
from pipesim.experiments.backends import Backend
from pipesim.experiments.capacity.objective import Objective
from pipesim.experiments.intervals import Interval
from pipesim.experiments.replications import run_scenarios
from pipesim.identity import short_name
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.simulation.oversized import OversizedError
from pipesim.simulation.scenario.platform import CAPACITIES, Pool

#: Room in the name of a trial for that of its scenario.
_LONGEST_NAME = 60
#: No pool is tried beyond this many times what it has in the scenario.
MOST_TIMES = 4096
#: Pools that have twice as much and change the figure by less than this share do not decide on it.
_UNCHANGED = 1e-3


@dataclass(frozen=True)
class Sized:
    """What of a pool is searched for.

    Args:
        place: The pool's place in the scenario.
        name: Its name.
        resource: GPUs, slots, cores or gigabytes, or nodes.
        given: How much of it the scenario gives it.
        price_per_h: What one of it costs an hour, by the scenario; None where it does not say.
    """

    place: int
    name: str
    resource: str
    given: int
    price_per_h: float | None

    @classmethod
    def of(cls, scenario: Scenario, name: str) -> Sized:
        """Return that of a pool by its name.

        Raises:
            RequestError: If there is no such pool, or it has no single capacity.
        """
        pools = {pool.name: (place, pool) for place, pool in enumerate(scenario.platform.pools)}
        if name not in pools:
            raise RequestError(
                f"the scenario {scenario.name} has no pool {name!r}", where="--pool", remedy=f"choose from: {', '.join(pools)}"
            )
        place, pool = pools[name]
        if pool.autoscale is not None:
            raise RequestError(
                f"the pool {name} of {scenario.name} changes its size by itself",
                where="--pool",
                remedy="leave out its `autoscale`",
            )
        return cls(place, name, *_resource(pool), _price_per_h(pool))


def _resource(pool: Pool) -> tuple[str, int]:
    if pool.nodes is not None:
        if len(pool.nodes) > 1:
            raise RequestError(
                f"the pool {pool.name} has several kinds of nodes", where="--pool", remedy="give it one kind, or a capacity"
            )
        return "nodes", pool.nodes[0].count
    resource = next(name for name in CAPACITIES if getattr(pool, name) is not None)
    return resource, math.ceil(getattr(pool, resource))


def resized(content: Mapping[str, Any], sized: Sized, capacity: int) -> dict[str, Any]:
    """Return a scenario as plain values with another capacity of a pool."""
    changed = deepcopy(dict(content))
    pool = changed["platform"]["pools"][sized.place]
    if sized.resource == "nodes":
        pool["nodes"] = [{**pool["nodes"][0], "count": capacity}]
    else:
        pool[sized.resource] = capacity
    return changed


def _price_per_h(pool: Pool) -> float | None:
    """Return what a unit of what is sized costs an hour while it is provisioned; rates are of a GPU, slot, core or gigabyte."""
    if pool.cost is None or not pool.cost.per_h:
        return None
    if pool.nodes is None:
        return pool.cost.per_h
    amounts: list[float | None] = [getattr(pool.nodes[0], name) for name in CAPACITIES]
    return pool.cost.per_h * next(amount for amount in amounts if amount is not None)


@dataclass(frozen=True)
class Trial:
    """What some capacities lead to.

    Args:
        capacities: That of each pool.
        scenario: Under which name it was simulated; None where a pool is too small for the largest task.
        mean: The figure's mean over replications, with its 95 % interval; None where there is none.
        low: The lower end.
        high: The upper end.
        met: Whether it meets the objective with the confidence that was asked for.
    """

    capacities: tuple[int, ...]
    scenario: str | None
    mean: float | None
    low: float | None
    high: float | None
    met: bool


@dataclass(frozen=True)
class Asked:
    """What is asked of every trial.

    Args:
        objective: What is to be kept,
        confidence: and with what confidence.
        replications: How often each trial is simulated.
        engine: By which engine; by default the fastest.
    """

    objective: Objective
    confidence: float
    replications: int
    engine: str | None = None


class Trials:
    """All that was tried for one scenario; a trial that the lake holds already is not simulated again.

    Args:
        lake: Where the workload comes from and the results go.
        scenario: The scenario.
        pools: Which of its pools are sized.
        asked: What is asked of them.
        on: Where to run.
        tell: Called with each trial once it has been made.
    """

    def __init__(
        self,
        lake: Lake,
        scenario: Scenario,
        pools: Sequence[Sized],
        asked: Asked,
        on: Backend,
        tell: Callable[[Trial], None] | None = None,
    ) -> None:
        self._lake, self._scenario, self._asked, self._on, self._tell = lake, scenario, asked, on, tell
        self.pools = tuple(pools)
        self.made: dict[tuple[int, ...], Trial] = {}
        self._refusal: OversizedError | None = None

    def make(self, *capacities: int) -> Trial:
        """Return what these capacities, one a pool, lead to.

        Raises:
            RequestError: If the scenario has no such figure, or cannot be run whatever its capacities.
        """
        if capacities not in self.made:
            self.made[capacities] = self._simulate(capacities)
            if self._tell:
                self._tell(self.made[capacities])
        return self.made[capacities]

    def grow(self) -> tuple[int, ...]:
        """Return capacities that meet the objective: those of the scenario, all doubled until they do.

        Raises:
            RequestError: If none will do.
        """
        capacities = tuple(max(1, pool.given) for pool in self.pools)
        trial, times, unchanged = self.make(*capacities), 1, 0
        while not trial.met:
            if times > MOST_TIMES or unchanged == 2:
                raise self._impossible(trial)
            times *= 2
            before, trial = trial, self.make(*(times * capacity for capacity in capacities))
            if before.mean is not None and trial.mean is not None:
                same = abs(trial.mean - before.mean) <= _UNCHANGED * max(abs(before.mean), 1e-9)
                unchanged = unchanged + 1 if same else 0
        return trial.capacities

    def least(self, enough: int, at: Callable[[int], Trial]) -> int:
        """Return the smallest number that will do, where `enough` does and more never makes it worse.

        Args:
            enough: A number that will do.
            at: Makes the trial of a number.
        """
        too_few, step = 0, enough // 2
        while step and too_few == 0:  # half as many as long as that will do
            if at(step).met:
                enough, step = step, step // 2
            else:
                too_few = step
        while enough - too_few > 1:
            middle = (enough + too_few) // 2
            enough, too_few = (middle, too_few) if at(middle).met else (enough, middle)
        return enough

    def _impossible(self, last: Trial) -> RequestError:
        if last.mean is None and self._refusal is not None:
            return self._refusal
        what = " and ".join(f"{pool.resource} of the pool {pool.name}" for pool in self.pools)
        which = " and ".join(f"{capacity:,}" for capacity in last.capacities)
        return RequestError(
            f"no number of {what} meets {self._asked.objective}: with {which} it is {last.mean:,.6g}",
            where=f"scenario {self._scenario.name}",
            remedy="something else decides on it, another pool for example; or ask for less",
        )

    def _with(self, capacities: tuple[int, ...]) -> Scenario:
        content = self._scenario.model_dump(mode="json", exclude_none=True)
        # To turn work away would make waits short.
        content["platform"]["oversized"] = "refuse"
        name = short_name(self._scenario.name, _LONGEST_NAME)
        for sized, capacity in zip(self.pools, capacities, strict=True):
            content = resized(content, sized, capacity)
            name += f"-{sized.name}-{sized.resource}-{capacity}"
        return Scenario.model_validate({**content, "name": short_name(re.sub(r"[^A-Za-z0-9._-]+", "-", name), 100)})

    def _simulate(self, capacities: tuple[int, ...]) -> Trial:
        scenario, asked = self._with(capacities), self._asked
        try:
            results = run_scenarios(
                self._lake, [scenario], engine=asked.engine, replications=asked.replications, on=self._on, reuse=True
            )
        except OversizedError as error:  # a pool is smaller than the largest task
            self._refusal = error
            self._lake.drop_replications(scenario.name, keep=0)
            return Trial(capacities, None, None, None, None, met=False)
        figures = [result.summary.as_dict().get(asked.objective.metric) for result in results]
        values = [figure for figure in figures if figure is not None]
        if not values:
            raise RequestError(
                f"the scenario {self._scenario.name} has no {asked.objective.metric}",
                where="--slo",
                remedy="choose another figure",
            )
        found = Interval.of(values)
        met = asked.objective.is_met(values, asked.confidence)
        return Trial(capacities, scenario.name, found.mean, found.low, found.high, met)
