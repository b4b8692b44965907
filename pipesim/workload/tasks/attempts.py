"""The attempts of a trace as the fits see them: the kind of work, how it ended, how long it took or at least took."""

from __future__ import annotations

import polars as pl

from pipesim.trace import Trace

#: The work was done, or the log does not say that it was not: the duration is the natural one.
NATURAL = ("SUCCEEDED", "UNKNOWN")
#: The work ended before it was done: the duration says what was held, not what was needed.
UNSUCCESSFUL = ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
#: It never held resources.
NOT_BEGUN = ("PENDING", "SKIPPED")
KIND = ("task_type", "framework")
CELL = (*KIND, "size")
#: The finest cells of durations.
LEAF = (*CELL, "tenant")


def prepare(trace: Trace) -> pl.DataFrame:
    """Return one row an attempt, ordered by run, task and attempt.

    Columns: run_id, task_id, attempt, task_type, framework, size (the size class of its GPU demand), tenant, status, pool,
    the demand and I/O columns of `task_runs`, `seconds` (worked, or at least worked), `natural` (seconds is an exact natural
    duration) and `censored` (the attempt still ran when the log ended, so its natural duration is larger than seconds).
    """
    runs = trace.pipeline_runs.select("run_id", "tenant", "observed_until")
    return (
        with_seconds(trace.task_runs.join(runs, on="run_id", how="inner"))
        .select(
            "run_id",
            "task_id",
            "attempt",
            *LEAF,
            "status",
            *("gpus", "cpu_cores", "memory_bytes", "gpu_type", "pool", "read_bytes", "written_bytes", "seconds"),
            "natural",
            "censored",
        )
        .sort("run_id", "task_id", "attempt")
    )


def with_seconds(attempts: pl.DataFrame) -> pl.DataFrame:
    """Add size, seconds, natural and censored, as `prepare` says, to rows of `task_runs` with their runs' `observed_until`."""
    ended = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds() / 1e6
    so_far = (pl.col("observed_until") - pl.col("started_at")).dt.total_microseconds() / 1e6
    open_ended = (pl.col("status") == "RUNNING") | (pl.col("status").is_in(NATURAL) & pl.col("is_censored"))
    seconds = pl.coalesce("duration_s", ended, pl.when(open_ended).then(so_far))
    known = pl.col("seconds").is_not_null()
    return (
        attempts.with_columns(size=size_class(pl.col("gpus")), seconds=seconds)
        .with_columns(seconds=pl.when(pl.col("seconds").is_finite() & (pl.col("seconds") >= 0)).then("seconds"))
        .with_columns(natural=known & pl.col("status").is_in(NATURAL) & ~open_ended, censored=known & open_ended)
    )


def size_class(gpus: pl.Expr) -> pl.Expr:
    """Return the size class of a GPU demand: none, fraction, 1, 2, 4, 8, ... (the next power of two), NULL where unknown."""
    power = (2.0 ** (gpus.log(2.0) - 1e-9).ceil()).cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(gpus == 0).then(pl.lit("none")).when(gpus < 1).then(pl.lit("fraction")).when(gpus >= 1).then(power)
