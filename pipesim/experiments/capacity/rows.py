"""What a search for a capacity tried and found, as rows of the table `simulated.capacity`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from pipesim.experiments.capacity.mix import Mix
from pipesim.experiments.capacity.objective import Objective
from pipesim.experiments.capacity.search import Answer
from pipesim.experiments.capacity.trials import Trial
from pipesim.experiments_schema import CAPACITY
from pipesim.identity import content_hash

_LONGEST_NAME = 100


def search_name(scenarios: Sequence[str], pools: Sequence[str], objective: Objective) -> str:
    """Return the name of a search: a later one for the same on the same scenarios takes its place.

    Args:
        scenarios: The names of the scenario files.
        pools: The names of the pools that are sized.
        objective: What is to be kept.
    """
    side = "below" if objective.below else "above"
    parts = [*scenarios, *pools, objective.metric, side, f"{objective.limit:.12g}"]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts)).lstrip("._-")
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 9]}-{content_hash(*parts)[:8]}"


def capacity_rows(search: str, objective: Objective, found: Sequence[Answer | Mix]) -> pl.DataFrame:
    """Return one row a trial of a search, in the columns of `CAPACITY`.

    Args:
        search: Its name.
        objective: What was to be kept.
        found: The answer for each of its scenarios.
    """
    asked = {
        "search": search,
        "objective": str(objective),
        "metric": objective.metric,
        "bound": "<" if objective.below else ">",
        "threshold": objective.limit,
    }
    rows = [{**asked, **row} for answer in found for row in (_of_mix(answer) if isinstance(answer, Mix) else _of_pool(answer))]
    return CAPACITY.conform(pl.DataFrame(rows, infer_schema_length=None))


def _of_pool(found: Answer) -> Iterator[dict[str, Any]]:
    for place, trial in enumerate(found.curve):
        (capacity,) = trial.capacities
        yield {
            **_common(found, place, trial),
            "pool": found.pool,
            "resource": found.resource,
            "capacity": capacity,
            "is_least": capacity == found.capacity,
            "is_answer": capacity == found.capacity,
            "price_per_h": found.price_per_h,
            "cost_per_h": None if found.price_per_h is None else capacity * found.price_per_h,
        }


def _of_mix(found: Mix) -> Iterator[dict[str, Any]]:
    least = set(found.frontier)
    for place, trial in enumerate(found.tried):
        first, second = trial.capacities
        yield {
            **_common(found, place, trial),
            "pool": found.pools[0],
            "resource": found.resources[0],
            "capacity": first,
            "second_pool": found.pools[1],
            "second_resource": found.resources[1],
            "second_capacity": second,
            "is_least": (first, second) in least,
            "is_answer": trial.capacities == found.capacities,
            "price_per_h": found.prices[0],
            "second_price_per_h": found.prices[1],
            "cost_per_h": first * found.prices[0] + second * found.prices[1],
        }


def _common(found: Answer | Mix, place: int, trial: Trial) -> dict[str, Any]:
    return {
        "scenario": found.scenario,
        "trial": place,
        "simulated_as": trial.scenario,
        "confidence": found.confidence,
        "replications": found.replications,
        "mean": trial.mean,
        "low": trial.low,
        "high": trial.high,
        "met": trial.met,
    }
