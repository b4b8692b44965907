"""What the reference engine costs beside a bare SimPy loop on the same work: microseconds a run, in one process.

Run it as `python benchmarks/reference_engine.py [--runs N] [--repeats N]`.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import simpy

from pipesim.simulation import Scenario
from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engines import engine_named
from pipesim.streams import stream
from pipesim.trace import Trace

GPUS = 100
LOAD = 0.85


def work(runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Submissions and durations in microseconds: a Poisson stream of one-GPU jobs of lognormal length."""
    durations = stream(1, "durations").lognormal(6.0, 1.5, runs)
    gaps = stream(1, "gaps").exponential(durations.mean() / (GPUS * LOAD), runs)
    return (np.cumsum(gaps) * 1e6).astype(np.int64), np.rint(durations * 1e6).astype(np.int64)


def trace_of(submitted: np.ndarray, durations: np.ndarray) -> Trace:
    """The same work in the canonical tables."""
    names = pl.int_range(len(submitted), eager=True).cast(pl.String).str.zfill(9)
    word = {"status": pl.lit("SUCCEEDED"), "raw_status": pl.lit("SUCCEEDED")}
    runs = pl.select(run_id=names, pipeline_name=pl.lit("p"), time_basis=pl.lit("utc"), **word).with_columns(
        submitted_at=pl.Series(submitted).cast(pl.Datetime("us"))
    )
    tasks = pl.select(
        run_id=names, task_id=pl.lit("t"), attempt=1, task_name=pl.lit("t"), gpus=1.0, is_censored=False, **word
    ).with_columns(duration_s=pl.Series(durations / 1e6))
    return Trace({"pipeline_runs": runs, "task_runs": tasks})


def bare_simpy(submitted: list[int], durations: list[int]) -> list[int]:
    """Return the start of each job; as little Python around SimPy's own resource as the work allows."""
    env = simpy.Environment()
    pool = simpy.Resource(env, GPUS)
    starts = [0] * len(submitted)

    def job(i: int) -> Iterator[simpy.Event]:
        with pool.request() as request:
            yield request
            starts[i] = env.now
            yield env.timeout(durations[i])

    def arrivals() -> Iterator[simpy.Event]:
        for i, at in enumerate(submitted):
            yield env.timeout(at - env.now)
            env.process(job(i))

    env.process(arrivals())
    env.run()
    return starts


def median_seconds(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the median wall-clock time of each function; they take turns, so that a busy machine burdens all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            began = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    submitted, durations = work(options.runs)
    trace = trace_of(submitted, durations)
    engine = engine_named("reference")

    def bare() -> list[int]:
        return bare_simpy(submitted.tolist(), durations.tolist())

    functions: dict[str, Callable[[], object]] = {"bare SimPy loop": bare}
    for backfill in ("none", "greedy"):
        policy = {"order": "fifo", "backfill": backfill}
        scenario = Scenario(name="bench", platform={"pools": [{"name": "gpu", "gpus": GPUS}]}, policy=policy)
        given = compile_scenario(trace, scenario).given
        if engine(given).started.tolist() != bare():
            raise SystemExit("the two schedules differ")
        functions[f"reference, fifo, {backfill}"] = functools.partial(engine, given)
    functions["compilation"] = functools.partial(compile_scenario, trace, scenario)
    medians = median_seconds(functions, options.repeats)
    print(f"{options.runs:,} runs of one task on {GPUS} GPUs at load {LOAD}; median of {options.repeats}\n")
    print(f"{'':<26}{'us a run':>10}{'of bare SimPy':>16}")
    for name, seconds in medians.items():
        print(f"{name:<26}{seconds / options.runs * 1e6:>10.2f}{seconds / medians['bare SimPy loop']:>16.2f}")


if __name__ == "__main__":
    main()
