"""What a log tells of its models: which pipelines train them, which versions there were, and what was measured of these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.lifecycle.live import Indices, Live
from pipesim.lifecycle.metrics import METRICS, PERFORMANCE, SHARES, Floats
from pipesim.trace import Trace
from pipesim.words import count

_VERSION = ("model_id", "version")
_METRIC = pl.Enum(METRICS)


@dataclass(frozen=True)
class Measured:
    """The versions of models that were measured: V versions of M models.

    Args:
        model: [V] The model of each.
        run_id: [V] The run that trained it, where the log says so.
        first: [V, 5] The earliest static metrics of each, NaN where there are none,
        last: [V, 5] and the latest, NaN where there is but one measurement.
        live: Live performance.
        notes: What had to be left out.
    """

    model: Indices
    run_id: pl.Series
    first: Floats
    last: Floats
    live: Live
    notes: tuple[str, ...]


def training_pipelines(trace: Trace) -> pl.DataFrame:
    """Return the pipelines that train a model in at least one run, by name, with their usual framework and tenant.

    Columns: `model` (0, 1, ...), `pipeline_name`, `framework`, `tenant`; what is most frequent, and first by name if there are
    several such; frameworks are counted by training task, tenants by run.
    """
    runs = trace.pipeline_runs.select("run_id", "pipeline_name", "tenant").drop_nulls("pipeline_name")
    trains = trace.task_runs.filter(pl.col("task_type") == "train").select("run_id", "task_id", "framework").unique()
    trains = trains.join(runs, on="run_id", how="inner")
    names = trains.select("pipeline_name").unique().sort("pipeline_name").with_row_index("model")
    for frame, column in ((trains, "framework"), (runs, "tenant")):
        counts = frame.drop_nulls(column).group_by("pipeline_name", column).len()
        usual = counts.sort("len", column, descending=[True, False]).unique("pipeline_name", keep="first", maintain_order=True)
        names = names.join(usual.drop("len"), on="pipeline_name", how="left", maintain_order="left")
    return names.with_columns(pl.col("model").cast(pl.Int64))


def measured(trace: Trace, pipelines: pl.DataFrame) -> Measured:
    """Return what was measured of the versions that training pipelines made.

    A version belongs to the pipeline of the run that trained it; where the log does not know that run, to the pipeline that has
    the model's name. Shares outside of 0..1, and sizes and latencies that are not positive, are left out, and counted.

    Args:
        trace: The log.
        pipelines: What `training_pipelines` returns.
    """
    versions = _versions(trace, pipelines)
    metrics = trace["model_metrics"].filter(pl.col("metric").is_in(METRICS), pl.col("value").is_not_null())
    metrics = metrics.with_columns(pl.col("metric").cast(_METRIC))
    share = pl.col("metric").is_in([name for name, is_share in zip(METRICS, SHARES, strict=True) if is_share])
    value = pl.col("value")
    sound = value.is_finite() & pl.when(share).then(value.is_between(0, 1)).otherwise(value > 0)
    good = metrics.filter(sound)
    notes = []
    if others := trace["model_metrics"].filter(~pl.col("metric").is_in(METRICS)).height:
        notes.append(f"{count(others, 'metric is', 'metrics are')} none of {', '.join(METRICS)}: not used")
    if wrong := metrics.height - good.height:
        notes.append(f"{count(wrong, 'metric is', 'metrics are')} not in range, 0..1 or above 0: not counted")
    if lost := versions["model"].null_count():
        notes.append(f"{count(lost, 'version')} without a producing run of a pipeline that trains, or its name: not counted")
    versions = versions.drop_nulls("model").join(good.select(_VERSION).unique(), on=_VERSION, how="semi", maintain_order="left")
    versions = versions.with_row_index("row")
    good = good.join(versions, on=_VERSION, how="inner").sort("row", "metric", "step", "measured_at", "value")
    first, last = _static(good.filter(pl.col("phase") == "static"), versions.height)
    live = _live(good.filter(pl.col("phase") == "live", pl.col("metric") == METRICS[PERFORMANCE]), pipelines.height)
    return Measured(versions["model"].to_numpy(), versions["run_id"], first, last, live, tuple(notes))


def _versions(trace: Trace, pipelines: pl.DataFrame) -> pl.DataFrame:
    """Return every version that the log names, in order, with the run that trained it and its model, NULL where not known."""
    stored = trace["models"].sort(*_VERSION, "produced_by_run_id", "deployed_at", nulls_last=True)
    stored = stored.unique(_VERSION, keep="first", maintain_order=True)
    stored = stored.select(*_VERSION, pl.col("produced_by_run_id").alias("run_id"), "deployed_at")
    names = pipelines.select("model", "pipeline_name")
    of_run = trace.pipeline_runs.join(names, on="pipeline_name").select("run_id", "model")
    of_name = names.select(pl.col("pipeline_name").alias("model_id"), pl.col("model").alias("namesake"))
    every = pl.concat([stored.select(_VERSION), trace["model_metrics"].select(_VERSION)]).unique().sort(_VERSION)
    every = every.join(stored, on=_VERSION, how="left", maintain_order="left")
    every = every.join(of_run, on="run_id", how="left", maintain_order="left")
    every = every.join(of_name, on="model_id", how="left", maintain_order="left")
    return every.select(*_VERSION, "run_id", "deployed_at", pl.coalesce("model", "namesake").alias("model"))


def _static(rows: pl.DataFrame, versions: int) -> tuple[Floats, Floats]:
    """Return each version's earliest and latest static metrics, [V, 5], from rows in order."""
    first, last = np.full((2, versions, len(METRICS)), np.nan)
    ends = rows.group_by("row", pl.col("metric").to_physical()).agg(
        pl.col("value").first().alias("first"), pl.col("value").last().alias("last"), pl.len()
    )
    place = ends["row"].to_numpy(), ends["metric"].to_numpy()
    first[place] = ends["first"].to_numpy()
    last[place] = np.where(ends["len"].to_numpy() > 1, ends["last"].to_numpy(), np.nan)
    return first, last


def _live(rows: pl.DataFrame, models: int) -> Live:
    """Return live performance by version and time; a value at 0 or 1 has been cut off there, and tells of no loss."""
    rows = rows.drop_nulls("measured_at").sort("row", "measured_at", "step", "value")
    deployed = pl.min_horizontal("deployed_at", pl.col("measured_at").first().over("row"))
    days = (pl.col("measured_at") - deployed).dt.total_microseconds() / 86.4e9
    rows = rows.with_columns(days.alias("days")).filter(pl.col("value") > 0, pl.col("value") < 1)
    return Live(
        model=rows["model"].to_numpy(),
        version=rows["row"].cast(pl.Int64).to_numpy(),
        days=rows["days"].to_numpy(),
        value=rows["value"].to_numpy(),
        models=models,
    )
