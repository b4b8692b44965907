"""Synthesis: draw a new trace from a workload model. Loops run over cells, kinds and hours, never over rows."""

from __future__ import annotations

import math
import os
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipesim.errors import RequestError
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.model import WorkloadModel
from pipesim.workload.privacy import private
from pipesim.workload.runs import draw_runs, draw_shapes, shapes_of_sources
from pipesim.workload.structure import tasks_per_run

MAX_RUNS = 50_000_000
MAX_DAYS = 36_525
#: What each attempt takes in memory while a trace is drawn: its run, its edges and its data included, rounded up.
BYTES_PER_ATTEMPT = 700


class SynthesisConfig(BaseModel):
    """What to draw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(description="Length of the horizon in days; fractions are allowed.")
    scale: float = Field(default=1.0, description="Multiplies the arrival rate. Durations and demands stay as they are.")
    seed: int = Field(default=0, ge=0, description="Root seed.")
    private: bool = Field(default=False, description="Draw no row, no day and no name of the log, to give the trace away.")


def synthesize(model: WorkloadModel, config: SynthesisConfig) -> Trace:
    """Return a synthetic trace of `days` from the first midnight at or after the window's end: weekdays keep their meaning.

    The trace says what would be run: every task of every run with its attempts, their outcomes and natural durations
    (seconds on a pool of speed 1, waiting excluded). A simulator leaves out what depends on a task that fails for good.
    A short horizon may hold no arrival at all: the trace is then empty, and valid. All of it is drawn in memory.

    Raises:
        RequestError: If days or scale is not positive and finite, the horizon is over 100 years, over 50 million runs are to
            be expected, or they would take more memory than the machine has; if a trace is to be private, and no five runs of
            the log have the same shape.
    """
    _check(model, config)
    name = trace_name(model, config)
    if config.private:
        model = private(model)
    start = midnight_after(model.window.end)
    end = start + timedelta(days=config.days)
    submissions = model.arrivals.sample(stream(config.seed, "arrivals"), start, config.days, config.scale)
    instants = submissions.instants
    marks = model.marks.sample(stream(config.seed, "marks"), submissions, model.combinations)
    combinations = model.combinations.frame()
    pipeline = combinations["pipeline"].to_numpy()[marks.combination]
    shape = draw_shapes(model.structure, np.asarray(model.structure.pair_runs), pipeline, config.seed)
    shape, source = shapes_of_sources(model, marks.source, shape)
    runs = combinations[marks.combination].select(
        _run_ids(len(instants)),
        pl.Series("pipeline_name", model.structure.pipelines, dtype=pl.String)[pipeline],
        "tenant",
        "user",
        "trigger",
        "priority",
        pl.Series("submitted_at", instants).cast(pl.Datetime("us")),
    )
    frames = draw_runs(model, runs, shape, end, config.seed, source)
    return Trace(frames, origin="synthetic", name=name)


def trace_name(model: WorkloadModel, config: SynthesisConfig) -> str:
    """Return the name that the model and the configuration give the trace."""
    return f"{model.id}-d{_plain(config.days)}-x{_plain(config.scale)}-s{config.seed}{'-private' * config.private}"


def _plain(number: float) -> str:
    return repr(float(number)).removesuffix(".0").replace("+", "")


def _check(model: WorkloadModel, config: SynthesisConfig) -> None:
    for name in ("days", "scale"):
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            raise RequestError(f"{name} must be a positive number, not {value}", where=name, remedy=f"give --{name} above 0")
    if config.days > MAX_DAYS:
        raise RequestError(
            f"{config.days:g} days are more than a hundred years", where="days", remedy=f"give up to {MAX_DAYS:,}"
        )
    expected = model.arrivals.expected_runs(config.days, config.scale)
    what = f"{config.days:g} days at scale {config.scale:g} would hold about {expected:.3g} runs"
    if expected > MAX_RUNS:
        raise RequestError(
            f"{what}; {MAX_RUNS:,} is the most",
            where="days, scale",
            remedy=f"choose days x scale up to {MAX_RUNS / expected * config.days * config.scale:.3g}",
        )
    needed, there = expected * tasks_per_run(model.structure) * BYTES_PER_ATTEMPT, _memory()
    if needed > there:
        raise RequestError(
            f"{what}, which take about {needed / 1e9:.3g} GB of memory to draw; this machine has {there / 1e9:.3g} GB",
            where="days, scale",
            remedy=f"choose days x scale up to {there / needed * config.days * config.scale:.3g}, or draw several traces",
        )


def _memory() -> float:
    """Return the bytes of memory of the machine, infinity where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def midnight_after(end: datetime) -> datetime:
    """Return the first midnight at or after an instant: where a synthetic trace begins, given where the window ends."""
    midnight = datetime.combine(end.date(), time())
    return midnight if end == midnight else midnight + timedelta(days=1)


def _run_ids(count: int) -> pl.Series:
    digits = max(7, len(str(count)))  # as many for all, so that they are in order
    return pl.select(("s" + (pl.int_range(1, count + 1).cast(pl.String).str.zfill(digits))).alias("run_id")).to_series()
