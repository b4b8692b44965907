"""Confidence intervals of simulated figures cover what queueing theory says as often as they claim to."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from pipesim.experiments.intervals import Interval, of_batches
from pipesim.simulation import Scenario, simulate
from pipesim.streams import stream
from pipesim.trace import Trace
from tests.simulation.test_queueing_theory import erlang_c

SERVERS, LOAD, UNIT_S = 3, 0.6, 100.0
SEEDS, REPLICATIONS, CUSTOMERS, WARMUP = 200, 10, 4000, 500
#: The mean wait, in seconds.
THEORY = UNIT_S * erlang_c(SERVERS, LOAD) / (SERVERS * (1 - LOAD))


def _waits(seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the waits of independent M/M/3 queues, [replications, customers], each a pool of one simulation."""
    rng = stream(seed, "coverage")
    gaps = rng.exponential(UNIT_S / (SERVERS * LOAD), (REPLICATIONS, CUSTOMERS))
    service = rng.exponential(UNIT_S, REPLICATIONS * CUSTOMERS)
    at = (np.cumsum(gaps, axis=1) * 1e6).astype(np.int64).ravel()
    number = np.arange(REPLICATIONS * CUSTOMERS)
    rows = pl.DataFrame(
        {
            "run_id": [f"r{n}" for n in number], "task_id": "t", "attempt": 1, "pipeline_name": "p", "task_name": "t",
            "task_type": "train", "status": "SUCCEEDED", "raw_status": "ok", "time_basis": "utc", "is_censored": False,
            "duration_s": service, "pool": [f"q{n // CUSTOMERS}" for n in number],
            "submitted_at": datetime(2026, 1, 1) + pl.Series(at).cast(pl.Duration("us")),
            "observed_until": datetime(2026, 1, 1) + timedelta(days=365),
        }
    )  # fmt: skip
    pools = [{"name": f"q{n}", "slots": SERVERS} for n in range(REPLICATIONS)]
    scenario = Scenario.model_validate({"name": "mmc", "platform": {"pools": pools}})
    tasks = simulate(Trace({"pipeline_runs": rows, "task_runs": rows}), scenario).trace.task_runs
    found = tasks.select(
        pl.col("run_id").str.slice(1).cast(pl.Int64).alias("n"),
        ((pl.col("started_at") - pl.col("queued_at")).dt.total_microseconds() / 1e6).alias("wait"),
    ).sort("n")
    return found["wait"].to_numpy().reshape(REPLICATIONS, CUSTOMERS)[:, WARMUP:]


def _covers(found: Interval) -> bool:
    assert found.low is not None
    assert found.high is not None
    return found.low <= THEORY <= found.high


@pytest.mark.endurance
def test_intervals_cover_the_mean_wait_of_a_queue_as_often_as_they_say() -> None:
    """Over 200 seeds: of ten replications 95 % +- 3; of one long run by its batches, 2,000 of them, no less than 90 %."""
    by_replications, by_batches = 0, 0
    for seed in range(SEEDS):
        waits = _waits(seed)
        by_replications += _covers(Interval.of(waits.mean(axis=1).tolist()))
        usable = waits[:, : 64 * (waits.shape[1] // 64)]
        by_batches += sum(_covers(of_batches(run.reshape(64, -1).mean(axis=1).tolist())) for run in usable)
    print(
        f"replications: {by_replications / SEEDS:.1%} of {SEEDS}, batches: {by_batches / (SEEDS * REPLICATIONS):.1%} of 2,000"
    )
    assert 0.92 <= by_replications / SEEDS <= 0.98
    assert 0.90 <= by_batches / (SEEDS * REPLICATIONS) <= 0.98
