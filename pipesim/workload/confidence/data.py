"""Intervals of data: bytes read and written, the sizes of assets, and time as a function of data."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import polars as pl

from pipesim.trace import Trace
from pipesim.workload.confidence.limits import (
    Clusters,
    clusters,
    correlation_limits,
    deviation,
    factor_limits,
    mean_limits,
    share_limits,
    spread_limits,
)
from pipesim.workload.confidence.row import Interval, by_day, rows
from pipesim.workload.confidence.survival import Lifetimes
from pipesim.workload.confidence.tasks import of_kind
from pipesim.workload.laws.law import Floats, Law
from pipesim.workload.laws.regression import PowerFunction
from pipesim.workload.tasks.assets import AssetMixture, AssetSizes
from pipesim.workload.tasks.attempts import NOT_BEGUN
from pipesim.workload.tasks.kinds import Kind
from pipesim.workload.tasks.preprocessing import DataTime

_FEWEST = 20
_QUANTILES = {"p50": 0.5, "p90": 0.9}
_GRID = (np.arange(20_000) + 0.5) / 20_000


def byte_intervals(attempts: pl.DataFrame, kinds: tuple[Kind, ...], level: float) -> Iterator[Interval]:
    """Return the intervals of bytes read and written and of reading assets, and of functions of data, by kind.

    Args:
        attempts: What `preprocessing.with_data` returns of the attempts, with the columns `day`, `place` and `reads`.
        kinds: The model's kinds.
        level: The probability of the intervals.
    """
    for kind in kinds:
        mine = of_kind(attempts, kind)
        begun = mine.filter(~pl.col("status").is_in(NOT_BEGUN))
        if begun.height and 0 < kind.reads_asset < 1:
            hits, of = (by_day(begun.with_columns(key=key), "key", 1) for key in (pl.when("reads").then(0), pl.lit(0)))
            limits = share_limits(hits, of, level)
            yield from rows(
                "data", "share that read an asset", [kind.name], [kind.reads_asset], limits, "Wilson, days as clusters"
            )
        done = mine.filter("natural")
        for column, quantity in (("read_bytes", kind.read), ("written_bytes", kind.written)):
            told = done.filter(pl.col(column).is_not_null())
            if quantity.law is not None and told.height >= _FEWEST and told[column].n_unique() > 1:
                values = told[column].cast(pl.Float64).to_numpy()
                sample = Lifetimes(values, np.zeros(len(values), dtype=bool), clusters(told["day"].to_numpy()))
                for name, probability in _QUANTILES.items():
                    estimate = float(quantity.law.quantile(np.array([probability]))[0])
                    limits_of = sample.quantile_limits(probability, level)
                    yield Interval("data", f"{name} of {column}", kind.name, estimate, *limits_of, "Woodruff, days as clusters")
        if kind.data_time is not None and kind.data_time.law is not None:
            yield from _function(kind.name, done, kind.data_time.law, level)


def _function(name: str, done: pl.DataFrame, law: DataTime, level: float) -> Iterator[Interval]:
    """Return the intervals of the coefficients of a b^x + c, and of the spread of the logarithm of the noise."""
    told = done.filter(pl.col(law.unit).is_not_null() & (pl.col("seconds") > 0))
    x, y = np.log1p(told[law.unit].to_numpy()), np.log(told["seconds"].to_numpy())
    of = clusters(told["day"].to_numpy())
    error = y - law.function.log(x)
    if isinstance(law.function, PowerFunction):
        yield from _coefficients(name, law.function, x, error, of, level)
    spread = float(np.std(np.log(np.maximum(law.noise.quantile(_GRID), 1e-300))))
    how = "delta method, days as clusters, log scale"
    yield Interval("data", "sd of ln noise", name, spread, *spread_limits(error, of, level), how)


def _coefficients(name: str, f: PowerFunction, x: Floats, error: Floats, of: Clusters, level: float) -> Iterator[Interval]:
    """Return the intervals of a, b and c: the sandwich of the estimating equations of the soft absolute loss (Huber, 1967)."""
    inverse = np.exp(-f.log(x))
    power = np.exp(np.log(f.a) + x * np.log(f.b)) * inverse
    gradient = np.stack([power, power * x, inverse], axis=1)
    scaled = error / max(2.0 * float(np.median(np.abs(error))), 1e-9)
    weight = (1.0 + scaled**2) ** -0.5
    information = (gradient * (weight**3)[:, None]).T @ gradient
    influence = (gradient * (weight * error)[:, None]) @ np.linalg.pinv(information, hermitian=True)
    of_a, of_b, of_c = deviation(influence - influence.mean(axis=0), of, level).tolist()
    how = "sandwich, days as clusters"
    yield Interval("data", "a of a b^x + c", name, f.a, *factor_limits(f.a, of_a), f"{how}, log scale")
    low, high = factor_limits(f.b, of_b)
    yield Interval("data", "b of a b^x + c", name, f.b, max(low, 1.0), high, f"{how}, log scale")
    yield Interval("data", "c of a b^x + c", name, f.c, max(f.c - of_c, 0.0), f.c + of_c, how)


def asset_intervals(trace: Trace, sizes: AssetSizes | None, runs: pl.DataFrame, level: float) -> Iterator[Interval]:
    """Return the intervals of the means, spreads and correlations of the logarithms of the sizes of assets.

    Args:
        trace: The log.
        sizes: The model's law. Where it has empirical laws, these are what is judged.
        runs: `pipeline_runs`: an asset belongs to the day of the first run that reads it, or else to that of its creation.
        level: The probability of the intervals.
    """
    if sizes is None:
        return
    day = pl.col("submitted_at").dt.epoch("d").cast(pl.Int64)
    read = (
        trace["task_io"]
        .join(runs.select("run_id", day=day), on="run_id")
        .group_by("asset_id", "version")
        .agg(pl.col("day").min())
    )
    assets = trace["data_assets"].join(read, on=["asset_id", "version"], how="left", maintain_order="left")
    # What belongs to no day belongs to nothing else either.
    alone = -1 - pl.int_range(pl.len(), dtype=pl.Int64)
    assets = assets.with_columns(day=pl.coalesce("day", pl.col("created_at").dt.epoch("d").cast(pl.Int64), alone))
    if isinstance(sizes, AssetMixture):
        yield from _moments(assets, sizes, level)
        return
    for column in ("size_bytes", "row_count", "column_count"):
        law: Law | None = getattr(sizes, column).law
        told = assets.filter(pl.col(column).is_not_null())
        if law is None or told[column].n_unique() < 2:
            continue
        values = told[column].cast(pl.Float64).to_numpy()
        sample = Lifetimes(values, np.zeros(len(values), dtype=bool), clusters(told["day"].to_numpy()))
        estimate = float(law.quantile(np.array([0.5]))[0])
        limits = sample.quantile_limits(0.5, level)
        yield Interval("assets", f"p50 of {column}", "", estimate, *limits, "Woodruff, days as clusters")


def _moments(assets: pl.DataFrame, sizes: AssetMixture, level: float) -> Iterator[Interval]:
    whole = assets.drop_nulls(list(sizes.columns))
    logs = np.log(whole.select(sizes.columns).to_numpy().astype(np.float64) + np.array(sizes.shift))
    of = clusters(whole["day"].to_numpy())
    weights, means = np.array(sizes.mixture.weights), np.array(sizes.mixture.means)
    centre = weights @ means
    off = means - centre
    covariance = np.einsum("k,kij->ij", weights, np.array(sizes.mixture.covariances)) + (weights * off.T) @ off
    sd = np.sqrt(np.diag(covariance))
    how = "days as clusters"
    for i, column in enumerate(sizes.columns):
        yield Interval("assets", "mean of the logarithm", column, float(centre[i]), *mean_limits(logs[:, i], of, level), how)
        low, high = spread_limits(logs[:, i], of, level)
        yield Interval("assets", "sd of the logarithm", column, float(sd[i]), low, high, f"{how}, log scale")
    for i, j in combinations(range(len(sizes.columns)), 2):
        low, high = correlation_limits(logs[:, i], logs[:, j], of, level)
        name = f"{sizes.columns[i]}, {sizes.columns[j]}"
        rho = float(covariance[i, j] / (sd[i] * sd[j]))
        yield Interval("assets", "correlation of the logarithms", name, rho, low, high, f"{how}, Fisher's scale")
