"""Fitting the marks of runs, coupled to their arrivals in the way that was asked for."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import HOUR_US, Instants
from pipesim.workload.marks.combinations import MARKS, Combinations
from pipesim.workload.marks.hour_octave import HourOctaveMarks, octaves
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.marks.model import Coupling
from pipesim.workload.marks.same_day import SameDayMarks
from pipesim.workload.marks.source_runs import SourceRuns, fit_source_runs
from pipesim.workload.structure import Places, Structure, run_shapes
from pipesim.workload.tasks.attempts import KIND
from pipesim.workload.tasks.durations import DurationCell, work_scores
from pipesim.workload.tasks.kinds import Kind, demand_rows

MarksKind = Literal["same-day", "hour-octave", "independent"]


def fit_marks(
    kind: MarksKind,
    trace: Trace,
    attempts: pl.DataFrame,
    combinations: Combinations,
    places: Places,
    structure: Structure,
    kinds: tuple[Kind, ...],
    cells: tuple[DurationCell, ...],
    submitted: Instants,
) -> Coupling:
    """Return how the marks of runs hang together with their arrivals.

    Args:
        kind: In which way.
        trace: The trace.
        attempts: What `attempts.prepare` returns of it.
        combinations: The combinations of marks of its runs.
        places: The places of its tasks.
        structure: The shapes of its runs.
        kinds: The kinds of its tasks.
        cells: The duration cells of its tasks.
        submitted: The instants of all submissions, ascending, of which the trace may hold a part.
    """
    runs = trace.pipeline_runs.filter(pl.col("pipeline_name").is_in(structure.pipelines) & pl.col("submitted_at").is_not_null())
    runs = runs.sort("submitted_at", "run_id")
    if kind == "independent":
        return IndependentMarks()
    shapes = run_shapes(places, structure)
    names = pl.DataFrame({"pipeline_name": structure.pipelines}).with_row_index("pipeline")
    rows = combinations.frame().drop("runs").with_row_index("combination")
    marked = (
        runs.join(names, on="pipeline_name", maintain_order="left")
        .with_columns(pl.col("pipeline").cast(pl.Int64))
        .join(rows, on=["pipeline", *MARKS], nulls_equal=True, maintain_order="left")
        .join(shapes, on="run_id", how="left", maintain_order="left")
        .select("run_id", "submitted_at", "combination", pl.col("shape").fill_null(-1))
    )
    tasks = _tasks(attempts, kinds, cells).join(places.tasks.select("run_id", "task_id", "position"), on=["run_id", "task_id"])
    source = fit_source_runs(marked, tasks)
    if kind == "same-day":
        return SameDayMarks(runs=source)
    return HourOctaveMarks(runs=source, octave=_octaves(source, submitted))


def _tasks(attempts: pl.DataFrame, kinds: tuple[Kind, ...], cells: tuple[DurationCell, ...]) -> pl.DataFrame:
    """Return run_id, task_id, demand and work, one row a task."""
    scored = attempts.with_columns(work=work_scores(attempts, cells))
    work = scored.group_by("run_id", "task_id").agg(pl.col("work").drop_nulls().first())
    first = attempts.filter(pl.col("attempt") == pl.col("attempt").min().over("run_id", "task_id"))
    parts = [
        same.select("run_id", "task_id", demand=demand_rows(kind.demands, same))
        for kind in kinds
        if (same := first.filter(*(pl.col(c).eq_missing(pl.lit(getattr(kind, c), dtype=pl.String)) for c in KIND))).height
    ]
    return pl.concat(parts).join(work, on=["run_id", "task_id"])


def _octaves(source: SourceRuns, submitted: Instants) -> tuple[int, ...]:
    """Return the octave of each source run's hour, by all the runs of the hour, kept or not."""
    hour = submitted // HOUR_US
    known, first = np.unique(hour, return_index=True)
    of_hour = octaves(hour, 1.0)[first]
    return tuple(of_hour[np.searchsorted(known, np.asarray(source.hour))].tolist())
