"""The queue: against cases worked out by hand, a plain loop, the compiled engine and queueing theory."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.quality.gang_queue import waits_us
from pipesim.simulation import Scenario, simulate
from tests.quality.conftest import MONDAY, jobs_trace

US = 1_000_000
Jobs = list[tuple[int, int, int]]


def waits(jobs: Jobs, capacity: int) -> list[int]:
    columns = (np.array(column, dtype=np.int64) for column in zip(*sorted(jobs, key=lambda job: job[0]), strict=True))
    return waits_us(*columns, capacity).tolist()


@pytest.mark.parametrize(
    ("jobs", "capacity", "expected"),
    [
        ([(0, 5, 1)], 1, [0]),
        ([(0, 5, 1), (0, 5, 1), (0, 5, 1)], 1, [0, 5, 10]),
        ([(0, 5, 1), (5, 5, 1)], 1, [0, 0]),
        ([(0, 10, 2), (1, 1, 2), (2, 1, 1)], 3, [0, 9, 8]),  # the third would fit, but nobody passes
        ([(0, 10, 2), (1, 10, 1), (2, 1, 3)], 3, [0, 0, 9]),
        ([(0, 10, 9), (1, 1, 1)], 4, [0, 9]),  # wider than the queue: takes all of it
        ([(0, 0, 1), (0, 7, 1), (0, 0, 1)], 1, [0, 0, 7]),
        ([(0, 4, 1), (0, 3, 1), (0, 2, 1), (1, 1, 3)], 3, [0, 0, 0, 3]),
    ],
)
def test_cases_worked_out_by_hand(jobs: Jobs, capacity: int, expected: list[int]) -> None:
    assert waits(jobs, capacity) == expected


def plain_loop(jobs: Jobs, capacity: int) -> list[int]:
    found, ends, free, now = [], [], capacity, 0
    for at, hold, width in sorted(jobs, key=lambda job: job[0]):
        now, need = max(now, at), min(width, capacity)
        while ends and (ends[0][0] <= now or free < need):
            end, back = heappop(ends)
            now, free = max(now, end), free + back
        found.append(now - at)
        free -= need
        heappush(ends, (now + hold, need))
    return found


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 30), st.integers(1, 6)), min_size=1, max_size=60), st.integers(1, 8)
)
def test_it_is_a_plain_loop(jobs: Jobs, capacity: int) -> None:
    assert waits(jobs, capacity) == plain_loop(jobs, capacity)


@pytest.mark.parametrize("seed", [0, 1])
def test_it_waits_to_the_microsecond_like_the_compiled_engine(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at, hold = (np.floor(x).astype(np.int64) for x in (np.sort(rng.random(2000) * 2e9), rng.lognormal(16, 1, 2000)))
    at[rng.random(2000) < 0.2] = 0
    at.sort()
    gpus = rng.choice([1, 2, 4, 8], 2000)
    trace = jobs_trace(at / US, hold / US, gpus=gpus.astype(float))
    pool = {"name": "training", "gpus": 16}
    scenario = Scenario(name="queue", platform={"pools": [pool]}, policy={"order": "fifo", "backfill": "none"})
    ran = simulate(trace, scenario, engine="compiled").trace.task_runs.sort("run_id")
    started = (ran["started_at"] - pl.Series([MONDAY], dtype=pl.Datetime("us"))).dt.total_microseconds().to_numpy()
    assert waits_us(at, hold, gpus, 16).max() > 0
    np.testing.assert_array_equal(waits_us(at, hold, gpus, 16), started - at)


@pytest.mark.parametrize(("name", "factor"), [("M/M/1", 1.0), ("M/D/1", 0.5)])
def test_mean_waits_are_those_of_queueing_theory(name: str, factor: float) -> None:
    """Pollaczek and Khinchine: load / (1 - load) service times in M/M/1, half of that in M/D/1."""
    load, unit = 0.6, 10 * US
    means = []
    for seed in range(20):
        rng = np.random.default_rng([seed, len(name)])
        at = np.cumsum(rng.exponential(unit / load, 20_000)).astype(np.int64)
        hold = (rng.exponential(unit, 20_000) if factor == 1 else np.full(20_000, unit)).astype(np.int64)
        means.append(waits_us(at, hold, np.ones(20_000, dtype=np.int64), 1).mean() / unit)
    error = 2.9 * np.std(means, ddof=1) / np.sqrt(len(means))  # 99 % of Student's t with 19 degrees of freedom
    assert abs(np.mean(means) - factor * load / (1 - load)) < error < 0.05
