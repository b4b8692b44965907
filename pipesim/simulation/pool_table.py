"""The `pools` table of a simulated trace: what each pool had from when to when; and the names of its nodes."""

from __future__ import annotations

import polars as pl

from pipesim.schema import POOLS
from pipesim.simulation.areas import Provisioned, has_nodes, held, provisioned
from pipesim.simulation.engine import DIMENSIONS, Int32, Int64, Schedule, SimulationInput
from pipesim.simulation.scenario import Pool, Scenario

_KINDS = {"gpus": "gpu", "cpu_cores": "cpu", "memory_bytes": "memory", "slots": "slots"}


def pool_rows(given: SimulationInput, schedule: Schedule, scenario: Scenario) -> pl.DataFrame:
    """Return the rows of `pools`: one a pool from the first submission on, and one more for each change of what it had."""
    had = provisioned(given, schedule, held(given, schedule))
    pools = scenario.platform.pools
    return pl.concat([_rows(given, p, pool, had[p]) for p, pool in enumerate(pools)])


def node_names(given: SimulationInput, scenario: Scenario, node: Int32, nodes: Int32) -> pl.Series:
    """Return where attempts ran: the pool, a dash and the number of the node in it, and `+k` with k others; NULL elsewhere.

    Args:
        given: The input of the engine.
        scenario: The scenario, which names the pools.
        node: The number of the first node of each attempt, -1 for none.
        nodes: On how many it ran.
    """
    if given.nodes is None:
        return pl.repeat(None, len(node), dtype=pl.String, eager=True)
    names = []
    for p, pool in enumerate(scenario.platform.pools):
        count = int(given.nodes.first[p + 1] - given.nodes.first[p])
        number = pl.int_range(count, eager=True).cast(pl.String).str.zfill(len(str(count - 1)))
        names.append(pl.select(pl.lit(f"{pool.name}-") + pl.lit(number) if has_nodes(given, p) else pl.lit(None, pl.String)))
    # The last name stands at -1, the number of no node.
    named = pl.concat(names).to_series().extend_constant(None, 1).gather(node % (int(given.nodes.first[-1]) + 1))
    others = pl.lit(pl.Series(nodes - 1))
    return pl.select(pl.when(others > 0).then(pl.format("{}+{}", named, others)).otherwise(named)).to_series()


def _rows(given: SimulationInput, number: int, pool: Pool, had: Provisioned) -> pl.DataFrame:
    at = pl.Series(had.at).cast(pl.Datetime("us"))
    types = {kind.gpu_type for kind in pool.nodes or ()}
    rows = pl.DataFrame({"valid_from": at, "valid_to": at.shift(-1)}).with_columns(
        pool=pl.lit(pool.name),
        kind=pl.lit(_KINDS[list(DIMENSIONS)[given.leading()[number]]]),
        node_count=_node_counts(given, number, pool, had.amount),
        gpu_type=pl.lit(pool.gpu_type or (types.pop() if len(types) == 1 else None), pl.String),
        **_amounts(given, number, pool, had.amount),
    )
    return POOLS.conform(rows)


def _amounts(given: SimulationInput, number: int, pool: Pool, amount: Int64) -> dict[str, pl.Expr]:
    if (amount == given.capacity[number]).all():
        # What is declared need not be whole thousandths.
        memory_gb = pool.total("memory_gb")
        declared = {name: pool.total(name) for name in ("gpus", "cpu_cores", "slots")}
        declared["memory_bytes"] = None if memory_gb is None else round(memory_gb * 1e9)
        return {name: pl.lit(value) for name, value in declared.items()}
    columns = {}
    for dimension, (name, unit) in enumerate(DIMENSIONS.items()):
        if given.capacity[number, dimension]:
            whole = name in ("memory_bytes", "slots")
            columns[name] = pl.lit(pl.Series(amount[:, dimension] // unit if whole else amount[:, dimension] / unit))
    return columns


def _node_counts(given: SimulationInput, number: int, pool: Pool, amount: Int64) -> pl.Expr:
    """Return how many nodes a pool had; NULL where it has none, and where they differ and it had others than it declares."""
    if given.nodes is None or pool.nodes is None:
        return pl.lit(None, pl.Int64)
    nodes = given.nodes.capacity[given.nodes.first[number] : given.nodes.first[number + 1]]
    leading = given.leading()[number]
    if (nodes == nodes[0]).all():
        return pl.lit(pl.Series(amount[:, leading] // nodes[0, leading]))
    as_declared = pl.Series((amount == given.capacity[number]).all(axis=1))
    return pl.when(pl.lit(as_declared)).then(sum(kind.count for kind in pool.nodes))
