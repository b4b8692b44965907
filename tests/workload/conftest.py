from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.trace import Trace
from tests.philly import philly_trace, philly_window

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
    """The window of the Philly extract: 2017-10-02 to 2017-11-12, 56,266 jobs."""
    return philly_trace(philly_window())
