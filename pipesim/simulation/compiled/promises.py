"""Conservative backfill in the compiled engine: every waiting attempt is promised its time."""

from __future__ import annotations

from pipesim.simulation.compiled.heaps import pop_end, push_end
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.machines import allowed, fits
from pipesim.simulation.compiled.starting import expected_end, try_to_start
from pipesim.simulation.compiled.turns import earlier
from pipesim.simulation.compiled.world import DEPTH, NOW, PREEMPTS, World


@inner
def pass_conservatively(w: World, pool: int) -> None:
    """Start what may start."""
    while _start_one(w, pool):
        pass


@inner
def _start_one(w: World, pool: int) -> bool:
    """Promise each its time in order, and start the first whose time is now; returns whether one did."""
    first = w.pool_lines[pool]
    size, able = 0, False
    for i in range(first, first + w.lively[pool]):
        line = w.active[i]
        k = w.attempt_class[w.who[w.line_start[line]]]
        if allowed(w, k):
            able = able or fits(w, k, pool)
            size = _push_frontier(w, size, w.line_start[line], line)
    steps, number = _expect(w, pool), 0
    # Where nothing fits now, only the first may still start, by evicting others.
    while size and number < w.rules[DEPTH] and (able or (number == 0 and w.rules[PREEMPTS])):
        at, line = w.frontier[0], w.frontier_line[0]
        size = _pop_frontier(w, size)
        base = w.line_start[line]
        for child in range(base + 2 * (at - base) + 1, min(base + 2 * (at - base) + 3, base + w.waiting[line])):
            size = _push_frontier(w, size, child, line)
        attempt = w.who[at]
        k, lasts = w.attempt_class[attempt], max(1, w.believed[attempt])
        if (number == 0 or _earliest(w, k, lasts, 0, steps) == 0) and try_to_start(w, line, at, number == 0):
            return True
        slot = _earliest(w, k, lasts, 1, steps)
        if slot >= 0:
            steps = _promise(w, k, lasts, slot, steps)
        number += 1
    return False


@inner
def _expect(w: World, pool: int) -> int:
    """Lay out what will be free from which instant on if nothing more starts; returns how many steps that are."""
    size = 0
    for i in range(w.pool_start[pool], w.pool_start[pool] + w.counts[pool]):
        push_end(w.scratch_at, w.scratch_who, size, expected_end(w, w.running[i]), w.running[i])
        size += 1
    steps = 1
    w.profile_at[0] = w.n[NOW]
    for d in range(w.free.shape[1]):
        w.profile_free[0, d] = w.free[pool, d]
    while size:
        at, k = w.scratch_at[0], w.attempt_class[w.scratch_who[0]]
        pop_end(w.scratch_at, w.scratch_who, size)
        size -= 1
        if w.profile_at[steps - 1] != at:
            w.profile_at[steps] = at
            for d in range(w.free.shape[1]):
                w.profile_free[steps, d] = w.profile_free[steps - 1, d]
            steps += 1
        for d in range(w.free.shape[1]):
            w.profile_free[steps - 1, d] += w.class_demand[k, d]
    return steps


@inner
def _earliest(w: World, k: int, lasts: int, first: int, steps: int) -> int:
    """Return the first step, from one on, at which so much will be free for so long; -1 if at none."""
    begin = -1
    for step in range(first, steps):
        if begin >= 0 and w.profile_at[step] >= w.profile_at[begin] + lasts:
            return begin
        enough = True
        for d in range(w.free.shape[1]):
            if w.class_demand[k, d] > 0 and w.class_demand[k, d] > w.profile_free[step, d]:
                enough = False
                break
        if not enough:
            begin = -1
        elif begin < 0:
            begin = step
    return begin


@inner
def _promise(w: World, k: int, lasts: int, step: int, steps: int) -> int:
    """Promise so much from a step on for so long; returns how many steps there are then."""
    end, last = w.profile_at[step] + lasts, step
    while last < steps and w.profile_at[last] < end:
        last += 1
    if last == steps or w.profile_at[last] != end:
        for i in range(steps, last, -1):
            w.profile_at[i] = w.profile_at[i - 1]
            for d in range(w.free.shape[1]):
                w.profile_free[i, d] = w.profile_free[i - 1, d]
        w.profile_at[last] = end
        for d in range(w.free.shape[1]):
            w.profile_free[last, d] = w.profile_free[last - 1, d]
        steps += 1
    for i in range(step, last):
        for d in range(w.free.shape[1]):
            w.profile_free[i, d] -= w.class_demand[k, d]
    return steps


@inner
def _push_frontier(w: World, size: int, at: int, line: int) -> int:
    """Put a place into the heap of those that come next in order; returns its size."""
    spot = size
    while spot > 0:
        parent = (spot - 1) // 2
        if not earlier(w, at, w.frontier[parent]):
            break
        w.frontier[spot], w.frontier_line[spot] = w.frontier[parent], w.frontier_line[parent]
        spot = parent
    w.frontier[spot], w.frontier_line[spot] = at, line
    return size + 1


@inner
def _pop_frontier(w: World, size: int) -> int:
    """Remove the first of the heap; returns its size."""
    size -= 1
    at, line, spot = w.frontier[size], w.frontier_line[size], 0
    while True:
        child = 2 * spot + 1
        if child >= size:
            break
        if child + 1 < size and earlier(w, w.frontier[child + 1], w.frontier[child]):
            child += 1
        if not earlier(w, w.frontier[child], at):
            break
        w.frontier[spot], w.frontier_line[spot] = w.frontier[child], w.frontier_line[child]
        spot = child
    w.frontier[spot], w.frontier_line[spot] = at, line
    return size
