"""Traces to compare, and excerpts made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.stretch import Stretch
from pipesim.trace import Trace

MONDAY = datetime(2026, 3, 2)
JobsOf = Callable[..., Excerpt]


def jobs_trace(at_s: Sequence[float], seconds: Any, **columns: Any) -> Trace:
    """One task a run. `columns` override or add columns of `task_runs` and `pipeline_runs`."""
    size = len(at_s)
    rows = pl.DataFrame(
        {
            "run_id": [f"r{i:06d}" for i in range(size)],
            "task_id": "t",
            "attempt": 1,
            "pipeline_name": "p",
            "task_name": "t",
            "task_type": "train",
            "status": "SUCCEEDED",
            "raw_status": "?",
            "time_basis": "utc",
            "is_censored": False,
            "duration_s": np.asarray(seconds, dtype=float) * np.ones(size),
            "submitted_at": pl.Series([MONDAY + timedelta(seconds=float(s)) for s in at_s], dtype=pl.Datetime("us")),
            "observed_until": MONDAY + timedelta(days=28),
        }
    ).with_columns(**{k: v if isinstance(v, pl.Expr) else pl.Series(k, v) for k, v in columns.items()})
    return Trace({"pipeline_runs": rows, "task_runs": rows})


def days_from_monday(days: int) -> Stretch:
    return Stretch(MONDAY, tuple(range(days)), 24 * days)


def jobs_of(at_s: Sequence[float], seconds: Any = 60.0, days: int = 28, **columns: Any) -> Excerpt:
    return excerpt(jobs_trace(at_s, seconds, **columns), days_from_monday(days))


def poisson(seed: int, days: int = 28, per_hour: float = 6.0, **columns: Any) -> Excerpt:
    """A Poisson stream of jobs with lognormal durations."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.random(rng.poisson(per_hour * 24 * days)) * days * 86_400)
    return jobs_of(at, rng.lognormal(5, 1.5, len(at)), days, gpus=rng.choice([1.0, 2.0, 8.0], len(at)), **columns)


@pytest.fixture(scope="session")
def real() -> Excerpt:
    return poisson(1)
