"""Starting an attempt in the compiled engine, if need be by evicting others."""

from __future__ import annotations

from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.machines import move, place
from pipesim.simulation.compiled.turns import interrupt, leave_line, start
from pipesim.simulation.compiled.world import NOW, PREEMPTS, World
from pipesim.simulation.engine import EVICTED


@inner
def try_to_start(w: World, line: int, at: int, evicts: bool) -> bool:
    """Start the attempt at a place of a line if it fits, or may evict others so that it does."""
    attempt = w.who[at]
    k = w.attempt_class[attempt]
    if not place(w, k) and not (evicts and w.rules[PREEMPTS] and _make_room(w, k)):
        return False
    start(w, attempt, k)
    leave_line(w, line, at)
    return True


@inner
def _make_room(w: World, k: int) -> bool:
    """Evict attempts of lower priority until one fits, the lowest and then the youngest first, and none in vain."""
    pool = w.class_pool[k]
    first, count = w.pool_start[pool], w.counts[pool]
    # In vain if all that could be evicted were not enough.
    for d in range(w.free.shape[1]):
        could = w.free[pool, d]
        for i in range(first, first + count):
            other = w.attempt_class[w.running[i]]
            if w.class_priority[other] < w.class_priority[k]:
                could += w.class_demand[other, d]
        if w.class_demand[k, d] > 0 and w.class_demand[k, d] > could:
            return False
    victims, enough = 0, False
    while not enough:
        best = -1
        for i in range(first, first + count):
            other = w.running[i]
            if w.class_priority[w.attempt_class[other]] >= w.class_priority[k]:
                continue
            chosen = False
            for v in range(victims):
                chosen = chosen or w.scratch_who[v] == other
            if not chosen and (best < 0 or _sooner_evicted(w, other, best)):
                best = other
        if best < 0:
            break
        move(w, best, w.attempt_class[best], 1)
        w.scratch_who[victims] = best
        victims += 1
        enough = place(w, k)
    if not enough:
        for v in range(victims):
            move(w, w.scratch_who[v], w.attempt_class[w.scratch_who[v]], -1)
        return False
    needed = 0
    for v in range(victims):
        other = w.scratch_who[v]
        move(w, other, w.attempt_class[other], -1)
        if not place(w, k):
            move(w, other, w.attempt_class[other], 1)
            w.scratch_who[needed] = other
            needed += 1
    for v in range(needed):
        move(w, w.scratch_who[v], w.attempt_class[w.scratch_who[v]], -1)
    for v in range(needed):
        interrupt(w, w.scratch_who[v], EVICTED)
    return place(w, k)


@inner
def _sooner_evicted(w: World, a: int, b: int) -> bool:
    of_a, of_b = w.class_priority[w.attempt_class[a]], w.class_priority[w.attempt_class[b]]
    if of_a != of_b:
        return of_a < of_b
    if w.started[a] != w.started[b]:
        return w.started[a] > w.started[b]
    return a > b


@inner
def expected_end(w: World, attempt: int) -> int:
    """When a running attempt is believed to end; one that outlives what is believed, to last twice as long, and so on."""
    lasts = max(1, w.believed[attempt])
    while w.started[attempt] + lasts <= w.n[NOW]:
        lasts *= 2
    return w.started[attempt] + lasts
