"""The arrays of the compiled engine: what is given, what has happened so far, and the room it needs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import Float64, Int8, Int32, Int64

Bool = npt.NDArray[np.bool_]

#: What a task's outcome means to those that wait for it, by code.
PASS, FAIL, OPEN = 1, 2, 3

#: Places in `World.n`: runs submitted, entries of the heaps of ends and of sleepers, what is left to do, the present and the
#: last instant, whether the present one is to be gone on with, new attempts, changes of the calendar seen and there, until
#: when it is there, interruptions and provisions written down, the first free piece, nodes picked, whose key is asked for,
#: the pool to go on with, the model that has no retrainings left, and how far
#: the models have got: not looked at yet, alive, or at the end of their time.
(
    SUBMITTED, RUNNING, SLEEPING, LEFT, NOW, LAST, RESUME, FRESH, SEEN, CHANGES, COVERED, INTERRUPTED, PROVISIONED, PIECE,
    PICKED, ASKED, POOL, EXHAUSTED, BEGUN,
) = range(PLACES := 19)  # fmt: skip

#: How far the models have got, in `n[BEGUN]`: they are alive, or at the end of their time.
ALIVE, ENDED = 1, 2

#: Why the loop comes back: to be called again, for good, for more of the calendar, for room, for a key that is no number, or
#: because a model needs more retrainings than there are.
AGAIN, DONE, CALENDAR, ROOM, NO_NUMBER, MORE = range(6)

#: How many ends of interrupted attempts the heap of ends has room for besides one an attempt.
SLACK = 64


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
    upkeep: Int64  # see the places below
    run_model: Int32  # what is given of the models: see `pipesim.simulation.upkeep.Upkeep`
    performance: Float64
    task_role: Int8
    gradual: Float64
    jump: Float64
    swing: Float64
    season: Int64
    shocks: Int64
    first_shock: Int64
    aim: Float64
    data_per_day: Float64
    data_growth: Float64
    first_retraining: Int64
    retrainings: Int64
    charge: Int64
    way_drifts: Int8
    way_below: Float64
    way_drop: Float64
    way_age: Int64
    way_volume: Float64
    way_phase: Int64
    way_grid: Int64
    budget: Int32
    budget_runs: Int64
    budget_hours: Int64
    budget_period: Int64
    trained: Int64  # when each run has trained its version,
    deployed: Int64  # and when it has last deployed it
    live: Int64  # the version of each model that is live,
    live_since: Int64
    live_trained: Int64
    live_performance: Float64
    under_way: Int64  # the retraining of each model, or -1
    ready_at: Int64  # none is submitted before this instant
    used: Int64  # how many retrainings it has had
    wanted: Int64  # since when one is due, where it is postponed
    due_at: Int64  # a tree: when each model is due
    due_way: Int32
    due_models: Int64  # room for those that are due
    spent_period: Int64  # of each budget: the present period, and what is spent in it
    spent_runs: Int64
    spent_hours: Int64
    fired_way: Int32  # of each retraining
    replaces: Int64
    postponed: Int64


#: Places in `World.rules`.
(
    HORIZON, BACKFILL, ORDER, EXTENDED, HAS_NODES, HAS_TENANTS, HAS_SCALING, PREEMPTS, LISTS_RUNNING, MOST_ATTEMPTS, CHECKPOINT,
    RESTART, OWN_ADDRESS, COUNTS_HELD, GIVES_MORE, QUEUES_AT_ONCE, PLAIN_PASS,
    DEPTH, HAS_UPKEEP,
) = range(19)  # fmt: skip

#: Places in `World.upkeep`: how many runs are submitted by themselves, until when triggers fire, the cooldown, the hours of the
#: day, and whether the keys of retrainings count from their submission.
SUBMISSIONS, END, COOLDOWN, OPENS, CLOSES, RELATIVE = range(6)
