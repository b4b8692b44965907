from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.trace import Trace

START = datetime(2024, 1, 1)  # a Monday
JobTrace = Callable[..., Trace]


def _job_trace(seconds: Any, at_s: Any = None, **columns: Any) -> Trace:
    """A job table: one task a run. `columns` override or add columns of `task_runs` and `pipeline_runs`."""
    seconds = np.asarray(seconds, dtype=float)
    at = np.arange(len(seconds)) * 600.0 if at_s is None else np.asarray(at_s, dtype=float)
    rows = pl.DataFrame(
        {
            "run_id": [f"r{i}" for i in range(len(seconds))],
            "task_id": "job",
            "attempt": 1,
            "pipeline_name": "jobs",
            "task_name": "job",
            "task_type": "train",
            "status": "SUCCEEDED",
            "raw_status": "ok",
            "submitted_at": [START + timedelta(seconds=float(s)) for s in at],
            "observed_until": START + timedelta(seconds=float(at.max())),
            "time_basis": "utc",
            "duration_s": seconds,
            "is_censored": False,
        }
    )
    rows = rows.with_columns(
        *(v if isinstance(v, pl.Expr) else pl.Series(k, v) for k, v in columns.items() if not isinstance(v, str))
    )
    rows = rows.with_columns(*(pl.lit(v).alias(k) for k, v in columns.items() if isinstance(v, str)))
    return Trace({"pipeline_runs": rows, "task_runs": rows})


@pytest.fixture(scope="session")
def job_trace() -> JobTrace:
    return _job_trace


@pytest.fixture(scope="session")
def philly() -> Trace:
    """The training window of the Philly extract: 2017-10-02 to 2017-11-12, 56,266 jobs."""
    path = Path(__file__).parents[2] / "../shared/traces/philly.csv"
    if not path.is_file():
        pytest.skip("the Philly extract is not on this machine")
    jobs = pl.read_csv(path, try_parse_dates=True).drop_nulls()
    jobs = jobs.filter(pl.col("timestamp").is_between(datetime(2017, 10, 2), datetime(2017, 11, 13), closed="left"))
    rows = jobs.with_row_index("i").select(
        run_id=pl.format("j{}", "i"),
        task_id=pl.lit("job"),
        attempt=1,
        pipeline_name=pl.lit("job"),
        task_name=pl.lit("job"),
        task_type=pl.lit("train"),
        status=pl.lit("UNKNOWN"),
        raw_status=pl.lit(""),
        tenant="cluster",
        submitted_at="timestamp",
        queued_at="timestamp",
        observed_until=pl.col("timestamp").max(),
        time_basis=pl.lit("assumed_zone"),
        duration_s="duration",
        is_censored=False,
        gpus=pl.col("num_gpus").cast(pl.Float64),
    )
    return Trace({"pipeline_runs": rows, "task_runs": rows})
