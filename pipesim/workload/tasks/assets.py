"""Data assets: the sizes of the data sets that tasks read, and drawing new ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.draws import MAX_INT64, Indices, whole_numbers
from pipesim.workload.laws.joint_mixture import MIN_ROWS, GaussianMixture, fit_mixture
from pipesim.workload.laws.law import Floats
from pipesim.workload.laws.quantities import Correlation, Quantity, correlated, fit_correlation, fit_quantity
from pipesim.workload.part import Part

_COLUMNS = ("size_bytes", "row_count", "column_count")
#: Smallest value of each: a data set may be empty, but it has a column.
_LEAST = (0.0, 0.0, 1.0)
#: Nothing larger than this many times the largest value of the log is drawn.
_BEYOND = 1.2


class AssetCopula(Part):
    """Bytes, rows and columns, each with its empirical law, and the correlations of their normal scores in that order."""

    kind: Literal["copula"] = "copula"
    size_bytes: Quantity
    row_count: Quantity
    column_count: Quantity
    correlation: Correlation

    def draw(self, read: Floats, data: Floats, rng: np.random.Generator) -> dict[str, Floats]:
        """Return the three columns, NaN where the log would not say.

        Args:
            read: What the task of each asset reads, in bytes, NaN where that is not known.
            data: Each task's normal score of the amount of data.
            rng: Draws the rest.
        """
        u = correlated(data, rng.standard_normal((2, len(data))), self.correlation)
        known = rng.random(len(data))
        drawn = {c: getattr(self, c).draw(row, known) for c, row in zip(_COLUMNS, u, strict=True)}
        return {**drawn, "size_bytes": np.where(np.isnan(read), drawn["size_bytes"], read)}


class AssetMixture(Part):
    """A mixture of Gaussians on the logarithms of the columns that the log tells, and what it leaves out how often.

    Attributes:
        columns: Two or three of bytes, rows and columns, in this order.
        shift: What is added to each before its logarithm is taken: 1 if the log has zeros, else 0.
        maximum: The largest value that is drawn of each: 1.2 times the largest seen.
        mixture: The law of the logarithms.
        told: Which of the columns an asset tells: the combinations that the log has.
        assets: How many assets tell each combination.
    """

    kind: Literal["mixture"] = "mixture"
    columns: tuple[str, ...]
    shift: tuple[float, ...]
    maximum: tuple[float, ...]
    mixture: GaussianMixture
    told: tuple[tuple[bool, ...], ...]
    assets: tuple[int, ...]

    def draw(self, read: Floats, data: Floats, rng: np.random.Generator) -> dict[str, Floats]:
        """Return the three columns, NaN where the log would not say. Arguments as `AssetCopula.draw`.

        Rows and columns are drawn given the bytes, which are those read where they are known. Leaving a column out is drawing
        from the Gaussians without it.
        """
        from scipy import special

        n = len(data)
        told = np.array(self.told)[np.searchsorted(np.cumsum(self.assets) / np.sum(self.assets), rng.random(n), side="right")]
        given = ~np.isnan(read) & (self.columns[0] == "size_bytes")
        first = np.empty(n)
        first[given] = np.log(np.maximum(read[given] + self.shift[0], 1.0))
        first[~given] = self.mixture.quantile(special.ndtr(data[~given]))
        rest = self.mixture.rest(first, rng.random(n), rng.standard_normal((len(self.columns) - 1, n)))
        drawn = {c: np.full(n, np.nan) for c in _COLUMNS}
        for i, (column, logs) in enumerate(zip(self.columns, [first, *rest], strict=True)):
            top, shift = self.maximum[i], self.shift[i]
            whole = np.rint(np.exp(np.minimum(logs, np.log(top + shift))) - shift)
            drawn[column] = np.where(told[:, i], np.clip(whole, _LEAST[_COLUMNS.index(column)], top), np.nan)
        return {**drawn, "size_bytes": np.where(np.isnan(read), drawn["size_bytes"], read)}


AssetSizes = AssetMixture | AssetCopula


def fit_assets(trace: Trace) -> tuple[AssetSizes | None, list[str]]:
    """Return the law of the log's asset sizes, None if it names no data assets, and what the fit had to put up with.

    The mixture is fitted to the assets that tell all the columns which the log tells at all. Where it tells fewer than two,
    or fewer than 50 assets tell them all, each column has its empirical law, and a Gaussian copula ties them.
    """
    assets = trace["data_assets"]
    if assets.is_empty():
        return None, []
    columns = [c for c in _COLUMNS if assets[c].null_count() < assets.height]
    complete = assets.select(columns).drop_nulls().to_numpy().astype(np.float64)
    if len(columns) > 1 and len(complete) >= MIN_ROWS:
        return _mixture(assets, columns, complete), []
    copula = AssetCopula.model_validate(
        {**{c: fit_quantity(assets[c]) for c in _COLUMNS}, "correlation": fit_correlation(assets, _COLUMNS)}
    )
    names = " and ".join(columns) or "any size"
    note = f"assets: {names} known of {len(complete)} of {assets.height}; sizes have empirical laws and a Gaussian copula"
    return copula, [note] if columns else [f"assets: none of {assets.height} tells its size"]


def _mixture(assets: pl.DataFrame, columns: list[str], complete: Floats) -> AssetMixture:
    told = assets.select(pl.col(columns).is_not_null()).group_by(columns).agg(pl.len().alias("assets")).sort(columns)
    shift = np.where(complete.min(axis=0) > 0, 0.0, 1.0)
    largest = np.array([assets[c].max() for c in columns], dtype=np.float64)
    return AssetMixture(
        columns=tuple(columns),
        shift=tuple(shift.tolist()),
        maximum=tuple(np.maximum(np.floor(np.minimum(_BEYOND * largest, MAX_INT64)), 1.0).tolist()),
        mixture=fit_mixture(np.log(complete + shift)),
        told=tuple(told.select(columns).rows()),
        assets=tuple(told["assets"].to_list()),
    )


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
    is_reader = rng.random(len(kind)) < reads[kind]
    reader = np.flatnonzero(is_reader)
    task, attempt = (attempts[c].to_numpy() for c in ("task", "attempt"))
    read = attempts["read_bytes"][np.flatnonzero(attempt == 1)[reader]]
    drawn = sizes.draw(read.cast(pl.Float64).fill_null(np.nan).to_numpy(), data[reader], rng)
    whole = {c: whole_numbers(values) for c, values in drawn.items()}
    assets = task_ids[reader].with_columns(
        asset_id=pl.format("{}-{}", "run_id", "task_id"),
        version=pl.lit("1"),
        row_count=whole["row_count"],
        column_count=whole["column_count"],
        size_bytes=pl.coalesce(read, whole["size_bytes"]),
    )
    reading = np.flatnonzero(is_reader[task])
    of_task = np.cumsum(is_reader) - 1
    io = assets.drop("column_count")[of_task[task[reading]]]
    return {
        "data_assets": assets.select("asset_id", "version", *_COLUMNS),
        "task_io": io.with_columns(pl.Series("attempt", attempt[reading]), direction=pl.lit("read")),
    }
