"""How long attempts hold their resources: rule 4, each term rounded to the microsecond, then added."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import Float64, Int64
from pipesim.simulation.placement import Placement
from pipesim.simulation.scenario import Platform

#: Sums of times stay below this, so no instant leaves int64.
LONGEST_US = 4e18


def hold_us(attempts: pl.DataFrame, natural_s: Float64, placement: Placement, platform: Platform) -> Int64:
    """Return for how many microseconds each attempt holds its resources, [A]; 0 for one that holds none.

    Args:
        attempts: [A rows] `task_runs`.
        natural_s: [A] Seconds of work at speed 1.
        placement: Where they run, and which hold anything.
        platform: Its pools' speeds and overheads, and its storage.

    Raises:
        RequestError: If they add up to more than can be counted.
    """
    terms = hold_terms(attempts, natural_s, placement, platform)
    whole = np.sum(terms, axis=0)
    if whole.sum() > LONGEST_US:
        longest = np.arange(len(whole)) == np.argmax(whole)
        raise RequestError(
            f"the durations add up to {whole.sum() / 1e6:g} s, more than can be counted in microseconds; "
            f"the longest is that of {name_tasks(attempts, longest)}",
            where="task_runs.duration_s",
            remedy="look for a mistake of units in the log",
        )
    hold = np.zeros(attempts.height, dtype=np.int64)
    for term in terms:
        hold += term.astype(np.int64)
    return hold


def hold_terms(attempts: pl.DataFrame, natural_s: Float64, placement: Placement, platform: Platform) -> list[Float64]:
    """Return what `hold_us` adds up, each [A], in the order of the rule."""
    speed = np.array([pool.speed for pool in platform.pools])[placement.pool]
    overhead_s = np.array([pool.overhead_s for pool in platform.pools])[placement.pool]
    terms = [np.rint(natural_s * 1e6 / speed)]
    if overhead_s.any():
        terms = [np.rint(overhead_s * 1e6), *terms]
    store = platform.store
    if store is not None:
        read = attempts["read_bytes"].fill_null(0).to_numpy() / store.read_mb_per_s
        written = attempts["written_bytes"].fill_null(0).to_numpy() / store.write_mb_per_s
        latency = np.full(attempts.height, store.latency_s * 1e6)
        terms = [np.rint(latency), np.rint(read), *terms, np.rint(written)]
    held = placement.demand_class >= 0
    return [np.where(held, term, 0.0) for term in terms]
