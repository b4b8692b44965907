"""A lake with a small log and a model of it."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipesim.lake import Lake
from pipesim.trace import Trace
from pipesim.verbs import fit_workload
from pipesim.workload import FitConfig

START = datetime(2026, 3, 2)
ORIGIN = {"source": "native", "source_file": "log.jsonl", "ingest_id": "i"}


@pytest.fixture(scope="session")
def _fitted_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake(tmp_path_factory.mktemp("fitted"))
    rng = np.random.default_rng(5)
    at = sorted(START + timedelta(seconds=float(s)) for s in rng.random(500) * 7 * 86_400)
    rows = pl.DataFrame(
        {"run_id": [f"r{i:03d}" for i in range(500)], "task_id": "t", "attempt": 1, "pipeline_name": "p", "task_name": "t",
         "task_type": "train", "status": "SUCCEEDED", "raw_status": "ok", "time_basis": "utc", "is_censored": False,
         "duration_s": rng.lognormal(5, 1, 500), "submitted_at": at, "observed_until": START + timedelta(days=7)}
    )  # fmt: skip
    trace = Trace({"pipeline_runs": rows, "task_runs": rows})
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs"):
            where = [pl.lit(word).alias(column) for column, word in ORIGIN.items()]
            tx.write_frame(trace[table].with_columns(*where, source_line=1), lake.observed_file(table, "i"))
    fit_workload(lake, FitConfig(arrivals="poisson", marks="independent"))
    return lake.root


@pytest.fixture
def fitted(_fitted_home: Path, tmp_path: Path) -> Lake:
    """A lake with a log of 500 jobs in a week, and a model of it."""
    return Lake(Path(shutil.copytree(_fitted_home, tmp_path / "fitted")))
