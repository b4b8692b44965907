"""The platform's history: real waits on finite pools, models that age, and a log's end that leaves work open."""

from datetime import timedelta

import numpy as np
import polars as pl

from pipesim.sample import platform_scenario, truth
from pipesim.sample.pipelines import PIPELINES
from pipesim.simulation import simulate
from pipesim.trace import Trace

_END = truth.START + timedelta(days=truth.DAYS)


def test_traces_keep_every_rule_of_the_schema(workload: Trace, history: Trace, observed: Trace) -> None:
    assert workload.violations() == history.violations() == observed.violations() == []
    assert all(observed[table].height for table in observed)


def test_some_tasks_wait_and_others_do_not(history: Trace) -> None:
    wait = history.task_runs.select((pl.col("started_at") - pl.col("queued_at")).dt.total_seconds(fractional=True)).to_series()
    assert wait.min() == 0
    assert 0.1 < (wait.drop_nulls() > 0).mean() < 0.8  # type: ignore[operator]


def test_gpus_are_busy_but_not_all_the_time(history: Trace) -> None:
    rows = history.task_runs.filter(pl.col("pool") == truth.GPU_POOL.name, pl.col("started_at") < _END)
    held = (pl.min_horizontal("ended_at", pl.lit(_END)) - pl.col("started_at")).dt.total_seconds(fractional=True)
    used = rows.select((held * pl.col("gpus")).sum()).item()
    assert truth.GPU_POOL.gpus is not None
    assert 0.65 < used / (truth.DAYS * 86400 * truth.GPU_POOL.gpus) < 0.85


def test_the_log_knows_nothing_of_what_comes_after_its_end(history: Trace, observed: Trace) -> None:
    assert history.task_runs["ended_at"].max() > _END  # type: ignore[operator]
    for table in observed:
        for name, dtype in observed[table].schema.items():
            if dtype == pl.Datetime and observed[table][name].len() > observed[table][name].null_count():
                assert observed[table][name].max() <= _END, (table, name)  # type: ignore[operator]
    statuses = set(observed.task_runs["status"])
    assert {"SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "SKIPPED", "RUNNING", "PENDING"} == statuses
    open_tasks = observed.task_runs.filter(pl.col("status").is_in(["RUNNING", "PENDING"]))
    open_runs = observed.pipeline_runs.filter(pl.col("ended_at").is_null())
    assert set(open_tasks["run_id"]) == set(open_runs["run_id"])
    assert open_tasks["ended_at"].null_count() == open_tasks["duration_s"].null_count() == open_tasks.height


def test_a_replay_of_the_log_on_the_same_platform_repeats_it(observed: Trace) -> None:
    key = ["run_id", "task_id", "attempt"]
    replayed = simulate(observed, platform_scenario()).trace.task_runs.select(*key, "queued_at", "started_at")
    begun = observed.task_runs.filter(pl.col("started_at").is_not_null()).select(*key, "queued_at", "started_at").sort(key)
    assert (
        begun.join(replayed, on=key, how="left", suffix="_again")
        .select(same=(pl.col("queued_at") == pl.col("queued_at_again")) & (pl.col("started_at") == pl.col("started_at_again")))[
            "same"
        ]
        .all()
    )


def test_every_version_comes_from_a_run_that_trained(observed: Trace) -> None:
    trained = observed.task_runs.filter(pl.col("task_type") == "train", pl.col("status") == "SUCCEEDED")
    assert set(observed["models"]["produced_by_run_id"]) == set(trained["run_id"])
    versions = observed["model_metrics"].join(observed["models"], on=["model_id", "version"], how="anti")
    assert versions.is_empty()


def test_metrics_lie_where_they_may(observed: Trace) -> None:
    shares = observed["model_metrics"].filter(pl.col("metric").is_in(["performance", "robustness", "fairness"]))
    assert shares["value"].is_between(0, 1).all()
    assert set(shares["phase"]) == {"static", "live"}


def test_live_performance_decays_by_each_models_law(observed: Trace) -> None:
    live = observed["model_metrics"].filter(pl.col("phase") == "live").sort("measured_at")
    first = pl.col("measured_at").first().over("model_id", "version")
    days = ((pl.col("measured_at") - first).dt.total_seconds() / 86400).alias("days")
    live = live.with_columns(days, count=pl.len().over("model_id", "version")).filter(pl.col("count") >= 3)
    centred = [(pl.col(c) - pl.col(c).mean().over("model_id", "version")).alias(f"c_{c}") for c in ("days", "value")]
    slopes = (
        live.with_columns(centred)
        .group_by("model_id")
        .agg(sxx=(pl.col("c_days") ** 2).sum(), sxy=(pl.col("c_days") * pl.col("c_value")).sum())
    )
    steady = {p.name: -p.drift_per_day for p in PIPELINES if p.jumps_per_day == 0}
    found = slopes.filter(pl.col("model_id").is_in(list(steady)))
    score = (found["sxy"] / found["sxx"] - found["model_id"].replace_strict(steady)) * found["sxx"].sqrt() / truth.LIVE_NOISE_SD
    assert found.height >= 15
    assert np.abs(score.to_numpy()).max() < 4
