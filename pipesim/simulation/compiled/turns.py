"""The life of an attempt in the compiled engine: it is queued, stands in line, starts, gives back, is interrupted."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pipesim.simulation.compiled.heaps import pop_end, push, push_end, refresh, remove, sooner
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.machines import drop_pieces, has_quota, hold, move, provision, take_picked
from pipesim.simulation.compiled.upkeep import model_key, settled
from pipesim.simulation.compiled.world import (
    ASKED,
    BACKFILL,
    CHECKPOINT,
    COUNTS_HELD,
    FRESH,
    HAS_NODES,
    HAS_SCALING,
    HAS_UPKEEP,
    INTERRUPTED,
    LAST,
    LEFT,
    LISTS_RUNNING,
    MOST_ATTEMPTS,
    NOW,
    ORDER,
    OWN_ADDRESS,
    RESTART,
    RUNNING,
    SLACK,
    SLEEPING,
    World,
)
from pipesim.simulation.engine import ATTAINED, BROKEN, BY_KEY, CODE, EASY, FAIR, GAIN, NEVER, NEWEST, OWN, STALEST

_SKIPPED, _NODE_FAIL = CODE["SKIPPED"], CODE["NODE_FAIL"]


@intrinsic
def _call(typing_context: Any, address: Any, values: Any) -> Any:
    """Call the function double(double *) at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = ir.DoubleType().as_pointer()
        kind = ir.FunctionType(ir.DoubleType(), [pointer])
        function = builder.inttoptr(arguments[0], kind.as_pointer())
        return builder.call(function, [builder.inttoptr(arguments[1], pointer)])

    return types.float64(types.int64, types.intp), generate


@inner
def begin(w: World, attempt: int, delay: int) -> None:
    """Let the turn of an attempt come, after a delay. The heap of ends must have room."""
    w.n[LEFT] += 1
    if delay:
        sleep(w, attempt, delay)
    else:
        queue(w, attempt)


@inner
def sleep(w: World, attempt: int, delay: int) -> None:
    """Let the turn of an attempt come later."""
    push_end(w.wakes, w.sleepers, w.n[SLEEPING], w.n[NOW] + delay, attempt)
    w.n[SLEEPING] += 1


@inner
def queue(w: World, attempt: int) -> None:
    """Let the attempt wait for its resources; one that holds nothing ends at once."""
    now, k = w.n[NOW], w.attempt_class[attempt]
    w.n[LAST] = now
    if k < 0:
        if w.rules[LISTS_RUNNING]:
            w.until[attempt] = now
        push_end(w.ends, w.runs, w.n[RUNNING], now, attempt)
        w.n[RUNNING] += 1
        return
    w.queued[attempt] = now
    w.fresh[w.n[FRESH]] = attempt
    w.n[FRESH] += 1
    w.changed[w.class_pool[k]] = True
    w.unsettled[w.class_pool[k]] = True


@inner
def stand_in_line(w: World, attempt: int) -> bool:
    """Let a new attempt stand in line; false if a user's order gives no number for it."""
    key = _key(w, attempt)
    if np.isnan(key):
        w.n[ASKED] = attempt
        return False
    k = w.attempt_class[attempt]
    line, pool = w.class_line[k], w.class_pool[k]
    if w.waiting[line] == 0:
        w.active[w.pool_lines[pool] + w.lively[pool]] = line
        w.lively[pool] += 1
    base = w.line_start[line]
    push(w.keys, w.since, w.who, base, w.waiting[line], key, w.queued[attempt], attempt)
    w.waiting[line] += 1
    joined(w, attempt, k)
    return True


@inner
def joined(w: World, attempt: int, k: int) -> None:
    """Do what further rules ask for when an attempt has been put at the end of its line."""
    if w.rules[BACKFILL] == EASY:
        line = w.class_line[k]
        base = w.line_start[line]
        refresh(w.least, w.believed, w.who, base, w.waiting[line], base + w.waiting[line] - 1)
    pool = w.class_pool[k]
    if w.rules[HAS_NODES]:
        w.unsettled[pool] = True
    if w.rules[HAS_SCALING]:
        for d in range(w.free.shape[1]):
            w.awaited[pool, d] += w.class_demand[k, d]


@inner
def hold_more(w: World, k: int) -> None:
    """Count what an attempt holds that has started, and is no more waited for."""
    hold(w, k, 1)
    if w.rules[HAS_SCALING]:
        for d in range(w.free.shape[1]):
            w.awaited[w.class_pool[k], d] -= w.class_demand[k, d]


@inner
def _key(w: World, attempt: int) -> float:
    """The order key of an attempt that is queued now."""
    order, now = w.rules[ORDER], w.n[NOW]
    if order in (BY_KEY, FAIR):
        return w.key[attempt]
    if order == NEWEST:
        return -float(now)
    run = w.attempt_run[attempt]
    if order in (GAIN, STALEST):
        return model_key(w, run, order)
    if order == ATTAINED:
        return float(w.attained[run])
    k, asked = w.attempt_class[attempt], w.asked
    asked[0] = attempt
    asked[1] = (now - w.run_submitted[0]) / 1e6
    asked[2] = (w.run_submitted[run] - w.run_submitted[0]) / 1e6
    asked[3] = attempt - w.task_attempts[w.attempt_task[attempt]] + 1
    asked[4] = w.run_priority[run] if len(w.run_priority) > 1 else w.run_priority[0]
    asked[5] = w.estimate[attempt] / 1e6
    for d in range(w.free.shape[1]):
        asked[6 + d] = w.class_demand[k, d] / w.units[d]
    asked[10] = w.attained[run] / 1e6
    return _call(w.rules[OWN_ADDRESS], asked.ctypes.data)  # type: ignore[call-arg]


@inner
def leave_line(w: World, line: int, place: int) -> bool:
    """Take the attempt at a place out of its line; returns whether that was the last of the line."""
    k, base = w.attempt_class[w.who[place]], w.line_start[line]
    pool = w.class_pool[k]
    if w.rules[HAS_SCALING]:
        for d in range(w.free.shape[1]):
            w.awaited[pool, d] -= w.class_demand[k, d]
    deepest = remove(w.keys, w.since, w.who, base, w.waiting[line], place)
    w.waiting[line] -= 1
    if w.rules[BACKFILL] == EASY and w.waiting[line]:
        refresh(w.least, w.believed, w.who, base, w.waiting[line], deepest)
        last = base + w.waiting[line]
        refresh(w.least, w.believed, w.who, base, w.waiting[line], last)
    if w.waiting[line]:
        return False
    w.lively[pool] = without(w.active, w.pool_lines[pool], w.lively[pool], line)
    return True


@inner
def _forget_interrupted(w: World) -> None:
    """Take the ends of what was interrupted out of the heap."""
    size, kept = w.n[RUNNING], 0
    for i in range(size):
        end, attempt = w.ends[i], w.runs[i]
        if w.until[attempt] == end:
            # What is kept moves to the front, which is never beyond the place that is read.
            push_end(w.ends, w.runs, kept, end, attempt)
            kept += 1
    w.n[RUNNING] = kept


@inner
def start(w: World, attempt: int, k: int) -> None:
    """Give the attempt the resources that `place` has found, and let it run."""
    now, pool = w.n[NOW], w.class_pool[k]
    if w.n[RUNNING] > len(w.hold) + SLACK // 2:
        _forget_interrupted(w)
    take_picked(w, attempt, k)
    w.started[attempt] = now
    end = now + w.hold[attempt]
    if w.rules[LISTS_RUNNING]:
        end = now + w.restarts[attempt] + w.work[attempt]
        w.until[attempt] = end
    push_end(w.ends, w.runs, w.n[RUNNING], end, attempt)
    w.n[RUNNING] += 1
    if w.rules[COUNTS_HELD]:
        hold(w, k, 1)
    if w.rules[LISTS_RUNNING]:
        place = w.pool_start[pool] + w.counts[pool]
        w.running[place], w.spot[attempt] = attempt, place
        w.counts[pool] += 1


@inner
def release(w: World, attempt: int, k: int) -> None:
    """Take the resources of a running attempt back. There must be room for a note of what is provisioned."""
    now, pool = w.n[NOW], w.class_pool[k]
    w.n[LAST] = now
    move(w, attempt, k, 1)
    if w.rules[HAS_NODES]:
        drop_pieces(w, attempt)
        provision(w, pool)
    if w.rules[ORDER] == ATTAINED or w.rules[ORDER] == OWN:
        w.attained[w.attempt_run[attempt]] += int(round((now - w.started[attempt]) * w.class_share[k]))
    w.changed[pool] = True
    w.unsettled[pool] = True
    if w.rules[COUNTS_HELD]:
        hold(w, k, -1)
        if has_quota(w, w.class_tenant[k]):
            w.changed[:] = True
            w.unsettled[:] = True
    if w.rules[LISTS_RUNNING]:
        w.until[attempt] = NEVER
        w.counts[pool] -= 1
        last, place = w.running[w.pool_start[pool] + w.counts[pool]], w.spot[attempt]
        w.running[place], w.spot[last] = last, place


@inner
def interrupt(w: World, attempt: int, cause: int) -> None:
    """Take its resources from a running attempt; it is queued again, unless it has failed once too often.

    There must be room to write it down.
    """
    now, task, k = w.n[NOW], w.attempt_task[attempt], w.attempt_class[attempt]
    release(w, attempt, k)
    if cause == BROKEN:
        w.failures[task] += 1
        if w.failures[task] == w.rules[MOST_ATTEMPTS]:
            w.ended[attempt], w.outcome[attempt], w.task_state[task] = now, _NODE_FAIL, _NODE_FAIL
            skip_below(task, w.task_children, w.children, w.task_state, w.below)
            if w.rules[HAS_UPKEEP]:
                settled(w, task, w.attempt_run[attempt], False)
            w.n[LEFT] -= 1
            return
    expected = w.believed[attempt] - w.restarts[attempt]
    if w.rules[CHECKPOINT]:
        worked = max(0, now - w.started[attempt] - w.restarts[attempt])
        saved = worked // w.rules[CHECKPOINT] * w.rules[CHECKPOINT]
        w.work[attempt] -= saved
        expected = max(0, expected - saved)
    w.restarts[attempt] = w.rules[RESTART]
    w.believed[attempt] = expected + w.rules[RESTART]
    cut = w.n[INTERRUPTED]
    w.n[INTERRUPTED] += 1
    w.cut_attempt[cut], w.cut_queued[cut], w.cut_started[cut] = attempt, w.queued[attempt], w.started[attempt]
    w.cut_ended[cut], w.cut_cause[cut] = now, cause
    w.cut_node[cut] = w.node[attempt] if w.rules[HAS_NODES] else -1
    w.cut_nodes[cut] = w.nodes[attempt] if w.rules[HAS_NODES] else 0
    w.queued[attempt] = w.started[attempt] = NEVER
    if w.rules[HAS_NODES]:
        w.node[attempt], w.nodes[attempt] = -1, 0
    w.n[LEFT] -= 1
    begin(w, attempt, backoff(w, task) if cause == BROKEN else 0)


@inner
def backoff(w: World, task: int) -> int:
    """How long a task that has failed waits until it is queued again."""
    return w.backoff[min(w.failures[task], len(w.backoff)) - 1]


@inner
def skip_below(task: int, task_children: Any, children: Any, task_state: Any, below: Any) -> None:
    """Mark everything below a failed task; none of it is queued, as each has a parent that did not succeed."""
    below[0] = task
    depth = 1
    while depth:
        depth -= 1
        above = below[depth]
        for place in range(task_children[above], task_children[above + 1]):
            child = children[place]
            if task_state[child] != _SKIPPED:
                task_state[child] = _SKIPPED
                below[depth] = child
                depth += 1


@inner
def without(active: Any, first: int, size: int, line: int) -> int:
    """Take a line off those of its pool in which somebody waits; returns how many are left."""
    for place in range(first, first + size):
        if active[place] == line:
            active[place] = active[first + size - 1]
            return size - 1
    return size


@inner
def earlier(w: World, a: int, b: int) -> bool:
    """Whether the waiting attempt at place a goes before that at b."""
    if w.rules[ORDER] == FAIR:
        of_a = w.tenant_share[w.class_tenant[w.attempt_class[w.who[a]]]]
        of_b = w.tenant_share[w.class_tenant[w.attempt_class[w.who[b]]]]
        if of_a != of_b:
            return bool(of_a < of_b)
    return sooner(w.keys, w.since, w.who, a, b)


@inner
def drop_stale(w: World) -> None:
    """Let the first of the heap of ends be one that has not been interrupted."""
    if not w.rules[LISTS_RUNNING]:
        return
    while w.n[RUNNING] and w.until[w.runs[0]] != w.ends[0]:
        pop_end(w.ends, w.runs, w.n[RUNNING])
        w.n[RUNNING] -= 1
