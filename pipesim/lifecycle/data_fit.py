"""How much data comes in for each model, and how much its training usually reads."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from pipesim.lifecycle.metrics import Floats
from pipesim.trace import Trace

_DAY = timedelta(days=1)
#: Sums of bytes are exact, whatever the order and the size.
_EXACT = pl.Int128()


def bytes_read(trace: Trace, task_type: str) -> pl.DataFrame:
    """Return the bytes that the tasks of a type read in each run, where known: `run_id` and `bytes`.

    Of a task's attempts the one that read most counts: others may have been cut short.
    """
    tasks = trace.task_runs.filter(pl.col("task_type") == task_type, pl.col("read_bytes") > 0)
    tasks = tasks.group_by("run_id", "task_id").agg(pl.col("read_bytes").max())
    return tasks.group_by("run_id").agg(pl.col("read_bytes").cast(_EXACT).sum().cast(pl.Float64).alias("bytes"))


def usual_bytes(trace: Trace, pipelines: pl.DataFrame) -> pl.Series:
    """Return the median of what the preprocess tasks of a run read, else of what its training tasks do; NULL if not known.

    Args:
        trace: The log.
        pipelines: What `measured.training_pipelines` returns; the result has a value for each.
    """
    models = pipelines.select("model", "pipeline_name")
    owner = trace.pipeline_runs.join(models, on="pipeline_name").select("run_id", "model")
    for task_type in ("preprocess", "train"):
        read = bytes_read(trace, task_type).join(owner, on="run_id").group_by("model").agg(pl.col("bytes").median())
        models = models.join(read.rename({"bytes": task_type}), on="model", how="left", maintain_order="left")
    return models.select(pl.coalesce("preprocess", "train")).to_series()


def new_gb_per_day(trace: Trace, pipelines: pl.DataFrame, end: datetime | None) -> tuple[Floats, list[str]]:
    """Return how much data came in for each model, in 10^9 bytes a day of the log, and what fell short.

    It is the size of all versions of data assets that the pipeline's tasks read, each counted once and only if it was not there
    before the log; where no size of an asset is known, what the preprocess tasks read. A shorter log counts as one day.

    Args:
        trace: The log.
        pipelines: What `measured.training_pipelines` returns; the result has a value for each.
        end: The instant at which the log ends; None for the last that it covers.
    """
    models = pipelines.select("model", "pipeline_name")
    runs = trace.pipeline_runs
    begin, last = runs.select(pl.min_horizontal("submitted_at", "started_at").min(), pl.col("observed_until").max()).row(0)
    notes, days = [], 1.0
    if begin is not None and last is not None:
        days = ((end or last) - begin) / _DAY
    if days < 1 or begin is None:
        notes.append("the log does not cover a day: new data are counted as those of one day")
        days = 1.0
    owner = runs.join(models, on="pipeline_name").select("run_id", "model")
    key = ["asset_id", "version"]
    assets = trace["data_assets"].filter(pl.col("size_bytes") >= 0).sort(*key, "size_bytes").unique(key, maintain_order=True)
    read = trace["task_io"].filter(pl.col("direction") == "read").join(owner, on="run_id").select("model", *key).unique()
    read = read.join(assets, on=key).with_columns(old=(pl.col("created_at") < begin).fill_null(False))
    new = pl.when("old").then(0).otherwise("size_bytes").cast(_EXACT).sum().cast(pl.Float64)
    of_assets = read.group_by("model").agg(new.alias("assets"))
    of_tasks = bytes_read(trace, "preprocess").join(owner, on="run_id").sort("run_id")
    of_tasks = of_tasks.group_by("model").agg(pl.col("bytes").cast(_EXACT).sum().cast(pl.Float64))
    for frame in (of_assets, of_tasks):
        models = models.join(frame, on="model", how="left", maintain_order="left")
    total = models.select(pl.coalesce("assets", "bytes", pl.lit(0.0))).to_series().to_numpy()
    return total / 1e9 / days, notes
