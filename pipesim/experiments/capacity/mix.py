"""The cheapest mix of two pools that meets an objective.

What the second pool needs falls as the first one grows: a staircase. Of every stretch of it whose ends are known, no point can
be cheaper than its left end's next step of the first pool and its right end's amount of the second. The stretch in which that
bound is least is looked into next, until no bound is below the cheapest mix that was found by more than a small part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from pipesim.errors import RequestError
from pipesim.experiments.backends import Backend, given_or_own
from pipesim.experiments.capacity.objective import Objective, check_confidence
from pipesim.experiments.capacity.search import REPLICATIONS
from pipesim.experiments.capacity.trials import Asked, Sized, Trial, Trials
from pipesim.lake import Lake
from pipesim.simulation import Scenario

#: A mix that is dearer than the cheapest by no more than this part is as good.
_CLOSE = 0.01


@dataclass(frozen=True)
class Mix:
    """The cheapest mix of two pools that meets an objective.

    Args:
        scenario: The scenario whose pools are sized.
        pools: Their names.
        resources: What of each: GPUs, slots, cores or gigabytes, or nodes.
        prices: What one of it costs an hour.
        objective: The objective.
        confidence: How sure it is that the mean of the figure keeps it.
        replications: Of how many replications.
        capacities: The cheapest mix.
        cost_per_h: What it costs an hour; none that meets the objective is cheaper by over 1 %.
        frontier: For each amount of the first pool that was looked into, the least of the second with which it will do.
        tried: All mixes that were tried.
    """

    scenario: str
    pools: tuple[str, str]
    resources: tuple[str, str]
    prices: tuple[float, float]
    objective: str
    confidence: float
    replications: int
    capacities: tuple[int, int]
    cost_per_h: float
    frontier: tuple[tuple[int, int], ...]
    tried: tuple[Trial, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


def find_mix(
    lake: Lake,
    scenario: Scenario,
    pools: tuple[str, str],
    objective: Objective,
    *,
    prices: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    replications: int = REPLICATIONS,
    engine: str | None = None,
    workers: int | None = None,
    on: Backend | None = None,
    tell: Callable[[Trial], None] | None = None,
) -> Mix:
    """Search for the cheapest mix.

    Args:
        lake: Where the workload comes from and the results go.
        scenario: The what-if.
        pools: The names of the two pools.
        objective: What is to be kept.
        prices: What a unit of each pool costs an hour; by default what the scenario says (`cost.per_h`).
        confidence: With what confidence, from 0.5 to below 1.
        replications: How often each mix is simulated, at least twice.
        engine: The engine; by default the fastest.
        workers: How many processes.
        on: Where to run instead; it is left open.
        tell: Called with each mix once it has been tried.

    Raises:
        RequestError: If a pool cannot be sized or has no price, or no mix meets the objective.
    """
    check_confidence(confidence)
    if pools[0] == pools[1]:
        raise RequestError("a mix is of two pools", where="--pool", remedy="name two different ones")
    first, second = (Sized.of(scenario, pool) for pool in pools)
    price = (_price(first, prices or {}), _price(second, prices or {}))
    with given_or_own(on, workers, replications) as place:
        trials = Trials(lake, scenario, [first, second], Asked(objective, confidence, replications, engine), place, tell)
        stairs = _stairs(trials, price)
    cheapest = min(stairs.items(), key=lambda mix: (_cost(mix, price), mix))
    return Mix(
        scenario=scenario.name,
        pools=pools,
        resources=(first.resource, second.resource),
        prices=price,
        objective=str(objective),
        confidence=confidence,
        replications=replications,
        capacities=cheapest,
        cost_per_h=_cost(cheapest, price),
        frontier=tuple(sorted(stairs.items())),
        tried=tuple(trials.made[tried] for tried in sorted(trials.made)),
    )


def _price(sized: Sized, prices: Mapping[str, float]) -> float:
    found = prices.get(sized.name, sized.price_per_h)
    if not found or found < 0:
        raise RequestError(
            f"what {sized.resource} of the pool {sized.name} cost is not known",
            where="--price",
            remedy=f"say --price {sized.name}=2.50, or give the pool a `cost` in the scenario",
        )
    return found


def _cost(mix: tuple[int, int], price: tuple[float, float]) -> float:
    return mix[0] * price[0] + mix[1] * price[1]


def _stairs(trials: Trials, price: tuple[float, float]) -> dict[int, int]:
    """Return points of the staircase, the cheapest of all among them or one that is as good."""
    most, plenty = trials.grow()
    stairs: dict[int, int] = {}

    def step(first: int, at_most: int) -> None:
        """Find how much of the second pool is needed with so much of the first, given an amount that will do."""
        if first not in stairs:
            stairs[first] = trials.least(at_most, lambda second: trials.make(first, second))

    step(most, plenty)
    least = trials.least(most, lambda first: trials.make(first, plenty))
    step(least, plenty)
    while True:
        best = min(_cost(mix, price) for mix in stairs.items())
        enough = best * (1 - _CLOSE)
        if least > 1 and _cost((1, plenty + 1), price) < enough:  # with more of the second pool, less of the first might do
            plenty = min(2 * plenty, int((best - price[0]) // price[1]))
            least = trials.least(least, lambda first: trials.make(first, plenty))  # noqa: B023
            step(least, plenty)
            continue
        if stairs[most] > 1 and _cost((most + 1, 1), price) < enough:  # a larger first pool might be cheaper still
            last, most = most, min(2 * most, int((best - price[1]) // price[0]))
            step(most, stairs[last])
            continue
        stretches = [(a, b) for a, b in pairwise(sorted(stairs)) if b - a > 1 and stairs[a] > stairs[b]]
        bound, a, b = min(((_cost((a + 1, stairs[b]), price), a, b) for a, b in stretches), default=(best, 0, 0))
        if bound >= enough:
            return stairs
        step((a + b) // 2, stairs[a])
