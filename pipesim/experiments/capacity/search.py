"""The smallest capacity of a pool that meets an objective, and how sure that is.

The search holds an objective such as `p95_wait_s < 600` against the mean of that figure over replications: it is met where
the upper end of a one-sided confidence interval of the mean lies below the limit. Capacities share their random numbers,
replication by replication, so that a larger one is seldom worse by chance. It doubles until the objective is met and then
halves the range, which finds the smallest capacity where more never makes it worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pipesim.experiments.backends import Backend, given_or_own
from pipesim.experiments.capacity.objective import Objective, check_confidence
from pipesim.experiments.capacity.trials import Asked, Sized, Trial, Trials
from pipesim.lake import Lake
from pipesim.simulation import Scenario

#: Replications of each capacity, where nothing else is said: enough for an interval, few enough for a dozen capacities.
REPLICATIONS = 10
#: At which shares of the answer the curve is taken, beside what the search has tried.
_CURVE = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)


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
        price_per_h: What one of it costs an hour; None where nobody says.
        curve: All capacities that were tried, ascending.
    """

    scenario: str
    pool: str
    resource: str
    objective: str
    confidence: float
    replications: int
    capacity: int
    price_per_h: float | None
    curve: tuple[Trial, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        found = asdict(self)
        found["curve"] = [{"capacity": point.pop("capacities")[0], **point} for point in found["curve"]]
        return found


def find_capacity(
    lake: Lake,
    scenario: Scenario,
    pool: str,
    objective: Objective,
    *,
    prices: Mapping[str, float] | None = None,
    confidence: float = 0.95,
    replications: int = REPLICATIONS,
    engine: str | None = None,
    workers: int | None = None,
    on: Backend | None = None,
    tell: Callable[[Trial], None] | None = None,
) -> Answer:
    """Search for the smallest capacity.

    Args:
        lake: Where the workload comes from and the results go; a capacity that it holds already is not simulated again.
        scenario: The what-if.
        pool: The name of the pool that is sized.
        objective: What is to be kept.
        prices: What a unit of the pool costs an hour; by default what the scenario says (`cost.per_h`).
        confidence: With what confidence, from 0.5 to below 1.
        replications: How often each capacity is simulated, at least twice.
        engine: The engine; by default the fastest.
        workers: How many processes.
        on: Where to run instead; it is left open.
        tell: Called with each capacity once it has been tried.

    Raises:
        RequestError: If there is no such pool, it changes its size by itself, or no capacity of it meets the objective.
    """
    check_confidence(confidence)
    sized = Sized.of(scenario, pool)
    with given_or_own(on, workers, replications) as place:
        trials = Trials(lake, scenario, [sized], Asked(objective, confidence, replications, engine), place, tell)
        (enough,) = trials.grow()
        capacity = trials.least(enough, trials.make)
        for share in _CURVE:
            trials.make(max(1, round(share * capacity)))
    curve = tuple(trials.made[tried] for tried in sorted(trials.made))
    return Answer(
        scenario=scenario.name,
        pool=pool,
        resource=sized.resource,
        objective=str(objective),
        confidence=confidence,
        replications=replications,
        capacity=capacity,
        price_per_h=(prices or {}).get(pool, sized.price_per_h),
        curve=curve,
    )
