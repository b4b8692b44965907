"""Which tasks ask for more than they could ever be given: of a pool, of its nodes, or by their tenant's quota."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.calendar import LATER
from pipesim.simulation.classes import Classes
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import DIMENSIONS, Int8, Int32, Int64
from pipesim.simulation.machines import Machines
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.tenants import Dues

#: What is exceeded.
NOTHING, QUOTA, NODES, CAPACITY = range(4)


class OversizedError(RequestError):
    """A scenario in which a task could never start."""


def excess(classes: Classes, machines: Machines, dues: Dues | None) -> Int8:
    """Return what each demand class exceeds, [K]: what there is at the best of times, while nothing else runs."""
    found = np.full(len(classes.pool), NOTHING, np.int8)
    if dues is not None:
        found[(classes.demand > _quotas(dues)[classes.tenant]).any(axis=1)] = QUOTA
    found[classes.parts == 0] = NODES
    found[(classes.demand > machines.most[classes.pool]).any(axis=1)] = CAPACITY
    return found


def refusal(
    attempts: pl.DataFrame,
    demand_class: Int32,
    exceeded: Int8,
    classes: Classes,
    machines: Machines,
    dues: Dues | None,
    scenario: Scenario,
) -> OversizedError:
    """Return why a scenario is refused: the first task that could never start, and the number of all of them.

    Args:
        attempts: [A rows] `task_runs`.
        demand_class: [A] The demand class of each, or -1.
        exceeded: [K] What `excess` found of each class.
        classes: The demand classes.
        machines: What the platform consists of.
        dues: What is due to the tenants.
        scenario: The scenario.
    """
    oversized = (demand_class >= 0) & (exceeded[demand_class] != NOTHING)
    row = int(np.flatnonzero(oversized)[0])
    k = int(demand_class[row])
    pool, demand = int(classes.pool[k]), classes.demand[k]
    first, name = f"run {attempts['run_id'][row]!r} task {attempts['task_id'][row]!r}", scenario.platform.pools[pool].name
    remedy = "enlarge the pool, route such tasks to a larger one, or set `platform.oversized: reject` to drop and count them"
    where = f"platform.pools.{pool}"
    if exceeded[k] == CAPACITY:
        text = f"pool {name!r} is too small: {first} demands {_amounts(demand, machines.most[pool])}"
    elif exceeded[k] == NODES:
        where += ".nodes"
        kinds = machines.kind[machines.nodes_of(pool)]
        if classes.kind[k] < 0 or np.isin(kinds, [-1, classes.kind[k]]).any():
            text = (
                f"pool {name!r} has too small nodes: {first} demands {_amounts(demand)}, which they cannot hold even together"
            )
        else:
            text = f"pool {name!r} has no nodes with GPUs of the model {attempts['gpu_type'][row]!r}, which {first} demands"
    else:
        assert dues is not None
        place = int(dues.listed[classes.tenant[k]])
        where, quota = f"policy.tenants.{place}.quota", dues.quota[classes.tenant[k]]
        tenant = scenario.policy.tenants[place].name
        text = f"the quota of tenant {tenant!r} is too small: {first} demands {_amounts(demand, quota)}"
        remedy = "raise the quota, or set `platform.oversized: reject` to drop and count such tasks"
    return OversizedError(f"{text}; never able to start: {name_tasks(attempts, oversized)}", where=where, remedy=remedy)


def _quotas(dues: Dues) -> Int64:
    """Return the quota of each tenant, and in the end, which is at -1, that of whom no rule looks at."""
    return np.vstack([dues.quota, np.full((1, dues.quota.shape[1]), LATER)])


def _amounts(demand: Int64, limit: Int64 | None = None) -> str:
    """Return the amounts that are above a limit, with it; or all there are."""
    found = []
    for d, (name, unit) in enumerate(DIMENSIONS.items()):
        if limit is None and demand[d]:
            found.append(f"{demand[d] / unit:g} {name}")
        elif limit is not None and demand[d] > limit[d]:
            found.append(f"{demand[d] / unit:g} {name} of {limit[d] / unit:g}")
    return " and ".join(found)
