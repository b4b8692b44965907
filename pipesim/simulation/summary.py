"""The figures of one simulated replication: waits, completion times, makespan, utilisation."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from pipesim.simulation.compilation import Compilation
from pipesim.simulation.engine import DIMENSIONS, NEVER, Float64, Schedule
from pipesim.simulation.placement import Mask
from pipesim.trace import Trace

# The resource by which a pool's utilisation is measured: the first of these that it limits.
_DOMINANT = ("gpus", "slots", "cpu_cores", "memory_bytes")


@dataclass(frozen=True)
class RunSummary:
    """One line of `pipesim simulate`. Times are seconds; None where there is nothing to average.

    Args:
        scenario: Name of the scenario.
        replication: Number of the replication, from 0.
        engine: The engine that ran it.
        pipelines: Simulated pipeline runs.
        tasks: Simulated tasks.
        mean_wait_s: Mean of started - queued over the attempts that started.
        p50_wait_s: Its median, as all quantiles by linear interpolation.
        p95_wait_s: Its 0.95 quantile.
        p99_wait_s: Its 0.99 quantile.
        mean_jct_s: Mean of ended - submitted over the runs that ended (job completion time).
        p95_jct_s: Its 0.95 quantile.
        makespan_s: From the first submission to the last end.
        utilization: By pool, the part of capacity x makespan that was held, of GPUs, else slots, else CPU, else memory.
        engine_seconds: Wall-clock time of the event loop alone.
        seconds: Wall-clock time from the trace to the result.
    """

    scenario: str
    replication: int
    engine: str
    pipelines: int
    tasks: int
    mean_wait_s: float | None
    p50_wait_s: float | None
    p95_wait_s: float | None
    p99_wait_s: float | None
    mean_jct_s: float | None
    p95_jct_s: float | None
    makespan_s: float
    utilization: dict[str, float | None]
    engine_seconds: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)

    def as_frame(self) -> pl.DataFrame:
        """Return one row for storage: without wall-clock times, so that equal inputs are stored as equal bytes.

        `utilization` is a list of `{pool, utilization}`, as pools differ between scenarios.
        """
        row = {key: value for key, value in self.as_dict().items() if key not in ("engine_seconds", "seconds")}
        row["utilization"] = [{"pool": pool, "utilization": value} for pool, value in self.utilization.items()]
        whole = dict.fromkeys(("replication", "pipelines", "tasks"), pl.Int64())
        schema: dict[str, pl.DataType] = {key: whole.get(key, pl.Float64()) for key in row}
        schema |= {"scenario": pl.String(), "engine": pl.String()}
        schema["utilization"] = pl.List(pl.Struct({"pool": pl.String(), "utilization": pl.Float64()}))
        return pl.DataFrame([row], schema=schema)


def summarize(
    compiled: Compilation,
    schedule: Schedule,
    trace: Trace,
    *,
    replication: int,
    engine: str,
    engine_seconds: float,
    began: float,
) -> RunSummary:
    """Measure a schedule and the simulated trace that was made of it; `began` is the `perf_counter` of the beginning."""
    started = schedule.started != NEVER
    wait_s = (schedule.started[started] - schedule.queued[started]) / 1e6
    runs = trace.pipeline_runs
    jct_s = runs.select((pl.col("ended_at") - pl.col("submitted_at")).dt.total_microseconds() / 1e6).to_series()
    makespan_us = last_event(compiled, schedule) - int(compiled.given.run_submitted[0])
    mean_jct_s, p95_jct_s = _mean_and_quantiles(jct_s.drop_nulls().to_numpy(), 0.95)
    mean_wait_s, p50_wait_s, p95_wait_s, p99_wait_s = _mean_and_quantiles(wait_s, 0.5, 0.95, 0.99)
    return RunSummary(
        scenario=trace.name,
        replication=replication,
        engine=engine,
        pipelines=runs.height,
        tasks=len(schedule.task_state),
        mean_wait_s=mean_wait_s,
        p50_wait_s=p50_wait_s,
        p95_wait_s=p95_wait_s,
        p99_wait_s=p99_wait_s,
        mean_jct_s=mean_jct_s,
        p95_jct_s=p95_jct_s,
        makespan_s=makespan_us / 1e6,
        utilization={name: _utilization(compiled, started, p, makespan_us) for p, name in enumerate(trace.pools["pool"])},
        engine_seconds=engine_seconds,
        seconds=time.perf_counter() - began,
    )


def last_event(compiled: Compilation, schedule: Schedule) -> int:
    """Return the last instant at which anything happened: a submission or an end."""
    return max(int(schedule.ended.max()), int(compiled.given.run_submitted[-1]))


def _mean_and_quantiles(seconds: Float64, *quantiles: float) -> list[float | None]:
    if not len(seconds):
        return [None] * (1 + len(quantiles))
    return [float(seconds.mean()), *(float(q) for q in np.quantile(seconds, quantiles))]


def _utilization(compiled: Compilation, started: Mask, pool: int, makespan_us: int) -> float | None:
    if not makespan_us:
        return None
    given = compiled.given
    names = list(DIMENSIONS)
    dimension = next(names.index(name) for name in _DOMINANT if given.capacity[pool, names.index(name)])
    here = np.flatnonzero(started & (compiled.placement.pool == pool))
    held_us = np.zeros(len(given.class_pool), dtype=np.int64)
    np.add.at(held_us, given.attempt_class[here], given.attempt_hold[here])
    # Python's integers neither overflow nor round, so a pool that was never idle comes out as exactly 1.
    area = sum(
        time_us * amount for time_us, amount in zip(held_us.tolist(), given.class_demand[:, dimension].tolist(), strict=True)
    )
    return float(area / (int(given.capacity[pool, dimension]) * makespan_us))
