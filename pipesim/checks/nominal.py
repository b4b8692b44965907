"""What a scenario's platform is to have when, read from the scenario alone and not from what an engine wrote down."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

import numpy as np
import polars as pl

from pipesim.schema import POOLS
from pipesim.simulation import Scenario
from pipesim.simulation.calendar import Steps
from pipesim.simulation.scenario import Pool
from pipesim.simulation.scenario.platform import Nodes
from pipesim.trace import Trace

Row = dict[str, object]

#: By what `pools` calls it: what a scenario calls it, and how many of the units in which it is counted make one.
_UNITS = {
    "gpus": ("gpus", 1000),
    "slots": ("slots", 1000),
    "cpu_cores": ("cpu_cores", 1000),
    "memory_bytes": ("memory_gb", 10**9),
}


def by_machine(trace: Trace, scenario: Scenario) -> Trace:
    """Return a simulated trace in which each node is a pool of its own, with what it is to have when.

    Pools without nodes stay what they are. What ran on several nodes is left out, as the trace tells only the first. A pool
    with an autoscaler counts with the most that it may have.
    """
    runs, several = trace.pipeline_runs, pl.col("node_id").str.contains(r"\+\d+$")
    alone = trace.task_runs.filter(~several.fill_null(False)).with_columns(pool=pl.coalesce("node_id", "pool"))
    spans = runs.select(pl.col("submitted_at").min().to_physical(), pl.col("observed_until").max().to_physical())
    rows = [row for pool in scenario.platform.pools for row in _rows(pool, *spans.row(0))]
    pools = pl.DataFrame(rows, infer_schema_length=None).with_columns(pl.col("valid_from").cast(pl.Datetime("us")))
    return Trace({"pipeline_runs": runs, "task_runs": alone, "pools": POOLS.conform(pools)}, "simulated", trace.name)


def _rows(pool: Pool, first: int, last: int) -> Iterator[Row]:
    shares = _shares(pool, first, last)
    if pool.nodes is None:
        for at, share in shares:
            yield {"pool": pool.name, "valid_from": at, "kind": "pool", **_amounts(pool, share)}
        return
    nodes = [kind for kind in pool.nodes for _ in range(kind.count)]
    if pool.autoscale is not None:
        nodes += [nodes[-1]] * max(0, floor(pool.autoscale.max) - len(nodes))
    width = len(str(len(nodes) - 1))
    for number, node in enumerate(nodes):
        there = [(at, number < floor(share * len(nodes) + 1e-9)) for at, share in shares]
        for i, (at, is_there) in enumerate(there):
            if not i or is_there != there[i - 1][1]:
                name = f"{pool.name}-{number:0{width}d}"
                yield {"pool": name, "valid_from": at, "kind": "node", **_amounts(node, float(is_there))}


def _shares(pool: Pool, first: int, last: int) -> list[tuple[int, float]]:
    """Return from when on a pool has which share of what it declares."""
    if pool.timetable is not None:
        steps = pool.timetable.steps
        table = Steps.of_hours([s.from_h for s in steps], [s.share for s in steps], pool.timetable.period_h)
        now = table.at(first, first)
        return [(first, 1.0 if now is None else now), *table.between(first, first, last)]
    if pool.autoscale is not None and pool.nodes is None:
        leading = next(name for name in ("gpus", "slots", "cpu_cores", "memory_gb") if getattr(pool, name) is not None)
        return [(first, pool.autoscale.max / getattr(pool, leading))]
    return [(first, 1.0)]


def _amounts(part: Pool | Nodes, share: float) -> Row:
    """Return what a pool or node has at a share, rounded as the rules say: first its leading amount, then in proportion."""
    declared = {name: (getattr(part, key), unit) for name, (key, unit) in _UNITS.items() if getattr(part, key) is not None}
    units = {name: max(1, round(amount * unit)) for name, (amount, unit) in declared.items()}
    size = next(iter(units.values()))
    scale = round(size * share) / size
    found = {name: float(np.rint(amount * scale)) for name, amount in units.items()}
    return {name: int(n) if name == "memory_bytes" else n / 1000 for name, n in found.items()}
