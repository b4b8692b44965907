"""A log to ingest, and traces to compare."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from pipesim.trace import Trace
from pipesim.verbs import fit_workload, synthesize_trace
from pipesim.workload import FitConfig, SynthesisConfig

MONDAY = datetime(2026, 3, 2)
Record = dict[str, Any]


def at(hours: float) -> str:
    return (MONDAY + timedelta(hours=hours)).isoformat()


def task(run: str, hours: float, **fields: Any) -> Record:
    times = {"queued_at": at(hours), "started_at": at(hours), "ended_at": at(hours + 1)}
    return {"run_id": run, "task_id": "t", "attempt": 1, "task_name": "t", "status": "SUCCEEDED", **times, **fields}


def pipeline(run: str, hours: float, **fields: Any) -> Record:
    times = {"submitted_at": at(hours), "started_at": at(hours), "ended_at": at(hours + 1)}
    return {"table": "pipeline_runs", "run_id": run, "pipeline_name": "p", "status": "SUCCEEDED", **times, **fields}


@pytest.fixture
def log(lake: Lake, tmp_path: Path) -> Callable[..., Path]:
    """A function that writes records as a JSON lines file and ingests it."""

    def write(name: str, *records: Record | str) -> Path:
        path = tmp_path / name
        path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
        ingest(lake, [path], find_source("native"))
        return path

    return write


def workload(seed: int, days: int = 28, **columns: Any) -> Trace:
    """Jobs of one task: a Poisson stream with a daily rhythm, lognormal durations, one in ten failed."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 24)
    count = rng.poisson(3 + 2 * np.sin(hours / 24 * 2 * np.pi))
    seconds = np.sort((np.repeat(hours, count) + rng.random(count.sum())) * 3600)
    size = len(seconds)
    rows = pl.DataFrame(
        {
            "run_id": [f"r{i:06d}" for i in range(size)],
            "task_id": "t",
            "attempt": 1,
            "pipeline_name": "p",
            "task_name": "t",
            "task_type": rng.choice(["train", "evaluate"], size),
            "status": np.where(rng.random(size) < 0.1, "FAILED", "SUCCEEDED"),
            "raw_status": "?",
            "time_basis": "utc",
            "is_censored": False,
            "duration_s": rng.lognormal(5, 1.5, size),
            "gpus": rng.choice([1.0, 2.0, 8.0], size),
            "submitted_at": [MONDAY + timedelta(seconds=float(s)) for s in seconds],
            "observed_until": MONDAY + timedelta(days=days),
        }
    ).with_columns(**columns)
    return Trace({"pipeline_runs": rows, "task_runs": rows})


@pytest.fixture(scope="session")
def _fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lake = Lake(tmp_path_factory.mktemp("fitted"))
    trace = workload(1)
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs"):
            tx.write_frame(trace[table], lake.observed_file(table, "i"))
    fit_workload(lake, FitConfig())
    synthesize_trace(lake, SynthesisConfig(days=56, scale=1.5, seed=3))
    return lake.root


@pytest.fixture
def fitted(_fitted: Path, tmp_path: Path) -> Lake:
    """A lake with an observed trace, the model that was fitted to it and a synthetic trace drawn from that."""
    return Lake(shutil.copytree(_fitted, tmp_path / "fitted"))
