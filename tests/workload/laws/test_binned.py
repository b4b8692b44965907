from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.laws.binned import bin_edges, bin_rows, interval_probabilities
from pipesim.workload.laws.closed_forms import family_cdf


def test_likelihood_of_bins_is_near_that_of_rows() -> None:
    values = np.sort(np.random.default_rng(1).lognormal(0, 1.5, 20_000))
    binned = bin_rows(values, np.zeros(len(values), dtype=bool), bin_edges(values, None))
    exact = stats.lognorm.logpdf(values, 1.5).sum()
    assert binned.log_likelihood(lambda x: family_cdf("lognorm", x, (1.5,))) == pytest.approx(exact, abs=3.0)
    assert binned.log_moments() == pytest.approx((np.log(values).mean(), np.log(values).std()), rel=0.01, abs=0.01)


def test_censored_rows_count_by_the_survival_function() -> None:
    values = np.array([1.0, 2.0, 2.5, 7.0, 9.0])
    censored = np.array([False, True, False, False, True])
    binned = bin_rows(values, censored, bin_edges(values, None))
    assert binned.bounds == pytest.approx([2.0, 9.0])
    assert (binned.exact, binned.rows) == (3, 5)
    exact = stats.expon.logpdf([1.0, 2.5, 7.0]).sum() + stats.expon.logsf([2.0, 9.0]).sum()
    assert binned.log_likelihood(lambda x: family_cdf("expon", x, ())) == pytest.approx(exact, abs=0.5)


def test_a_rounded_value_stands_for_its_interval() -> None:
    values = np.array([0.0, 0.0, 60.0, 180.0])
    binned = bin_rows(values + 30.0, np.zeros(4, dtype=bool), bin_edges(values, 60.0))
    assert binned.edges.tolist() == [0, 60, 120, 180, 240]
    assert binned.counts.tolist() == [2, 1, 0, 1]
    cdf = stats.expon(scale=100).cdf
    exact = 2 * np.log(cdf(60)) + np.log(cdf(120) - cdf(60)) + np.log(cdf(240) - cdf(180)) - 4 * np.log(60)
    assert binned.log_likelihood(lambda x: family_cdf("expon", x / 100, ())) == pytest.approx(exact)


def test_far_intervals_keep_their_digits() -> None:
    x = np.array([40.0, 41.0, 42.0])
    assert interval_probabilities(*family_cdf("expon", x, ())) == pytest.approx(np.exp(-x[:-1]) * -np.expm1(-1.0))


@settings(max_examples=60)
@given(
    st.lists(st.floats(1e-9, 1e12), min_size=1, max_size=200),
    st.sampled_from([None, 0.001, 1.0, 60.0]),
    st.integers(0, 2**32 - 1),
)
def test_every_row_is_in_one_bin(values: list[float], resolution: float | None, seed: int) -> None:
    rows = np.sort(values)
    if resolution is not None:
        rows = np.floor(np.minimum(rows, 1e9) / resolution) * resolution
        if rows[-1] == 0:
            rows[-1] = resolution
    edges = bin_edges(rows, resolution)
    censored = np.random.default_rng(seed).random(len(rows)) < 0.3
    binned = bin_rows(rows + (resolution or 0.0) / 2, censored, edges)
    assert np.all(np.diff(edges) > 0)
    assert (binned.exact, binned.rows) == (np.sum(~censored), len(rows))
    assert len(edges) <= 600
    assert np.isfinite(binned.log_likelihood(lambda x: family_cdf("lognorm", x, (2.0,))))
