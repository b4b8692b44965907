"""Read the newest snapshot of a home folder with Polars: python read_with_polars.py HOME."""

import sys
from pathlib import Path

import polars as pl

# Resolve the link once: it moves on with each publication, and the folder that it names now does not change any more.
newest = (Path(sys.argv[1]) / "snapshots" / "current").resolve()
tasks = pl.scan_parquet(newest / "simulated" / "task_runs" / "**" / "*.parquet", hive_partitioning=True)
wait_s = (pl.col("started_at") - pl.col("queued_at")).dt.total_seconds(fractional=True)
print(tasks.group_by("scenario").agg(pl.len().alias("attempts"), wait_s.mean().alias("mean_wait_s")).sort("scenario").collect())
