"""A queue for jobs that need several servers at once: first come, first served, and nobody passes who has to wait.

Compiled; the machine code is kept on disk.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from pipesim.quality.values import Int64


@njit(cache=True, error_model="numpy")
def waits_us(arrival: Int64, hold: Int64, width: Int64, capacity: int) -> Int64:  # pragma: no cover - machine code
    """Return how long each job waits, in microseconds.

    A job starts when its turn has come and as many servers are free as it is wide; one that is wider than the capacity takes
    all of it.

    Args:
        arrival: [n] When the jobs come, in microseconds, ascending; those that come together are served in their order.
        hold: [n] How long they hold their servers, in microseconds.
        width: [n] How many servers they take.
        capacity: How many servers there are.
    """
    count = len(arrival)
    waits = np.empty(count, np.int64)
    # Those that run lie in a binary heap, the one that ends first on top.
    ends, taken = np.empty(count, np.int64), np.empty(count, np.int64)
    size, free, now = 0, capacity, np.int64(0)
    for job in range(count):
        now = max(now, arrival[job])
        need = min(width[job], capacity)
        while size and (ends[0] <= now or free < need):
            now = max(now, ends[0])
            free += taken[0]
            size -= 1
            place, child = 0, 1
            while child < size:
                if child + 1 < size and ends[child + 1] < ends[child]:
                    child += 1
                if ends[child] >= ends[size]:
                    break
                ends[place], taken[place] = ends[child], taken[child]
                place, child = child, 2 * child + 1
            ends[place], taken[place] = ends[size], taken[size]
        waits[job] = now - arrival[job]
        free -= need
        place = size
        while place and ends[(place - 1) // 2] > now + hold[job]:
            ends[place], taken[place] = ends[(place - 1) // 2], taken[(place - 1) // 2]
            place = (place - 1) // 2
        ends[place], taken[place] = now + hold[job], need
        size += 1
    return waits
