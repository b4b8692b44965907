"""Fitting: learn a workload model from a trace."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from pipesim.errors import EmptyTraceError, RequestError
from pipesim.lifecycle.fitting import fit_lifecycle
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.words import count
from pipesim.workload.arrivals.clock import microseconds
from pipesim.workload.arrivals.fitting import ArrivalKind, fit_arrivals
from pipesim.workload.drift import fit_drift
from pipesim.workload.marks.combinations import fit_combinations
from pipesim.workload.marks.fitting import MarksKind, fit_marks
from pipesim.workload.model import Provenance, Window, WorkloadModel
from pipesim.workload.sampling import Whole
from pipesim.workload.structure import find_places, fit_structure
from pipesim.workload.tasks.assets import fit_assets
from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.durations import fit_durations
from pipesim.workload.tasks.kinds import fit_kinds
from pipesim.workload.tasks.told import tell


class FitConfig(BaseModel):
    """How to fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arrivals: ArrivalKind = Field(
        default="day-block",
        description="day-block: whole days of the log in another order; day-ar: an autoregression of days, none of them "
        "copied; hour-of-week: 168 renewal laws, as in the PipeSim paper; poisson: one rate.",
    )
    marks: Literal[MarksKind, "auto"] = Field(
        default="same-day",
        description="What a run is (pipeline, tenant, tasks, durations), given when it arrives: same-day, as at about that "
        "time of one day of the log; hour-octave, as in an hour of the log that was as busy; independent, whatever it is; "
        "auto, whichever of these brings a queue nearest to the log's waits.",
    )
    window: str = Field(
        default="",
        description="Fit only what was submitted in FROM..TO, two days in UTC of which the last is included, "
        "for example 2026-03-02..2026-03-29; empty: everything.",
    )
    seed: int = Field(default=0, ge=0, description="Root seed of the subsamples on which families are fitted and judged.")

    @field_validator("window")
    @classmethod
    def _window_is_one(cls, window: str) -> str:
        if window:
            days(window)
        return window


def days(window: str) -> tuple[datetime, datetime]:
    """Return the beginning of a window and the instant after its end.

    Raises:
        ValueError: If it is not two days in order.
    """
    first, _, last = window.partition("..")
    try:
        begin, end = (datetime.combine(date.fromisoformat(day.strip()), time()) for day in (first, last))
        end += timedelta(days=1)
    except (ValueError, OverflowError):
        begin = end = datetime.min
    if begin >= end:
        raise ValueError(f"{window!r} is not FROM..TO, two days in order such as 2026-03-02..2026-03-29")
    return begin, end


def fit(
    trace: Trace, config: FitConfig | None = None, durations_of: WorkloadModel | None = None, whole: Whole | None = None
) -> WorkloadModel:
    """Return the workload model of a trace. The trace and the configuration determine it to the byte.

    Args:
        trace: What to learn from.
        config: How to fit.
        durations_of: A model that was fitted to the same trace, window and seed. Its laws of durations are taken over, which
            would come out the same and take most of the time.
        whole: Of a log of which the trace holds a sample (`sampling.sample_of`): what is taken from all of its runs.

    Raises:
        EmptyTraceError: If the trace has no runs or no tasks, in the window if one is given.
        RequestError: If marks are to be chosen (`pipesim.quality.fit_with_best_marks` does that), a quantity is NaN or
            infinite, no run says when it was submitted, no attempt ended with a duration, or dependencies form a cycle.
    """
    config = config or FitConfig()
    if config.marks == "auto":
        raise RequestError(
            "marks that are chosen by what a queue makes of them need a queue",
            where="marks",
            remedy="call pipesim.quality.fit_with_best_marks, or name one of same-day, hour-octave and independent",
        )
    trace = _to_learn_from(trace, config.window)
    attempts = prepare(trace)
    if attempts.is_empty():
        raise EmptyTraceError(
            "no task of the trace belongs to one of its runs",
            where="task_runs.run_id",
            remedy="ingest the tables of runs and of tasks of one log",
        )
    runs = trace.pipeline_runs.sort("submitted_at", "run_id", nulls_last=True)
    places = find_places(trace)
    structure, structure_notes = fit_structure(places)
    with_shape = runs.filter(pl.col("pipeline_name").is_in(structure.pipelines))
    submitted = with_shape["submitted_at"].drop_nulls().dt.epoch("us").to_numpy() if whole is None else whole.submitted
    if not len(submitted):
        raise RequestError(
            "no run says when it was submitted, so there are no arrivals to learn from",
            where="pipeline_runs.submitted_at",
            remedy="map a column of the log to submitted_at",
        )
    streams = partial(stream, config.seed)
    start, last = (np.datetime64(int(submitted[i]), "us").item() for i in (0, -1))
    end = max(last, runs.select(pl.col("observed_until").max()).item() if whole is None else whole.until)
    if config.window:
        end = min(end, days(config.window)[1])
    if durations_of is None:
        durations, duration_notes = fit_durations(tell([attempts]) if whole is None else whole.told, streams)
    else:
        durations = durations_of.durations
        duration_notes = [note for note in durations_of.notes if note.startswith("durations: ")]
    arrivals, gaps, arrival_notes = fit_arrivals(config.arrivals, submitted, int(submitted[0]), microseconds(end), streams)
    combinations = fit_combinations(with_shape, structure.pipelines)
    kinds = fit_kinds(attempts, trace)
    assets, asset_notes = fit_assets(trace)
    lifecycle = fit_lifecycle(trace, end)
    drift, drift_notes = fit_drift(with_shape.filter(pl.col("submitted_at").is_not_null()), attempts, streams)
    notes = [
        *drift_notes,
        *_sampled(runs, whole),
        *_left_out(runs, with_shape),
        *arrival_notes,
        *structure_notes,
        *duration_notes,
        *asset_notes,
    ]
    notes += [f"models: {note}" for note in lifecycle.notes]
    return WorkloadModel(
        window=Window(start=start, end=end),
        arrivals=arrivals,
        arrival_gaps=gaps,
        combinations=combinations,
        marks=fit_marks(config.marks, trace, attempts, combinations, places, structure, kinds, durations, submitted),
        structure=structure,
        durations=durations,
        kinds=kinds,
        assets=assets,
        lifecycle=lifecycle,
        drift=drift,
        provenance=Provenance(
            arrivals=config.arrivals,
            marks=config.marks,
            window=config.window,
            seed=config.seed,
            pipeline_runs=runs.height if whole is None else whole.runs,
            task_runs=trace.task_runs.height if whole is None else whole.attempts,
            notes=tuple(notes),
        ),
    )


def _to_learn_from(trace: Trace, window: str) -> Trace:
    """Return the part of a trace that lies in a window, or all of it without one, if something can be learnt from it."""
    if window:
        covered = trace.pipeline_runs.select(first=pl.col("submitted_at").min(), last=pl.col("submitted_at").max()).row(0)
        trace = within(trace, *days(window))
        if trace.pipeline_runs.is_empty() and None not in covered:
            raise EmptyTraceError(
                f"the trace has no pipeline runs with tasks to learn from between {window}",
                where=trace.name,
                remedy=f"choose days of its own, {covered[0]:%Y-%m-%d}..{covered[1]:%Y-%m-%d}",
            )
    if trace.pipeline_runs.is_empty() or trace.task_runs.is_empty():
        where = f" between {window}" if window else ""
        raise EmptyTraceError(
            f"the trace has no pipeline runs with tasks to learn from{where}", where=trace.name, remedy="ingest a log first"
        )
    for name in ("task_runs", "task_io", "data_assets"):
        for column in trace[name].select(pl.selectors.float()):
            if not column.is_finite().all():
                raise RequestError(
                    f"{column.name} is NaN or infinite in some rows",
                    where=f"{name}.{column.name}",
                    remedy="leave it NULL where it is not known; `pipesim ingest` refuses such rows",
                )
    return trace


def within(trace: Trace, begin: datetime, end: datetime) -> Trace:
    """Return the runs that were submitted in a window, whole, however long they took; what belongs to no run stays.

    Model versions belong to the run that trained them.
    """
    inside = (pl.col("submitted_at") >= begin) & (pl.col("submitted_at") < end)
    runs = trace.pipeline_runs.filter(inside)
    of_runs = [name for name in trace if "run_id" in trace[name].columns]
    kept = {name: trace[name].join(runs.select("run_id"), on="run_id", how="semi") for name in of_runs}
    others = trace.pipeline_runs.filter(~inside.fill_null(False)).select(produced_by_run_id="run_id")
    made = trace["models"].join(others, on="produced_by_run_id", how="semi")
    for name in ("models", "model_metrics"):
        kept[name] = trace[name].join(made, on=("model_id", "version"), how="anti")
    return Trace({name: kept.get(name, trace[name]) for name in trace}, trace.origin, trace.name)


def _sampled(runs: pl.DataFrame, whole: Whole | None) -> list[str]:
    """Say what comes from which runs."""
    if whole is None:
        return []
    return [
        f"sample: arrivals and durations are learnt from all {whole.runs:,} runs, everything else from {runs.height:,} of them "
        "in evenly spread blocks"
    ]


def _left_out(runs: pl.DataFrame, with_shape: pl.DataFrame) -> list[str]:
    """Say what of the runs the model cannot use."""
    notes = []
    if without := runs.height - with_shape.height:
        notes.append(f"structure: {count(without, 'run')} of pipelines of which no run has a task; left out")
    if unknown := with_shape["submitted_at"].null_count():
        notes.append(f"arrivals: {count(unknown, 'run')} without an instant of submission; not counted as arrivals")
    return notes
