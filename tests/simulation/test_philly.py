"""The Philly replay: 82,247 real jobs on one pool, against a plain loop that shares no code with the engine."""

from heapq import heappop, heappush

import numpy as np
import polars as pl
import pytest

from pipesim.simulation import Scenario, simulate
from tests.philly import philly_jobs, philly_trace

pytestmark = pytest.mark.endurance


@pytest.fixture(scope="module")
def jobs():
    return philly_jobs().sort("timestamp", maintain_order=True)


@pytest.fixture(scope="module")
def trace(jobs):
    return philly_trace(jobs)


def replay(trace, backfill):
    pool = {"name": "training", "gpus": 400}
    what_if = Scenario(name="philly", platform={"pools": [pool]}, policy={"order": "fifo", "backfill": backfill})
    result, reference = (simulate(trace, what_if, engine=name) for name in ("compiled", "reference"))
    assert result.trace.task_runs.equals(reference.trace.task_runs)
    return result


def first_come_first_served(submitted, duration, gpus, capacity):
    """Start times in whole seconds: each job starts once the one before it has, and enough GPUs are free."""
    starts, ends, free, now = [], [], capacity, 0
    for at, length, width in zip(submitted, duration, gpus, strict=True):
        now = max(now, at)
        while ends and (ends[0][0] <= now or free < width):
            end, given_back = heappop(ends)
            now, free = max(now, end), free + given_back
        starts.append(now)
        free -= width
        heappush(ends, (now + length, width))
    return np.array(starts)


def test_fifo_without_backfill_equals_a_plain_loop(jobs, trace):
    submitted = jobs["timestamp"].dt.epoch("s").to_numpy()
    duration = jobs["duration"].cast(pl.Int64).to_numpy()
    starts = first_come_first_served(submitted.tolist(), duration.tolist(), jobs["num_gpus"].to_list(), 400)
    result = replay(trace, "none")
    assert result.summary.pipelines == result.summary.tasks == 82_247
    assert (result.trace.task_runs["started_at"].dt.epoch("us").to_numpy() == starts * 1_000_000).all()
    assert result.summary.mean_wait_s == pytest.approx((starts - submitted).mean(), rel=1e-12)
    assert result.trace.task_runs["duration_s"].to_list() == duration.tolist()
    assert 0 < result.summary.utilization["training"] <= 1


def test_greedy_backfill_finishes_every_job_and_waits_less(trace):
    result = replay(trace, "greedy")
    assert result.trace.task_runs["ended_at"].null_count() == 0
    assert result.summary.mean_wait_s < 500_000
    assert 0 < result.summary.utilization["training"] <= 1


def test_jobs_of_one_second_keep_the_order_of_the_log(jobs, trace):
    """A figure that depends on ties: with jobs of one second in another order the mean wait is 27,000 s longer."""
    assert replay(trace, "greedy").summary.mean_wait_s == pytest.approx(485_250.2, abs=0.1)
