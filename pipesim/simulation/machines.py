"""The machines of a platform as arrays: what the pools and their nodes have, and what changes that while time passes."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

import numpy as np

from pipesim.errors import RequestError
from pipesim.simulation.calendar import Breakdowns, Calendar, Steps
from pipesim.simulation.engine import BEST_FIT, DIMENSIONS, FIRST_FIT, PACK, WORST_FIT, Int8, Int32, Int64, Scaling, lead_of
from pipesim.simulation.scenario import Platform, Pool
from pipesim.simulation.scenario.platform import MOST_NODES, Autoscale
from pipesim.simulation.scenario.platform import Nodes as NodesPart
from pipesim.simulation.scenario.policy import Quota

PLACEMENTS = {"first-fit": FIRST_FIT, "best-fit": BEST_FIT, "worst-fit": WORST_FIT, "spread": WORST_FIT, "pack": PACK}
#: How a pool without nodes of its own is marked, which is one node that changes its size.
AS_A_WHOLE = -1
#: The thousandths that make a node.
NODE = 1000

# Sums of what is held must stay far from the end of int64.
_MOST_UNITS = 2e18
_HOUR_US = 3.6e9
_GIGABYTE = 10**9


@dataclass(frozen=True)
class Machines:
    """What a platform consists of. P pools, N nodes, D dimensions.

    Args:
        capacity: [P, D] What each pool has at the beginning, as in `SimulationInput`.
        size: [P] The size that this is, as in `Scaling`.
        largest: [P] The greatest size that it ever has,
        most: [P, D] and what it has then.
        first: [P + 1] Where each pool's nodes begin; a pool without nodes of its own is one.
        node_capacity: [N, D] What each node has; the autoscaler may add those beyond `size`.
        kind: [N] The place of its model of GPU in `models`, or -1 for one that takes every task.
        placement: [P] How a node is chosen, or `AS_A_WHOLE`.
        models: The models of GPU that some node has.
    """

    capacity: Int64
    size: Int64
    largest: Int64
    most: Int64
    first: Int64
    node_capacity: Int64
    kind: Int32
    placement: Int8
    models: tuple[str, ...]

    def nodes_of(self, pool: int) -> slice:
        """Return which nodes a pool has at its largest."""
        first = int(self.first[pool])
        return slice(first, first + int(self.largest[pool]) // NODE)


def machines_of(platform: Platform) -> Machines:
    """Return what a platform consists of.

    Raises:
        RequestError: If it has more nodes than can be told apart in reasonable time, or more than can be counted.
    """
    models = sorted({kind.gpu_type for pool in platform.pools for kind in pool.nodes or () if kind.gpu_type is not None})
    number = {model: i for i, model in enumerate(models)}
    capacity, size, largest, most, nodes, kinds, counts = [], [], [], [], [], [], []
    for p, pool in enumerate(platform.pools):
        rows, count = _groups(pool, p)
        there = count if pool.nodes is None else np.array([kind.count for kind in pool.nodes])
        has = rows.T @ there
        begins = int(there.sum()) * NODE if pool.nodes is not None else int(has[lead_of(has)])
        ends = _largest(pool, begins, _unit(pool, lead_of(has)))
        if (rows.T.astype(np.float64) @ count).max() * max(1.0, ends / begins) > _MOST_UNITS:
            raise RequestError(
                f"pool {pool.name!r} has more than can be counted",
                where=f"platform.pools.{p}",
                remedy="look for a mistake of units",
            )
        each = np.repeat(rows, count, axis=0)
        capacity.append(has)
        size.append(begins)
        largest.append(ends)
        # As the engines do it, to the last unit.
        most.append(np.rint(has * (ends / begins)) if pool.nodes is None else each[: ends // NODE].sum(axis=0))
        nodes.append(each)
        kinds.append(np.repeat([number.get(kind.gpu_type or "", -1) for kind in pool.nodes or ()] or [-1], count))
        counts.append(len(each))
    return Machines(
        capacity=np.array(capacity, np.int64),
        size=np.array(size, np.int64),
        largest=np.array(largest, np.int64),
        most=np.array(most).astype(np.int64),
        first=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        node_capacity=np.concatenate(nodes).astype(np.int64),
        kind=np.concatenate(kinds).astype(np.int32),
        placement=np.array([_placement(pool) for pool in platform.pools], np.int8),
        models=tuple(models),
    )


def amounts_of(part: Pool | NodesPart | Quota) -> list[float | None]:
    """Return what a part of a scenario says of each dimension, in its units; None where it says nothing."""
    memory_bytes = None if part.memory_gb is None else part.memory_gb * 1e9
    given = {"gpus": part.gpus, "cpu_cores": part.cpu_cores, "memory_bytes": memory_bytes, "slots": part.slots}
    return [None if (amount := given[d]) is None else amount * unit for d, unit in DIMENSIONS.items()]


def scaling_of(platform: Platform, machines: Machines) -> Scaling | None:
    """Return the autoscalers, or None if there are none."""
    if all(pool.autoscale is None for pool in platform.pools):
        return None
    rows = []
    for pool, has in zip(platform.pools, machines.capacity, strict=True):
        scale, unit = pool.autoscale, _unit(pool, lead_of(has))
        if scale is None:
            rows.append((0, 0, 1, 0, 0))
            continue
        sizes = round(scale.min * unit), _most_of(scale, unit), max(1, round(scale.step * unit))
        rows.append((*sizes, round(scale.cooldown_s * 1e6), round(scale.delay_s * 1e6)))
    least, most, step, cooldown, delay = np.array(rows, np.int64).T
    target = np.array([1.0 if pool.autoscale is None else pool.autoscale.target for pool in platform.pools])
    return Scaling(least, most, step, target, cooldown, delay)


def calendar_of(platform: Platform, machines: Machines, origin: int, seed: int, replication: int) -> Calendar | None:
    """Return what changes capacity from outside of a simulation that begins at `origin`, or None if nothing does."""
    timetables, breakdowns = {}, []
    for p, pool in enumerate(platform.pools):
        if pool.timetable is not None:
            steps = pool.timetable.steps
            sizes = [_share_of(pool, int(machines.size[p]), step.share) for step in steps]
            timetables[p] = Steps.of_hours([step.from_h for step in steps], sizes, pool.timetable.period_h)
        if pool.failures is not None:
            nodes = range(int(machines.first[p]), int(machines.first[p + 1]))
            failures = pool.failures
            breakdowns.append(Breakdowns(pool.name, nodes, failures.mtbf_h * _HOUR_US, failures.repair_h * _HOUR_US))
    if not timetables and not breakdowns:
        return None
    return Calendar(origin, timetables, tuple(breakdowns), seed, replication)


def _groups(pool: Pool, number: int) -> tuple[Int64, Int64]:
    """Return what one node of each kind has, [kinds, D], and how many there are at most."""
    parts = pool.nodes or (pool,)
    # A capacity that rounds to nothing still limits, so it is not 0, which would mean that it does not.
    rows = [[0 if amount is None else max(1, round(amount)) for amount in amounts_of(part)] for part in parts]
    counts = [part.count if isinstance(part, NodesPart) else 1 for part in parts]
    if pool.nodes is not None and pool.autoscale is not None:
        # What an autoscaler adds is like the last that is there.
        counts[-1] += max(0, _most_of(pool.autoscale, NODE) // NODE - sum(counts))
    if sum(counts) > MOST_NODES:
        raise RequestError(
            f"pool {pool.name!r} has {sum(counts):,} nodes, and more than {MOST_NODES:,} are not simulated one by one",
            where=f"platform.pools.{number}.nodes",
            remedy="give the pool's capacity as a whole, without `nodes`",
        )
    return np.array(rows, np.int64), np.array(counts, np.int64)


def _placement(pool: Pool) -> int:
    return AS_A_WHOLE if pool.nodes is None else PLACEMENTS[pool.placement or "first-fit"]


def _unit(pool: Pool, lead: int) -> int:
    """Return the size of one node, or of one GPU, slot, core or gigabyte of a pool without nodes."""
    if pool.nodes is not None:
        return NODE
    unit = list(DIMENSIONS.values())[lead]
    return _GIGABYTE if unit == 1 else unit


def _largest(pool: Pool, size: int, unit: int) -> int:
    if pool.autoscale is not None:
        return _most_of(pool.autoscale, unit)
    if pool.timetable is None:
        return size
    steps = pool.timetable.steps
    before = [size] if steps[0].from_h > 0 else []
    return max(before + [_share_of(pool, size, step.share) for step in steps])


def _most_of(scale: Autoscale, unit: int) -> int:
    return max(1, round(scale.max * unit))


def _share_of(pool: Pool, size: int, share: float) -> int:
    # The small number forgives what the multiplication leaves over.
    return round(size * share) if pool.nodes is None else floor(size / NODE * share + 1e-9) * NODE
