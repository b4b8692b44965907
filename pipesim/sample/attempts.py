"""How the reference platform's tasks go: natural work, competing risks, retries, demands and the bytes they move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.sample import truth
from pipesim.sample.pipelines import GPU_FRAMEWORKS
from pipesim.streams import stream

Floats = NDArray[np.float64]

OUTCOMES = np.array(["SUCCEEDED", "FAILED", "NODE_FAIL", "CANCELLED", "TIMEOUT", "SKIPPED"])
_SUCCEEDED, _FAILED, _NODE_FAIL, _CANCELLED, _TIMEOUT, _SKIPPED = range(6)


def draw(rng: np.random.Generator, shares: Iterable[float], size: int) -> NDArray[np.intp]:
    """Return `size` independent indices with probabilities in proportion to the shares."""
    cumulative = np.cumsum(list(shares))
    return np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right")


def demands(seed: int, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return `tasks` with the columns `cpu_cores`, `gpus` (NULL for none) and `pool`."""
    types = tasks["task_type"].to_numpy()
    accelerated = tasks["framework"].is_in(sorted(GPU_FRAMEWORKS)).fill_null(False).to_numpy()
    cores, gpus = np.zeros(types.size), np.zeros(types.size)
    for kind, shares in truth.CPU_CORES.items():
        cores[types == kind] = _levels(seed, f"cores-{kind}", shares, types.size)[types == kind]
    for kind, count in truth.OPTIMISE_GPUS.items():
        gpus[accelerated & (types == kind)] = count
    training = accelerated & (types == "train")
    gpus[training] = _levels(seed, "gpus", truth.TRAIN_GPUS, types.size)[training]
    held = pl.Series("gpus", gpus)
    return tasks.with_columns(
        pl.when(held > 0).then(pl.lit(truth.GPU_TASK_CORES)).otherwise(pl.Series(cores)).alias("cpu_cores"),
        pl.when(held > 0).then(held).alias("gpus"),
        pl.when(held > 0).then(pl.lit(truth.GPU_POOL.name)).otherwise(pl.lit(truth.CPU_POOL.name)).alias("pool"),
    )


def _levels(seed: int, name: str, shares: Mapping[float, float], size: int) -> Floats:
    chosen = draw(stream(seed, "sample", name), shares.values(), size)
    return np.array(list(shares))[chosen]


def attempts(seed: int, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return one row an attempt: `tasks` with `attempt`, `status`, `duration_s` and `error`.

    Args:
        seed: Root seed.
        tasks: One row a task, ordered by run and slot, with `run`, `slot`, `task_type`, `framework`, `parents` (slots),
            `cells` (of the batch that a preprocess task reads), `gpus` and `performance` (of the run's model).
    """
    shape = (tasks.height, truth.MAX_ATTEMPTS)
    outcome, seconds = _competing_risks(seed, tasks, _natural_seconds(seed, tasks, shape))
    at_gate = (tasks["task_type"] == "evaluate") & (tasks["performance"] < truth.GATE_PERFORMANCE)
    gated = at_gate.to_numpy()[:, None] & (outcome == _SUCCEEDED)
    outcome[gated] = _FAILED
    again = np.isin(outcome, (_FAILED, _NODE_FAIL)) & ~gated
    again &= stream(seed, "sample", "retries").random(shape) < truth.RETRY_PROBABILITY
    happens = np.cumprod(np.column_stack([np.ones(shape[0], bool), again[:, :-1]]), axis=1).astype(bool)
    final = outcome[np.arange(shape[0]), happens.sum(axis=1) - 1]
    skipped = _kept_from_running(tasks, final == _SUCCEEDED)
    outcome[skipped, 0], seconds[skipped, 0] = _SKIPPED, np.nan
    happens[skipped, 1:] = False
    task, attempt = np.nonzero(happens)
    cause = np.array(truth.ERRORS)[draw(stream(seed, "sample", "errors"), [1.0] * len(truth.ERRORS), task.size)]
    rows = tasks[task].with_columns(
        pl.Series("attempt", attempt + 1),
        pl.Series("status", OUTCOMES[outcome[task, attempt]]),
        pl.Series("duration_s", seconds[task, attempt]).fill_nan(None),
        pl.Series("cause", cause),
        pl.Series("gated", gated[task, attempt]),
    )
    failed = pl.col("status") == "FAILED"
    error = (
        pl.when(failed & pl.col("gated"))
        .then(pl.lit(truth.GATE_ERROR))
        .when(failed)
        .then(pl.col("cause"))
        .when(pl.col("status") == "NODE_FAIL")
        .then(pl.lit("node lost"))
    )
    return rows.with_columns(error.alias("error")).drop("cause", "gated")


def _natural_seconds(seed: int, tasks: pl.DataFrame, shape: tuple[int, int]) -> Floats:
    """Return what each attempt would take if nothing stopped it; every attempt is drawn anew."""
    types, frameworks = tasks["task_type"].to_numpy(), tasks["framework"].to_numpy()
    size = shape[0] * shape[1]
    noise = stream(seed, "sample", "seconds", "preprocess").standard_normal(shape)
    law = truth.PREPROCESS_SECONDS
    seconds = law.median(tasks["cells"].fill_null(1).to_numpy().astype(float))[:, None] * np.exp(law.s * noise)
    for kind, by_type in truth.TASK_SECONDS.items():
        drawn = by_type.sample(stream(seed, "sample", "seconds", kind), size).reshape(shape)
        seconds = np.where((types == kind)[:, None], drawn, seconds)
    for framework, by_framework in truth.TRAIN_SECONDS.items():
        drawn = by_framework.sample(stream(seed, "sample", "seconds", "train", framework), size).reshape(shape)
        seconds = np.where(((types == "train") & (frameworks == framework))[:, None], drawn, seconds)
    return seconds


def _competing_risks(seed: int, tasks: pl.DataFrame, natural: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return what ends each attempt, and after how many seconds (whole milliseconds, at least one)."""
    types, on_gpu = tasks["task_type"].to_numpy(), tasks["gpus"].is_not_null().to_numpy()
    per_hour = np.zeros((3, tasks.height))
    for kind, hazard in truth.FAILURES_PER_HOUR.items():
        per_hour[0, types == kind] = hazard
    per_hour[1, on_gpu] = truth.NODE_FAILURES_PER_HOUR
    per_hour[2, types == "train"] = truth.CANCELLATIONS_PER_HOUR
    exponential = stream(seed, "sample", "risks").standard_exponential((3, *natural.shape))
    with np.errstate(divide="ignore"):
        struck = exponential * 3600 / per_hour[:, :, None]
    ends = np.stack([natural, *struck, np.full(natural.shape, truth.WALL_TIME_LIMIT_S)])
    return ends.argmin(axis=0), np.maximum(np.round(ends.min(axis=0), 3), 0.001)


def _kept_from_running(tasks: pl.DataFrame, succeeded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which tasks never run because a task before them did not succeed."""
    slots = int(tasks["slot"].max()) + 1  # type: ignore[arg-type]
    runs = int(tasks["run"].max()) + 1  # type: ignore[arg-type]
    run, slot = tasks["run"].to_numpy(), tasks["slot"].to_numpy()
    good = np.ones((runs, slots), bool)
    blocked = np.zeros(tasks.height, bool)
    for position in range(slots):
        here = np.flatnonzero(slot == position)
        parents = tasks["parents"][here].list.to_struct(fields=["p0", "p1"]).struct.unnest()
        for column in parents.columns:
            given = parents[column].is_not_null().to_numpy()
            blocked[here[given]] |= ~good[run[here[given]], parents[column].drop_nulls().to_numpy()]
        good[run[here], position] = succeeded[here] & ~blocked[here]
    return blocked


def with_bytes(seed: int, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the attempts with `read_bytes` and `written_bytes`; only attempts that succeeded have written.

    Args:
        seed: Root seed.
        rows: Attempts with `run`, `slot`, `task_type`, `status`, `batch_bytes`, `model_bytes` and
            `small_bytes` (of the pruned model).
    """
    low, high = truth.PREPARED_SHARE
    share = low + (high - low) * stream(seed, "sample", "prepared").random(rows.height)
    rows = rows.with_columns((pl.col("batch_bytes") * pl.Series(share)).alias("prepared"))
    done = pl.col("status") == "SUCCEEDED"
    given = pl.col("prepared").filter(done).sum().over("run")
    raw = pl.Series(truth.UNPREPARED_BYTES.sample(stream(seed, "sample", "unprepared"), rows.height))
    kind = pl.col("task_type")
    trained_on = pl.when(given > 0).then(given).otherwise(raw)
    inputs = {"preprocess": pl.col("batch_bytes"), "train": trained_on}
    outputs = {"preprocess": pl.col("prepared"), "train": pl.col("model_bytes"), "harden": pl.col("model_bytes")}
    outputs["compress"] = pl.col("small_bytes")
    read = pl.coalesce(*(pl.when(kind == name).then(size) for name, size in inputs.items()), "model_bytes")
    written = pl.coalesce(*(pl.when(kind == name).then(size) for name, size in outputs.items()))
    return rows.with_columns(
        pl.when(pl.col("status") != "SKIPPED").then(read.round(0).cast(pl.Int64)).alias("read_bytes"),
        pl.when(done).then(written.round(0).cast(pl.Int64)).alias("written_bytes"),
    )
