"""What synthesis costs: seconds for 100,000 and 1,000,000 pipelines, beside bare numpy and polars doing as much.

The model is fitted to the reference platform's workload (DAGs of 2 to 6 tasks, retries, bytes, data assets). The bare run
draws as many random numbers and builds frames of as many rows with the same filled columns, from one distribution each,
without structure, cells or correlations: the least that any generator of such a trace has to do.

    python benchmarks/synthesis.py [--repeats 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import polars as pl

from pipesim.sample import build_workload
from pipesim.trace import Trace
from pipesim.workload import SynthesisConfig, WorkloadModel, fit, synthesize

DAYS = 28.0


def bare(like: Trace, seed: int) -> dict[str, pl.DataFrame]:
    """Draw and build what the trace holds, the cheapest way numpy and polars offer."""
    rng = np.random.default_rng(seed)
    runs, tasks = like.pipeline_runs.height, like.task_runs.height
    ids = pl.select(("s" + pl.int_range(1, runs + 1).cast(pl.String).str.zfill(7)).alias("run_id")).to_series()
    frames = {}
    for name in like:
        frame = like[name]
        filled = [c for c in frame.columns if frame[c].null_count() < frame.height]
        columns = []
        for column in filled:
            kind = frame.schema[column]
            if column in ("run_id", "asset_id"):
                values = ids.gather(np.sort(rng.integers(0, runs, frame.height)))
            elif kind == pl.String():
                values = frame[column].head(100).gather(rng.integers(0, min(100, frame.height), frame.height))
            elif kind == pl.Boolean():
                values = pl.Series(np.zeros(frame.height, dtype=bool))
            else:
                values = pl.Series(np.exp(rng.standard_normal(frame.height))).cast(kind, strict=False)
            columns.append(values.alias(column))
        frames[name] = pl.DataFrame(columns)
    rng.random(3 * runs + 7 * tasks)
    return frames


def median_seconds(work: Callable[[int], object], repeats: int) -> float:
    times = []
    for seed in range(repeats):
        begin = time.perf_counter()
        work(seed)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def draw(model: WorkloadModel, scale: float, seed: int) -> Trace:
    return synthesize(model, SynthesisConfig(days=DAYS, scale=scale, seed=seed))


def scale_for(model: WorkloadModel, pipelines: int) -> float:
    return pipelines / model.arrivals.expected_runs(DAYS, 1.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median is printed")
    repeats = parser.parse_args().repeats
    observed = build_workload()
    begin = time.perf_counter()
    model = fit(observed)
    print(f"fit of {observed.task_runs.height:,} attempts: {time.perf_counter() - begin:.2f} s (loading fitter included)\n")
    print(f"{'pipelines':>10} {'attempts':>10} {'synthesize s':>13} {'bare s':>8} {'ratio':>6} {'us/pipeline':>12}")
    for pipelines in (100_000, 1_000_000):
        scale = scale_for(model, pipelines)
        trace = draw(model, scale, seed=0)
        ours = median_seconds(partial(draw, model, scale), repeats)
        theirs = median_seconds(partial(bare, trace), repeats)
        runs, attempts = trace.pipeline_runs.height, trace.task_runs.height
        print(f"{runs:>10,} {attempts:>10,} {ours:>13.2f} {theirs:>8.2f} {ours / theirs:>6.2f} {ours / runs * 1e6:>12.2f}")


if __name__ == "__main__":
    main()
