"""Laying out the arrays of the compiled engine at the beginning of a simulation.

What a scenario does not use has room for one element, so that every scenario has arrays of the same types and the loop is
compiled once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled.arrays import offsets, own, plain
from pipesim.simulation.compiled.model_layout import models_of
from pipesim.simulation.compiled.world import (
    BEGUN,
    COVERED,
    ENDED,
    EXTENDED,
    FAIL,
    LAST,
    LEFT,
    LISTS_RUNNING,
    NOW,
    OPEN,
    PASS,
    PLACES,
    PREEMPTS,
    QUEUES_AT_ONCE,
    SLACK,
    Bool,
    World,
)
from pipesim.simulation.engine import (
    ATTAINED,
    BY_KEY,
    CODE,
    CONSERVATIVE,
    DIMENSIONS,
    EASY,
    FAILS,
    FAIR,
    GAIN,
    NEVER,
    NEWEST,
    NONE,
    OWN,
    PACK,
    PASSES,
    STALEST,
    STAYS_OPEN,
    Int32,
    Int64,
    Nodes,
    Scaling,
    SimulationInput,
    Tenants,
)

_MEANING = np.zeros(max(CODE.values()) + 1, np.int8)
_MEANING[list(PASSES)] = PASS
_MEANING[list(FAILS)] = FAIL
_MEANING[list(STAYS_OPEN)] = OPEN
#: How long a heap may be that is walked through with `World.stack`.
_DEEPEST = 128


def build(given: SimulationInput, own_address: int) -> World:
    """Lay out the arrays of a simulation at its beginning."""
    rules = _rules(given, own_address)
    node = _nodes(given) if given.nodes is None else given.nodes
    scaling, tenants = _scaling(given), _tenants(given)
    return World(
        **_what_is_given(given, rules, node, scaling, tenants),
        **_what_happens(given, rules, len(tenants.weight)),
        **_machines(given, rules, node, scaling),
        **models_of(given),
    )


def _what_is_given(given: SimulationInput, rules: Int64, node: Nodes, scaling: Scaling, tenants: Tenants) -> dict[str, Any]:
    """Return what does not change."""
    pools, dimensions = given.capacity.shape
    classes, tasks = len(given.class_pool), len(given.task_parents)
    class_line, pool_lines = _lines(given)
    held = given.attempt_class[given.attempt_class >= 0]
    task_of = np.repeat(np.arange(tasks, dtype=np.int32), np.diff(given.task_attempts))
    run_of = np.repeat(np.arange(len(given.run_submitted), dtype=np.int32), np.diff(given.run_tasks))
    n = np.zeros(PLACES, np.int64)
    # Models live until the end of their time, which is left to happen too.
    n[LEFT] = given.submissions + (given.upkeep is not None)
    n[BEGUN] = 0 if given.upkeep is not None else ENDED
    n[NOW], n[LAST] = given.run_submitted[0], given.run_submitted[0]
    n[COVERED] = LATER if given.calendar is None else given.run_submitted[0] - 1
    return {
        "run_submitted": own(given, given.run_submitted, np.int64),
        "run_tasks": plain(given.run_tasks, np.int64),
        "task_children": plain(given.task_children, np.int64),
        "children": plain(given.children, np.int64),
        "task_attempts": plain(given.task_attempts, np.int64),
        "attempt_task": task_of,
        "attempt_run": run_of[task_of] if _needs_runs(given) else np.zeros(1, np.int32),
        "attempt_class": plain(given.attempt_class, np.int32),
        "hold": plain(given.attempt_hold, np.int64),
        "estimate": plain(_estimate(given), np.int64) if given.rules.order == OWN else np.zeros(1, np.int64),
        "meaning": _MEANING[given.attempt_outcome],
        # Within a tenant it is first come, first served.
        "key": np.zeros(len(given.attempt_key)) if given.rules.order == FAIR else own(given, given.attempt_key, np.float64),
        "run_priority": plain(np.zeros(1) if given.run_priority is None else given.run_priority, np.int64),
        "class_pool": plain(given.class_pool, np.int32),
        "class_demand": plain(given.class_demand, np.int64),
        "class_line": class_line,
        "class_tenant": plain(tenants.of_class, np.int32),
        "class_priority": plain(np.zeros(classes) if given.class_priority is None else given.class_priority, np.int64),
        "class_share": plain(given.class_shares(), np.float64),
        "class_kind": plain(node.class_kind, np.int32),
        "class_parts": plain(node.class_parts, np.int64),
        "line_start": offsets(np.bincount(class_line[held], minlength=int(pool_lines[-1]))),
        "pool_lines": pool_lines,
        "pool_start": offsets(np.bincount(given.class_pool[held], minlength=pools)),
        "capacity": plain(given.capacity, np.int64),
        "size": plain(given.sizes(), np.int64),
        "leading": np.array(given.leading(), np.int64),
        "first_node": plain(node.first, np.int64),
        "node_pool": np.repeat(np.arange(pools, dtype=np.int32), np.diff(node.first)),
        "node_capacity": plain(node.capacity, np.int64),
        "node_kind": plain(node.kind, np.int32),
        "placement": plain(node.placement, np.int8),
        "units": np.array(list(DIMENSIONS.values())[:dimensions], np.int64),
        "weight": plain(tenants.weight, np.float64),
        "quota": plain(tenants.quota, np.int64),
        "least_size": plain(scaling.least, np.int64),
        "most_size": plain(scaling.most, np.int64),
        "step_size": plain(scaling.step, np.int64),
        "target": plain(scaling.target, np.float64),
        "cooldown": plain(scaling.cooldown, np.int64),
        "delay": plain(scaling.delay, np.int64),
        "backoff": plain(given.rules.backoff, np.int64),
        "rules": rules,
        "n": n,
    }


def _what_happens(given: SimulationInput, rules: Int64, tenants: int) -> dict[str, Any]:
    """Return the attempts, the lines in which they wait, and who they are for."""
    pools, dimensions = given.capacity.shape
    attempts, tasks, lines = len(given.attempt_hold), len(given.task_parents), int(_lines(given)[1][-1])
    listed = attempts if rules[LISTS_RUNNING] else 1  # what can be interrupted, or be looked at while it runs
    more = attempts if rules[EXTENDED] else 1
    defers = more if rules[QUEUES_AT_ONCE] else attempts
    # What was interrupted stays in the heap of ends until there is no more room than for all that can run.
    endings = 2 * attempts + SLACK if rules[PREEMPTS] or _breaks(given) else attempts
    return {
        "queued": np.full(attempts, NEVER, np.int64),
        "started": np.full(attempts, NEVER, np.int64),
        "ended": np.full(attempts, NEVER, np.int64),
        "outcome": plain(given.attempt_outcome, np.int8).copy(),
        "task_state": np.full(tasks, CODE["PENDING"], np.int8),
        "missing_parents": given.task_parents.astype(np.int32),
        "failures": np.zeros(tasks if rules[EXTENDED] else 1, np.int32),
        "free": given.capacity.astype(np.int64, order="C"),
        "ends": np.empty(endings, np.int64),
        "runs": np.empty(endings, np.int32),
        "until": np.full(listed, NEVER, np.int64),
        "wakes": np.empty(more, np.int64),
        "sleepers": np.empty(more, np.int32),
        "keys": np.empty(attempts, np.float64),
        "since": np.empty(attempts, np.int64),
        "who": np.empty(attempts, np.int32),
        "least": np.empty(attempts if given.rules.backfill == EASY else 1, np.int64),
        "waiting": np.zeros(lines, np.int64),
        "active": np.empty(lines, np.int32),
        "lively": np.zeros(pools, np.int64),
        "changed": np.zeros(pools, np.bool_),
        "unsettled": np.zeros(pools, np.bool_),
        "able": np.empty(lines, np.int32),
        "due": np.empty(tasks + 1, np.int64),
        "below": np.empty(tasks + 1, np.int64),
        "fresh": np.empty(defers, np.int32),
        "work": given.attempt_hold[:listed].astype(np.int64),
        "believed": _estimate(given)[:listed].astype(np.int64),
        "restarts": np.zeros(listed, np.int64),
        "attained": np.zeros(len(given.run_submitted) if _needs_runs(given) else 1, np.int64),
        "held": np.zeros((pools, dimensions), np.int64),
        "awaited": np.zeros((pools, dimensions), np.int64),
        "running": np.empty(listed, np.int32),
        "counts": np.zeros(pools, np.int64),
        "spot": np.empty(listed, np.int32),
        "tenant_held": np.zeros((tenants, pools, dimensions), np.int64),
        "tenant_used": np.zeros((tenants, dimensions), np.int64),
        "tenant_share": np.zeros(tenants),
    }


def _machines(given: SimulationInput, rules: Int64, node: Nodes, scaling: Scaling) -> dict[str, Any]:
    """Return what pools and nodes have, what changes that, and what is written down of it."""
    (pools, dimensions), attempts, nodes, ready = given.capacity.shape, len(given.attempt_hold), len(node.kind), given.sizes()
    listed = attempts if rules[LISTS_RUNNING] else 1
    on_nodes = 1 if given.nodes is None else attempts
    pieces = 1 if given.nodes is None else _most_pieces(given, node)
    promised = attempts + int(_lines(given)[1][-1]) + 2 if given.rules.backfill == CONSERVATIVE else 1
    most_orders = _most_orders(scaling)
    return {
        "node_free": node.capacity.astype(np.int64, order="C"),
        "node_busy": np.zeros(nodes, np.int64),
        "enabled": _enabled(node, ready),
        "works": np.ones(nodes, np.bool_),
        "present": given.capacity.astype(np.int64, order="C"),
        "piece_of": np.full(on_nodes, -1, np.int32),
        "piece_next": np.append(np.arange(1, pieces, dtype=np.int32), np.int32(-1)),
        "piece_node": np.empty(pieces, np.int32),
        "piece_amount": np.empty((pieces, dimensions), np.int64),
        "pick_node": np.empty(nodes, np.int32),
        "pick_amount": np.empty((nodes, dimensions), np.int64),
        "part": np.empty((3, dimensions), np.int64),
        "node": np.full(on_nodes, -1, np.int32),
        "nodes": np.zeros(on_nodes, np.int32),
        "stranded": np.zeros(pools),
        "strand_since": np.full(pools, given.run_submitted[0], np.int64),
        "strand_amount": np.zeros(pools, np.int64),
        "change_at": np.empty(0, np.int64),
        "change_what": np.empty(0, np.int8),
        "change_place": np.empty(0, np.int64),
        "change_size": np.empty(0, np.int64),
        "ready": ready.astype(np.int64),
        "order_at": np.empty((pools, most_orders), np.int64),
        "order_amount": np.empty((pools, most_orders), np.int64),
        "orders": np.zeros(pools, np.int64),
        "cool_until": np.zeros(pools, np.int64),
        "look_at": np.full(pools, LATER, np.int64),
        "amount": given.capacity.astype(np.int64, order="C"),
        "noted": np.full(pools, -1, np.int64),
        "note_at": np.empty(0, np.int64),
        "note_pool": np.empty(0, np.int32),
        "note_amount": np.empty((0, dimensions), np.int64),
        "cut_attempt": np.empty(0, np.int32),
        "cut_queued": np.empty(0, np.int64),
        "cut_started": np.empty(0, np.int64),
        "cut_ended": np.empty(0, np.int64),
        "cut_cause": np.empty(0, np.int8),
        "cut_node": np.empty(0, np.int32),
        "cut_nodes": np.empty(0, np.int32),
        "scratch_at": np.empty(listed, np.int64),
        "scratch_who": np.empty(listed, np.int32),
        "stack": np.empty(_DEEPEST, np.int64),
        "extra": np.empty(dimensions, np.int64),
        "frontier": np.empty(promised, np.int64),
        "frontier_line": np.empty(promised, np.int32),
        "profile_at": np.empty(promised, np.int64),
        "profile_free": np.empty((promised, dimensions), np.int64),
        "asked": np.zeros(11),
    }


def _estimate(given: SimulationInput) -> Int64:
    return given.attempt_hold if given.attempt_estimate is None else given.attempt_estimate


def _needs_runs(given: SimulationInput) -> bool:
    """Whether anything looks at the run of an attempt."""
    return given.rules.order in (ATTAINED, OWN) or given.upkeep is not None


def is_extended(given: SimulationInput) -> bool:
    """Whether a simulation needs more than the plain rules."""
    r = given.rules
    return (
        _lists_running(given)
        or r.order not in (BY_KEY, NEWEST, GAIN, STALEST)
        or bool(r.most_attempts)
        or bool(r.backoff.any())
        or any(part is not None for part in (given.tenants, given.nodes, given.scaling, given.calendar))
    )


def _lists_running(given: SimulationInput) -> bool:
    """Whether what runs can be interrupted, or be looked at meanwhile."""
    return given.rules.preempts or _breaks(given) or given.rules.backfill in (EASY, CONSERVATIVE)


def _rules(given: SimulationInput, own_address: int) -> Int64:
    r, lists_running, extended = given.rules, _lists_running(given), is_extended(given)
    parts = (given.nodes is not None, given.tenants is not None, given.scaling is not None)
    counts_held = given.tenants is not None or given.scaling is not None
    # What is needed besides the plain rules when an attempt ends; whether it stands in line as soon as it is queued; and
    # whether a pass needs no more than the plain rules.
    looks = r.order in (ATTAINED, OWN)
    gives_more = counts_held or lists_running or looks or given.nodes is not None
    plain_pass = not lists_running and not looks and given.nodes is None and given.tenants is None
    at_once = not looks and r.order not in (GAIN, STALEST)
    rest = (r.most_attempts, r.checkpoint, r.restart, own_address, counts_held, gives_more, at_once, plain_pass, r.depth)
    has_upkeep = given.upkeep is not None
    return np.array([r.horizon, r.backfill, r.order, extended, *parts, r.preempts, lists_running, *rest, has_upkeep], np.int64)


def _breaks(given: SimulationInput) -> bool:
    return given.calendar is not None and bool(given.calendar.breakdowns)


def _lines(given: SimulationInput) -> tuple[Int32, Int64]:
    """Return the line of each demand class, and where each pool's lines begin; those of a pool are neighbours."""
    if given.rules.backfill == NONE:
        tenant = np.full(len(given.class_pool), -1) if given.tenants is None else given.tenants.of_class
        key = np.stack([given.class_pool, tenant], axis=1).astype(np.int64)
    else:
        key = np.stack([given.class_pool, np.arange(len(given.class_pool))], axis=1).astype(np.int64)
    distinct, line = np.unique(key, axis=0, return_inverse=True)
    return line.reshape(-1).astype(np.int32), offsets(np.bincount(distinct[:, 0], minlength=len(given.capacity)))


def _nodes(given: SimulationInput) -> Nodes:
    pools, classes = len(given.capacity), len(given.class_pool)
    return Nodes(
        first=np.zeros(pools + 1, np.int64),
        capacity=np.zeros((0, given.capacity.shape[1]), np.int64),
        kind=np.zeros(0, np.int32),
        placement=np.full(pools, -1, np.int8),
        class_kind=np.full(classes, -1, np.int32),
        class_parts=np.ones(classes, np.int64),
    )


def _enabled(nodes: Nodes, size: Int64) -> Bool:
    """Return which nodes are there at the beginning; what an autoscaler may add is not."""
    place = np.arange(len(nodes.kind)) - np.repeat(nodes.first[:-1], np.diff(nodes.first))
    there = np.where(nodes.placement < 0, LATER, size // 1000)
    return np.asarray(place < np.repeat(there, np.diff(nodes.first)))


def _tenants(given: SimulationInput) -> Tenants:
    if given.tenants is not None:
        return given.tenants
    none = np.zeros((0, given.capacity.shape[1]), np.int64)
    return Tenants(np.full(len(given.class_pool), -1, np.int32), np.zeros(0), none)


def _scaling(given: SimulationInput) -> Scaling:
    if given.scaling is not None:
        return given.scaling
    none = np.zeros(len(given.capacity), np.int64)
    return Scaling(none, none, none + 1, np.ones(len(none)), none, none)


def _most_orders(scaling: Scaling) -> int:
    """Each order is for a step at least, but for the last up to the greatest size."""
    return int(((scaling.most - scaling.least) // np.maximum(scaling.step, 1)).max(initial=0)) + 2


def _most_pieces(given: SimulationInput, nodes: Nodes) -> int:
    """Return how many pieces of nodes can be held at most, if everything ran at once.

    An attempt that is split into equal parts has so many, one that is packed holds a whole unit of each, all others have one.
    """
    held = given.attempt_class[given.attempt_class >= 0]
    packs = nodes.placement[given.class_pool[held]] == PACK
    parts = np.where(packs, 1, nodes.class_parts[held]).sum()
    unit = np.array([u if u > 1 else 10**9 for u in DIMENSIONS.values()])[given.leading()]
    return int(parts + (given.capacity[np.arange(len(given.capacity)), given.leading()] // unit + 1).sum())
