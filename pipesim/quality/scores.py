"""The quality report's numbers: draw, compare and sum up. Loops run over seeds and metrics, never over rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipesim.quality.curves import Curves, curves, together
from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.measures import METRICS, WAIT_ERROR, CannotTellError, Metric
from pipesim.quality.measures.metric import Parts
from pipesim.quality.stretch import real_stretch, synthetic_stretch
from pipesim.quality.summary import summarize
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize
from pipesim.workload.arrivals.hour_of_week import HourOfWeekArrivals
from pipesim.workload.privacy import public_names

#: Metric, part of the trace, value, and why there is none.
Row = tuple[str, str, float | None, str | None]

_SEEDS = {
    "series": pl.String, "seed": pl.Int64, "metric": pl.String, "cell": pl.String, "value": pl.Float64, "reason": pl.String,
}  # fmt: skip

#: Model, baseline, the baseline as published, and floor.
_SERIES = 4


class QualityConfig(BaseModel):
    """How to judge a model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: int = Field(default=16, ge=1, le=1000, description="How many synthetic traces are drawn; 16 or more tell chance.")
    seed: int = Field(default=0, ge=0, description="The root seed: that of the first trace; the others have the next ones.")
    private: bool = Field(default=False, description="Judge private traces, in which names are replaced.")


@dataclass(frozen=True)
class Quality:
    """What judging a model left.

    Args:
        model: The model's identifier.
        baseline: That of the hour-of-week model whose runs are drawn one by one, fitted to the same trace.
        days: How many days were compared.
        scores: One row a metric (`summary.SCORES`).
        cells: One row a metric and part of the trace, details among them (`summary.CELLS`).
        seeds: One row a seed of a series (model, baseline, published, floor), metric and cell: the value, or why there is none.
        curves: What the scores sum up, as `curves.together` returns it.
    """

    model: str
    baseline: str
    days: int
    scores: pl.DataFrame
    cells: pl.DataFrame
    seeds: pl.DataFrame
    curves: Curves

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        shown = self.scores.select("metric", "value", "floor", "baseline", "goal", "ok")
        return {"scores": {row.pop("metric"): row for row in shown.to_dicts()}}

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return all tables by the names under which they are stored."""
        return {"scores": self.scores, "cells": self.cells, "seeds": self.seeds, **self.curves}


@dataclass(frozen=True)
class Drawn:
    """What one synthetic trace gave: the values of the metrics, or why there are none, and its curves."""

    rows: tuple[Row, ...]
    curves: Curves


def quality(
    trace: Trace, model: WorkloadModel, config: QualityConfig | None = None, tell: Callable[[float], None] | None = None
) -> Quality:
    """Judge a model by the trace that it was fitted to. The same trace, model, configuration and version give the same result.

    As many days as the fitted window has, 84 at most, are drawn for every seed and compared with the window, beside two
    others: the baseline, which is the hour-of-week model of the same trace and the same seeds with every run by itself, and
    the noise floor, which is the real trace beside itself (see `Metric.floor`). The waits of the baseline are measured once
    more with gaps as the PipeSim paper draws them.

    Args:
        trace: The observed trace.
        model: A model that was fitted to it.
        config: How to judge.
        tell: Is called with the share of the work that is done.

    Raises:
        RequestError: If the baseline cannot be fitted to the trace, as it is not the one that the model was fitted to.
    """
    config = config or QualityConfig()
    trace = _seen_by(model, trace)
    real = excerpt(trace, real_stretch(model))
    simple = _baseline(trace, model)
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if tell is not None:
            tell(done / (config.seeds * _SERIES))

    numbers = range(config.seed, config.seed + config.seeds)
    drawn = {"model": _draw(real, model, numbers, step, config.private)}
    drawn["baseline"] = _draw(real, simple, numbers, step)
    rows = [(name, n, *row) for name, many in drawn.items() for n, one in zip(numbers, many, strict=True) for row in one.rows]
    for number in numbers:
        rows += [("floor", number, *row) for row in one_floor(real, number)]
        step()
        rows += [("published", number, *row) for row in _waits(real, _published(simple), number)]
        step()
    seeds = pl.DataFrame(rows, schema=_SEEDS, orient="row")
    scores, cells = summarize(METRICS, seeds)
    sides = [[one.curves for one in drawn[name]] for name in ("model", "baseline")]
    return Quality(model.id, simple.id, len(real.days), scores, cells, seeds, together(curves(real), *sides))


def one_seed(real: Excerpt, model: WorkloadModel, seed: int, private: bool = False) -> Drawn:
    """Draw the synthetic trace of a seed, as `synthesize` does, and compare it with the real excerpt."""
    other = _synthetic(real, model, seed, private)
    rows = [row for metric in METRICS for row in _rows(metric, lambda m: m.compute(real, other))]
    return Drawn(tuple(rows), curves(other))


def one_floor(real: Excerpt, seed: int) -> list[Row]:
    """Compare real with real once: each metric's noise floor, from the chance of one seed."""
    return [row for metric in METRICS for row in _rows(metric, lambda m: m.floor(real, stream(seed, "quality", "floor")))]


def _waits(real: Excerpt, model: WorkloadModel, seed: int) -> list[Row]:
    """Return only what a queue makes of the synthetic trace of a seed."""
    other = _synthetic(real, model, seed)
    return [row for metric in METRICS if metric.name == WAIT_ERROR for row in _rows(metric, lambda m: m.compute(real, other))]


def _synthetic(real: Excerpt, model: WorkloadModel, seed: int, private: bool = False) -> Excerpt:
    stretch, days = synthetic_stretch(real.stretch, model)
    trace = synthesize(model, SynthesisConfig(days=days, seed=seed, private=private))
    if private:  # what is compared is not who the numbers are
        names = (pl.col(column).replace(known) for column, known in public_names(model).items())
        trace = Trace({**trace.frames, "pipeline_runs": trace.pipeline_runs.with_columns(*names)}, trace.origin, trace.name)
    return excerpt(trace, stretch, gpus=real.gpus)


def _draw(real: Excerpt, model: WorkloadModel, seeds: range, step: Callable[[], None], private: bool = False) -> list[Drawn]:
    found = []
    for seed in seeds:
        found.append(one_seed(real, model, seed, private))
        step()
    return found


def _rows(metric: Metric, ask: Callable[[Metric], Parts]) -> list[Row]:
    try:
        return [(metric.name, cell, value, None) for cell, value in ask(metric).items()]
    except CannotTellError as error:
        return [(metric.name, "", None, str(error))]


def _baseline(trace: Trace, model: WorkloadModel) -> WorkloadModel:
    """Return the model of the PipeSim paper with its mean matched: renewals by the hour of the week, every run by itself."""
    window, seed = model.provenance.window, model.provenance.seed
    config = FitConfig(arrivals="hour-of-week", marks="independent", window=window, seed=seed)
    simple = fit(trace, config, durations_of=model)
    alone = simple.combinations.model_copy(update={"repeat": (0.0,) * len(simple.combinations.repeat)})
    return simple.model_copy(update={"combinations": alone})


def _published(simple: WorkloadModel) -> WorkloadModel:
    """Return the baseline as the paper draws it, whatever the mean of the fitted gaps."""
    assert isinstance(simple.arrivals, HourOfWeekArrivals)
    return simple.model_copy(update={"arrivals": simple.arrivals.model_copy(update={"mean_matched": False})})


def _seen_by(model: WorkloadModel, trace: Trace) -> Trace:
    """Return what of a trace the model was fitted to: without the runs of a time that was ingested later."""
    outside = (pl.col("submitted_at") < model.window.start) | (pl.col("submitted_at") > model.window.end)
    later = trace.pipeline_runs.filter(outside).select("run_id")
    if later.is_empty() or model.provenance.window:  # a window is cut out of the trace by the fit itself
        return trace
    of_runs = [name for name in trace if "run_id" in trace[name].columns]
    kept = {name: trace[name].join(later, on="run_id", how="anti", maintain_order="left") for name in of_runs}
    return Trace({name: kept.get(name, trace[name]) for name in trace}, trace.origin, trace.name)
