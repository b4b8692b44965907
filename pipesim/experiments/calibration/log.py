"""What a log says of each pool: when attempts were queued and started there, each by itself, whatever came before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.experiments.calibration.waiting import Float64, Int64, Mask
from pipesim.simulation import Scenario
from pipesim.simulation.compilation import Compilation, compile_scenario
from pipesim.trace import Trace

#: Fewer attempts whose wait is known tell nothing of a pool.
FEWEST = 20


@dataclass(frozen=True)
class PoolLog:
    """The attempts that held something of a pool, N in all, by the instant of queueing.

    Args:
        place: The pool's place in the scenario.
        trace: Each attempt as a run of its own that is submitted when the log queued it. So an error in one pool never delays
            what is queued in another.
        queued: [N] When the log queued it, in microseconds; where it does not say, when it started.
        started: [N] When it started; `queued` where either is not known.
        known: [N] Whether the log knows both.
        seconds: [N] Seconds of work.
        demand: [N] What it asks for of the pool's first resource.
        until: The last instant that the log covers.
    """

    place: int
    trace: Trace
    queued: Int64
    started: Int64
    known: Mask
    seconds: Float64
    demand: Float64
    until: int

    @property
    def waits(self) -> Float64:
        """The waits that are known, in seconds."""
        return (self.started - self.queued)[self.known] / 1e6


def log_of(trace: Trace, scenario: Scenario) -> list[PoolLog]:
    """Return what a log says of each pool of a scenario, in the scenario's order.

    Raises:
        EmptyTraceError: If the log has no tasks that could be replayed.
        RequestError: If a task fits no pool, or the log does not say when tasks were queued and started.
    """
    held = holding(compile_scenario(trace, scenario)).with_columns(queued=pl.coalesce("queued", "started_at"))
    lost = held["queued"].null_count()
    held = held.filter(pl.col("queued").is_not_null()).sort("queued", "run", "task", "attempt")
    if held.filter("known").height < FEWEST:
        raise RequestError(
            f"the log says for {held.filter('known').height} attempts only when they were queued and when they started"
            + (f", and of {lost} neither" if lost else ""),
            where="task_runs.queued_at, started_at",
            remedy="map the columns of the log that say so; waits that nobody recorded cannot be compared with",
        )
    until = int(held.select(pl.max_horizontal("observed_until", "started_at", "ended_at").max().to_physical()).item())
    if until <= int(held["submitted_at"].to_physical().min()):  # type: ignore[arg-type]
        raise RequestError(
            "the log ends at the instant at which it begins",
            where="pipeline_runs.observed_until",
            remedy="ingest a log of some hours at least",
        )
    return [
        _pool_log(held.filter(pl.col("place") == place), scenario, place, until)
        for place in range(len(scenario.platform.pools))
    ]


def holding(compiled: Compilation) -> pl.DataFrame:
    """Return the attempts of a log that hold something of a pool, with columns of their runs.

    Of these, `place` is the pool's place in the scenario; `queued` is when the log queued the attempt, the first one of a task
    without parents at the submission of its run if it does not say; `known` is whether it has that and a start not before it.
    """
    no_parents = ~pl.struct("run_id", "task_id").is_in(
        compiled.edges.select("run_id", "task_id").unique().to_struct().implode()
    )
    of_run = ["submitted_at", "observed_until", "priority", "pipeline_name", "trigger", "tenant", "user"]
    first = (pl.col("attempt") == 1) & no_parents
    return (
        compiled.attempts.with_columns(
            compiled.runs.select(of_run)[compiled.attempts["run"].to_numpy()], place=pl.lit(pl.Series(compiled.placement.pool))
        )
        .filter(pl.col("place") >= 0)
        .with_columns(queued=pl.coalesce("queued_at", pl.when(first).then("submitted_at")))
        .with_columns(known=(pl.col("started_at") >= pl.col("queued")).fill_null(False))
    )


def _pool_log(rows: pl.DataFrame, scenario: Scenario, place: int, until: int) -> PoolLog:
    pool = scenario.platform.pools[place]
    name = pl.format("a{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(9))
    rows = rows.with_columns(run_id=name, attempt=pl.lit(1, pl.Int64), pool=pl.lit(pool.name), submitted_at="queued")
    # The work is told, so that no other column decides on it.
    rows = rows.with_columns(duration_s="natural_s", status=pl.lit("SUCCEEDED"), raw_status=pl.lit("SUCCEEDED"))
    rows = rows.with_columns(time_basis=pl.lit("utc"))
    queued = rows["queued"].to_physical().to_numpy()
    started = rows["started_at"].to_physical().fill_null(0).to_numpy()
    known = rows["known"].to_numpy()
    return PoolLog(
        place=place,
        trace=Trace({"pipeline_runs": rows, "task_runs": rows}),
        queued=queued,
        started=np.where(known, started, queued),
        known=known,
        seconds=rows["natural_s"].to_numpy(),
        demand=demand_of(rows, resource_of(scenario, place)),
        until=until,
    )


def resource_of(scenario: Scenario, place: int) -> str:
    """Return what a pool is measured in: GPUs, else slots, cores or gigabytes."""
    pool = scenario.platform.pools[place]
    return next(name for name in ("gpus", "slots", "cpu_cores", "memory_gb") if pool.total(name) is not None)


def demand_of(rows: pl.DataFrame, resource: str) -> Float64:
    """Return what attempts ask for of a resource, [N]."""
    if resource == "slots":
        return np.ones(rows.height)
    asked = pl.col("memory_bytes") / 1e9 if resource == "memory_gb" else pl.col(resource)
    return rows.select(asked.fill_null(0.0).cast(pl.Float64)).to_series().to_numpy()
