"""Data assets: the sizes of the data sets that tasks read, and drawing new ones."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.draws import Indices
from pipesim.workload.laws.law import Floats
from pipesim.workload.laws.quantities import Correlation, Quantity, correlated, fit_correlation, fit_quantity
from pipesim.workload.part import Part

_COLUMNS = ("size_bytes", "row_count", "column_count")


class AssetSizes(Part):
    """Bytes, rows and columns of the data sets of the log, drawn together (correlation in that order)."""

    size_bytes: Quantity
    row_count: Quantity
    column_count: Quantity
    correlation: Correlation


def fit_assets(trace: Trace) -> AssetSizes | None:
    """Return the law of the log's asset sizes, or None if it names no data assets."""
    assets = trace["data_assets"]
    if assets.is_empty():
        return None
    quantities = {c: fit_quantity(assets[c]) for c in _COLUMNS}
    return AssetSizes(**quantities, correlation=fit_correlation(assets, _COLUMNS))


def draw_assets(
    sizes: AssetSizes, reads: Floats, kind: Indices, task_ids: pl.DataFrame, data: Floats, attempts: pl.DataFrame, seed: int
) -> dict[str, pl.DataFrame]:
    """Return the tables `data_assets` and `task_io`: a new asset for every task that reads one, read by all its attempts.

    Args:
        sizes: The law of sizes.
        reads: For each kind, the probability that a task reads an asset.
        kind: Each task's kind.
        task_ids: Each task's run_id and task_id.
        data: Each task's normal score of the amount of data, the one that its read_bytes were drawn from.
        attempts: What `attempt_draws.draw_attempts` returns; an asset has the size that its task reads, where that is known.
        seed: Root seed.
    """
    rng = stream(seed, "assets")
    reader = np.flatnonzero(rng.random(len(kind)) < reads[kind])
    u = correlated(data[reader], rng.standard_normal((2, len(reader))), sizes.correlation)
    known = rng.random(len(reader))
    size, rows, columns = (getattr(sizes, c).draw(row, known) for c, row in zip(_COLUMNS, u, strict=True))
    read = attempts.filter(pl.col("attempt") == 1)["read_bytes"][reader]
    assets = task_ids[reader].with_columns(
        pl.Series("task", reader),
        asset_id=pl.format("{}-{}", "run_id", "task_id"),
        version=pl.lit("1"),
        row_count=pl.Series(rows).fill_nan(None).round().cast(pl.Int64),
        column_count=pl.Series(columns).fill_nan(None).round().cast(pl.Int64),
        size_bytes=pl.coalesce(read, pl.Series(size).fill_nan(None).cast(pl.Int64)),
    )
    io = attempts.select("task", "attempt").join(assets, on="task", maintain_order="left")
    return {
        "data_assets": assets.select("asset_id", "version", *_COLUMNS),
        "task_io": io.drop("column_count", "task").with_columns(direction=pl.lit("read")),
    }
