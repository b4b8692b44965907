"""The MSER-5 rule, on series worked by hand and against its definition."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.simulation.warmup import mser5


def errors(series):
    """The squared standard error of the mean of the batch means from each d on, exactly."""
    means = [Fraction(sum(series[i : i + 5]), 5) for i in range(0, len(series) // 5 * 5, 5)]
    found = []
    for d in range(len(means) // 2 + 1):
        kept = means[d:]
        mean = sum(kept) / len(kept)
        found.append(sum((y - mean) ** 2 for y in kept) / len(kept) ** 2)
    return found


@pytest.mark.parametrize(
    ("batch_means", "left_out"),
    [
        ([9, 1, 1, 1], 5),  # 48/16, then 0
        ([1, 1, 1, 9], 0),  # 48/16, 4.7, 8
        ([0.1] * 40, 0),
        ([7, 5, 3, 0.1, 0.1, 0.1, 0.1, 0.1], 15),
        ([8, 7, 6, 5, 4, 3, 2, 1], 20),  # nowhere steady: not more than half
        ([5], 0),
        ([], 0),
    ],
)
def test_worked_by_hand(batch_means, left_out):
    assert mser5(np.repeat(np.array(batch_means, float), 5)) == left_out
    assert mser5(np.append(np.repeat(np.array(batch_means, float), 5), [1e9] * 4)) == left_out


def test_a_transient_that_dies_away_is_left_out_and_noise_is_not():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=4000)
    assert mser5(noise) < 200
    assert 200 <= mser5(noise + 50 * np.exp(-np.arange(4000) / 100)) <= 800


@settings(deadline=None)
@given(st.lists(st.integers(-(10**6), 10**6), min_size=10, max_size=100))
def test_it_is_the_least_error_of_all_truncations_up_to_half(series):
    found = errors(series)
    chosen = mser5(np.array(series, float))
    assert chosen % 5 == 0
    assert float(found[chosen // 5]) == pytest.approx(float(min(found)), rel=1e-9)
