"""One pass over the waiting attempts of a pool: who starts (rules of backfill, preemption, quotas and fair share)."""

from __future__ import annotations

from bisect import bisect_left
from heapq import heapify, heappop
from typing import TYPE_CHECKING

from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import CONSERVATIVE, EASY, EVICTED, FAIR, NONE
from pipesim.simulation.reference.pools import Ask, Entry, Held, Piece, Pool

if TYPE_CHECKING:
    from pipesim.simulation.reference.platform import Platform


def pass_over(platform: Platform, pool: Pool) -> None:
    """Start what may start."""
    backfill = platform.rules.backfill
    if backfill == EASY:
        _easy(platform, pool)
    elif backfill == CONSERVATIVE:
        while _conservative(platform, pool):
            pass
    else:
        _in_order(platform, pool, stops=backfill == NONE)


def is_stranded(platform: Platform, pool: Pool) -> bool:
    """Whether an attempt waits for which there is enough in all, but not on the nodes as they are."""
    heads = [line[0] for line in pool.lines.values() if _is_allowed(platform, line[0])]
    if platform.rules.backfill == NONE and heads:
        heads = [min(heads, key=lambda entry: _turn(platform, entry))]
    asks = [_ask_of(platform, entry) for entry in heads]
    return any(pool.fits(ask) and pool.place(ask) is None for ask in asks)


def _in_order(platform: Platform, pool: Pool, *, stops: bool) -> None:
    """Go through the waiting attempts; without backfill the first that does not fit stops all, else only its line."""
    if stops or platform.rules.preempts:
        lines = list(pool.lines)
    else:
        lines = [name for name, line in pool.lines.items() if pool.fits(_ask_of(platform, line[0]))]
    while lines:
        name = min(lines, key=lambda name: _turn(platform, pool.lines[name][0])) if len(lines) > 1 else lines[0]
        entry = pool.lines[name][0]
        if not _is_allowed(platform, entry):
            lines.remove(name)
        elif _start_if_it_fits(platform, pool, name, entry):
            if name not in pool.lines:
                lines.remove(name)
        elif stops:
            return
        else:
            lines.remove(name)


def _easy(platform: Platform, pool: Pool) -> None:
    """Start in order; then let others pass the first that does not fit, unless they delay it.

    Sources: Lifka, The ANL/IBM SP Scheduling System (1995); Mu'alem and Feitelson (2001).
    """
    lines = list(pool.lines)
    while True:
        lines = [name for name in lines if name in pool.lines and _is_allowed(platform, pool.lines[name][0])]
        if not lines:
            return
        name = min(lines, key=lambda name: _turn(platform, pool.lines[name][0]))
        entry = pool.lines[name][0]
        if not _start_if_it_fits(platform, pool, name, entry):
            break
    first = _ask_of(platform, entry)
    shadow, extra = _reservation(platform, pool, first)
    while True:
        able = []
        for name, line in pool.lines.items():
            ask = _ask_of(platform, line[0])
            if pool.place(ask) is None or not _is_allowed(platform, line[0]):
                continue
            spares = all(extra[dimension] >= amount for dimension, amount in ask.demand)
            able += [(_turn(platform, e), name, e) for e in line if spares or _expected(platform, e) <= shadow - platform.now]
        if not able:
            return
        _, name, entry = min(able)
        ask = _ask_of(platform, entry)
        if _expected(platform, entry) > shadow - platform.now:
            for dimension, amount in ask.demand:
                extra[dimension] -= amount
        _start_if_it_fits(platform, pool, name, entry, evicts=False)


def _reservation(platform: Platform, pool: Pool, first: Ask) -> tuple[int, list[int]]:
    """Return when the first will fit, by what is expected, and what will be free then besides it."""
    free = list(pool.free)
    ends = sorted((_expected_end(platform, held), attempt, held.ask) for attempt, held in pool.running.items())
    shadow = LATER
    for at, _, ask in ends:
        if shadow < at:
            break
        for dimension, amount in ask.demand:
            free[dimension] += amount
        if shadow == LATER and all(free[dimension] >= amount for dimension, amount in first.demand):
            shadow = at
    return shadow, [f - a for f, a in zip(free, first.amounts, strict=True)]


def _conservative(platform: Platform, pool: Pool) -> bool:
    """Promise each its time in order, and start the first whose time is now; returns whether one did.

    Promises are made anew in every pass, so what ends before its time moves everybody forward. Source: Mu'alem and Feitelson
    (2001).
    """
    profile = _Profile.of(platform, pool)
    waiting = [(name, entry) for name, line in pool.lines.items() for entry in line if _is_allowed(platform, entry)]
    in_order = sorted(waiting, key=lambda one: _turn(platform, one[1]))
    for place, (name, entry) in enumerate(in_order[: platform.rules.depth]):
        ask, lasts = _ask_of(platform, entry), max(1, _expected(platform, entry))
        if (place == 0 or profile.earliest(ask, lasts, 0) == 0) and _start_if_it_fits(
            platform, pool, name, entry, evicts=place == 0
        ):
            return True
        slot = profile.earliest(ask, lasts, 1)
        if slot is not None:
            profile.reserve(ask, slot, lasts)
    return False


class _Profile:
    """What will be free from which instant on, by what is expected and promised."""

    def __init__(self, now: int, free: list[int]) -> None:
        self.times, self.free = [now], [list(free)]

    @classmethod
    def of(cls, platform: Platform, pool: Pool) -> _Profile:
        """Return what is expected if nothing more starts."""
        profile = cls(platform.now, pool.free)
        for at, held in sorted(((_expected_end(platform, held), held) for held in pool.running.values()), key=lambda e: e[0]):
            if profile.times[-1] != at:
                profile.times.append(at)
                profile.free.append(list(profile.free[-1]))
            for dimension, amount in held.ask.demand:
                profile.free[-1][dimension] += amount
        return profile

    def earliest(self, ask: Ask, lasts: int, first: int) -> int | None:
        """Return the first step, from one on, at which so much will be free for so long; None if at none."""
        start = None
        for step in range(first, len(self.times)):
            if start is not None and self.times[step] >= self.times[start] + lasts:
                return start
            fits = all(self.free[step][dimension] >= amount for dimension, amount in ask.demand)
            start = (step if start is None else start) if fits else None
        return start

    def reserve(self, ask: Ask, step: int, lasts: int) -> None:
        """Promise so much from a step on for so long."""
        end = self.times[step] + lasts
        last = bisect_left(self.times, end)
        if last == len(self.times) or self.times[last] != end:
            self.times.insert(last, end)
            self.free.insert(last, list(self.free[last - 1]))
        for row in self.free[step:last]:
            for dimension, amount in ask.demand:
                row[dimension] -= amount


def _start_if_it_fits(platform: Platform, pool: Pool, name: int, entry: Entry, *, evicts: bool = True) -> bool:
    ask = _ask_of(platform, entry)
    pieces = pool.place(ask)
    if pieces is None and evicts and platform.rules.preempts:
        pieces = _make_room(platform, pool, ask)
    if pieces is None:
        return False
    line = pool.lines[name]
    if line[0] is entry:
        heappop(line)
    else:
        line.remove(entry)
        heapify(line)
    if not line:
        del pool.lines[name]
    platform.start(entry[3], pool, pieces)
    return True


def _make_room(platform: Platform, pool: Pool, ask: Ask) -> list[Piece] | None:
    """Evict attempts of lower priority until an attempt fits, the lowest and then the youngest first, and none in vain."""
    lower = [(attempt, held) for attempt, held in pool.running.items() if held.ask.priority < ask.priority]
    victims: list[tuple[int, Held]] = []
    for attempt, held in sorted(lower, key=lambda one: (one[1].ask.priority, -one[1].started, -one[0])):
        pool.give_back(held.ask, held.pieces)
        victims.append((attempt, held))
        if pool.place(ask) is not None:
            break
    else:
        for _, held in victims:
            pool.take(held.ask, held.pieces)
        return None
    needed = []
    for attempt, held in victims:
        pool.take(held.ask, held.pieces)
        if pool.place(ask) is None:
            pool.give_back(held.ask, held.pieces)
            needed.append((attempt, held))
    for _, held in needed:
        pool.take(held.ask, held.pieces)
    for attempt, _ in sorted(needed, key=lambda one: one[0]):
        platform.interrupt(attempt, pool, EVICTED)
    return pool.place(ask)


def _ask_of(platform: Platform, entry: Entry) -> Ask:
    return platform.asks[platform.demand_class[entry[3]]]


def _turn(platform: Platform, entry: Entry) -> Entry:
    """Where an attempt stands in the order: the least goes first."""
    if platform.rules.order != FAIR or platform.tenants is None:
        return entry
    return platform.tenants.share[_ask_of(platform, entry).tenant], *entry[1:]


def _is_allowed(platform: Platform, entry: Entry) -> bool:
    """Whether its tenant's quota lets it start."""
    return platform.tenants is None or platform.tenants.allows(_ask_of(platform, entry))


def _expected(platform: Platform, entry: Entry) -> int:
    """How long a waiting attempt is believed to hold its resources."""
    expected: int = platform.restarts[entry[3]] + platform.expected[entry[3]]
    return expected


def _expected_end(platform: Platform, held: Held) -> int:
    """When a running attempt is believed to end; one that outlives what is believed, to last twice as long, and so on.

    Source: Tsafrir, Etsion and Feitelson, Backfilling Using System-Generated Predictions Rather than User Runtime Estimates
    (2007), where estimates that prove too low are corrected upwards.
    """
    lasts = max(1, held.expected_end - held.started)
    while held.started + lasts <= platform.now:
        lasts *= 2
    return held.started + lasts
