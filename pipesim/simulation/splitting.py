"""On how many nodes what is asked for must be split: as few as it fits on while nothing else runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import DIMENSIONS, PACK, Int8, Int32, Int64, lead_of
from pipesim.simulation.machines import AS_A_WHOLE, Machines

Mask = npt.NDArray[np.bool_]

_UNITS = np.array(list(DIMENSIONS.values()), np.int64)
#: Packing by memory alone splits by gigabytes.
_GIGABYTE = 10**9


class _Empty:
    """The nodes of a pool at its largest while nothing runs: G kinds of equal ones. K demand classes, D dimensions."""

    def __init__(self, machines: Machines, pool: int) -> None:
        nodes = machines.nodes_of(pool)
        rows = np.column_stack([machines.kind[nodes], machines.node_capacity[nodes]])
        distinct, self.count = np.unique(rows, axis=0, return_counts=True)
        self.kind, self.capacity = distinct[:, 0], distinct[:, 1:]
        self.lead = lead_of(machines.capacity[pool])

    def suits(self, class_kind: Int32) -> Mask:
        """Whether the nodes of a kind take a demand class, [K, G]."""
        wanted = class_kind[:, None]
        return np.asarray((wanted < 0) | (self.kind < 0) | (self.kind == wanted))

    def having(self, amounts: Int64, suits: Mask) -> Int64:
        """Return how many nodes have room for each amount, [K, D], and take it, [K]."""
        holds = (amounts[:, None, :] <= self.capacity).all(axis=2)
        return np.asarray((holds & suits) @ self.count)


def split(machines: Machines, class_pool: Int32, class_demand: Int64, class_kind: Int32) -> Int64:
    """Return on how many nodes each demand class must be split, [K]; 0 for one that fits no way.

    A part is the demand divided by so many, rounded up to whole GPUs, cores and slots, and to bytes; the last may be smaller.
    Where nodes are packed, it is 2 for all that does not fit on one: how many it takes depends on what is free.

    Args:
        machines: The nodes.
        class_pool: [K] Where it goes.
        class_demand: [K, D] What it asks for.
        class_kind: [K] The model of GPU that it needs, or -1.
    """
    parts = np.ones(len(class_pool), np.int64)
    for p in np.flatnonzero(machines.placement != AS_A_WHOLE).tolist():
        mine = np.flatnonzero(class_pool == p)
        if len(mine):
            empty = _Empty(machines, p)
            parts[mine] = _parts(empty, class_demand[mine], empty.suits(class_kind[mine]), machines.placement[p])
    return parts


def _parts(empty: _Empty, demand: Int64, suits: Mask, placement: Int8) -> Int64:
    parts = np.where(empty.having(demand, suits) > 0, 1, 0)
    left = np.flatnonzero(parts == 0)
    if placement == PACK:
        parts[left] = np.where(_can_be_packed(empty, demand[left], suits[left]), 2, 0)
        return parts
    for k in range(2, int(empty.count.sum()) + 1):
        if not len(left):
            break
        done = _can_be_split(empty, demand[left], suits[left], k)
        parts[left[done]] = k
        left = left[~done]
    return parts


def _can_be_split(empty: _Empty, demand: Int64, suits: Mask, parts: int) -> Mask:
    """Whether each of so many parts finds a node of its own.

    No part is larger than the one before, so that those nodes which hold a part are among those which hold the next: each finds
    one if the first i parts find i nodes that hold the i-th, and this need be seen only where the next part differs.
    """
    each = -(-demand // (parts * _UNITS)) * _UNITS
    whole = np.floor_divide(demand, each, out=np.full(demand.shape, parts), where=each > 0)
    possible = np.ones(len(demand), np.bool_)
    for place in (*whole.T, *(whole + 1).T, np.full(len(demand), parts)):
        i = np.clip(place, 1, parts)
        part = np.clip(demand - (i - 1)[:, None] * each, 0, each)
        possible &= empty.having(part, suits) >= i
    return possible


def _can_be_packed(empty: _Empty, demand: Int64, suits: Mask) -> Mask:
    """Whether as much as there is of each node, in units of the leading dimension, is enough in all."""
    unit = max(_UNITS[empty.lead], _GIGABYTE if _UNITS[empty.lead] == 1 else 1)
    units, odd = np.divmod(demand[:, empty.lead], unit)
    each = -(-demand // np.maximum(units, 1)[:, None])
    room = np.floor_divide(
        empty.capacity, each[:, None, :], out=np.full((len(demand), *empty.capacity.shape), 2**40), where=each[:, None, :] > 0
    ).min(axis=2)
    return np.asarray((odd == 0) & (units > 0) & ((room * suits) @ empty.count >= units))
