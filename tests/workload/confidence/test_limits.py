from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.confidence.limits import (
    Clusters,
    clusters,
    correlation_limits,
    deviation,
    factor_limits,
    mean_limits,
    share_limits,
    spread_limits,
    wilson,
)


def test_wilson_limits_are_those_of_the_literature() -> None:
    """Newcombe, Statistics in Medicine 17, 1998, table I."""
    low, high = wilson(np.array([81 / 263, 15 / 148, 0.0, 1.0]), np.array([263.0, 148.0, 20.0, 29.0]), 0.95)
    assert low == pytest.approx([0.2553, 0.0624, 0.0, 0.8830], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 1.0], abs=5e-5)


def test_without_days_the_mean_has_students_limits() -> None:
    values = np.random.default_rng(1).standard_normal(40)
    low, high = mean_limits(values, clusters(np.zeros(40, dtype=np.int64)), 0.9)
    assert (low, high) == pytest.approx(stats.t.interval(0.9, 39, values.mean(), values.std(ddof=1) / np.sqrt(40)))


def test_rows_that_are_repeated_within_a_day_count_once() -> None:
    values = np.random.default_rng(2).standard_normal(30)
    alone = mean_limits(values, clusters(np.arange(30)), 0.95)
    repeated = mean_limits(np.repeat(values, 50), clusters(np.repeat(np.arange(30), 50)), 0.95)
    assert repeated == pytest.approx(alone)
    one, many = (share_limits(k * (values[:, None] > 0), np.full((30, 1), float(k)), 0.95) for k in (1, 50))
    assert np.ravel(many) == pytest.approx(np.ravel(one))


def test_days_of_unequal_size_leave_fewer_degrees_of_freedom() -> None:
    assert clusters(np.arange(10)).freedom == pytest.approx(9)
    assert Clusters(np.repeat(np.arange(10), [100, *[1] * 9]), 10).freedom == pytest.approx(1)


@pytest.mark.parametrize("share", [0.15, 0.4])
def test_shares_of_sessions_are_inside_as_often_as_stated(share: float) -> None:
    """The share of a day is drawn from a beta law about the share: independent rows would give limits a third as wide."""
    rng = np.random.default_rng(3)
    of = rng.integers(20, 60, (28, 1_000)).astype(float)
    hits = rng.binomial(of.astype(int), rng.beta(4 * share, 4 * (1 - share), of.shape)).astype(float)
    low, high = share_limits(hits, of, 0.95)
    assert np.mean((low <= share) & (share <= high)) == pytest.approx(0.95, abs=0.025)
    low, high = wilson(hits.sum(axis=0) / of.sum(axis=0), of.sum(axis=0), 0.95)
    assert np.mean((low <= share) & (share <= high)) < 0.6


def test_spreads_and_correlations_are_inside_as_often_as_stated() -> None:
    rng = np.random.default_rng(4)
    days = clusters(np.arange(600) // 20)
    inside = []
    for _ in range(400):
        x = rng.standard_normal(600)
        y = 0.6 * x + 0.8 * rng.standard_normal(600)
        pair = spread_limits(2 * x, days, 0.95), correlation_limits(x, y, days, 0.95)
        inside.append([low <= true <= high for true, (low, high) in zip((2.0, 0.6), pair, strict=True)])
    assert np.mean(inside, axis=0) == pytest.approx([0.95, 0.95], abs=0.036)


def test_what_never_varies_has_limits_without_a_width_and_what_is_unknown_has_the_widest() -> None:
    days = clusters(np.arange(5))
    assert spread_limits(np.ones(5), days, 0.95) == (0.0, 0.0)
    assert mean_limits(np.full(5, -2.0), days, 0.95) == (-2.0, -2.0)
    low, high = factor_limits(3.0, np.inf)
    assert 0 < low < 1e-20
    assert 1e20 < high < np.inf
    assert factor_limits(-2.0, np.log(2)) == pytest.approx((-4.0, -1.0))


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(counts, st.sampled_from([0.5, 0.95, 0.999]))
def test_shares_have_limits_about_them_within_0_and_1(days: list[tuple[int, int]], level: float) -> None:
    hit, missed = np.array(days, dtype=float).T[:, :, None]
    low, high = share_limits(hit, hit + missed, level)
    share = hit.sum() / max((hit + missed).sum(), 1)
    assert 0 <= low[0] <= share + 1e-12
    assert share - 1e-12 <= high[0] <= 1
    if (hit + missed).sum() == 0:
        assert (low[0], high[0]) == (0, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40), st.integers(1, 10))
def test_more_certainty_is_wider(values: list[float], days: int) -> None:
    rows = np.array(values)
    of = clusters(np.arange(len(rows)) % days)
    off = [float(deviation(rows - rows.mean(), of, level)) for level in (0.5, 0.9, 0.99)]
    assert 0 <= off[0] <= off[1] <= off[2] < np.inf
