from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipesim.workload.laws.judging import anderson_darling, ks_distance, noise_floor, same_law, tail_is_right
from pipesim.workload.laws.law import FamilyLaw

NONE = np.zeros(1_000, dtype=bool)
EXPONENTIAL = stats.expon.cdf


def test_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    values = np.sort(np.random.default_rng(1).exponential(1.3, 1_000))
    assert ks_distance(values, NONE, EXPONENTIAL) == pytest.approx(stats.kstest(values, "expon").statistic, abs=1e-6)
    assert noise_floor(500, 500) == pytest.approx(0.0549, abs=1e-4)


def test_rounding_leaves_the_distance_of_the_truth_small() -> None:
    values = np.sort(np.floor(np.random.default_rng(1).exponential(1.0, 1_000) * 4) / 4)
    assert ks_distance(values, NONE, EXPONENTIAL, resolution=0.25) < 0.05
    assert ks_distance(values, NONE, EXPONENTIAL) > 0.2


def test_censoring_leaves_the_distance_of_the_truth_unchanged() -> None:
    distances = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth, until = rng.exponential(1.0, 1_000), rng.exponential(1.2, 1_000)
        distances.append(ks_distance(np.minimum(truth, until), truth > until, EXPONENTIAL))
    assert np.mean(distances) * np.sqrt(1_000) == pytest.approx(0.8687, rel=0.08)


def test_anderson_darling_of_exact_and_of_rounded_rows() -> None:
    # The mean of A squared under the truth is 1, and somewhat less where values are rounded.
    exact, rounded = [], []
    for seed in range(200):
        values = np.sort(np.random.default_rng(seed).exponential(1.0, 400))
        exact.append(anderson_darling(values, EXPONENTIAL))
        rounded.append(anderson_darling(np.floor(values * 10) / 10, EXPONENTIAL, resolution=0.1))
    assert np.mean(exact) == pytest.approx(1.0, abs=0.15)
    assert np.mean(rounded) == pytest.approx(1.0, abs=0.2)
    assert anderson_darling(np.array([1.0, 2.0, 9.0]), lambda v: np.clip(v / 5, 0, 1)) == np.inf
    assert anderson_darling(np.array([1.0, 7.0, 9.0]), lambda v: np.clip(v / 5, 0, 1), resolution=1.0) == np.inf


def test_same_law_is_the_test_of_kolmogorov_and_smirnov() -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        a, b = np.sort(rng.normal(0, 1, 80)), np.sort(rng.normal(0.2 * seed, 1, 900))
        assert same_law(a, b) == same_law(b, a)
        assert same_law(a, b) == pytest.approx(stats.ks_2samp(a, b).pvalue, abs=0.02)


LOGNORMAL = FamilyLaw(family="lognorm", shapes=(1.2,), scale=600.0, zero=0.0, maximum=1e9, below_maximum=1.0)


@pytest.mark.parametrize("rows", [60, 1_000])
@pytest.mark.parametrize("unit", [None, 60.0])
@pytest.mark.parametrize("hidden", [False, True])
def test_a_true_law_is_right_about_its_tail(rows: int, unit: float | None, hidden: bool) -> None:
    right = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = rng.lognormal(np.log(600.0), 1.2, rows)
        until = rng.exponential(3_000.0, rows) if hidden else np.full(rows, np.inf)
        seen = np.minimum(truth, until)
        seen = seen if unit is None else np.floor(seen / unit) * unit
        law = LOGNORMAL.model_copy(update={"resolution": unit})
        right.append(tail_is_right(seen, truth > until, law, unit))
    assert np.mean(right) > 0.87  # three limits of 95 %


def test_a_law_with_another_upper_quantile_is_found_out() -> None:
    rng = np.random.default_rng(1)
    values = np.where(rng.random(2_000) < 0.1, 3.0, 1.0) * rng.lognormal(np.log(600.0), 1.2, 2_000)
    assert not tail_is_right(values, np.zeros(2_000, dtype=bool), LOGNORMAL)


def test_quantiles_beyond_the_end_of_a_law_are_not_asked_for() -> None:
    values = np.minimum(np.random.default_rng(2).lognormal(np.log(600.0), 1.2, 2_000), 1_000.0)
    limited = LOGNORMAL.model_copy(update={"maximum": 1_000.0})
    assert tail_is_right(values, np.zeros(2_000, dtype=bool), limited)
