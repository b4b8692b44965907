"""The model versions that the reference platform's runs made, and what was measured of them."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from pipesim.sample import truth
from pipesim.sample.metrics import live_performance, optimised_metrics, static_metrics
from pipesim.sample.pipelines import PIPELINES
from pipesim.sample.workload import draw_pipelines

_NAMES = [law.name for law in truth.METRICS]


def trained_versions(seed: int, runs: pl.DataFrame, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return one row a trained version, with its metrics and the instants at which it was trained, evaluated and so on.

    Columns: `run_id`, `pipeline` (index), `framework`, `model_id`, `version`; `train`, `evaluate`, `compress`, `harden` and
    `deploy` (when that task succeeded, an evaluation also when it refused); the metrics after training, and with the
    prefix `late_` as they were deployed.
    """
    runs = runs.sort("run_id")
    pipelines = draw_pipelines(seed, runs.height)
    names = pl.Series("framework", [p.framework for p in PIPELINES])
    whole = runs.select("run_id", model_id=pl.col("pipeline_name")).with_columns(
        pl.Series("pipeline", pipelines), names.gather(pipelines)
    )
    reached = (pl.col("status") == "SUCCEEDED") | (pl.col("error") == truth.GATE_ERROR)
    ends = tasks.filter(reached, pl.col("ended_at").is_not_null())
    for kind in ("train", "evaluate", "compress", "harden", "deploy"):
        of_kind = ends.filter(pl.col("task_type") == kind).select("run_id", pl.col("ended_at").alias(kind))
        whole = whole.join(of_kind, on="run_id", how="left", maintain_order="left")
    static = static_metrics(seed, pipelines)
    late = optimised_metrics(seed, static, whole["compress"].is_not_null(), whole["harden"].is_not_null())
    made = pl.concat([whole, static, late.select(pl.all().name.prefix("late_"))], how="horizontal")
    number = pl.col("train").rank("ordinal").over("model_id")
    return made.filter(pl.col("train").is_not_null()).with_columns(number.cast(pl.String).alias("version"))


def model_rows(versions: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical `models` rows."""
    size = pl.col("size_bytes").cast(pl.Int64)
    rows = versions.select("model_id", "version", "framework", size, produced_by_run_id="run_id", created_at="train")
    return rows.sort("created_at", "model_id")


def metric_rows(seed: int, versions: pl.DataFrame, end: datetime) -> pl.DataFrame:
    """Return the canonical `model_metrics` rows, live ones up to `end`.

    Instants are whole seconds. Static metrics are measured by the evaluation (step 0), and those of an optimised model once
    more at its deployment (step 1).
    """
    optimised = pl.col("compress").is_not_null() | pl.col("harden").is_not_null()
    changed = versions.filter(pl.col("deploy").is_not_null() & optimised).select(
        "model_id", "version", "deploy", *(pl.col(f"late_{name}").alias(name) for name in _NAMES)
    )
    deployed = versions.filter(pl.col("deploy").is_not_null()).select(
        "pipeline", "model_id", "version", performance="late_performance", deployed_at="deploy"
    )
    measured = versions.filter(pl.col("evaluate").is_not_null())
    live = live_performance(seed, deployed, pl.lit(end, pl.Datetime("us")))
    rows = pl.concat([_static_rows(measured, "evaluate", 0), _static_rows(changed, "deploy", 1), live])
    rows = rows.with_columns(pl.col("measured_at").dt.truncate("1s"))
    return rows.sort("measured_at", "model_id", "step", maintain_order=True)


def _static_rows(versions: pl.DataFrame, instant: str, step: int) -> pl.DataFrame:
    rows = versions.unpivot(_NAMES, index=["model_id", "version", instant], variable_name="metric")
    return rows.select(
        "model_id",
        "version",
        "metric",
        pl.lit("static").alias("phase"),
        pl.lit(step, pl.Int64).alias("step"),
        pl.col(instant).alias("measured_at"),
        "value",
    )
