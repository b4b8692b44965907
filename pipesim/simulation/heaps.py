"""The heaps of the compiled engine, in arrays that are given to them.

Attempts that wait lie in binary heaps, several in the same arrays, each from a place `base` on. Attempts that run lie in one
4-ary heap, which is flatter and so touches less memory.
"""

from __future__ import annotations

from numba import njit

from pipesim.simulation.engine import Float64, Int32, Int64


@njit(cache=True)
def sooner(keys: Float64, since: Int64, who: Int32, a: int, b: int) -> bool:
    """Whether the waiting attempt at place a goes before that at b (rule 6): attempts are numbered by run, then by task."""
    if keys[a] != keys[b]:
        return bool(keys[a] < keys[b])
    if since[a] != since[b]:
        return bool(since[a] < since[b])
    return bool(who[a] < who[b])


@njit(cache=True)
def swap(keys: Float64, since: Int64, who: Int32, a: int, b: int) -> None:
    """Let two waiting attempts change places."""
    keys[a], keys[b] = keys[b], keys[a]
    since[a], since[b] = since[b], since[a]
    who[a], who[b] = who[b], who[a]


@njit(cache=True)
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


@njit(cache=True)
def pop(keys: Float64, since: Int64, who: Int32, base: int, size: int) -> None:
    """Remove the first attempt of the heap that begins at `base`."""
    last = base + size - 1
    swap(keys, since, who, base, last)
    place = base
    while True:
        child = base + 2 * (place - base) + 1
        if child >= last:
            return
        if child + 1 < last and sooner(keys, since, who, child + 1, child):
            child += 1
        if not sooner(keys, since, who, child, place):
            return
        swap(keys, since, who, place, child)
        place = child


@njit(cache=True)
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


@njit(cache=True)
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
