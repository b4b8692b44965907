"""Distances of samples against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.quality.values import Values, largest_gap, quantile, quantiles, share_moved

numbers = st.lists(st.integers(0, 9), min_size=2, max_size=30)


def values(of: list[int], censored: bool = False) -> Values:
    return Values(np.array(of, float), np.full(len(of), censored))


@settings(deadline=None)
@given(numbers, numbers)
def test_the_distance_is_that_of_kolmogorov_and_smirnov(a: list[int], b: list[int]) -> None:
    assert largest_gap(values(a), values(b)) == pytest.approx(stats.ks_2samp(a, b, method="asymp").statistic)


def test_censored_rows_count_as_longer() -> None:
    rng = np.random.default_rng(0)
    truth, limit = rng.exponential(1.0, 20_000), rng.exponential(1.0, 20_000)
    seen = Values(np.minimum(truth, limit), truth > limit)
    whole = Values(rng.exponential(1.0, 20_000), np.zeros(20_000, bool))
    near, far = largest_gap(whole, seen), largest_gap(whole, Values(seen.value, np.zeros(20_000, bool)))
    assert near is not None
    assert far is not None
    assert near < 0.1 < far
    assert largest_gap(whole, values([1], censored=True)) is None


def test_mixes_are_compared_by_what_would_have_to_move() -> None:
    a, b = {"x": 3, "y": 1}, {"x": 1, "z": 3}
    assert share_moved(a, b) == pytest.approx(0.75)
    assert share_moved(a, {}) is None


@settings(deadline=None)
@given(numbers, st.floats(0.01, 1.0))
def test_a_quantile_is_the_least_value_that_reaches_its_share(of: list[int], q: float) -> None:
    found = quantile(values(of), q)
    assert found == np.quantile(of, q, method="inverted_cdf")


def test_quantiles_beyond_what_was_seen_are_unknown() -> None:
    seen = Values(np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True]))
    np.testing.assert_array_equal(quantiles(seen, np.array([0.25, 0.5, 0.9])), [1.0, 2.0, np.nan])
    assert quantile(values([1, 2], censored=True), 0.5) is None
