"""What happens at an instant in the compiled engine besides the ends of attempts and submissions, and what comes after."""

from __future__ import annotations

from math import ceil

from pipesim.simulation.calendar import BREAK, LATER, RESIZE
from pipesim.simulation.compiled.heaps import pop_end
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.machines import provision, resize, switch
from pipesim.simulation.compiled.promises import pass_conservatively
from pipesim.simulation.compiled.service import is_stranded, pass_easily, pass_in_order
from pipesim.simulation.compiled.turns import drop_stale, interrupt, queue, stand_in_line
from pipesim.simulation.compiled.world import (
    AGAIN,
    BACKFILL,
    CHANGES,
    FRESH,
    HAS_NODES,
    HAS_SCALING,
    INTERRUPTED,
    LISTS_RUNNING,
    NO_NUMBER,
    NOW,
    POOL,
    PROVISIONED,
    ROOM,
    RUNNING,
    SEEN,
    SLEEPING,
    World,
)
from pipesim.simulation.engine import BROKEN, CONSERVATIVE, EASY, NONE

#: How far an instant has got when the loop comes back in the midst of it: everything may still happen, or only passes.
HAPPENING, PASSING = 1, 2


@inner
def has_room(w: World) -> bool:
    """Whether what happens at an instant can be written down: one change a pool, and the interruption of all that runs."""
    if w.n[PROVISIONED] + len(w.changed) > len(w.note_at):
        return False
    return not w.rules[LISTS_RUNNING] or w.n[INTERRUPTED] + w.counts.sum() <= len(w.cut_attempt)


@inner
def next_happening(w: World) -> int:
    """Return the next instant at which anything of this module happens."""
    at = LATER
    if w.n[SLEEPING]:
        at = min(at, w.wakes[0])
    if w.n[SEEN] < w.n[CHANGES]:
        at = min(at, w.change_at[w.n[SEEN]])
    if w.rules[HAS_SCALING]:
        for pool in range(len(w.orders)):
            at = min(at, w.look_at[pool])
            for i in range(w.orders[pool]):
                at = min(at, w.order_at[pool, i])
    return at


@inner
def happen(w: World) -> bool:
    """Let one thing happen that is due now; returns whether there was one."""
    now = w.n[NOW]
    if w.n[SLEEPING] and w.wakes[0] == now:
        attempt = w.sleepers[0]
        pop_end(w.wakes, w.sleepers, w.n[SLEEPING])
        w.n[SLEEPING] -= 1
        queue(w, attempt)
        return True
    if w.n[SEEN] < w.n[CHANGES] and w.change_at[w.n[SEEN]] == now:
        _change(w, w.n[SEEN])
        w.n[SEEN] += 1
        return True
    if w.rules[HAS_SCALING]:
        for pool in range(len(w.orders)):
            if w.orders[pool] and w.order_at[pool, 0] == now:
                _receive(w, pool)
                return True
    return False


@inner
def _change(w: World, number: int) -> None:
    """Let a pool change its size, or a node break or work again."""
    place = w.change_place[number]
    pool = place
    if w.change_what[number] == RESIZE:
        resize(w, pool, w.change_size[number])
    else:
        pool = w.node_pool[place]
        if w.change_what[number] == BREAK:
            _break(w, place, pool)
        switch(w, place, w.enabled[place], w.change_what[number] != BREAK)
    provision(w, pool)
    w.changed[pool] = True
    w.unsettled[pool] = True


@inner
def _break(w: World, node: int, pool: int) -> None:
    """Interrupt what runs on a node."""
    at = w.pool_start[pool]
    while at < w.pool_start[pool] + w.counts[pool]:
        attempt = w.running[at]
        piece, hit = w.piece_of[attempt], False
        while piece >= 0:
            hit = hit or w.piece_node[piece] == node
            piece = w.piece_next[piece]
        if hit:
            interrupt(w, attempt, BROKEN)  # the last of those that run takes its place
        else:
            at += 1


@inner
def pass_over_pools(w: World, resumed: int, plain: int) -> int:
    """Let everybody who is new stand in line, and start what may start; returns why the loop must come back, if it must.

    With plain rules the loop itself lets start what may.
    """
    first, backfill = 0, w.rules[BACKFILL]
    if resumed == PASSING:
        first = w.n[POOL]
    else:
        for i in range(w.n[FRESH]):
            if not stand_in_line(w, w.fresh[i]):
                return NO_NUMBER
        w.n[FRESH] = 0
    if plain:
        return AGAIN
    for pool in range(first, len(w.changed)):
        if not w.changed[pool]:
            continue
        if w.rules[LISTS_RUNNING]:
            most = w.counts[pool]
            for i in range(w.pool_lines[pool], w.pool_lines[pool] + w.lively[pool]):
                most += w.waiting[w.active[i]]
            if w.n[INTERRUPTED] + most > len(w.cut_attempt):
                w.n[POOL] = pool
                return ROOM
        w.changed[pool] = False
        if backfill == EASY:
            pass_easily(w, pool)
        elif backfill == CONSERVATIVE:
            pass_conservatively(w, pool)
        else:
            pass_in_order(w, pool, backfill == NONE)
    return AGAIN


@inner
def end_instant(w: World) -> int:
    """See what is to be done when all has happened at an instant; returns whether it is gone on with after all."""
    if not _is_over(w):
        return HAPPENING
    if w.rules[HAS_NODES] or w.rules[HAS_SCALING]:
        drop_stale(w)
        if w.n[RUNNING] and w.ends[0] == w.n[NOW]:
            return 0
        _after(w)
        if not _is_over(w):
            return HAPPENING
    return 0


@inner
def _is_over(w: World) -> bool:
    """Whether all has happened at this instant, but for what the end of it brings."""
    if w.n[FRESH]:
        return False
    for pool in range(len(w.changed)):
        if w.changed[pool]:
            return False
    return True


@inner
def _after(w: World) -> None:
    """When all has happened at an instant: see what is stranded, and let the autoscalers look."""
    now = w.n[NOW]
    if w.rules[HAS_NODES]:
        for pool in range(len(w.changed)):
            if w.unsettled[pool] and w.placement[pool] >= 0:
                amount = max(0, w.free[pool, w.leading[pool]]) if is_stranded(w, pool) else 0
                if amount != w.strand_amount[pool]:
                    settle(w, pool, now)
                    w.strand_amount[pool] = amount
            w.unsettled[pool] = False
    if w.rules[HAS_SCALING]:
        for pool in range(len(w.changed)):
            if w.look_at[pool] <= now:
                w.look_at[pool] = LATER
            if w.most_size[pool] and now >= w.cool_until[pool]:
                _look(w, pool)


@inner
def settle(w: World, pool: int, now: int) -> None:
    """Count what was stranded in a pool until now."""
    w.stranded[pool] += float(w.strand_amount[pool]) * float(now - w.strand_since[pool])
    w.strand_since[pool] = now


@inner
def _look(w: World, pool: int) -> None:
    """Let an autoscaler ask for capacity, or let go of some."""
    now = w.n[NOW]
    more = _wanted(w, pool) - w.ready[pool]
    for i in range(w.orders[pool]):
        more -= w.order_amount[pool, i]
    if not more:
        return
    w.cool_until[pool] = now + w.cooldown[pool]
    w.look_at[pool] = now + w.cooldown[pool]
    if more > 0:
        w.order_at[pool, w.orders[pool]] = now + w.delay[pool]
        w.order_amount[pool, w.orders[pool]] = more
        w.orders[pool] += 1
    else:
        # What is on its way is called off first, the latest first of all.
        while more and w.orders[pool]:
            last = w.orders[pool] - 1
            if w.order_amount[pool, last] + more > 0:
                w.order_amount[pool, last] += more
                more = 0
            else:
                more += w.order_amount[pool, last]
                w.orders[pool] -= 1
        w.ready[pool] += more
        resize(w, pool, w.ready[pool])
    provision(w, pool)
    w.changed[pool] = True
    w.unsettled[pool] = True


@inner
def _wanted(w: World, pool: int) -> int:
    """The size that there should be."""
    need, holds, awaits = 0.0, False, False
    for d in range(w.free.shape[1]):
        if w.capacity[pool, d]:
            need = max(need, (w.held[pool, d] + w.awaited[pool, d]) / w.capacity[pool, d])
            holds, awaits = holds or w.held[pool, d] > 0, awaits or w.awaited[pool, d] > 0
    # The small number forgives what the division leaves over.
    exact = (need * w.size[pool] / w.target[pool] - w.least_size[pool]) / w.step_size[pool] - 1e-9
    size = w.least_size[pool] + max(0, int(ceil(exact))) * w.step_size[pool]
    if awaits and not holds:
        # What would be enough in all may still not do, as a task may need several nodes.
        size = max(size, w.ready[pool] + w.step_size[pool])
    return min(w.most_size[pool], size)


@inner
def _receive(w: World, pool: int) -> None:
    """Take what has arrived."""
    kept = 0
    for i in range(w.orders[pool]):
        if w.order_at[pool, i] <= w.n[NOW]:
            w.ready[pool] += w.order_amount[pool, i]
        else:
            w.order_at[pool, kept], w.order_amount[pool, kept] = w.order_at[pool, i], w.order_amount[pool, i]
            kept += 1
    w.orders[pool] = kept
    resize(w, pool, w.ready[pool])
    provision(w, pool)
    w.changed[pool] = True
    w.unsettled[pool] = True
