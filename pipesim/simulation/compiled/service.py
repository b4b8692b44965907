"""One pass over the waiting attempts of a pool in the compiled engine (see `pipesim.simulation.reference.service`)."""

from __future__ import annotations

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled.heaps import first_within, pop_end, push_end
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.machines import allowed, fits, place
from pipesim.simulation.compiled.starting import expected_end, try_to_start
from pipesim.simulation.compiled.turns import earlier
from pipesim.simulation.compiled.world import BACKFILL, NOW, PREEMPTS, World
from pipesim.simulation.engine import NONE


@inner
def is_stranded(w: World, pool: int) -> bool:
    """Whether an attempt waits for which there is enough in all, but not on the nodes as they are."""
    first, best = w.pool_lines[pool], -1
    for i in range(first, first + w.lively[pool]):
        head = w.line_start[w.active[i]]
        k = w.attempt_class[w.who[head]]
        if not allowed(w, k):
            continue
        if w.rules[BACKFILL] != NONE:
            if fits(w, k, pool) and not place(w, k):
                return True
        elif best < 0 or earlier(w, head, best):
            best = head
    if best < 0:
        return False
    k = w.attempt_class[w.who[best]]
    return fits(w, k, pool) and not place(w, k)


@inner
def pass_in_order(w: World, pool: int, stops: bool) -> None:
    """Go through the waiting attempts; without backfill the first that does not fit stops all, else only its line."""
    first, candidates = w.pool_lines[pool], 0
    filters = not stops and not w.rules[PREEMPTS]
    for i in range(first, first + w.lively[pool]):
        line = w.active[i]
        if not filters or fits(w, w.attempt_class[w.who[w.line_start[line]]], pool):
            w.able[candidates] = line
            candidates += 1
    while candidates:
        best = _first_of(w, candidates)
        line = w.able[best]
        ended = True
        if allowed(w, w.attempt_class[w.who[w.line_start[line]]]):
            started = try_to_start(w, line, w.line_start[line], True)
            if stops and not started:
                return
            ended = not started or w.waiting[line] == 0
        if ended:
            candidates -= 1
            w.able[best] = w.able[candidates]


@inner
def _first_of(w: World, candidates: int) -> int:
    """Return which of the lines in `able` has the head that goes first."""
    best = 0
    for i in range(1, candidates):
        if earlier(w, w.line_start[w.able[i]], w.line_start[w.able[best]]):
            best = i
    return best


@inner
def pass_easily(w: World, pool: int) -> None:
    """Start in order; then let others pass the first that does not fit, unless they delay it."""
    first, candidates = w.pool_lines[pool], w.lively[pool]
    for i in range(candidates):
        w.able[i] = w.active[first + i]
    while True:
        kept = 0
        for i in range(candidates):
            line = w.able[i]
            if w.waiting[line] and allowed(w, w.attempt_class[w.who[w.line_start[line]]]):
                w.able[kept] = line
                kept += 1
        candidates = kept
        if not candidates:
            return
        line = w.able[_first_of(w, candidates)]
        if not try_to_start(w, line, w.line_start[line], True):
            break
    limit = _reserve(w, w.attempt_class[w.who[w.line_start[line]]], pool) - w.n[NOW]
    while True:
        best, best_line = -1, -1
        for i in range(first, first + w.lively[pool]):
            line = w.active[i]
            base = w.line_start[line]
            k = w.attempt_class[w.who[base]]
            if not fits(w, k, pool) or not allowed(w, k) or not place(w, k):
                continue
            found = base
            if not _spares(w, k):
                found = first_within(w.keys, w.since, w.who, w.least, w.believed, base, w.waiting[line], limit, w.stack)
            if found >= 0 and (best < 0 or earlier(w, found, best)):
                best, best_line = found, line
        if best < 0:
            return
        k, believed = w.attempt_class[w.who[best]], w.believed[w.who[best]]
        try_to_start(w, best_line, best, False)
        if believed > limit:
            for d in range(w.free.shape[1]):
                w.extra[d] -= w.class_demand[k, d]


@inner
def _spares(w: World, k: int) -> bool:
    """Whether there will be enough besides the first when it starts."""
    for d in range(w.free.shape[1]):
        if w.class_demand[k, d] > 0 and w.class_demand[k, d] > w.extra[d]:
            return False
    return True


@inner
def _reserve(w: World, k: int, pool: int) -> int:
    """Return when a demand will fit, by what is expected; what will be free then besides it is left in `extra`."""
    size = 0
    for i in range(w.pool_start[pool], w.pool_start[pool] + w.counts[pool]):
        push_end(w.scratch_at, w.scratch_who, size, expected_end(w, w.running[i]), w.running[i])
        size += 1
    for d in range(w.free.shape[1]):
        w.extra[d] = w.free[pool, d]
    shadow = LATER
    while size and w.scratch_at[0] <= shadow:
        at, other = w.scratch_at[0], w.attempt_class[w.scratch_who[0]]
        pop_end(w.scratch_at, w.scratch_who, size)
        size -= 1
        for d in range(w.free.shape[1]):
            w.extra[d] += w.class_demand[other, d]
        if shadow == LATER and _spares(w, k):
            shadow = at
    for d in range(w.free.shape[1]):
        w.extra[d] -= w.class_demand[k, d]
    return shadow
