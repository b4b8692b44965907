"""Which pool each attempt goes to, what it demands there, and whether the pool could ever hold it (rules 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import DIMENSIONS, Float64, Int32, Int64
from pipesim.simulation.scenario import Platform, Pool

Mask = npt.NDArray[np.bool_]

# A demand above this is a mistake of units, and would not fit int64 thousandths.
_LARGEST = 1e15


@dataclass(frozen=True)
class Placement:
    """Where the attempts go. A attempts, P pools, K demand classes, D dimensions.

    Args:
        pool: [A] Pool, or -1 for an attempt that needs none.
        demand_class: [A] Demand class, or -1.
        class_pool: [K] Pool of the class.
        class_demand: [K, D] Demand of the class.
        capacity: [P, D] Capacity of the pool.
        share: [A] Dominant share: the largest demand / capacity over the dimensions that the pool limits.
        rejected: [A] Whether the task asks for more than its pool has, and is rejected for it.
    """

    pool: Int32
    demand_class: Int32
    class_pool: Int32
    class_demand: Int64
    capacity: Int64
    share: Float64
    rejected: Mask


def place(attempts: pl.DataFrame, needs_pool: Mask, platform: Platform) -> Placement:
    """Route the attempts (rows of `task_runs`, with their `task` number) to the pools of the platform.

    Raises:
        RequestError: If a demand is no quantity, no pool accepts a task, or a task is too large for its pool.
    """
    pool = np.where(needs_pool, _route(attempts, needs_pool, platform.pools), -1).astype(np.int32)
    capacity = np.array([_capacity(p) for p in platform.pools], dtype=np.int64)
    demand = _demand(attempts, needs_pool) * (capacity > 0)[pool]
    demand[~needs_pool] = 0
    oversized: Mask = np.any(demand > capacity[pool], axis=1)
    rejected = np.zeros(len(pool), dtype=np.bool_)
    if oversized.any():
        if platform.oversized == "refuse":
            raise _too_small(attempts, oversized, demand, pool, platform)
        task = attempts["task"].to_numpy()
        rejected = np.bincount(task, weights=oversized)[task] > 0
    placed = needs_pool & ~rejected
    demand_class, class_pool, class_demand = _classes(pool[placed], demand[placed])
    classes = np.full(len(pool), -1, dtype=np.int32)
    classes[placed] = demand_class
    share = np.divide(demand, capacity[pool], out=np.zeros(demand.shape), where=capacity[pool] > 0).max(axis=1)
    return Placement(pool, classes, class_pool, class_demand, capacity, share, rejected)


def _route(attempts: pl.DataFrame, needs_pool: Mask, pools: tuple[Pool, ...]) -> Int32:
    numbers = {pool.name: i for i, pool in enumerate(pools)}
    named = attempts["pool"].replace_strict(numbers, default=None, return_dtype=pl.Int32).fill_null(-1)
    route = named.to_numpy().copy()
    for i, pool in enumerate(pools):
        accepted = attempts.select(_accepts(pool, only=len(pools) == 1).fill_null(False)).to_series().to_numpy()
        route[(route < 0) & accepted] = i
    homeless = needs_pool & (route < 0)
    if homeless.any():
        raise RequestError(
            f"no pool accepts {name_tasks(attempts, homeless)}",
            where="platform.pools",
            remedy="add a pool, or widen an `accepts` (without one, a pool takes GPU tasks if it has GPUs, else the others)",
        )
    return route


def _accepts(pool: Pool, only: bool) -> pl.Expr:
    needs_gpus = pl.col("gpus").fill_null(0) > 0
    if pool.accepts is None:
        return pl.lit(True) if only else needs_gpus == (pool.gpus is not None)
    conditions = [pl.lit(True)]
    if pool.accepts.task_types is not None:
        conditions.append(pl.col("task_type").is_in(pool.accepts.task_types))
    if pool.accepts.gpu_type is not None:
        conditions.append(pl.col("gpu_type") == pool.accepts.gpu_type)
    if pool.accepts.gpus is not None:
        conditions.append(needs_gpus == pool.accepts.gpus)
    return pl.all_horizontal(conditions)


def _capacity(pool: Pool) -> list[int]:
    memory_bytes = None if pool.memory_gb is None else pool.memory_gb * 1e9
    given = {"gpus": pool.gpus, "cpu_cores": pool.cpu_cores, "memory_bytes": memory_bytes, "slots": pool.slots}
    # A capacity that rounds to nothing still limits, so it is not 0, which would mean that it does not.
    return [0 if given[d] is None else max(1, round((given[d] or 0) * unit)) for d, unit in DIMENSIONS.items()]


def _demand(attempts: pl.DataFrame, needs_pool: Mask) -> Int64:
    columns = []
    for dimension, unit in DIMENSIONS.items():
        if dimension == "slots":
            amount = np.ones(attempts.height)
        else:
            amount = attempts[dimension].cast(pl.Float64).fill_null(0).to_numpy()
        bad = needs_pool & ~((amount >= 0) & (amount <= _LARGEST))
        if bad.any():
            value = amount[bad][0]
            raise RequestError(
                f"{dimension} is {value:g}, which is no demand, for {name_tasks(attempts, bad)}",
                where=f"task_runs.{dimension}",
                remedy="correct the log; NULL means that none is needed",
            )
        columns.append(np.rint(np.where(needs_pool, amount, 0) * unit).astype(np.int64))
    return np.stack(columns, axis=1)


def _classes(pool: Int32, demand: Int64) -> tuple[Int32, Int32, Int64]:
    """Number the distinct (pool, demand) rows in ascending order."""
    number = pool.astype(np.int64)
    for column in demand.T:
        _, value = np.unique(column, return_inverse=True)
        # Numbered anew at each column, the product stays below the square of the number of attempts.
        _, number = np.unique(number * (value.max(initial=0) + 1) + value, return_inverse=True)
    _, first, number = np.unique(number, return_index=True, return_inverse=True)
    return number.astype(np.int32), pool[first], demand[first]


def _too_small(attempts: pl.DataFrame, oversized: Mask, demand: Int64, pool: Int32, platform: Platform) -> RequestError:
    row = int(np.flatnonzero(oversized)[0])
    p = int(pool[row])
    capacity = _capacity(platform.pools[p])
    asked = [
        f"{demand[row, d] / unit:g} {name} of {capacity[d] / unit:g}"
        for d, (name, unit) in enumerate(DIMENSIONS.items())
        if demand[row, d] > capacity[d]
    ]
    first = f"run {attempts['run_id'][row]!r} task {attempts['task_id'][row]!r}"
    return RequestError(
        f"pool {platform.pools[p].name!r} is too small: {first} demands {' and '.join(asked)}; "
        f"above their pool's capacity are {name_tasks(attempts, oversized)}",
        where=f"platform.pools.{p}",
        remedy="enlarge the pool, route such tasks to a larger one, or set `platform.oversized: reject` to drop and count them",
    )
