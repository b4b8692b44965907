"""Confidence intervals: their formulas against SciPy and by their coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.experiments.intervals import Interval, Paired, holm, of_batches


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 1e3)), min_size=2, max_size=20))
def test_pairs_are_compared_by_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    ours, theirs = zip(*pairs, strict=True)
    found = Paired.of(ours, theirs)
    spread = np.std(np.subtract(ours, theirs), ddof=1)
    assert found.difference.mean == pytest.approx(np.mean(ours) - np.mean(theirs), abs=1e-9)
    assert found.relative.mean == pytest.approx(np.mean(ours) / np.mean(theirs) - 1, abs=1e-9)
    if found.relative.low is not None:
        assert found.relative.high is not None
        assert found.relative.low - 1e-9 <= found.relative.mean <= found.relative.high + 1e-9
    if spread > 1e-6:
        assert found.p_value == pytest.approx(stats.ttest_rel(ours, theirs).pvalue, abs=1e-9)


def test_a_relative_difference_covers_the_truth_as_often_as_it_says() -> None:
    """400 comparisons of 15 pairs whose means are 12 and 10, with much in common: 95 % +- 3."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        common = rng.gamma(2, 5, 15)
        found = Paired.of(1.2 * common * rng.gamma(50, 1 / 50, 15), common * rng.gamma(50, 1 / 50, 15)).relative
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.2 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


@pytest.mark.parametrize(
    ("ours", "theirs", "p_value"),
    [([1.0], [2.0], None), ([3.0, 3.0], [3.0, 3.0], 1.0), ([4.0, 5.0], [3.0, 4.0], 0.0), ([1.0, 2.0], [0.0, -1.0], None)],
)
def test_what_cannot_be_said_is_not(ours: list[float], theirs: list[float], p_value: float | None) -> None:
    found = Paired.of(ours, theirs)
    if p_value is not None or len(ours) == 1:
        assert found.p_value == p_value
    if np.mean(theirs) <= 0:
        assert found.relative == Interval(None, None, None)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_the_raw_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for raw, one in zip(p_values, adjusted, strict=True):
        assert raw <= one + 1e-12
        assert one <= min(1.0, len(p_values) * raw) + 1e-12 or one == pytest.approx(max(adjusted))
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.asarray(adjusted)[order]) >= -1e-12)


def test_holm_by_hand() -> None:
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([]) == []


def test_holm_seldom_raises_a_false_alarm() -> None:
    """Of 2,000 families of ten true hypotheses, 5 % have one that is rejected at most, within three standard errors."""
    rng = np.random.default_rng(8)
    alarms = sum(min(holm(list(rng.random(10)))) <= 0.05 for _ in range(2000))
    assert alarms / 2000 <= 0.05 + 3 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.9])
def test_batches_of_a_long_run_cover_its_mean(correlation: float) -> None:
    """Of 300 autoregressive runs cut into 64 batches, 95 % of the intervals hold the true mean, give or take 5."""
    rng = np.random.default_rng(round(100 * correlation))
    covered = 0
    for _ in range(300):
        noise = rng.standard_normal(64 * 40)
        series = np.empty_like(noise)
        series[0] = noise[0] / (1 - correlation**2) ** 0.5
        for i in range(1, len(noise)):
            series[i] = correlation * series[i - 1] + noise[i]
        found = of_batches(list(5 + series.reshape(64, 40).mean(axis=1)))
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 5 <= found.high
    assert 0.90 <= covered / 300 <= 1.0


@settings(max_examples=50)
@given(st.lists(st.floats(-1e3, 1e3), max_size=70))
def test_the_mean_of_batches_is_that_of_all(means: list[float]) -> None:
    found = of_batches(means)
    assert found.mean == (pytest.approx(np.mean(means), abs=1e-6) if means else None)
    assert (found.low is None) == (len(means) < 8)


def test_the_half_width_is_told_as_a_part_of_the_mean() -> None:
    assert Interval(10.0, 9.0, 11.0).relative_half_width == pytest.approx(0.1)
    assert Interval(-10.0, -11.0, -9.0).relative_half_width == pytest.approx(0.1)
    assert Interval(10.0, None, None).relative_half_width is None
    assert Interval(0.0, 0.0, 0.0).relative_half_width == 0.0
    assert Interval(0.0, -1.0, 1.0).relative_half_width == float("inf")
