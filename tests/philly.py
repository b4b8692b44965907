"""The real log, the Philly extract, read in one way for all tests: every job, the window that is fitted, and its trace."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from pipesim.trace import Trace
from tests.conftest import philly_file

#: The window that is fitted begins on a Monday; it holds 56,266 jobs.
BEGIN, DAYS = datetime(2017, 10, 2), 42


def philly_jobs() -> pl.DataFrame:
    """Every job: `timestamp`, `duration` (seconds), `num_gpus`, `gpu_time`, `cluster`, in the order of the file."""
    return pl.read_csv(philly_file(), try_parse_dates=True, schema_overrides={"num_gpus": pl.Float64}).drop_nulls("timestamp")


def philly_window(days: int = DAYS) -> pl.DataFrame:
    """The jobs of the first days of the window."""
    return philly_jobs().filter(pl.col("timestamp").is_between(BEGIN, BEGIN + timedelta(days=days), closed="left"))


def philly_trace(jobs: pl.DataFrame) -> Trace:
    """Jobs as a trace of runs of one task."""
    instant = pl.col("timestamp").cast(pl.Datetime("us"))
    rows = jobs.with_row_index("i").select(
        run_id=pl.format("j{}", pl.col("i").cast(pl.String).str.zfill(6)),
        task_id=pl.lit("job"),
        attempt=1,
        pipeline_name=pl.lit("job"),
        task_name=pl.lit("job"),
        task_type=pl.lit("train"),
        status=pl.lit("UNKNOWN"),
        raw_status=pl.lit(""),
        tenant="cluster",
        submitted_at=instant,
        queued_at=instant,
        observed_until=instant.max(),
        time_basis=pl.lit("assumed_zone"),
        duration_s="duration",
        is_censored=False,
        gpus="num_gpus",
    )
    return Trace({"pipeline_runs": rows, "task_runs": rows})
