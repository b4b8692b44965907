from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.laws.regression import Sample, fit_monotone, fit_power, foretell, foretell_by_copula


def sample(x: object, y: object, group: object = 0) -> Sample:
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    order = np.lexsort((y, x))
    return Sample(x[order], y[order], np.broadcast_to(np.asarray(group), x.shape)[order].astype(np.int64))


def test_parameters_are_recovered_with_outliers_among_the_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(14.7, 1.6, 6_000)
    y = np.log(1.2 * 1.45**x + 20.0) + rng.normal(0, 0.35, len(x))
    y[:120] += 8.0
    found = fit_power(sample(x, y))
    assert (found.a, found.b, found.c) == pytest.approx((1.2, 1.45, 20.0), rel=0.25)
    grid = np.linspace(11, 18, 30)
    assert found.log(grid) == pytest.approx(np.log(1.2 * 1.45**grid + 20.0), abs=0.06)


def test_isotonic_regression_follows_any_rise() -> None:
    x = np.linspace(0, 10, 4_000)
    steps = np.floor(x / 2.5)
    found = fit_monotone(sample(x, steps + 0.1 * np.random.default_rng(1).standard_normal(len(x))))
    assert len(found.x) == 64
    assert np.mean(np.abs(found.log(x) - steps)) < 0.05
    assert found.log(np.array([-5.0, 50.0])) == pytest.approx([0, 3], abs=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.floats(-5, 15)), min_size=50, max_size=120))
def test_functions_never_fall_and_are_finite(rows: list[tuple[int, float]]) -> None:
    """Whatever the rows: one size, one duration, a relation that falls."""
    data = sample([4.0 * x for x, _ in rows], [y for _, y in rows])
    grid = np.linspace(0, 40, 100)
    for function in (fit_power(data), fit_monotone(data)):
        values = function.log(grid)
        assert np.isfinite(values).all()
        assert np.diff(values).min() >= -1e-9


def test_densities_are_those_of_the_truth() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(0, 1, 8_000)
    group = rng.integers(0, 2, len(x))
    noise = rng.normal(0, 0.5, len(x))
    # Two groups, jointly normal with x: the copula is the truth.
    joint = sample(x, 0.8 * x + noise + 3 * group, group)
    truth = stats.norm(0, 0.5).entropy()
    # Half of the rows fit, the others are foretold.
    one = Sample(joint.x, joint.y - 3 * joint.group, np.zeros_like(joint.group))
    density, error = foretell_by_copula(one.half(0), one.half(1))
    assert -density.mean() == pytest.approx(truth, abs=0.03)
    assert np.std(error) == pytest.approx(0.5, rel=0.03)
    density, _ = foretell(fit_power(one.half(0)), one.half(0), one.half(1))
    assert -density.mean() == pytest.approx(truth, abs=0.03)  # ln(a b^x) is a line, too
    density, _ = foretell_by_copula(joint.half(0), joint.half(1), tied=False)
    assert -density.mean() == pytest.approx(stats.norm(0, np.sqrt(0.8**2 + 0.5**2)).entropy(), abs=0.03)


def test_every_value_is_possible() -> None:
    data = sample(np.arange(60.0), np.arange(60.0) % 7)
    far = sample([0.0, 100.0], [-50.0, 60.0])
    for density, error in (foretell_by_copula(data, far), foretell(fit_monotone(data), data, far)):
        assert np.isfinite(density).all()
        assert np.isfinite(error).all()
