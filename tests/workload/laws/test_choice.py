from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy import stats

from pipesim.streams import stream
from pipesim.workload.laws.choice import _ks, choose_law
from pipesim.workload.laws.families import FAMILIES, Fitted, Sample

Q = np.array([0.05, 0.25, 0.5, 0.75, 0.95])


@pytest.mark.parametrize(
    "truth",
    [stats.lognorm(1.5, scale=900.0), stats.weibull_min(0.6, scale=3000.0), stats.gamma(0.5, scale=200.0)],
    ids=["lognorm", "weibull_min", "gamma"],
)
def test_known_law_is_recovered(truth: stats.rv_frozen) -> None:
    values = truth.rvs(6_000, random_state=np.random.default_rng(5))
    choice = choose_law(values, np.zeros(len(values), dtype=bool), stream(0, "test"))
    assert choice.law.kind == "family"
    assert choice.law.quantile(Q) == pytest.approx(truth.ppf(Q), rel=0.12)


def test_censored_weibull_is_recovered() -> None:
    rng = np.random.default_rng(11)
    truth = 3000.0 * rng.weibull(0.6, 6_000)
    until = rng.exponential(5000.0, 6_000)
    choice = choose_law(np.minimum(truth, until), truth > until, stream(0, "test"))
    exact = choose_law(truth[truth <= until], np.zeros(np.sum(truth <= until), dtype=bool), stream(0, "test"))
    assert choice.law.kind == "family"
    assert choice.law.family == "weibull_min"
    assert (choice.law.shapes[0], choice.law.scale) == pytest.approx((0.6, 3000.0), rel=0.04)
    assert exact.law.quantile(np.array([0.75]))[0] < 0.7 * stats.weibull_min.ppf(
        0.75, 0.6, scale=3000.0
    )  # what dropping the open rows would have cost
    assert choice.censored == np.sum(truth > until)


def test_censoring_leaves_the_distance_of_the_truth_unchanged() -> None:
    distances = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        truth, until = rng.exponential(1.0, 1_000), rng.exponential(1.2, 1_000)
        distances.append(_ks(Sample(np.minimum(truth, until), truth > until), Fitted("expon", (), 1.0).cdf))
    assert np.mean(distances) * np.sqrt(1_000) == pytest.approx(0.8687, rel=0.08)


def test_two_humps_fall_back_to_the_table_and_say_why() -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate([rng.lognormal(2, 0.2, 2_000), rng.lognormal(8, 0.2, 2_000)])
    choice = choose_law(values, np.zeros(4_000, dtype=bool), stream(0, "test"))
    assert choice.law.kind == "quantile-table"
    assert {s.family for s in choice.scores} == {*FAMILIES, "quantile-table"}
    judged = [s for s in choice.scores if s.log_likelihood is not None]
    assert len(judged) == 3
    assert all(s.ks > choice.ks_threshold and s.aic and s.bic and s.anderson_darling for s in judged)
    assert next(s.ks for s in choice.scores if s.family == "quantile-table") < choice.ks_threshold


@pytest.mark.parametrize(
    "values",
    [
        [7.0],
        [3.0, 9.0],
        [5.0] * 400,
        [0.0] * 10,
        [1.0, 2.0] * 200,
        [*range(1, 120), 1e12],
        [float(i % 3) for i in range(300)],
        [1e-9 * (i + 1) for i in range(200)],
    ],
    ids=["one", "two", "constant", "zeros", "two-valued", "outlier", "rounded", "tiny"],
)
def test_degenerate_samples_have_a_law(values: list[float]) -> None:
    before = threading.active_count()
    choice = choose_law(np.array(values), np.zeros(len(values), dtype=bool), stream(0, "test"))
    drawn = choice.law.quantile(np.linspace(0, 1, 1001)[:-1])
    assert np.all(np.isfinite(drawn))
    assert np.all(drawn >= 0)
    assert drawn.max() <= 1.2 * max(values) * (1 + 1e-9)
    assert threading.active_count() <= before  # no abandoned fit computes on
