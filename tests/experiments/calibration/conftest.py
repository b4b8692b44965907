"""Logs of platforms of which all is known."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.simulation import Scenario, simulate
from pipesim.trace import Trace

START = datetime(2026, 3, 2)
DAYS = 7


def platform(name: str, *pools: dict[str, Any], **policy: Any) -> Scenario:
    """Return a platform that replays its log."""
    return Scenario.model_validate(
        {"name": name, "platform": {"pools": list(pools)}, "policy": {"backfill": "greedy", **policy}}
    )


def gpu(amount: int, **more: Any) -> dict[str, Any]:
    return {"name": "gpu", "gpus": amount, **more}


def cpu(amount: int, **more: Any) -> dict[str, Any]:
    return {"name": "cpu", "cpu_cores": amount, **more}


def _work() -> Trace:
    """Return a week of 700 runs, each of a task on cores and then one on GPUs, busier by day."""
    rng = np.random.default_rng(11)
    hour = rng.choice(24, 700, p=np.r_[np.full(8, 1.0), np.full(12, 4.0), np.full(4, 1.0)] / 60)
    at = np.sort(rng.integers(0, DAYS, 700) * 86_400 + hour * 3600 + rng.random(700) * 3600)
    names = [f"r{i:03d}" for i in range(700)]
    runs = pl.DataFrame(
        {"run_id": names, "pipeline_name": "p", "status": "SUCCEEDED", "raw_status": "ok", "time_basis": "utc",
         "submitted_at": [START + timedelta(seconds=s) for s in at], "observed_until": START + timedelta(days=DAYS)}
    )  # fmt: skip
    task = {"attempt": 1, "task_name": "t", "task_type": "train", "status": "SUCCEEDED", "raw_status": "ok"}
    amounts = rng.choice([1.0, 2.0], (2, 700))
    kinds = (("a", 6.3, 0.0, amounts[0]), ("b", 6.5, amounts[1], 0.0))
    tasks = pl.concat(
        pl.DataFrame(
            {"run_id": names, "task_id": task_id, **task, "is_censored": False, "duration_s": rng.lognormal(mean, 1, 700),
             "gpus": gpus, "cpu_cores": cores}
        )
        for task_id, mean, gpus, cores in kinds
    )  # fmt: skip
    edges = pl.DataFrame({"run_id": names, "task_id": "b", "parent_task_id": "a"})
    return Trace({"pipeline_runs": runs, "task_runs": tasks, "task_edges": edges})


@pytest.fixture(scope="session")
def logged() -> Callable[..., Trace]:
    """A function that returns the log of a true platform; what is held besides the work counts on one side of it."""
    work = _work()

    def log(truth: Scenario, side: str = "before") -> Trace:
        found = simulate(work, truth).trace
        overheads = {pool.name: pool.overhead_s for pool in truth.platform.pools}
        seconds = pl.col("pool").replace_strict(overheads, return_dtype=pl.Float64)
        shift = pl.duration(microseconds=(seconds * 1e6).round().cast(pl.Int64))
        moved = pl.col("started_at") + shift if side == "before" else pl.col("ended_at") - shift
        tasks = found.task_runs.with_columns(moved, duration_s=pl.col("duration_s") - seconds)
        return Trace({**found.frames, "task_runs": tasks})

    return log
