from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pipesim.workload.laws.joint_mixture import GaussianMixture, fit_mixture
from pipesim.workload.laws.law import Floats

WEIGHTS = np.array([0.6, 0.4])
MEANS = np.array([[0.0, 0.0, 0.0], [6.0, 1.0, -2.0]])
ROOTS = np.array([[[1.0, 0, 0], [0.8, 0.5, 0], [-0.3, 0.1, 0.4]], [[0.5, 0, 0], [-0.4, 0.3, 0], [0.0, 0.2, 0.7]]])


def truth(n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    of = (rng.random(n) >= WEIGHTS[0]).astype(int)
    return MEANS[of] + np.einsum("nij,nj->ni", ROOTS[of], rng.standard_normal((n, 3)))


def draw(mixture: GaussianMixture, n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    first = mixture.quantile(rng.random(n))
    return np.vstack([first, mixture.rest(first, rng.random(n), rng.standard_normal((2, n)))]).T


def test_two_gaussians_are_recovered() -> None:
    mixture = fit_mixture(truth(20_000, 1))
    order = np.argsort(np.array(mixture.means)[:, 0])
    assert len(order) == int(np.argmin(mixture.bic)) + 1 == 2
    assert np.array(mixture.weights)[order] == pytest.approx(WEIGHTS, abs=0.01)
    assert np.array(mixture.means)[order] == pytest.approx(MEANS, abs=0.05)
    assert np.array(mixture.covariances)[order] == pytest.approx(ROOTS @ ROOTS.transpose(0, 2, 1), abs=0.05)


def test_one_gaussian_is_one() -> None:
    normal = np.random.default_rng(4).standard_normal((3_000, 3))
    assert len(fit_mixture(normal).weights) == 1


def test_draws_have_the_law_of_the_rows() -> None:
    rows = truth(20_000, 5)
    drawn = draw(fit_mixture(rows), 20_000, 6)
    for i in range(3):
        assert stats.ks_2samp(rows[:, i], drawn[:, i]).pvalue > 0.001
    for direction in ([1, -1, 0], [0, 1, 1], [1, -1, 1]):  # how the coordinates go together
        assert stats.ks_2samp(rows @ direction, drawn @ direction).pvalue > 0.001


def test_the_criterion_is_that_of_the_mixture() -> None:
    rows = truth(4_000, 7)
    mixture = fit_mixture(rows)
    density = sum(
        weight * stats.multivariate_normal(mean, covariance).pdf(rows)
        for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
    )
    parameters = 2 - 1 + 2 * 3 + 2 * 6
    assert min(mixture.bic) == pytest.approx(parameters * np.log(len(rows)) - 2 * np.sum(np.log(density)))


def test_rest_far_from_all_rows_is_finite() -> None:
    mixture = fit_mixture(truth(1_000, 9))
    far = np.array([-1e3, 1e3])
    assert np.isfinite(mixture.rest(far, np.array([0.0, 1 - 1e-16]), np.zeros((2, 2)))).all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 1)), min_size=50, max_size=80),
    st.floats(0.0, 30.0),
)
def test_any_rows_have_a_law_whatever_their_order(cells: list[tuple[int, int, int]], scale: float) -> None:
    """Few distinct rows, constant columns and columns that follow from each other have singular covariances."""
    rows = np.array(cells, dtype=float)
    rows[:, 2] = scale * rows[:, 0]
    mixture = fit_mixture(rows)
    assert fit_mixture(rows[::-1]) == mixture
    assert sum(mixture.weights) == pytest.approx(1)
    assert all(np.linalg.eigvalsh(np.array(c)).min() > 0.99e-4 for c in mixture.covariances)
    drawn = draw(mixture, 200, 0)
    assert np.isfinite(drawn).all()
    assert drawn[:, 2] == pytest.approx(scale * drawn[:, 0], abs=0.1 * (1 + scale))
