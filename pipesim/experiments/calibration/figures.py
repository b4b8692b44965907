"""Waits, completion times and utilisation by one rule of a log, of its replay and of drawn work; and how far they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.experiments.calibration.log import demand_of, holding, resource_of
from pipesim.experiments.calibration.pool_fit import PoolFit
from pipesim.experiments.intervals import Interval
from pipesim.simulation import Scenario
from pipesim.simulation.compilation import compile_scenario
from pipesim.trace import Trace

#: A figure, and the pool that it is of, if any.
Key = tuple[str, str | None]
_UNITS = {
    "mean_wait_s": "seconds",
    "p95_wait_s": "seconds",
    "mean_jct_s": "seconds",
    "p95_jct_s": "seconds",
    "utilization": "0..1",
}
_ATTEMPT = ("run_id", "task_id", "attempt")


@dataclass(frozen=True)
class FigureError:
    """How far a figure is from the log's, and where that comes from. Errors are parts of what they are compared with.

    Args:
        figure: mean_wait_s, p95_wait_s, mean_jct_s, p95_jct_s or utilization (of what the scenario gives a pool).
        pool: The pool that it is of; None for the whole platform.
        unit: Its unit.
        observed: What the log shows.
        as_given: What the replay of the log gives on the platform as the scenario says it.
        replayed: The same on the calibrated platform.
        drawn: The mean of what drawn work gives on the calibrated platform; None without a workload model.
        platform_error: replayed / observed - 1: the work is the log's, so this is the platform's.
        workload_error: drawn / replayed - 1: the platform is the same, so this is the workload's,
        workload_low: and the ends of its 95 % interval over replications.
        workload_high: Likewise.
        total_error: drawn / observed - 1.
    """

    figure: str
    pool: str | None
    unit: str
    observed: float | None
    as_given: float | None
    replayed: float | None
    drawn: float | None
    platform_error: float | None
    workload_error: float | None
    workload_low: float | None
    workload_high: float | None
    total_error: float | None


def observed_figures(trace: Trace, scenario: Scenario, until: int) -> tuple[dict[Key, float], pl.DataFrame]:
    """Return the figures of a log, and the keys of the attempts whose waits it tells."""
    compiled = compile_scenario(trace, scenario)
    names = pl.Series([pool.name for pool in scenario.platform.pools])
    rows = holding(compiled)
    rows = rows.with_columns(pool=names.gather(rows["place"]), queued_at="queued", duration_s="natural_s")
    told = rows.filter("known")
    runs = compiled.runs.select("run_id", "submitted_at", "ended_at")
    return _figures(_ended(rows), told, runs, scenario, until), told.select(_ATTEMPT)


def simulated_figures(
    trace: Trace, scenario: Scenario, pools: Sequence[PoolFit], until: int, only: pl.DataFrame | None = None
) -> dict[Key, float]:
    """Return the figures of a simulated trace, as a log of it would tell them: what is held before the start is a wait.

    Args:
        trace: What was simulated.
        scenario: The platform by which utilisation is measured.
        pools: What was found of its pools; nothing for the platform as given.
        until: The last instant that counts.
        only: Keys of the attempts whose waits count; by default all.
    """
    rows = _ended(trace.task_runs.filter(pl.col("pool").is_not_null()))
    last = rows.group_by("run_id").agg(last=pl.col("ended_at").max())
    for found in pools:
        if found.held is None:
            continue
        shift = pl.duration(microseconds=round(found.overhead_s * 1e6))
        here = pl.col("pool") == found.pool
        if found.held == "before":
            moved = pl.when(here).then(pl.col("started_at") + shift).otherwise("started_at").alias("started_at")
        else:
            # One that is interrupted before its work was done may hold nothing beyond it.
            cut = pl.max_horizontal("started_at", pl.col("ended_at") - shift)
            moved = pl.when(here).then(cut).otherwise("ended_at").alias("ended_at")
        rows = rows.with_columns(moved)
    # A run is over when its last attempt has ended, as the log says it.
    told_last = rows.group_by("run_id").agg(told_last=pl.col("ended_at").max())
    over = pl.col("ended_at") - (pl.col("last") - pl.col("told_last")).fill_null(pl.duration())
    runs = trace.pipeline_runs.join(last, on="run_id", how="left").join(told_last, on="run_id", how="left")
    told = rows.filter(pl.col("started_at").is_not_null())
    if only is not None:
        told = told.join(only, on=_ATTEMPT, how="semi")
    return _figures(rows, told, runs.with_columns(over.alias("ended_at")), scenario, until)


def _ended(rows: pl.DataFrame) -> pl.DataFrame:
    """Return attempts with their ends, those that are told by how long they took as well."""
    took = pl.duration(microseconds=(pl.col("duration_s") * 1e6).round().cast(pl.Int64))
    return rows.with_columns(pl.coalesce("ended_at", pl.col("started_at") + took).alias("ended_at"))


def _figures(rows: pl.DataFrame, told: pl.DataFrame, runs: pl.DataFrame, scenario: Scenario, until: int) -> dict[Key, float]:
    seen = pl.lit(until).cast(pl.Datetime("us"))
    wait_s = (pl.col("started_at") - pl.col("queued_at")).dt.total_microseconds() / 1e6
    waits = told.filter(pl.col("started_at") <= seen).select("pool", wait_s=wait_s)
    jct_s = (pl.col("ended_at") - pl.col("submitted_at")).dt.total_microseconds() / 1e6
    completions = runs.filter(pl.col("ended_at") <= seen).select(jct_s=jct_s).to_series().drop_nulls().to_numpy()
    found: dict[Key, float] = {}
    for pool, values in [(None, waits["wait_s"]), *((name, part["wait_s"]) for (name,), part in waits.group_by("pool"))]:
        if len(values):
            found["mean_wait_s", pool] = float(np.mean(values.to_numpy()))
            found["p95_wait_s", pool] = float(np.quantile(values.to_numpy(), 0.95))
    if len(completions):
        found["mean_jct_s", None] = float(np.mean(completions))
        found["p95_jct_s", None] = float(np.quantile(completions, 0.95))
    first = runs.select(pl.col("submitted_at").min().to_physical()).item()
    for place, pool in enumerate(scenario.platform.pools):
        held = rows.filter((pl.col("pool") == pool.name) & (pl.col("started_at") <= seen))
        resource = resource_of(scenario, place)
        span = pl.min_horizontal(pl.col("ended_at").fill_null(seen), seen) - pl.col("started_at")
        hours = held.select(span.dt.total_microseconds() / 3.6e9).to_series().to_numpy()
        offered = (pool.total(resource) or 0.0) * (until - first) / 3.6e9
        found["utilization", pool.name] = float((hours * demand_of(held, resource)).sum() / offered)
    return found


def errors(
    observed: Mapping[Key, float],
    as_given: Mapping[Key, float],
    replayed: Mapping[Key, float],
    drawn: Sequence[Mapping[Key, float]],
) -> list[FigureError]:
    """Return each figure of the log with what was simulated, and the errors; those of the whole platform first."""
    keys = sorted(observed, key=lambda key: (key[1] is not None, key[1] or "", list(_UNITS).index(key[0])))
    return [
        _error(key, observed[key], as_given.get(key), replayed.get(key), [d[key] for d in drawn if key in d]) for key in keys
    ]


def _error(key: Key, observed: float, as_given: float | None, replayed: float | None, drawn: list[float]) -> FigureError:
    of_drawn = Interval.of(drawn)
    return FigureError(
        figure=key[0],
        pool=key[1],
        unit=_UNITS[key[0]],
        observed=observed,
        as_given=as_given,
        replayed=replayed,
        drawn=of_drawn.mean,
        platform_error=_part(replayed, observed),
        workload_error=_part(of_drawn.mean, replayed),
        workload_low=_part(of_drawn.low, replayed),
        workload_high=_part(of_drawn.high, replayed),
        total_error=_part(of_drawn.mean, observed),
    )


def _part(value: float | None, of: float | None) -> float | None:
    return None if value is None or not of else value / of - 1
