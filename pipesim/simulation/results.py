"""From an engine's schedule back to a trace in the canonical tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.schema import PIPELINE_RUNS, STATUSES, TASK_RUNS
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.engine import CODE, FAILS, NEVER, STAYS_OPEN, Int64, Schedule
from pipesim.simulation.scenario import Pool, Scenario
from pipesim.simulation.summary import RunSummary, last_event
from pipesim.trace import Trace

_REJECTED = "rejected: the demand is above the capacity of the pool"


@dataclass(frozen=True)
class SimulationResult:
    """One simulated replication.

    Args:
        trace: What happened, in the canonical tables; named after the scenario, its origin is `simulated`.
        summary: The figures of the command line.
        warnings: What was left out or reinterpreted, with its count.
    """

    trace: Trace
    summary: RunSummary
    warnings: tuple[str, ...]


def to_trace(compiled: Compilation, schedule: Schedule, scenario: Scenario) -> Trace:
    """Write a schedule into the rows that it is a schedule of."""
    attempts = _task_runs(compiled, schedule, scenario)
    runs = _pipeline_runs(compiled, schedule)
    first = runs["submitted_at"][0]
    pools = pl.DataFrame([_pool_row(pool) for pool in scenario.platform.pools]).with_columns(valid_from=pl.lit(first))
    frames = {"pipeline_runs": runs, "task_runs": attempts, "task_edges": compiled.edges, "pools": pools}
    return Trace(frames, "simulated", scenario.name)


def _task_runs(compiled: Compilation, schedule: Schedule, scenario: Scenario) -> pl.DataFrame:
    given, before = compiled.given, compiled.attempts
    skipped = schedule.task_state[before["task"].to_numpy()] == CODE["SKIPPED"]
    unreached = np.where(skipped, CODE["SKIPPED"], CODE["PENDING"])
    state = np.where(schedule.ended != NEVER, given.attempt_outcome, unreached)
    running = state == CODE["RUNNING"]
    failed = np.isin(state, FAILS)
    started = _column(schedule.started != NEVER)
    word = pl.lit(pl.Series(STATUSES, dtype=pl.String).gather(state))
    as_logged = pl.col("status") == word
    # The last name stands at -1, the number of no pool.
    pools = pl.Series([*(pool.name for pool in scenario.platform.pools), None], dtype=pl.String)
    return before.with_columns(
        queued_at=_instants(schedule.queued),
        started_at=_instants(schedule.started),
        # A running attempt gives its resources back when it was last seen, but nobody saw it end.
        ended_at=_instants(np.where(running, NEVER, schedule.ended)),
        duration_s=pl.when(started).then(_column(given.attempt_hold / 1e6)),
        is_censored=started & (pl.col("is_censored") | _column(failed | running)),
        pool=pools.gather(compiled.placement.pool % len(pools)),
        # The machine that the log names did not do the simulated work.
        node_id=pl.lit(None, pl.String),
        status=word,
        raw_status=pl.when(as_logged).then("raw_status").otherwise(word),
        error=pl.when(_column(compiled.placement.rejected & failed)).then(pl.lit(_REJECTED)).when(as_logged).then("error"),
    ).select(list(TASK_RUNS.by_name))


def _pipeline_runs(compiled: Compilation, schedule: Schedule) -> pl.DataFrame:
    """Fold attempts to runs: a run is what its tasks are, and ends with the last of them."""
    tasks = compiled.attempts.select("run", "task", started=_instants(schedule.started), ended=_instants(schedule.ended))
    state = pl.col("state")
    last = pl.lit(last_event(compiled, schedule)).cast(pl.Datetime("us"))
    folded = (
        tasks.group_by("run", "task", maintain_order=True)
        .agg(pl.col("started").min(), pl.col("ended").max())
        .with_columns(state=pl.Series(schedule.task_state))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("started").min(),
            pl.col("ended").max(),
            open=state.is_in(STAYS_OPEN).any(),
            # The earliest failure gives the run its state; of several at one instant, that of the first task.
            failure=state.filter(state.is_in(FAILS)).sort_by(pl.col("ended").filter(state.is_in(FAILS))).first(),
            unknown=(state == CODE["UNKNOWN"]).any(),
            skipped=(state == CODE["SKIPPED"]).all(),
        )
    )
    status = (
        pl.when(pl.col("open").is_null())
        .then(pl.when(pl.col("status").is_in(["PENDING", "RUNNING"])).then(pl.lit("UNKNOWN")).otherwise("status"))
        .when(pl.col("open") & pl.col("started").is_null())
        .then(pl.lit("PENDING"))
        .when(pl.col("open"))
        .then(pl.lit("RUNNING"))
        .when(pl.col("failure").is_not_null())
        .then(pl.col("failure").replace_strict(dict(enumerate(STATUSES)), return_dtype=pl.String))
        .when("unknown")
        .then(pl.lit("UNKNOWN"))
        .when("skipped")
        .then(pl.lit("SKIPPED"))
        .otherwise(pl.lit("SUCCEEDED"))
    )
    numbered = compiled.runs.with_columns(run=pl.int_range(pl.len(), dtype=pl.Int64))
    return (
        numbered.join(folded, on="run", how="left", maintain_order="left")
        .with_columns(new_status=status)
        .with_columns(
            started_at=pl.col("started"),
            # A run without tasks ends as it is submitted.
            ended_at=pl.when(pl.col("open").is_null()).then("submitted_at").when(~pl.col("open")).then("ended"),
            raw_status=pl.when(pl.col("status") == pl.col("new_status")).then("raw_status").otherwise("new_status"),
            status=pl.col("new_status"),
            # An open run was seen up to the last instant at which something of it was running.
            observed_until=pl.max_horizontal(
                "submitted_at",
                pl.when(pl.col("open").fill_null(False)).then("ended").otherwise(last),
            ),
        )
        .select(list(PIPELINE_RUNS.by_name))
    )


def _instants(at: Int64) -> pl.Series:
    series = pl.Series(at, dtype=pl.Int64)
    return series.set(series == NEVER, None).cast(pl.Datetime("us"))


def _column(values: npt.NDArray[Any]) -> pl.Expr:
    return pl.lit(pl.Series(values))


def _pool_row(pool: Pool) -> dict[str, object]:
    kind = "gpu" if pool.gpus else "slots" if pool.slots else "cpu" if pool.cpu_cores else "memory"
    memory_bytes = None if pool.memory_gb is None else round(pool.memory_gb * 1e9)
    return {
        "pool": pool.name,
        "kind": kind,
        "cpu_cores": pool.cpu_cores,
        "gpus": pool.gpus,
        "gpu_type": pool.gpu_type,
        "memory_bytes": memory_bytes,
        "slots": pool.slots,
    }
