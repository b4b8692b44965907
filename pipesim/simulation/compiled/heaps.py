"""The heaps of the compiled engine, in arrays that are given to them.

Attempts that wait lie in binary heaps, several in the same arrays, each from a place `base` on. Attempts that run lie in one
4-ary heap, which is flatter and so touches less memory.
"""

from __future__ import annotations

from pipesim.simulation.compiled.jit import inner
from pipesim.simulation.engine import Float64, Int32, Int64


@inner
def sooner(keys: Float64, since: Int64, who: Int32, a: int, b: int) -> bool:
    """Whether the waiting attempt at place a goes before that at b (rule 6): attempts are numbered by run, then by task."""
    if keys[a] != keys[b]:
        return bool(keys[a] < keys[b])
    if since[a] != since[b]:
        return bool(since[a] < since[b])
    return bool(who[a] < who[b])


@inner
def swap(keys: Float64, since: Int64, who: Int32, a: int, b: int) -> None:
    """Let two waiting attempts change places."""
    keys[a], keys[b] = keys[b], keys[a]
    since[a], since[b] = since[b], since[a]
    who[a], who[b] = who[b], who[a]


@inner
def push(keys: Float64, since: Int64, who: Int32, base: int, size: int, key: float, now: int, attempt: int) -> None:
    """Put an attempt into the heap that begins at `base`."""
    place = base + size
    keys[place], since[place], who[place] = key, now, attempt
    while place > base:
        parent = base + (place - base - 1) // 2
        if not sooner(keys, since, who, place, parent):
            return
        swap(keys, since, who, place, parent)
        place = parent


@inner
def remove(keys: Float64, since: Int64, who: Int32, base: int, size: int, place: int) -> int:
    """Remove the attempt at a place of the heap that begins at `base`; returns the deepest place that has changed."""
    last = base + size - 1
    swap(keys, since, who, place, last)
    if place == last:
        return place
    up = place
    while up > base:
        parent = base + (up - base - 1) // 2
        if not sooner(keys, since, who, up, parent):
            break
        swap(keys, since, who, up, parent)
        up = parent
    if up != place:
        return place
    while True:
        child = base + 2 * (place - base) + 1
        if child >= last:
            return place
        if child + 1 < last and sooner(keys, since, who, child + 1, child):
            child += 1
        if not sooner(keys, since, who, child, place):
            return place
        swap(keys, since, who, place, child)
        place = child


@inner
def refresh(least: Int64, believed: Int64, who: Int32, base: int, size: int, place: int) -> None:
    """Mend the least belief of each subtree from a place up to the root: `least[i]` is that of i and all below it."""
    while True:
        if place < base + size:
            best = believed[who[place]]
            for child in range(base + 2 * (place - base) + 1, min(base + 2 * (place - base) + 3, base + size)):
                best = min(best, least[child])
            least[place] = best
        if place <= base:
            return
        place = base + (place - base - 1) // 2


@inner
def first_within(
    keys: Float64,
    since: Int64,
    who: Int32,
    least: Int64,
    believed: Int64,
    base: int,
    size: int,
    limit: int,
    stack: Int64,
) -> int:
    """Return the place of the first in order that is believed to last no longer than a limit, or -1."""
    best, depth = -1, 0
    if size and least[base] <= limit:
        stack[0], depth = base, 1
    while depth:
        depth -= 1
        place = stack[depth]
        if best >= 0 and not sooner(keys, since, who, place, best):
            continue
        if believed[who[place]] <= limit:
            best = place
            continue
        for child in range(base + 2 * (place - base) + 1, min(base + 2 * (place - base) + 3, base + size)):
            if least[child] <= limit:
                stack[depth] = child
                depth += 1
    return best


@inner
def push_end(ends: Int64, runs: Int32, size: int, end: int, attempt: int) -> None:
    """Put an attempt into the heap of those that run."""
    place = size
    while place > 0:
        parent = (place - 1) // 4
        if ends[parent] <= end:
            break
        ends[place], runs[place] = ends[parent], runs[parent]
        place = parent
    ends[place], runs[place] = end, attempt


@inner
def pop_end(ends: Int64, runs: Int32, size: int) -> None:
    """Remove the attempt that ends first."""
    last = size - 1
    end, attempt = ends[last], runs[last]
    place = 0
    while True:
        child = 4 * place + 1
        if child >= last:
            break
        best = child
        for other in range(child + 1, min(child + 4, last)):
            if ends[other] < ends[best]:
                best = other
        if ends[best] >= end:
            break
        ends[place], runs[place] = ends[best], runs[best]
        place = best
    ends[place], runs[place] = end, attempt
