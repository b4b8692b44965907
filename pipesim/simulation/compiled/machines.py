"""Pools, nodes and tenants of the compiled engine: what is free, where an attempt would run, what changes capacity."""

from __future__ import annotations

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.compiled.world import (
    HAS_NODES,
    HAS_TENANTS,
    NOW,
    ORDER,
    PICKED,
    PIECE,
    PROVISIONED,
    World,
)
from pipesim.simulation.engine import BEST_FIT, FAIR, FIRST_FIT, PACK

_GIGABYTE = 10**9


@inner
def fits(w: World, k: int, pool: int) -> bool:
    """Whether the pool has enough in all."""
    for d in range(w.free.shape[1]):
        if w.class_demand[k, d] > 0 and w.class_demand[k, d] > w.free[pool, d]:
            return False
    return True


@inner
def place(w: World, k: int) -> bool:
    """Whether an attempt would run now; on which nodes is left in `pick_node` and `pick_amount`."""
    pool = w.class_pool[k]
    w.n[PICKED] = 0
    if not fits(w, k, pool):
        return False
    if not w.rules[HAS_NODES]:
        return True
    if w.class_parts[k] > 1:
        return _pack(w, k, pool) if w.placement[pool] == PACK else _place_parts(w, k, pool)
    for d in range(w.free.shape[1]):
        w.part[0, d] = w.class_demand[k, d]
    node = _choose(w, pool, w.class_kind[k])
    if node >= 0:
        _pick(w, node)
        return True
    return _pack(w, k, pool) if w.placement[pool] == PACK else False


@inner
def _holds(w: World, node: int, kind: int) -> bool:
    """Whether a node has room for `part[0]`, for a task that needs a model of GPU."""
    if not (w.enabled[node] and w.works[node]):
        return False
    if kind >= 0 and w.node_kind[node] != -1 and w.node_kind[node] != kind:
        return False
    for d in range(w.free.shape[1]):
        if w.part[0, d] > w.node_free[node, d]:
            return False
    return True


@inner
def _choose(w: World, pool: int, kind: int) -> int:
    """Return the node that the placement prefers of those with room for `part[0]`, or -1."""
    rule, lead, best = w.placement[pool], w.leading[pool], -1
    for node in range(w.first_node[pool], w.first_node[pool + 1]):
        taken = False
        for i in range(w.n[PICKED]):
            taken = taken or w.pick_node[i] == node
        if taken or not _holds(w, node, kind):
            continue
        if best < 0:
            best = node
            if rule == FIRST_FIT or rule == -1:
                return best
        elif rule == BEST_FIT or rule == PACK:
            if w.node_free[node, lead] < w.node_free[best, lead]:
                best = node
        elif w.node_free[node, lead] > w.node_free[best, lead]:
            best = node
    return best


@inner
def _pick(w: World, node: int) -> None:
    """Note that `part[0]` is to be taken of a node."""
    w.pick_node[w.n[PICKED]] = node
    for d in range(w.free.shape[1]):
        w.pick_amount[w.n[PICKED], d] = w.part[0, d]
    w.n[PICKED] += 1


@inner
def _place_parts(w: World, k: int, pool: int) -> bool:
    """Split what is larger than every node into equal parts, the last of which may be smaller."""
    parts, each, rest = w.class_parts[k], w.part[1], w.part[2]
    for d in range(w.free.shape[1]):
        unit = w.units[d]
        each[d] = -(-w.class_demand[k, d] // (parts * unit)) * unit
        rest[d] = w.class_demand[k, d]
    for _ in range(parts):
        for d in range(w.free.shape[1]):
            w.part[0, d] = min(each[d], rest[d])
            rest[d] -= w.part[0, d]
        node = _choose(w, pool, w.class_kind[k])
        if node < 0:
            return False
        _pick(w, node)
    return True


@inner
def _pack(w: World, k: int, pool: int) -> bool:
    """Take as much as there is of the nodes with the most room, one after the other."""
    lead, each, rest = w.leading[pool], w.part[1], w.part[2]
    unit = w.units[lead] if w.units[lead] > 1 else _GIGABYTE
    left = w.class_demand[k, lead] // unit
    if w.class_demand[k, lead] % unit or not left:
        return False
    for d in range(w.free.shape[1]):
        each[d] = -(-w.class_demand[k, d] // left)
        rest[d] = w.class_demand[k, d]
    w.n[PICKED] = 0
    while left:
        # The emptiest node that is not picked yet; those of little room come last, and are looked at only if it takes so many.
        best, most = -1, 0
        for node in range(w.first_node[pool], w.first_node[pool + 1]):
            taken = False
            for i in range(w.n[PICKED]):
                taken = taken or w.pick_node[i] == node
            if taken:
                continue
            for d in range(w.free.shape[1]):
                w.part[0, d] = 0
            if not _holds(w, node, w.class_kind[k]):
                continue
            room = left
            for d in range(w.free.shape[1]):
                if each[d]:
                    room = min(room, w.node_free[node, d] // each[d])
            if room and (best < 0 or w.node_free[node, lead] > w.node_free[best, lead]):
                best, most = node, room
        if best < 0:
            return False
        for d in range(w.free.shape[1]):
            w.part[0, d] = min(each[d] * most, rest[d])
            rest[d] -= w.part[0, d]
        _pick(w, best)
        left -= most
    return True


@inner
def take_picked(w: World, attempt: int, k: int) -> None:
    """Give the attempt what `place` found."""
    pool = w.class_pool[k]
    if not w.rules[HAS_NODES]:
        for d in range(w.free.shape[1]):
            w.free[pool, d] -= w.class_demand[k, d]
        return
    w.piece_of[attempt] = -1
    for i in range(w.n[PICKED] - 1, -1, -1):
        piece = w.n[PIECE]
        w.n[PIECE] = w.piece_next[piece]
        w.piece_next[piece] = w.piece_of[attempt]
        w.piece_of[attempt] = piece
        w.piece_node[piece] = w.pick_node[i]
        for d in range(w.free.shape[1]):
            w.piece_amount[piece, d] = w.pick_amount[i, d]
    w.node[attempt], w.nodes[attempt] = w.pick_node[0], w.n[PICKED]
    move(w, attempt, k, -1)


@inner
def move(w: World, attempt: int, k: int, sign: int) -> None:
    """Give what an attempt holds back (1), or to it again (-1)."""
    pool = w.class_pool[k]
    if not w.rules[HAS_NODES]:
        for d in range(w.free.shape[1]):
            w.free[pool, d] += sign * w.class_demand[k, d]
        return
    piece = w.piece_of[attempt]
    while piece >= 0:
        node = w.piece_node[piece]
        usable = w.enabled[node] and w.works[node]
        w.node_busy[node] -= sign
        for d in range(w.free.shape[1]):
            w.node_free[node, d] += sign * w.piece_amount[piece, d]
            if usable:
                w.free[pool, d] += sign * w.piece_amount[piece, d]
        piece = w.piece_next[piece]


@inner
def drop_pieces(w: World, attempt: int) -> None:
    """Have the room back in which it is written what the attempt holds."""
    piece = w.piece_of[attempt]
    while piece >= 0:
        after = w.piece_next[piece]
        w.piece_next[piece] = w.n[PIECE]
        w.n[PIECE] = piece
        piece = after
    w.piece_of[attempt] = -1


@inner
def switch(w: World, node: int, enabled: bool, works: bool) -> None:
    """Let a node be used, or not."""
    before = w.enabled[node] and w.works[node]
    w.enabled[node], w.works[node] = enabled, works
    after = enabled and works
    if before != after:
        for d in range(w.free.shape[1]):
            w.free[w.node_pool[node], d] += w.node_free[node, d] if after else -w.node_free[node, d]


@inner
def resize(w: World, pool: int, size: int) -> None:
    """Have another size: nodes from the first on, or so much of each resource as is in proportion."""
    first = w.first_node[pool]
    if w.placement[pool] >= 0:
        for node in range(first, w.first_node[pool + 1]):
            switch(w, node, node - first < size // 1000, w.works[node])
        return
    for d in range(w.free.shape[1]):
        now = int(round(w.capacity[pool, d] * (size / w.size[pool])))
        more = now - w.present[pool, d]
        w.present[pool, d] = now
        usable = True
        if w.rules[HAS_NODES]:
            w.node_free[first, d] += more
            usable = w.enabled[first] and w.works[first]
        if usable:
            w.free[pool, d] += more


@inner
def provision(w: World, pool: int) -> None:
    """Write down what is provisioned of a pool, if it has changed; there must be room for a note a pool and instant."""
    same = True
    for d in range(w.free.shape[1]):
        amount = 0
        if w.placement[pool] < 0:
            amount = w.present[pool, d]
        else:
            for node in range(w.first_node[pool], w.first_node[pool + 1]):
                if w.enabled[node] or w.node_busy[node] > 0:
                    amount += w.node_capacity[node, d]
        same = same and amount == w.amount[pool, d]
        w.amount[pool, d] = amount
    if same:
        return
    note = w.noted[pool]
    if note < 0 or w.note_at[note] != w.n[NOW]:
        note = w.n[PROVISIONED]
        w.n[PROVISIONED] += 1
        w.noted[pool] = note
        w.note_at[note], w.note_pool[note] = w.n[NOW], pool
    for d in range(w.free.shape[1]):
        w.note_amount[note, d] = w.amount[pool, d]


@inner
def hold(w: World, k: int, sign: int) -> None:
    """Count what a demand class holds, of its pool and of its tenant."""
    pool = w.class_pool[k]
    for d in range(w.free.shape[1]):
        w.held[pool, d] += sign * w.class_demand[k, d]
    tenant = w.class_tenant[k]
    if not w.rules[HAS_TENANTS] or tenant < 0:
        return
    for d in range(w.free.shape[1]):
        w.tenant_used[tenant, d] += sign * w.class_demand[k, d]
    if w.rules[ORDER] != FAIR:
        return
    for d in range(w.free.shape[1]):
        w.tenant_held[tenant, pool, d] += sign * w.class_demand[k, d]
    share = 0.0
    for p in range(w.free.shape[0]):
        for d in range(w.free.shape[1]):
            if w.tenant_held[tenant, p, d]:
                share = max(share, w.tenant_held[tenant, p, d] / w.capacity[p, d])
    w.tenant_share[tenant] = share / w.weight[tenant]


@inner
def allowed(w: World, k: int) -> bool:
    """Whether the quota of its tenant lets a demand class start."""
    tenant = w.class_tenant[k]
    if not w.rules[HAS_TENANTS] or tenant < 0:
        return True
    for d in range(w.free.shape[1]):
        if w.class_demand[k, d] and w.tenant_used[tenant, d] + w.class_demand[k, d] > w.quota[tenant, d]:
            return False
    return True


@inner
def has_quota(w: World, tenant: int) -> bool:
    """Whether a tenant may not hold as much as there is."""
    if tenant < 0:
        return False
    for d in range(w.free.shape[1]):
        if w.quota[tenant, d] < LATER:
            return True
    return False
