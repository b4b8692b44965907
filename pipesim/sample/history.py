"""What becomes of the reference platform's workload: waiting on finite pools, models, and what a log can know of it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from pipesim.sample import truth
from pipesim.sample.versions import metric_rows, model_rows, trained_versions
from pipesim.sample.workload import build_workload
from pipesim.simulation import Scenario, simulate
from pipesim.trace import Trace


def platform_scenario() -> Scenario:
    """Return the reference platform as a scenario: its pools, its policy and no store (transfer is part of the work)."""
    gpu, cpu = truth.GPU_POOL, truth.CPU_POOL
    return Scenario.model_validate(
        {
            "name": "sample-platform",
            "platform": {"pools": [{"name": gpu.name, "gpus": gpu.gpus}, {"name": cpu.name, "cpu_cores": cpu.cpu_cores}]},
            "policy": truth.SCHEDULING,
        }
    )


def build_platform_trace(seed: int = truth.DEFAULT_SEED, days: int = truth.DAYS) -> Trace:
    """Return the platform's history of all runs submitted in the first `days` days, to the end of the last of them.

    Live metrics end after `days` days.

    Args:
        seed: Root seed.
        days: Length in days from `truth.START`.
    """
    workload = build_workload(seed, days)
    simulated = simulate(workload, platform_scenario()).trace
    versions = trained_versions(seed, simulated.pipeline_runs, simulated.task_runs)
    frames = {name: workload[name] for name in workload}
    frames |= {
        "pipeline_runs": simulated.pipeline_runs,
        "task_runs": simulated.task_runs,
        "models": model_rows(versions),
        "model_metrics": metric_rows(seed, versions, truth.START + timedelta(days=days)),
    }
    return Trace(frames, "simulated", "sample-platform")


def observe(trace: Trace, days: int = truth.DAYS) -> Trace:
    """Return what a perfect log that ends after `days` days knows of a history: what is still open stays open.

    Tasks that have not started are PENDING (SKIPPED once their run is over), and retries that do not wait yet are not there.
    """
    until = pl.lit(truth.START + timedelta(days=days), pl.Datetime("us"))
    runs = _cut(trace.pipeline_runs, until).with_columns(until.alias("observed_until"))
    over = runs.filter(pl.col("ended_at").is_not_null()).select("run_id", over=pl.lit(True))
    tasks = trace.task_runs.join(over, on="run_id", how="left", maintain_order="left").with_columns(
        pl.col("over").fill_null(False)
    )
    waiting = (pl.col("queued_at") <= until).fill_null(False)
    tasks = tasks.filter(waiting | (pl.col("attempt") == 1)).with_columns(pl.when(waiting).then("queued_at").alias("queued_at"))
    skipped = pl.col("over") & (pl.col("status") == "SKIPPED")
    tasks = (
        pl.concat([_cut(tasks.filter(~skipped), until), tasks.filter(skipped)])
        .drop("over")
        .sort("run_id", "task_id", "attempt")
    )
    tasks = tasks.with_columns(
        pl.when(pl.col("started_at").is_not_null()).then("pool").alias("pool"),
        is_censored=~pl.col("status").is_in(["SUCCEEDED", "SKIPPED"]),
    )
    begun = tasks.filter(pl.col("started_at").is_not_null()).select("run_id", "task_id", "attempt")
    frames = {name: trace[name] for name in trace}
    frames |= {
        "pipeline_runs": runs,
        "task_runs": tasks,
        "task_io": trace["task_io"].join(begun, on=["run_id", "task_id", "attempt"], how="semi", maintain_order="left"),
        "models": trace["models"].filter(pl.col("created_at") <= until),
        "model_metrics": trace["model_metrics"].filter(pl.col("measured_at") <= until),
    }
    return Trace(frames, "observed", "observed")


def _cut(rows: pl.DataFrame, until: pl.Expr) -> pl.DataFrame:
    """Return runs or attempts as they were known at an instant."""
    ended = (pl.col("ended_at") <= until).fill_null(False)
    started = (pl.col("started_at") <= until).fill_null(False)
    status = pl.when(ended).then(pl.col("status")).when(started).then(pl.lit("RUNNING")).otherwise(pl.lit("PENDING"))
    at_end = [c for c in ("ended_at", "duration_s", "written_bytes", "error") if c in rows.columns]
    at_start = [c for c in ("started_at", "pool", "read_bytes") if c in rows.columns]
    return rows.with_columns(
        status.alias("status"),
        status.alias("raw_status"),
        *(pl.when(ended).then(pl.col(c)).alias(c) for c in at_end),
        *(pl.when(started).then(pl.col(c)).alias(c) for c in at_start),
    )
