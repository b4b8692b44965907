from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.sample import build_workload, truth
from pipesim.trace import Trace
from pipesim.workload.tasks.assets import AssetCopula, AssetMixture, AssetSizes, fit_assets

COLUMNS = ["size_bytes", "row_count", "column_count"]


def asset_trace(**columns: Any) -> Trace:
    rows = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64)).with_row_index("asset_id")
    return Trace({"data_assets": rows.with_columns(pl.col("asset_id").cast(pl.String), version=pl.lit("1"))})


def draw(sizes: AssetSizes, n: int, read: float = np.nan) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(sizes.draw(np.full(n, read), rng.standard_normal(n), rng)).fill_nan(None)


def fitted(trace: Trace) -> AssetSizes:
    sizes, _ = fit_assets(trace)
    assert sizes is not None
    return sizes


def two_sorts(n: int) -> dict[str, Any]:
    """Long narrow tables of 100 bytes a row, and short wide ones of 10,000."""
    rng = np.random.default_rng(1)
    rows = np.round(np.concatenate([rng.lognormal(12, 0.5, n), rng.lognormal(7, 0.5, n)])).astype(int)
    wide = np.repeat([False, True], n)
    return {
        "size_bytes": rows * np.where(wide, 10_000, 100),
        "row_count": rows,
        "column_count": np.where(wide, rng.integers(900, 1_100, 2 * n), rng.integers(8, 12, 2 * n)),
    }


def test_rows_and_columns_go_with_the_bytes() -> None:
    sizes = fitted(asset_trace(**two_sorts(1_000)))
    assert isinstance(sizes, AssetMixture)
    drawn = draw(sizes, 4_000)
    wide = drawn["column_count"] > 100
    assert wide.mean() == pytest.approx(0.5, abs=0.05)
    per_row = (drawn["size_bytes"] / drawn["row_count"]).to_numpy()
    assert np.abs(np.log(per_row / np.where(wide.to_numpy(), 10_000, 100))).max() < 0.2
    for column, values in two_sorts(1_000).items():
        assert stats.ks_2samp(drawn[column].to_numpy(), values).statistic < 0.05
    assert all(drawn[c].max() <= 1.2 * values.max() for c, values in two_sorts(1_000).items())  # type: ignore[operator]
    # Of two gigabytes there are only long tables, of twenty megabytes only wide ones or short narrow ones.
    assert draw(sizes, 500, 2e9)["size_bytes"].unique().to_list() == [2e9]
    given_bytes = draw(sizes, 500, 20_000_000.0)
    consistent = given_bytes["row_count"] * pl.Series(np.where(given_bytes["column_count"] > 100, 10_000, 100))
    assert (consistent / 20_000_000).to_numpy() == pytest.approx(1.0, rel=0.2)


def test_what_assets_leave_out_is_left_out_as_often() -> None:
    columns = two_sorts(500)
    keep = np.arange(1_000) % 4
    table = pl.DataFrame(columns).with_columns(
        column_count=pl.when(pl.Series(keep > 0)).then("column_count"), row_count=pl.when(pl.Series(keep > 1)).then("row_count")
    )
    sizes = fitted(asset_trace(**{c: table[c] for c in COLUMNS}))
    assert isinstance(sizes, AssetMixture)
    told = draw(sizes, 8_000).select(pl.all().is_not_null()).group_by(COLUMNS).len().sort(COLUMNS)
    assert told.select(COLUMNS).rows() == [(True, False, False), (True, False, True), (True, True, True)]
    assert (told["len"] / 8_000).to_list() == pytest.approx([0.25, 0.25, 0.5], abs=0.02)


def test_a_log_without_column_counts_has_a_mixture_of_the_others() -> None:
    columns = two_sorts(500)
    sizes = fitted(asset_trace(size_bytes=columns["size_bytes"], row_count=columns["row_count"], column_count=[None] * 1_000))
    assert isinstance(sizes, AssetMixture)
    assert sizes.columns == ("size_bytes", "row_count")
    assert draw(sizes, 10)["column_count"].null_count() == 10


def test_few_assets_have_empirical_laws_and_say_so() -> None:
    columns = {name: values[:30] for name, values in two_sorts(100).items()}
    sizes, notes = fit_assets(asset_trace(**columns))
    assert isinstance(sizes, AssetCopula)
    assert notes == [
        "assets: size_bytes and row_count and column_count known of 30 of 30; sizes have empirical laws and a Gaussian copula"
    ]
    drawn = draw(sizes, 200)
    assert all(drawn[c].is_between(values.min(), values.max()).all() for c, values in columns.items())
    assert draw(sizes, 5, 7.0)["size_bytes"].to_list() == [7.0] * 5
    silent, notes = fit_assets(asset_trace(size_bytes=[None, None], row_count=[None, None], column_count=[None, None]))
    assert silent is not None
    assert notes == ["assets: none of 2 tells its size"]
    assert fit_assets(Trace()) == (None, [])


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**62), st.integers(0, 10**9), st.integers(1, 5)), min_size=50, max_size=60),
    st.sampled_from([np.nan, 0.0, 1.0, 1e18]),
)
def test_any_assets_have_whole_sizes_within_bounds(rows: list[tuple[int, int, int]], read: float) -> None:
    columns = {c: [row[i] for row in rows] for i, c in enumerate(COLUMNS)}
    drawn = draw(fitted(asset_trace(**columns)), 200, read)
    for c, values in columns.items():
        if c == "size_bytes" and not np.isnan(read):
            continue
        assert drawn[c].null_count() == 0
        assert drawn[c].is_between(1 if c == "column_count" else 0, max(1.2 * max(values), 1)).all()
        assert (drawn[c] == drawn[c].round()).all()


def test_the_sample_platform_is_recovered() -> None:
    sizes = fitted(build_workload(days=28))
    assert isinstance(sizes, AssetMixture)
    assert len(sizes.mixture.weights) == 1
    mean, covariance = np.array(sizes.mixture.means[0]), np.array(sizes.mixture.covariances[0])
    sd = np.sqrt(np.diag(covariance))
    assert mean[1:] == pytest.approx(truth.ASSET_LOG_MEAN, abs=0.1)
    assert sd[1:] == pytest.approx(truth.ASSET_LOG_SD, rel=0.06)
    assert covariance[1, 2] / (sd[1] * sd[2]) == pytest.approx(truth.ASSET_CORRELATION, abs=0.06)
    cell = np.array([1.0, -1.0, -1.0])
    assert np.exp(cell @ mean) == pytest.approx(truth.BYTES_PER_CELL.a, rel=0.05)
    assert np.sqrt(cell @ covariance @ cell) == pytest.approx(truth.BYTES_PER_CELL.b, rel=0.06)
