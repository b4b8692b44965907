from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.confidence.limits import clusters
from pipesim.workload.confidence.survival import Lifetimes

NONE = np.zeros(100, dtype=bool)


def test_without_lower_bounds_quantiles_have_the_limits_of_order_statistics() -> None:
    values = np.random.default_rng(1).permutation(np.arange(1.0, 101.0))
    for probability in (0.1, 0.5, 0.9):
        low, high = Lifetimes(values, NONE, clusters(np.zeros(100, dtype=np.int64))).quantile_limits(probability, 0.95)
        # The order statistics of which it lies between, interpolated: at most one rank more or less.
        below, above = stats.binom.ppf([0.025, 0.975], 100, probability)
        assert below - 1 <= low <= below + 1.5
        assert above <= high <= above + 2.5


def test_without_lower_bounds_the_mean_has_students_limits_on_its_logarithm() -> None:
    values = np.random.default_rng(2).lognormal(0, 0.5, 100)
    low, high = Lifetimes(values, NONE, clusters(np.zeros(100, dtype=np.int64))).mean_limits(0.95)
    off = stats.t.ppf(0.975, 99) * values.std(ddof=1) / 10 / values.mean()
    assert (low, high) == pytest.approx((values.mean() * np.exp(-off), values.mean() * np.exp(off)))


def test_an_extreme_quantile_of_few_rows_has_no_upper_limit() -> None:
    values = np.arange(1.0, 21.0)
    sample = Lifetimes(values, np.zeros(20, dtype=bool), clusters(np.zeros(20, dtype=np.int64)))
    assert sample.quantile_limits(0.5, 0.95)[1] is not None
    assert sample.quantile_limits(0.95, 0.95)[1] is None


def test_a_quantile_beyond_the_last_exact_row_has_no_upper_limit() -> None:
    values = np.arange(1.0, 101.0)
    low, high = Lifetimes(values, values > 40, clusters(np.zeros(100, dtype=np.int64))).quantile_limits(0.6, 0.95)
    assert 30 < low <= 40
    assert high is None


def test_with_lower_bounds_the_truth_is_inside_as_often_as_stated() -> None:
    """A third of the rows are censored, days last through their rows. The mean is that of the life up to the largest row."""
    rng, median = np.random.default_rng(3), np.log(2) ** (2 / 3)
    days, inside = np.repeat(np.arange(25), 8), []
    for _ in range(400):
        natural, until = rng.weibull(1.5, 200), np.minimum(rng.exponential(1.8, 200), 2.2)
        seen = np.minimum(natural, until)
        sample = Lifetimes(seen, until < natural, clusters(days))
        grid = np.linspace(0, seen.max(), 2_001)
        lived = float(np.trapezoid(np.exp(-(grid**1.5)), grid))
        limits = sample.quantile_limits(0.5, 0.95), sample.mean_limits(0.95)
        inside.append([low <= true <= (high or np.inf) for true, (low, high) in zip((median, lived), limits, strict=True)])
    assert np.mean(inside, axis=0) == pytest.approx([0.95, 0.95], abs=0.036)


rows = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(0, 5)), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from([0.1, 0.5, 0.9]))
def test_limits_are_finite_and_in_order(some: list[tuple[int, bool, int]], probability: float) -> None:
    values, censored, day = (np.array(column) for column in zip(*some, strict=True))
    censored[0] = False
    sample = Lifetimes(values.astype(float), censored, clusters(day))
    low, high = sample.quantile_limits(probability, 0.95)
    assert values[~censored].min() <= low <= values[~censored].max()
    assert high is None or low <= high <= values[~censored].max()
    low, high = sample.mean_limits(0.95)
    assert 0 <= low <= high < np.inf
