"""The table of confidence intervals of a workload model."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import polars as pl

from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import microseconds
from pipesim.workload.confidence.arrivals import arrival_intervals
from pipesim.workload.confidence.data import asset_intervals, byte_intervals
from pipesim.workload.confidence.durations import duration_intervals
from pipesim.workload.confidence.limits import LEVEL
from pipesim.workload.confidence.models import model_intervals
from pipesim.workload.confidence.row import Interval, with_day
from pipesim.workload.confidence.runs import mark_intervals, structure_intervals
from pipesim.workload.confidence.tasks import task_intervals
from pipesim.workload.fitting import days, within
from pipesim.workload.model import WorkloadModel
from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.preprocessing import with_data

SCHEMA = {
    "part": pl.String, "quantity": pl.String, "of": pl.String, "estimate": pl.Float64, "low": pl.Float64, "high": pl.Float64,
    "level": pl.Float64, "how": pl.String,
}  # fmt: skip


def intervals(trace: Trace, model: WorkloadModel, level: float = LEVEL) -> pl.DataFrame:
    """Return how well a log tells each quantity that a workload model is used for.

    The limits come from the log alone, without the laws that were chosen: if these are right, the truth is between them with
    probability `level`, each by itself. An estimate outside of its limits is one that the law gets wrong.

    Args:
        trace: The log that the model was fitted to.
        model: The model.
        level: The probability of an interval, two-sided, above 0 and below 1.

    Returns:
        part, quantity, of, estimate (what the model says), low, high (NULL where the log does not tell), level, how.
    """
    if model.provenance.window:
        trace = within(trace, *days(model.provenance.window))
    runs = trace.pipeline_runs.filter(pl.col("pipeline_name").is_in(model.structure.pipelines))
    instants = runs["submitted_at"].drop_nulls().sort().dt.epoch("us").to_numpy()
    attempts = dated_attempts(trace)
    begin, end = microseconds(model.window.start), microseconds(model.window.end)
    return table(
        chain(
            arrival_intervals(instants, begin, end, model.arrivals, level),
            mark_intervals(runs, model.combinations, model.structure.pipelines, level),
            structure_intervals(trace, model.structure, level),
            task_intervals(attempts, model.kinds, level),
            duration_intervals(attempts, model.durations, level),
            byte_intervals(attempts, model.kinds, level),
            asset_intervals(trace, model.assets, runs, level),
            model_intervals(trace, model.lifecycle, level),
        ),
        level,
    )


def table(found: Iterable[Interval], level: float) -> pl.DataFrame:
    """Return intervals as a frame."""
    columns = [(*row[:6], level, row.how) for row in found]
    return pl.DataFrame(columns, schema=SCHEMA, orient="row")


def dated_attempts(trace: Trace) -> pl.DataFrame:
    """Return the attempts as `attempts.prepare` does, with their day, their data, and whether their task reads an asset."""
    readers = trace["task_io"].filter(pl.col("direction") == "read").select("run_id", "task_id").unique()
    attempts = prepare(trace).join(
        readers.with_columns(reads=pl.lit(True)), on=["run_id", "task_id"], how="left", maintain_order="left"
    )
    return with_day(with_data(attempts, trace), trace.pipeline_runs)
