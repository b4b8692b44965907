from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.laws.law import FamilyLaw, kaplan_meier, mean, table_law


def test_mean_of_a_cut_heavy_tail_is_exact() -> None:
    maximum, c = 1e6, 0.7  # an uncut lomax with c < 1 has no mean
    law = FamilyLaw(
        family="lomax", shapes=(c,), scale=1.0, zero=0.25, maximum=maximum, below_maximum=stats.lomax.cdf(maximum, c)
    )
    exact = 0.75 * stats.lomax.expect(lambda x: x, (c,), lb=0, ub=maximum, limit=500) / stats.lomax.cdf(maximum, c)
    assert mean(law) == pytest.approx(exact, rel=1e-3)


def test_table_reproduces_its_sample() -> None:
    rng = np.random.default_rng(1)
    values = np.round(rng.lognormal(6, 2, 5_000) * (rng.random(5_000) > 0.1))  # whole seconds, 10 % zeros
    drawn = table_law(values).quantile(rng.random(50_000))
    assert np.mean(drawn == 0) == pytest.approx(np.mean(values == 0), abs=0.01)
    assert drawn.max() <= values.max() * (1 + 1e-12)
    assert stats.ks_2samp(values[values > 0], drawn[drawn > 0]).statistic < 0.025
    assert drawn.mean() == pytest.approx(values.mean(), rel=0.1)


def test_censored_rows_move_the_table_up() -> None:
    rng = np.random.default_rng(2)
    truth = rng.exponential(100.0, 20_000)
    until = rng.exponential(150.0, 20_000)
    law = table_law(np.minimum(truth, until), truth > until)
    assert law.quantile(np.array([0.25, 0.5, 0.75])) == pytest.approx(stats.expon.ppf([0.25, 0.5, 0.75]) * 100, rel=0.05)


def test_kaplan_meier_of_a_textbook_sample() -> None:
    # 3, 5+, 5, 8+, 10: survival 4/5 after 3, times 3/4 after 5 (5+ still at risk at 5), times 0 after 10.
    points, cdf = kaplan_meier(np.array([3.0, 5, 5, 8, 10]), np.array([False, True, False, True, False]))
    assert points.tolist() == [3, 5, 10]
    assert cdf == pytest.approx([0.2, 0.4, 1.0])


@given(
    st.lists(st.tuples(st.floats(0, 1e12), st.booleans()), min_size=1, max_size=30).filter(lambda v: not all(c for _, c in v))
)
def test_any_table_draws_within_its_sample(rows: list[tuple[float, bool]]) -> None:
    values, censored = np.array([v for v, _ in rows]), np.array([c for _, c in rows])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = table_law(values, censored).quantile(np.linspace(0, 1, 101)[:-1])
    assert np.all(np.diff(drawn) >= 0)
    assert np.all(np.isfinite(drawn))
    assert drawn[-1] <= values.max() * (1 + 1e-9)
    assert drawn[0] >= values.min() * (1 - 1e-9)
