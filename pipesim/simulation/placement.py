"""Which pool each attempt goes to, what it demands there, and whether the platform could ever hold it (rules 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.classes import Classes, number_rows
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import DIMENSIONS, Float64, Int32, Int64, dominant_shares
from pipesim.simulation.machines import AS_A_WHOLE, Machines
from pipesim.simulation.oversized import NOTHING, excess, refusal
from pipesim.simulation.scenario import Pool, Scenario
from pipesim.simulation.splitting import split
from pipesim.simulation.tenants import Dues

Mask = npt.NDArray[np.bool_]

# A demand above this is a mistake of units, and would not fit int64 thousandths.
_LARGEST = 1e15


@dataclass(frozen=True)
class Placement:
    """Where the attempts go. A attempts.

    Args:
        pool: [A] Pool, or -1 for an attempt that needs none.
        demand_class: [A] Demand class, or -1.
        classes: The demand classes.
        share: [A] Dominant share: the largest demand / capacity over the dimensions that the pool limits.
        rejected: [A] Whether the task asks for more than it could ever be given, and is rejected for it.
    """

    pool: Int32
    demand_class: Int32
    classes: Classes
    share: Float64
    rejected: Mask


def place(
    attempts: pl.DataFrame, needs_pool: Mask, scenario: Scenario, machines: Machines, dues: Dues | None, priority: Int64
) -> Placement:
    """Route the attempts to the pools of the platform.

    Args:
        attempts: [A rows] `task_runs`, with their `run` and `task` numbers.
        needs_pool: [A] Whether an attempt holds anything.
        scenario: The platform and the policy.
        machines: What the platform consists of.
        dues: What is due to the tenants.
        priority: [A] The priorities of their runs.

    Raises:
        RequestError: If a demand is no quantity, no pool accepts a task, or a task asks for more than it could ever be given.
    """
    pool = np.where(needs_pool, _route(attempts, needs_pool, scenario.platform.pools), -1).astype(np.int32)
    demand = _demand(attempts, needs_pool) * (machines.capacity > 0)[pool]
    tenant = np.full(len(pool), -1, np.int32) if dues is None else dues.of_run[attempts["run"].to_numpy()]
    if not scenario.policy.preemption:
        priority = np.zeros_like(priority)
    kind = _kind(attempts["gpu_type"], pool, machines)
    demand_class, classes = _classes(needs_pool, pool, demand, tenant, kind, priority, machines)
    # What needs no pool has no share: its class, -1, is the last.
    share = np.append(dominant_shares(classes.demand, machines.capacity[classes.pool]), 0.0)[demand_class]
    exceeded = excess(classes, machines, dues)
    rejected = np.zeros(len(pool), np.bool_)
    if exceeded.any():
        if scenario.platform.oversized == "refuse":
            raise refusal(attempts, demand_class, exceeded, classes, machines, dues, scenario)
        task = attempts["task"].to_numpy()
        oversized = needs_pool & (exceeded[demand_class] != NOTHING)
        rejected = np.bincount(task, weights=oversized)[task] > 0
        demand_class[rejected] = -1
        kept, number = np.unique(demand_class[demand_class >= 0], return_inverse=True)
        demand_class[demand_class >= 0] = number
        classes = classes.only(kept)
    return Placement(pool, demand_class, classes, share, rejected)


def _classes(
    needs_pool: Mask, pool: Int32, demand: Int64, tenant: Int32, kind: Int32, priority: Int64, machines: Machines
) -> tuple[Int32, Classes]:
    demand_class = np.full(len(pool), -1, dtype=np.int32)
    demand_class[needs_pool], first = number_rows([c[needs_pool] for c in (pool, *demand.T, tenant, kind, priority)])
    chosen = np.flatnonzero(needs_pool)[first]
    parts = split(machines, pool[chosen], demand[chosen], kind[chosen])
    return demand_class, Classes(pool[chosen], demand[chosen], tenant[chosen], kind[chosen], priority[chosen], parts)


def _kind(gpu_type: pl.Series, pool: Int32, machines: Machines) -> Int32:
    """Return the model of GPU that each attempt needs, [A]; -1 where every node of its pool will do."""
    others = len(machines.models)  # the number of all models that no node has
    if not others:
        return np.full(len(pool), -1, np.int32)
    numbers = {model: number for number, model in enumerate(machines.models)}
    asked = gpu_type.replace_strict(numbers, default=others, return_dtype=pl.Int32).to_numpy()
    asked = np.where(gpu_type.is_null().to_numpy(), -1, asked)
    matters = np.full((len(machines.capacity), others + 2), -1, np.int32)
    for p in np.flatnonzero(machines.placement != AS_A_WHOLE).tolist():
        there = np.unique(machines.kind[machines.nodes_of(p)])
        for number in range(others + 1):
            matters[p, number + 1] = -1 if np.isin(there, [-1, number]).all() else number
    needed: Int32 = matters[pool, asked + 1]
    return needed


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
        return pl.lit(True) if only else needs_gpus == (pool.total("gpus") is not None)
    conditions = [pl.lit(True)]
    if pool.accepts.task_types is not None:
        conditions.append(pl.col("task_type").is_in(pool.accepts.task_types))
    if pool.accepts.gpu_type is not None:
        conditions.append(pl.col("gpu_type") == pool.accepts.gpu_type)
    if pool.accepts.gpus is not None:
        conditions.append(needs_gpus == pool.accepts.gpus)
    return pl.all_horizontal(conditions)


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
