"""The figures of simulated replications: which there are, and those of runs at hand or of all that a lake holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import duckdb
import polars as pl

from pipesim.experiments.intervals import Interval
from pipesim.simulation import RunSummary

#: What is compared, where all scenarios have it: the figure, its unit, and what is told of it.
METRICS = {
    "mean_wait_s": ("seconds", "mean wait"),
    "p95_wait_s": ("seconds", "95 % of waits"),
    "mean_jct_s": ("seconds", "mean completion time"),
    "p95_jct_s": ("seconds", "95 % of completion times"),
    "cost": ("money", "cost"),
    "energy_kwh": ("kWh", "energy"),
    "carbon_kg": ("kg", "carbon dioxide"),
    "mean_performance": ("0..1", "mean performance of models"),
    "below_objective": ("0..1", "time below the objective"),
    "retrainings": ("count", "retrainings"),
    "retraining_gpu_hours": ("GPU x hours", "GPU-hours of retraining"),
    "retraining_cost": ("money", "cost of retraining"),
    "user_mean_wait_s": ("seconds", "mean wait of users' work"),
}
#: By scenario, then by replication, the figures of a run by their names; None or absent where it does not tell one.
Figures = dict[str, dict[int, dict[str, Any]]]

_BY_POOL = ("utilization", "provisioned")
_SCHEMA = pl.Schema(
    {
        "scenario": pl.String(),
        "replication": pl.Int64(),
        "engine": pl.String(),
        **dict.fromkeys((*METRICS, "retraining_carbon_kg", "makespan_s", "warmup_s"), pl.Float64()),
        **{name: pl.List(pl.Struct({"pool": pl.String(), name: pl.Float64()})) for name in _BY_POOL},
    }
)


def of_summaries(summaries: Iterable[RunSummary]) -> pl.DataFrame:
    """Return one row a run: what identifies it, its figures, and lists of what is told by pool.

    The columns are those of `simulated.summaries` that experiments look at; what a run does not tell is NULL.
    """
    rows = []
    for summary in summaries:
        # What a scenario does not ask for is None in its summary.
        row = {name: getattr(summary, name, getattr(summary.lifecycle, name, None)) for name in _SCHEMA}
        for name in _BY_POOL:
            row[name] = [{"pool": pool, name: value} for pool, value in (row[name] or {}).items()]
        rows.append(row)
    return pl.DataFrame(rows, schema=_SCHEMA)


def of_lake(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return the same of all runs of a lake, by scenario and replication.

    Args:
        con: A connection with the catalogue's views.
    """
    there = con.sql(
        "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'simulated' AND table_name = 'summaries'"
    ).fetchall()
    columns = [name for name in _SCHEMA if (name,) in there]
    if "scenario" not in columns:
        return pl.DataFrame(schema=_SCHEMA)
    frame: pl.DataFrame = con.sql(f"SELECT {', '.join(columns)} FROM simulated.summaries ORDER BY scenario, replication").pl()
    return frame.select(
        (pl.col(name) if name in columns else pl.lit(None)).cast(kind).alias(name) for name, kind in _SCHEMA.items()
    )


def by_scenario(runs: pl.DataFrame) -> Figures:
    """Return the figures of runs (see `of_summaries`), scenarios in the order in which they come."""
    found: Figures = {}
    for row in runs.iter_rows(named=True):
        found.setdefault(row["scenario"], {})[row["replication"]] = row
    return found


def figure_values(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the figures of runs one below the other: scenario, replication, metric and value.

    Of what is told by pool, the utilisation is: as `utilization.` and the pool's name.
    """
    told = runs.unpivot(list(METRICS), index=["scenario", "replication"], variable_name="metric", value_name="value")
    used = (
        runs.select("scenario", "replication", "utilization")
        .explode("utilization")
        .unnest("utilization")
        .select("scenario", "replication", metric="utilization." + pl.col("pool"), value="utilization")
    )
    return pl.concat([told, used]).drop_nulls()


def mean_intervals(values: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    """Return means over replications with their 95 % intervals (see `Interval.of`), in the order of the first rows.

    Where several scenarios fall together, each replication's mean over them counts, as they share its random numbers; a
    replication that only some of them have is left out.

    Args:
        values: Rows with `replication`, `value` and the columns of `by`.
        by: The columns that tell apart what there are means of.

    Returns:
        The columns of `by`, `replications`, `mean`, `low` and `high`.
    """
    each = values.group_by([*by, "replication"], maintain_order=True).agg(pl.col("value").mean(), together=pl.len())
    whole = each.filter(pl.col("together") == pl.col("together").max().over(list(by)))
    grouped = whole.sort("replication").group_by(list(by)).agg("value")
    found = [Interval.of(group.to_list()) for group in grouped["value"]]
    ends = {end: pl.Series([getattr(one, end) for one in found], dtype=pl.Float64) for end in ("mean", "low", "high")}
    order = values.select(by).unique(maintain_order=True)
    told = grouped.with_columns(replications=pl.col("value").list.len().cast(pl.Int64), **ends).drop("value")
    return order.join(told, on=list(by), how="left", nulls_equal=True, maintain_order="left")
