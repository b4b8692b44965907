"""I9: mean waits against queueing theory, by independent replications with fixed seeds."""

from datetime import datetime
from math import factorial

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipesim.simulation import Scenario, simulate
from pipesim.streams import stream
from pipesim.trace import Trace

REPLICATIONS, CUSTOMERS, WARM_UP = 20, 5_000, 1_000


def erlang_c_wait(servers: int, load: float) -> float:
    """Mean wait in an M/M/c queue, in units of the mean service time (Erlang 1917)."""
    offered = servers * load
    busy = offered**servers / factorial(servers) / (1 - load)
    probability_of_waiting = busy / (sum(offered**k / factorial(k) for k in range(servers)) + busy)
    return probability_of_waiting / (servers * (1 - load))


def markovian(servers: int, load: float, replication: int) -> Trace:
    """A Poisson stream of tasks of exponential length, 100 s on average, each on one slot."""
    names = pl.Series([f"{i:05d}" for i in range(CUSTOMERS)])
    gaps = stream(9, "gaps", servers, replication).exponential(100 / (servers * load), CUSTOMERS)
    runs = pl.DataFrame({"run_id": names, "submitted_at": (np.cumsum(gaps) * 1e6).astype(np.int64)}).with_columns(
        pl.lit(datetime(2026, 1, 1)) + pl.col("submitted_at").cast(pl.Duration("us")),
        pipeline_name=pl.lit("p"), status=pl.lit("UNKNOWN"), raw_status=pl.lit("?"), time_basis=pl.lit("utc"),
    )  # fmt: skip
    lengths = stream(9, "lengths", servers, replication).exponential(100, CUSTOMERS)
    tasks = pl.DataFrame({"run_id": names, "duration_s": lengths}).with_columns(
        task_id=pl.lit("t"), attempt=1, task_name=pl.lit("t"), status=pl.lit("SUCCEEDED"), raw_status=pl.lit("?"),
        is_censored=False,
    )  # fmt: skip
    return Trace({"pipeline_runs": runs, "task_runs": tasks})


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (5, 0.8)])
def test_i9_mean_wait_of_mmc(servers, load):
    scenario = Scenario(name="mmc", platform={"pools": [{"name": "servers", "slots": servers}]})
    means = []
    for replication in range(REPLICATIONS):
        rows = simulate(markovian(servers, load, replication), scenario).trace.task_runs[WARM_UP:]
        means.append((rows["started_at"] - rows["queued_at"]).dt.total_microseconds().mean() / 1e8)
    interval = stats.t.interval(0.99, REPLICATIONS - 1, np.mean(means), stats.sem(means))
    assert interval[0] < erlang_c_wait(servers, load) < interval[1]
    assert interval[1] - interval[0] < 0.3 * np.mean(means)  # a wide interval would prove nothing
