"""From a trace to its jobs: every attempt, when it could start if nothing waited, and what it holds for how long."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.stretch import Stretch
from pipesim.quality.values import Int64
from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import DAY_US, microseconds
from pipesim.workload.tasks.attempts import NOT_BEGUN, UNSUCCESSFUL, prepare

_TASK = ("run_id", "task_id")
_OF_ATTEMPT = (
    "seconds", "natural", "censored", "task_type", "framework", "size", "status", "gpus", "cpu_cores", "memory_bytes",
    "read_bytes",
)  # fmt: skip


def excerpt(trace: Trace, stretch: Stretch, gpus: bool | None = None) -> Excerpt:
    """Return what a trace submitted on some days.

    A job is an attempt. It comes when its run was submitted, plus the seconds of all attempts of the tasks before it along the
    longest path, and those of earlier attempts of its own. Jobs that come together keep the order of their runs in the trace,
    as in the simulator. Of a synthetic trace, which holds every task that would run, those
    are left out that depend on a task that fails for good.

    Args:
        trace: The trace.
        stretch: The days.
        gpus: Whether the queue is one for GPUs, which tasks without them stay out of, or one for slots, of which every task
            takes one. By default the former if any task asks for GPUs.
    """
    runs = _runs(trace, stretch)
    tables = {name: trace[name].join(runs, on="run_id", how="semi") for name in ("pipeline_runs", "task_runs", "task_edges")}
    attempts = prepare(Trace(tables)).with_columns(
        held_us=(pl.col("seconds").fill_null(0.0) * 1e6).round().cast(pl.Int64),
    )
    tasks = attempts.group_by(_TASK, maintain_order=True).agg(
        pl.col("held_us").sum(), failed=pl.col("status").last().is_in(UNSUCCESSFUL), attempts=pl.len()
    )
    child, parent = _links(tasks, tables["task_edges"])
    before = _along_the_longest_path(tasks["held_us"].to_numpy(), child, parent)
    reached = np.ones(tasks.height, dtype=bool)
    if trace.origin == "synthetic":
        reached = _along_the_longest_path(tasks["failed"].to_numpy().astype(np.int64), child, parent) == 0
    # Attempts are sorted by task, as tasks are.
    count, held = tasks["attempts"].to_numpy().astype(np.int64), attempts["held_us"].to_numpy()
    begins, earlier = np.cumsum(count) - count, np.cumsum(held) - held
    first = np.zeros(len(held), dtype=bool)
    first[begins] = True
    jobs = (
        attempts.with_columns(
            pl.Series("first", first),
            pl.Series("after_us", earlier + np.repeat(before - earlier[begins], count)),
            pl.Series("reached", np.repeat(reached, count)),
        )
        .filter(pl.col("reached") & ~pl.col("status").is_in(NOT_BEGUN))
        .join(runs, on="run_id", maintain_order="left")
        .with_columns(pl.col("at_us") + pl.col("after_us"))
    )
    if gpus is None:
        gpus = bool((jobs["gpus"] > 0).any())
    width = pl.when(pl.col("gpus") > 0).then("gpus") if gpus else pl.lit(1.0)
    weekday = (stretch.begin.weekday() + np.asarray(stretch.days, dtype=np.int64)) % 7
    return Excerpt(
        days=weekday,
        stretch=stretch,
        gpus=gpus,
        runs=runs.drop("run_id", "place"),
        jobs=jobs.with_columns(width=width)
        .sort("at_us", "place", maintain_order=True)
        .select("at_us", "day", "first", "width", *_OF_ATTEMPT, "pipeline_name", "tenant"),
    )


def _runs(trace: Trace, stretch: Stretch) -> pl.DataFrame:
    """Return the runs that were submitted on the days: where each has its place, on which day, how long after the beginning."""
    places = pl.DataFrame({"source": stretch.days, "day": range(len(stretch.days))}, schema_overrides={"day": pl.Int64})
    end = stretch.begin + timedelta(hours=stretch.hours) if stretch.hours % 24 else None
    rows = trace.pipeline_runs.filter(pl.col("submitted_at") >= stretch.begin)
    rows = rows if end is None else rows.filter(pl.col("submitted_at") < end)
    since = pl.col("submitted_at").dt.epoch("us") - microseconds(stretch.begin)
    return (
        rows.select("run_id", "pipeline_name", "tenant", at_us=since, source=since // DAY_US)
        .join(places, on="source", maintain_order="left")
        .with_columns(at_us=pl.col("at_us") + (pl.col("day") - pl.col("source")) * DAY_US)
        .drop("source")
        .sort("at_us", maintain_order=True)
        .with_row_index("place")
    )


def _links(tasks: pl.DataFrame, edges: pl.DataFrame) -> tuple[Int64, Int64]:
    """Return the row of the child and that of the parent of every dependency."""
    rows = tasks.select(*_TASK).with_row_index("child")
    linked = edges.join(rows, on=_TASK).join(
        rows.rename({"task_id": "parent_task_id", "child": "parent"}), on=["run_id", "parent_task_id"]
    )
    return linked["child"].to_numpy().astype(np.int64), linked["parent"].to_numpy().astype(np.int64)


def _along_the_longest_path(amount: Int64, child: Int64, parent: Int64) -> Int64:
    """Return for every task the most that the amounts of its ancestors add up to along one path.

    Each round settles the tasks one step further from the roots; dependencies have no cycles, or they would not be here.
    """
    before = np.zeros(len(amount), dtype=np.int64)
    for _ in range(len(amount)):
        further = before.copy()
        np.maximum.at(further, child, before[parent] + amount[parent])
        if np.array_equal(further, before):
            break
        before = further
    return before
