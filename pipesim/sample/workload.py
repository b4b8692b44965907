"""What the reference platform's users submit: runs, tasks, attempts, data and demands, before any waiting."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.sample import truth
from pipesim.sample.arrivals import submission_times_ms
from pipesim.sample.attempts import attempts, demands, draw, with_bytes
from pipesim.sample.metrics import pruning_levels, static_metrics
from pipesim.sample.pipelines import PIPELINES, TRIGGER_PRIORITY, TRIGGER_SHARES, USER_SHARES
from pipesim.streams import stream
from pipesim.trace import Trace


def build_workload(seed: int = truth.DEFAULT_SEED, days: int = truth.DAYS) -> Trace:
    """Return what is submitted in the first `days` days, as a synthetic trace: outcomes and natural work, no waiting.

    Tasks that an unsuccessful task keeps from running are SKIPPED rows without a duration.

    Args:
        seed: Root seed.
        days: Length in days from `truth.START`.
    """
    submitted_ms = submission_times_ms(seed, days)
    pipelines = draw_pipelines(seed, submitted_ms.size)
    submitted = (pl.lit(truth.START) + pl.duration(milliseconds=pl.col("ms"))).cast(pl.Datetime("us"))
    run_id = pl.format("r{}", (pl.col("run") + 1).cast(pl.String).str.zfill(5))
    runs = pl.DataFrame({"run": np.arange(pipelines.size), "pipeline": pipelines, "ms": submitted_ms}).with_columns(
        run_id.alias("run_id"), submitted.alias("submitted_at")
    )
    model = static_metrics(seed, pipelines)
    runs = runs.with_columns(
        model["performance"],
        model["size_bytes"].alias("model_bytes"),
        (model["size_bytes"] * (1 - pruning_levels(seed, runs.height))).round(0).alias("small_bytes"),
    )
    tasks = _tasks(runs)
    batches = _batches(seed, tasks)
    extent = batches.select(
        "run", "slot", (pl.col("row_count") * pl.col("column_count")).alias("cells"), batch_bytes="size_bytes"
    )
    tasks = demands(seed, tasks.join(extent, on=["run", "slot"], how="left", maintain_order="left"))
    rows = with_bytes(seed, attempts(seed, tasks)).with_columns(
        pl.col("status").alias("raw_status"),
        (~pl.col("status").is_in(["SUCCEEDED", "SKIPPED"])).alias("is_censored"),
    )
    begun = rows.filter(pl.col("status") != "SKIPPED").select("run", "slot", "task_id", "attempt")
    reads = begun.join(batches, on=["run", "slot"], maintain_order="left")
    frames = {
        "pipeline_runs": _runs(seed, runs, rows, days),
        "task_runs": rows,
        "task_edges": _edges(tasks),
        "data_assets": batches,
        "task_io": reads.with_columns(pl.lit("read").alias("direction")),
        "pools": pools(),
    }
    return Trace(frames, "synthetic", "sample")


def draw_pipelines(seed: int, size: int) -> NDArray[np.intp]:
    """Return the index in `PIPELINES` of the pipeline of each of the first `size` runs."""
    return draw(stream(seed, "sample", "pipelines"), (p.share for p in PIPELINES), size)


def pools() -> pl.DataFrame:
    """Return the platform's pools as canonical rows."""
    return pl.DataFrame(
        [
            {
                "pool": pool.name,
                "valid_from": truth.START,
                "kind": pool.kind,
                "node_count": pool.node_count,
                "cpu_cores": pool.cpu_cores,
                "gpus": pool.gpus,
                "gpu_type": pool.gpu_type,
            }
            for pool in (truth.GPU_POOL, truth.CPU_POOL)
        ]
    )


def _tasks(runs: pl.DataFrame) -> pl.DataFrame:
    """Return one row a task of every run, by run and slot (the task's position in its shape, parents first)."""
    templates = [
        {
            "pipeline": index,
            "slot": slot,
            "task_id": task.task_id,
            "task_name": task.name,
            "task_type": task.type,
            "framework": None if task.type == "preprocess" else pipeline.framework,
            "parents": [int(parent[1:]) - 1 for parent in task.parents],
            "parent_ids": list(task.parents),
        }
        for index, pipeline in enumerate(PIPELINES)
        for slot, task in enumerate(pipeline.shape.tasks)
    ]
    return runs.join(pl.DataFrame(templates), on="pipeline").sort("run", "slot")


def _edges(tasks: pl.DataFrame) -> pl.DataFrame:
    edges = tasks.select("run_id", "task_id", pl.col("parent_ids").alias("parent_task_id"))
    return edges.filter(pl.col("parent_task_id").list.len() > 0).explode("parent_task_id")


def _batches(seed: int, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return the data that each preprocess task reads: a new version of the asset of its pipeline and slot."""
    reading = tasks.filter(pl.col("task_type") == "preprocess").select("run_id", "run", "slot", "pipeline", "submitted_at")
    normal = stream(seed, "sample", "batches").standard_normal((reading.height, 2))
    rho = truth.ASSET_CORRELATION
    normal[:, 1] = rho * normal[:, 0] + np.sqrt(1 - rho**2) * normal[:, 1]
    extent = np.exp(np.array(truth.ASSET_LOG_MEAN) + np.array(truth.ASSET_LOG_SD) * normal)
    extent = np.maximum(np.round(extent), 1).astype(np.int64)
    cell = truth.BYTES_PER_CELL.sample(stream(seed, "sample", "cell-bytes"), reading.height)
    asset = pl.format("d{}{}", pl.col("pipeline").cast(pl.String).str.zfill(2), pl.col("slot").replace_strict({0: "a", 1: "b"}))
    return reading.with_columns(
        asset.alias("asset_id"),
        pl.lit("batches").alias("namespace"),
        pl.Series("row_count", extent[:, 0]),
        pl.Series("column_count", extent[:, 1]),
        pl.Series("size_bytes", np.round(extent[:, 0] * extent[:, 1] * cell).astype(np.int64)),
        pl.col("submitted_at").dt.truncate("1h").alias("created_at"),
    ).with_columns((pl.int_range(pl.len()) + 1).over("asset_id").cast(pl.String).alias("version"))


def _runs(seed: int, runs: pl.DataFrame, rows: pl.DataFrame, days: int) -> pl.DataFrame:
    trigger = draw(stream(seed, "sample", "triggers"), TRIGGER_SHARES.values(), runs.height)
    user = draw(stream(seed, "sample", "users"), USER_SHARES, runs.height)
    last = rows.group_by("run", "slot").agg(pl.col("status").sort_by("attempt").last()).sort("run", "slot")
    stopped = pl.col("status").filter(~pl.col("status").is_in(["SUCCEEDED", "SKIPPED"])).first()
    outcomes = last.group_by("run").agg(stopped.fill_null("SUCCEEDED").alias("status"))
    named = pl.DataFrame(
        {
            "pipeline": np.arange(len(PIPELINES)),
            "pipeline_name": [p.name for p in PIPELINES],
            "tenant": [p.tenant for p in PIPELINES],
        }
    )
    return (
        runs.with_columns(
            pl.Series("trigger", np.array(list(TRIGGER_SHARES))[trigger]),
            pl.Series("priority", np.array(list(TRIGGER_PRIORITY.values()))[trigger]),
            pl.Series("user_number", user + 1),
        )
        .join(named, on="pipeline")
        .join(outcomes, on="run")
        .sort("run")
        .with_columns(
            pl.format("{}-{}", "tenant", "user_number").alias("user"),
            pl.col("status").alias("raw_status"),
            pl.lit(truth.START).dt.offset_by(f"{days}d").cast(pl.Datetime("us")).alias("observed_until"),
            pl.lit("utc").alias("time_basis"),
        )
    )
