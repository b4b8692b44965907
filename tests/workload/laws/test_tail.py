from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipesim.workload.laws.law import QuantileLaw, mean
from pipesim.workload.laws.tail import largest, table_tail_law


def law_of(values: np.ndarray, censored: np.ndarray | None = None, resolution: float | None = None) -> QuantileLaw:
    order = np.argsort(values)
    hidden = np.zeros(len(values), dtype=bool) if censored is None else censored[order]
    law, reason = table_tail_law(values[order], hidden, resolution)
    assert reason is None
    assert isinstance(law, QuantileLaw)
    return law


def test_a_pareto_tail_is_recovered() -> None:
    values = stats.lomax.rvs(2.0, scale=1_000.0, size=100_000, random_state=np.random.default_rng(1))
    law = law_of(values)
    assert law.tail is not None
    assert law.tail.shape == pytest.approx(0.5, abs=0.08)
    q = np.array([0.5, 0.9, 0.99, 0.999])
    assert law.quantile(q) == pytest.approx(stats.lomax.ppf(q, 2.0, scale=1_000.0), rel=0.12)
    assert law.quantile(np.array([1 - 1e-16]))[0] <= 1.2 * values.max() * (1 + 1e-9)
    assert mean(law) == pytest.approx(values.mean(), rel=0.02)


@pytest.mark.parametrize("resolution", [None, 1.0, 60.0])
def test_the_distribution_function_inverts_the_quantiles(resolution: float | None) -> None:
    values = np.random.default_rng(2).lognormal(6, 2, 20_000)
    law = law_of(values if resolution is None else np.floor(values / resolution) * resolution, resolution=resolution)
    u = np.linspace(0.0, 0.9995, 3_001)
    plain = law.model_copy(update={"resolution": None})
    # With whole minutes a fifth of the rows are 0, where the distribution function is only known at the ends.
    inside = u > law.cdf(np.array([resolution or 0.0]))[0]
    assert plain.cdf(plain.quantile(u))[inside] == pytest.approx(u[inside], abs=1e-9)


def test_rounded_values_keep_their_probabilities() -> None:
    rng = np.random.default_rng(3)
    values = np.floor(rng.gamma(0.5, 10.0, 50_000))
    drawn = law_of(values, resolution=1.0).quantile(rng.random(200_000))
    assert np.all(drawn == np.rint(drawn))
    for value in range(12):
        assert np.mean(drawn == value) == pytest.approx(np.mean(values == value), abs=0.004)
    assert np.mean(drawn) == pytest.approx(np.mean(values), rel=0.02)


def test_a_limit_is_kept_with_its_atom() -> None:
    rng = np.random.default_rng(4)
    values = np.minimum(rng.lognormal(6, 1.5, 30_000), 10_000.0)
    assert largest(values, np.zeros(len(values), dtype=bool)) == (10_000.0, True)
    drawn = law_of(values).quantile(rng.random(100_000))
    assert drawn.max() == 10_000.0
    assert np.mean(drawn == 10_000.0) == pytest.approx(np.mean(values == 10_000.0), abs=0.003)


def test_the_largest_value_alone_is_no_limit() -> None:
    values = np.random.default_rng(5).lognormal(6, 1.5, 30_000)
    assert largest(values, np.zeros(len(values), dtype=bool)) == (1.2 * values.max(), False)


def test_censored_rows_lengthen_the_tail() -> None:
    rng = np.random.default_rng(6)
    truth, until = 3_000.0 * rng.weibull(0.6, 50_000), rng.exponential(8_000.0, 50_000)
    law = law_of(np.minimum(truth, until), truth > until)
    q = np.array([0.25, 0.5, 0.75, 0.9, 0.97])
    assert law.quantile(q) == pytest.approx(stats.weibull_min.ppf(q, 0.6, scale=3_000.0), rel=0.1)


def test_few_exceedances_leave_the_plain_table() -> None:
    values = np.sort(np.random.default_rng(7).lognormal(6, 1.5, 900))
    law, reason = table_tail_law(values, np.zeros(900, dtype=bool), None)
    assert isinstance(law, QuantileLaw)
    assert law.tail is None
    assert reason is not None
    assert reason.startswith("under 30 values")
    assert law.quantile(np.array([1 - 1e-16]))[0] == pytest.approx(values.max())
