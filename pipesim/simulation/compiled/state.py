"""The arrays of the compiled engine: what is given, what has happened so far, and the room it needs.

What a scenario does not use has room for one element, so that every scenario has arrays of the same types and the loop is
compiled once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import (
    ATTAINED,
    BY_KEY,
    CODE,
    CONSERVATIVE,
    DIMENSIONS,
    EASY,
    FAILS,
    FAIR,
    NEVER,
    NEWEST,
    NONE,
    OWN,
    PACK,
    PASSES,
    STAYS_OPEN,
    Float64,
    Int8,
    Int32,
    Int64,
    Nodes,
    Scaling,
    SimulationInput,
    Tenants,
)

Bool = npt.NDArray[np.bool_]

#: What a task's outcome means to those that wait for it, by code.
PASS, FAIL, OPEN = 1, 2, 3
_MEANING = np.zeros(max(CODE.values()) + 1, np.int8)
_MEANING[list(PASSES)] = PASS
_MEANING[list(FAILS)] = FAIL
_MEANING[list(STAYS_OPEN)] = OPEN

#: Places in `World.n`: runs submitted, entries of the heaps of ends and of sleepers, what is left to do, the present and the
#: last instant, whether the present one is to be gone on with, new attempts, changes of the calendar seen and there, until
#: when it is there, interruptions and provisions written down, the first free piece, nodes picked, whose key is asked for, and
#: the pool to go on with.
(
    SUBMITTED, RUNNING, SLEEPING, LEFT, NOW, LAST, RESUME, FRESH, SEEN, CHANGES, COVERED, INTERRUPTED, PROVISIONED, PIECE,
    PICKED, ASKED, POOL,
) = range(PLACES := 17)  # fmt: skip

#: Why the loop comes back: to be called again, for good, for more of the calendar, for room, or for a key that is no number.
AGAIN, DONE, CALENDAR, ROOM, NO_NUMBER = range(5)

#: How many ends of interrupted attempts the heap of ends has room for besides one an attempt.
SLACK = 64
#: How long a heap may be that is walked through with `World.stack`.
_DEEPEST = 128


class World(NamedTuple):
    """All arrays: what does not change (see `SimulationInput`), what has happened so far, and what is due.

    L lines of waiting attempts; `pool_lines` are the places of each pool's lines, `line_start` those of each line's attempts.
    """

    run_submitted: Int64
    run_tasks: Int64
    task_children: Int64
    children: Int64
    task_attempts: Int64
    attempt_task: Int32
    attempt_run: Int32
    attempt_class: Int32
    hold: Int64
    estimate: Int64
    meaning: Int8
    key: Float64
    run_priority: Int64
    class_pool: Int32
    class_demand: Int64
    class_line: Int32
    class_tenant: Int32
    class_priority: Int64
    class_share: Float64
    class_kind: Int32
    class_parts: Int64
    line_start: Int64
    pool_lines: Int64
    pool_start: Int64
    capacity: Int64
    size: Int64
    leading: Int64
    first_node: Int64
    node_pool: Int32
    node_capacity: Int64
    node_kind: Int32
    placement: Int8
    units: Int64
    weight: Float64
    quota: Int64
    least_size: Int64
    most_size: Int64
    step_size: Int64
    target: Float64
    cooldown: Int64
    delay: Int64
    backoff: Int64
    rules: Int64  # see the places below
    n: Int64  # see the places above
    queued: Int64
    started: Int64
    ended: Int64
    outcome: Int8
    task_state: Int8
    missing_parents: Int32
    failures: Int32
    free: Int64
    ends: Int64  # a heap: when each running attempt ends
    runs: Int32  # which attempt that is
    until: Int64  # when an attempt ends; what was interrupted stays in the heap
    wakes: Int64  # a heap: when an attempt is queued again
    sleepers: Int32
    keys: Float64  # heaps of waiting attempts, one a line: their order keys,
    since: Int64  # when they were queued,
    who: Int32  # which they are,
    least: Int64  # and the least belief of each and all below it
    waiting: Int64  # how many wait in each line
    active: Int32  # the lines of each pool in which somebody waits, in no order
    lively: Int64  # how many these are
    changed: Bool  # the pools to look at
    unsettled: Bool  # the pools that changed at this instant
    able: Int32  # room for the lines of a pass
    due: Int64  # room for attempts whose turn it is to wait
    below: Int64  # room for the descendants of a task
    fresh: Int32  # attempts that are not in a line yet
    work: Int64  # how long an attempt still has to hold its resources
    believed: Int64  # how long it is believed to
    restarts: Int64  # what it needs besides, as it was interrupted
    attained: Int64
    held: Int64  # of each pool
    awaited: Int64
    running: Int32  # the attempts that run in each pool, in no order
    counts: Int64  # how many these are
    spot: Int32  # where an attempt is among them
    tenant_held: Int64
    tenant_used: Int64
    tenant_share: Float64
    node_free: Int64
    node_busy: Int64
    enabled: Bool
    works: Bool
    present: Int64  # the capacity of pools without nodes of their own
    piece_of: Int32  # the pieces of nodes that attempts hold, linked
    piece_next: Int32
    piece_node: Int32
    piece_amount: Int64
    pick_node: Int32  # the nodes that were picked for an attempt
    pick_amount: Int64
    part: Int64
    order: Int64  # room to sort nodes
    node: Int32
    nodes: Int32
    stranded: Float64
    strand_since: Int64
    strand_amount: Int64
    change_at: Int64
    change_what: Int8
    change_place: Int64
    change_size: Int64
    ready: Int64  # autoscalers: the size that is there,
    order_at: Int64  # what is on its way,
    order_amount: Int64
    orders: Int64  # how many these are,
    cool_until: Int64
    look_at: Int64  # and when it is looked at again
    amount: Int64  # provisioned of each pool
    noted: Int64  # which note of a pool is the latest
    note_at: Int64
    note_pool: Int32
    note_amount: Int64
    cut_attempt: Int32  # interruptions
    cut_queued: Int64
    cut_started: Int64
    cut_ended: Int64
    cut_cause: Int8
    cut_node: Int32
    cut_nodes: Int32
    scratch_at: Int64
    scratch_who: Int32
    stack: Int64
    extra: Int64
    frontier: Int64
    frontier_line: Int32
    profile_at: Int64
    profile_free: Int64
    asked: Float64


#: Places in `World.rules`.
(
    HORIZON, BACKFILL, ORDER, EXTENDED, HAS_NODES, HAS_TENANTS, HAS_SCALING, PREEMPTS, LISTS_RUNNING, MOST_ATTEMPTS, CHECKPOINT,
    RESTART, OWN_ADDRESS, COUNTS_HELD, GIVES_MORE, QUEUES_AT_ONCE, PLAIN_PASS,
    DEPTH,
) = range(18)  # fmt: skip


def build(given: SimulationInput, own_address: int) -> World:
    """Lay out the arrays of a simulation at its beginning."""
    pools, dimensions = given.capacity.shape
    attempts, tasks, classes = len(given.attempt_hold), len(given.task_parents), len(given.class_pool)
    rules, n = _rules(given, own_address), np.zeros(PLACES, np.int64)
    extended, nodes = bool(rules[EXTENDED]), given.nodes
    class_line, pool_lines = _lines(given)
    held = given.attempt_class[given.attempt_class >= 0]
    line_sizes = np.bincount(class_line[held], minlength=int(pool_lines[-1]))
    pool_sizes = np.bincount(given.class_pool[held], minlength=pools)
    lines, a = len(line_sizes), attempts if extended else 1
    task_of = np.repeat(np.arange(tasks, dtype=np.int32), np.diff(given.task_attempts))
    run_of = np.repeat(np.arange(len(given.run_submitted), dtype=np.int32), np.diff(given.run_tasks))
    needs_run = given.rules.order in (ATTAINED, OWN)
    listed = attempts if rules[LISTS_RUNNING] else 1  # what can be interrupted, or be looked at while it runs
    # What was interrupted stays in the heap of ends until there is no more room than for all that can run.
    endings = 2 * attempts + SLACK if rules[PREEMPTS] or _breaks(given) else attempts
    estimate = given.attempt_hold if given.attempt_estimate is None else given.attempt_estimate
    conservative = given.rules.backfill == CONSERVATIVE
    scaling, tenants = _scaling(given), _tenants(given)
    node = _nodes(given) if nodes is None else nodes
    count_of_nodes, promised = len(node.kind), attempts + lines + 2 if conservative else 1
    pieces = 1 if nodes is None else _most_pieces(given, nodes)
    n[LEFT], n[NOW], n[LAST] = len(given.run_submitted), given.run_submitted[0], given.run_submitted[0]
    n[COVERED] = LATER if given.calendar is None else given.run_submitted[0] - 1
    ready = given.sizes()
    return World(
        run_submitted=_plain(given.run_submitted, np.int64),
        run_tasks=_plain(given.run_tasks, np.int64),
        task_children=_plain(given.task_children, np.int64),
        children=_plain(given.children, np.int64),
        task_attempts=_plain(given.task_attempts, np.int64),
        attempt_task=task_of,
        attempt_run=run_of[task_of] if needs_run else np.zeros(1, np.int32),
        attempt_class=_plain(given.attempt_class, np.int32),
        hold=_plain(given.attempt_hold, np.int64),
        estimate=_plain(estimate, np.int64) if given.rules.order == OWN else np.zeros(1, np.int64),
        meaning=_MEANING[given.attempt_outcome],
        # Within a tenant it is first come, first served.
        key=np.zeros(attempts) if given.rules.order == FAIR else _plain(given.attempt_key, np.float64),
        run_priority=_plain(np.zeros(1) if given.run_priority is None else given.run_priority, np.int64),
        class_pool=_plain(given.class_pool, np.int32),
        class_demand=_plain(given.class_demand, np.int64),
        class_line=class_line,
        class_tenant=_plain(tenants.of_class, np.int32),
        class_priority=_plain(np.zeros(classes) if given.class_priority is None else given.class_priority, np.int64),
        class_share=_plain(given.class_shares(), np.float64),
        class_kind=_plain(node.class_kind, np.int32),
        class_parts=_plain(node.class_parts, np.int64),
        line_start=_offsets(line_sizes),
        pool_lines=pool_lines,
        pool_start=_offsets(pool_sizes),
        capacity=_plain(given.capacity, np.int64),
        size=_plain(ready, np.int64),
        leading=np.array(given.leading(), np.int64),
        first_node=_plain(node.first, np.int64),
        node_pool=np.repeat(np.arange(pools, dtype=np.int32), np.diff(node.first)),
        node_capacity=_plain(node.capacity, np.int64),
        node_kind=_plain(node.kind, np.int32),
        placement=_plain(node.placement, np.int8),
        units=np.array(list(DIMENSIONS.values())[:dimensions], np.int64),
        weight=_plain(tenants.weight, np.float64),
        quota=_plain(tenants.quota, np.int64),
        least_size=_plain(scaling.least, np.int64),
        most_size=_plain(scaling.most, np.int64),
        step_size=_plain(scaling.step, np.int64),
        target=_plain(scaling.target, np.float64),
        cooldown=_plain(scaling.cooldown, np.int64),
        delay=_plain(scaling.delay, np.int64),
        backoff=_plain(given.rules.backoff, np.int64),
        rules=rules,
        n=n,
        queued=np.full(attempts, NEVER, np.int64),
        started=np.full(attempts, NEVER, np.int64),
        ended=np.full(attempts, NEVER, np.int64),
        outcome=_plain(given.attempt_outcome, np.int8).copy(),
        task_state=np.full(tasks, CODE["PENDING"], np.int8),
        missing_parents=given.task_parents.astype(np.int32),
        failures=np.zeros(tasks if extended else 1, np.int32),
        free=given.capacity.astype(np.int64, order="C"),
        ends=np.empty(endings, np.int64),
        runs=np.empty(endings, np.int32),
        until=np.full(listed, NEVER, np.int64),
        wakes=np.empty(a, np.int64),
        sleepers=np.empty(a, np.int32),
        keys=np.empty(attempts, np.float64),
        since=np.empty(attempts, np.int64),
        who=np.empty(attempts, np.int32),
        least=np.empty(attempts if given.rules.backfill == EASY else 1, np.int64),
        waiting=np.zeros(lines, np.int64),
        active=np.empty(lines, np.int32),
        lively=np.zeros(pools, np.int64),
        changed=np.zeros(pools, np.bool_),
        unsettled=np.zeros(pools, np.bool_),
        able=np.empty(lines, np.int32),
        due=np.empty(tasks + 1, np.int64),
        below=np.empty(tasks + 1, np.int64),
        fresh=np.empty(a, np.int32),
        work=given.attempt_hold.astype(np.int64) if listed > 1 else given.attempt_hold[:1].astype(np.int64),
        believed=estimate.astype(np.int64) if listed > 1 else estimate[:1].astype(np.int64),
        restarts=np.zeros(listed, np.int64),
        attained=np.zeros(len(given.run_submitted) if needs_run else 1, np.int64),
        held=np.zeros((pools, dimensions), np.int64),
        awaited=np.zeros((pools, dimensions), np.int64),
        running=np.empty(listed, np.int32),
        counts=np.zeros(pools, np.int64),
        spot=np.empty(listed, np.int32),
        tenant_held=np.zeros((len(tenants.weight), pools, dimensions), np.int64),
        tenant_used=np.zeros((len(tenants.weight), dimensions), np.int64),
        tenant_share=np.zeros(len(tenants.weight)),
        node_free=node.capacity.astype(np.int64, order="C"),
        node_busy=np.zeros(count_of_nodes, np.int64),
        enabled=_enabled(node, ready),
        works=np.ones(count_of_nodes, np.bool_),
        present=given.capacity.astype(np.int64, order="C"),
        piece_of=np.full(1 if nodes is None else attempts, -1, np.int32),
        piece_next=np.append(np.arange(1, pieces, dtype=np.int32), np.int32(-1)),
        piece_node=np.empty(pieces, np.int32),
        piece_amount=np.empty((pieces, dimensions), np.int64),
        pick_node=np.empty(count_of_nodes, np.int32),
        pick_amount=np.empty((count_of_nodes, dimensions), np.int64),
        part=np.empty((3, dimensions), np.int64),
        order=np.empty(count_of_nodes, np.int64),
        node=np.full(attempts if nodes is not None else 1, -1, np.int32),
        nodes=np.zeros(attempts if nodes is not None else 1, np.int32),
        stranded=np.zeros(pools),
        strand_since=np.full(pools, given.run_submitted[0], np.int64),
        strand_amount=np.zeros(pools, np.int64),
        change_at=np.empty(0, np.int64),
        change_what=np.empty(0, np.int8),
        change_place=np.empty(0, np.int64),
        change_size=np.empty(0, np.int64),
        ready=ready.astype(np.int64),
        order_at=np.empty((pools, _most_orders(scaling)), np.int64),
        order_amount=np.empty((pools, _most_orders(scaling)), np.int64),
        orders=np.zeros(pools, np.int64),
        cool_until=np.zeros(pools, np.int64),
        look_at=np.full(pools, LATER, np.int64),
        amount=given.capacity.astype(np.int64, order="C"),
        noted=np.full(pools, -1, np.int64),
        note_at=np.empty(0, np.int64),
        note_pool=np.empty(0, np.int32),
        note_amount=np.empty((0, dimensions), np.int64),
        cut_attempt=np.empty(0, np.int32),
        cut_queued=np.empty(0, np.int64),
        cut_started=np.empty(0, np.int64),
        cut_ended=np.empty(0, np.int64),
        cut_cause=np.empty(0, np.int8),
        cut_node=np.empty(0, np.int32),
        cut_nodes=np.empty(0, np.int32),
        scratch_at=np.empty(listed, np.int64),
        scratch_who=np.empty(listed, np.int32),
        stack=np.empty(_DEEPEST, np.int64),
        extra=np.empty(dimensions, np.int64),
        frontier=np.empty(promised, np.int64),
        frontier_line=np.empty(promised, np.int32),
        profile_at=np.empty(promised, np.int64),
        profile_free=np.empty((promised, dimensions), np.int64),
        asked=np.zeros(11),
    )


def is_extended(given: SimulationInput) -> bool:
    """Whether a simulation needs more than the plain rules."""
    r = given.rules
    return (
        _lists_running(given)
        or r.order not in (BY_KEY, NEWEST)
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
    rest = (r.most_attempts, r.checkpoint, r.restart, own_address, counts_held, gives_more, not looks, plain_pass, r.depth)
    return np.array([r.horizon, r.backfill, r.order, extended, *parts, r.preempts, lists_running, *rest], np.int64)


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
    return line.reshape(-1).astype(np.int32), _offsets(np.bincount(distinct[:, 0], minlength=len(given.capacity)))


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


def _offsets(sizes: npt.NDArray[Any]) -> Int64:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def _plain(values: npt.NDArray[Any], kind: type[Any]) -> Any:
    """Return an array of one kind and layout, as for each other one the loop would be compiled once more."""
    return np.require(values, kind, ["C", "W"])
