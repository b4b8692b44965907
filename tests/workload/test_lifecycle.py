"""The models of a log in its workload model."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipesim.lifecycle import LifecycleModel
from pipesim.trace import Trace
from pipesim.workload import FitConfig, WorkloadModel, fit


def with_versions(trace: Trace, performance: Any) -> Trace:
    """Add a version that each run trained, and its performance."""
    runs = trace.pipeline_runs
    models = runs.select(pl.col("pipeline_name").alias("model_id"), version="run_id", produced_by_run_id="run_id")
    rows = {"metric": pl.lit("performance"), "phase": pl.lit("static"), "step": pl.lit(0), "value": pl.Series(performance)}
    metrics = models.drop("produced_by_run_id").with_columns(runs["submitted_at"].alias("measured_at"), **rows)
    return Trace({**{name: trace[name] for name in trace}, "models": models, "model_metrics": metrics})


def test_a_workload_model_knows_the_models_of_its_log(job_trace: Any) -> None:
    trace = with_versions(job_trace(np.full(30, 60.0)), np.linspace(0.7, 0.9, 30))
    model = fit(trace)
    (law,) = model.lifecycle.models
    assert (law.name, law.versions) == ("jobs", 30)
    assert [note for note in model.notes if note.startswith("models: ")] == [
        f"models: {note}" for note in model.lifecycle.notes
    ]
    assert len(model.lifecycle.notes) > 1
    assert WorkloadModel.from_json(model.to_json()).lifecycle == model.lifecycle
    assert fit(trace).to_json() == model.to_json()


def test_a_model_that_was_stored_without_lifecycle_can_be_read(job_trace: Any) -> None:
    stored = json.loads(fit(job_trace([1.0, 2.0])).to_json())
    assert stored.pop("lifecycle")["models"]
    assert WorkloadModel.from_json(json.dumps(stored)).lifecycle == LifecycleModel()


def test_versions_that_runs_outside_of_the_window_made_do_not_count(job_trace: Any) -> None:
    trace = with_versions(job_trace(np.full(96, 60.0), np.arange(96) * 3600.0), np.repeat([0.9, 0.6, 0.6, 0.9], 24))
    day = trace.pipeline_runs["submitted_at"].min().date()  # type: ignore[union-attr]
    nameless = pl.DataFrame({"model_id": ["jobs"], "version": ["bought"]})
    trace = Trace({**{name: trace[name] for name in trace}, "models": pl.concat([trace["models"], nameless], how="diagonal")})
    bought = trace["model_metrics"][:1].with_columns(version=pl.lit("bought"), value=0.6)
    trace = Trace({**{name: trace[name] for name in trace}, "model_metrics": pl.concat([trace["model_metrics"], bought])})
    (law,) = fit(trace, FitConfig(window=f"{day + timedelta(days=1)}..{day + timedelta(days=2)}")).lifecycle.models
    assert law.versions == 48 + 1  # what no run of the log made stays
    assert law.mean[0] == pytest.approx(np.log(1.5))
    (law,) = fit(trace).lifecycle.models
    assert law.versions == 97
    assert law.mean[0] > np.log(1.5) + 0.5


def test_new_data_are_those_of_a_day_of_the_window(job_trace: Any) -> None:
    gigabyte = 1_000_000_000
    trace = job_trace(np.full(96, 60.0), np.arange(96) * 3600.0, task_type="preprocess", read_bytes=np.full(96, gigabyte))
    train = trace.task_runs.with_columns(task_id=pl.lit("t"), task_type=pl.lit("train"), read_bytes=pl.lit(None, pl.Int64))
    trace = Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": pl.concat([trace.task_runs, train])})
    day = trace.pipeline_runs["submitted_at"].min().date()  # type: ignore[union-attr]
    (law,) = fit(trace, FitConfig(window=f"{day + timedelta(days=1)}..{day + timedelta(days=2)}")).lifecycle.models
    assert law.data_gb_per_day == 24
    assert law.usual_bytes == gigabyte
