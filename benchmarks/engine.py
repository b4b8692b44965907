"""What the engines cost: the same work on `compiled`, `reference` and a bare SimPy loop, then `compiled` at growing sizes.

    python benchmarks/engine.py [--runs 50000] [--repeats 5] [--largest 10000000]

The growing work is that of a year on two pools: runs of one to six tasks in a chain, 3.5 on average, Poisson arrivals, load
.85, first come, first served. Each size is a process of its own, so that its peak memory is its own; what the input takes is
not counted. Quote the medians.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl
import simpy

from pipesim.simulation import Scenario
from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engine import CODE, SimulationInput
from pipesim.simulation.engines import engine_named, make_ready
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


def year(tasks: int) -> SimulationInput:
    """Runs of one to six tasks in a chain, every other one on the second pool; 64 and 128 slots, load .85."""
    rng = stream(2, "year")
    lengths = rng.integers(1, 7, tasks * 2 // 7)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    count = int(starts[-1])
    place = np.arange(count) - np.repeat(starts[:-1], lengths)
    pool = (place % 2).astype(np.int32)
    slots = np.array([64, 128])
    hold = np.rint(rng.lognormal(4.0, 1.2, count) * 1e6).astype(np.int64)
    busiest = max(hold[pool == p].sum() / slots[p] for p in (0, 1))
    follows = place > 0
    has_child = np.append(follows[1:], False)
    return SimulationInput(
        run_submitted=np.sort(rng.integers(0, int(busiest / LOAD), len(lengths))),
        run_tasks=starts,
        task_parents=follows.astype(np.int32),
        task_children=np.concatenate(([0], np.cumsum(has_child))),
        children=np.flatnonzero(follows),
        task_attempts=np.arange(count + 1),
        attempt_class=pool,
        attempt_hold=hold,
        attempt_outcome=np.full(count, CODE["SUCCEEDED"], np.int8),
        attempt_key=np.zeros(count),
        class_pool=np.arange(2, dtype=np.int32),
        class_demand=np.array([[1], [1]]),
        capacity=slots[:, None],
        greedy=False,
    )


def grown(tasks: int, repeats: int) -> None:
    """Measure one size in this process."""
    make_ready("compiled")
    given, engine = year(tasks), engine_named("compiled")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    engine(given)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    seconds = median_seconds({"loop": functools.partial(engine, given)}, repeats)["loop"]
    found = {"tasks": len(given.attempt_hold), "runs": len(given.run_submitted), "seconds": seconds, "bytes": used}
    print(json.dumps(found))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--largest", type=int, default=10_000_000)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    submitted, durations = work(options.runs)
    trace = trace_of(submitted, durations)
    if options.size:
        grown(options.size, options.repeats)
        return
    make_ready("compiled", print)

    def bare() -> list[int]:
        return bare_simpy(submitted.tolist(), durations.tolist())

    functions: dict[str, Callable[[], object]] = {"bare SimPy loop": bare}
    for backfill in ("none", "greedy"):
        policy = {"order": "fifo", "backfill": backfill}
        scenario = Scenario(name="bench", platform={"pools": [{"name": "gpu", "gpus": GPUS}]}, policy=policy)
        given = compile_scenario(trace, scenario).given
        for name in ("compiled", "reference"):
            engine = engine_named(name)
            if engine(given).started.tolist() != bare():
                raise SystemExit("two schedules differ")
            functions[f"{name}, fifo, {backfill}"] = functools.partial(engine, given)
    functions["from a trace to arrays"] = functools.partial(compile_scenario, trace, scenario)
    medians = median_seconds(functions, options.repeats)
    print(f"{options.runs:,} runs of one task on {GPUS} GPUs at load {LOAD}; median of {options.repeats}\n")
    print(f"{'':<26}{'us a run':>10}{'of bare SimPy':>16}")
    for name, seconds in medians.items():
        print(f"{name:<26}{seconds / options.runs * 1e6:>10.2f}{seconds / medians['bare SimPy loop']:>16.3f}")
    print(f"\n{'tasks':>10}{'runs':>10}{'loop s':>10}{'us a run':>10}{'us a task':>11}{'bytes a task':>14}")
    size = 10_000
    while size <= options.largest:
        command = [sys.executable, __file__, "--size", str(size), "--repeats", str(options.repeats)]
        found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        tasks, runs, seconds = found["tasks"], found["runs"], found["seconds"]
        per = f"{seconds / runs * 1e6:>10.2f}{seconds / tasks * 1e6:>11.3f}{found['bytes'] / tasks:>14,.0f}"
        print(f"{tasks:>10,}{runs:>10,}{seconds:>10.3f}{per}")
        size *= 10


if __name__ == "__main__":
    main()
