from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipesim.workload.laws.closed_forms import family_cdf, family_quantile

SHAPES = {
    "expon": (),
    "lognorm": (1.7,),
    "weibull_min": (0.6,),
    "gamma": (0.5,),
    "fisk": (1.3,),
    "lomax": (1.6,),
    "invgauss": (2.5,),
    "burr12": (1.2, 0.8),
    "exponweib": (2.0, 0.4),
    "gengamma": (0.7, -1.4),
    "genpareto": (0.3,),
}


@pytest.mark.parametrize("family", SHAPES)
def test_quantiles_are_those_of_scipy(family: str) -> None:
    u = np.concatenate([[1e-6, 1e-3], np.linspace(0.01, 0.99, 99), [0.999, 0.999999]])
    expected = getattr(stats, family).ppf(u, *SHAPES[family])
    assert family_quantile(family, u, SHAPES[family]) == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("family", SHAPES)
def test_distribution_functions_are_those_of_scipy_in_both_tails(family: str) -> None:
    x = np.concatenate([[0.0], np.geomspace(1e-6, 50.0, 200)])
    law = getattr(stats, family)(*SHAPES[family])
    cdf, survival = family_cdf(family, x, SHAPES[family])
    assert cdf == pytest.approx(law.cdf(x), rel=1e-9, abs=1e-15)
    assert survival == pytest.approx(law.sf(x), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("shape", [-0.5, 0.0])
def test_short_tails_of_excesses(shape: float) -> None:
    x = np.linspace(0, 3, 31)
    assert family_cdf("genpareto", x, (shape,))[0] == pytest.approx(stats.genpareto.cdf(x, shape))
    u = np.linspace(0, 0.99, 34)
    assert family_quantile("genpareto", u, (shape,)) == pytest.approx(stats.genpareto.ppf(u, shape))


@pytest.mark.parametrize("mu", [1e-3, 0.1, 40.0, 1e4])
def test_inverse_gaussian_inverts_its_cdf(mu: float) -> None:
    u = np.linspace(0.001, 0.999, 500)
    assert stats.invgauss.cdf(family_quantile("invgauss", u, (mu,)), mu) == pytest.approx(u, abs=5e-4)


def test_unknown_families_are_refused() -> None:
    for function in (family_cdf, family_quantile):
        with pytest.raises(ValueError, match="'levy' with 1 shapes"):
            function("levy", np.array([0.5]), (1.0,))


@pytest.mark.parametrize("shape", [0.05, 0.5, 3.0, 80.0])
def test_many_gamma_draws_are_those_of_the_iteration(shape: float) -> None:
    u = np.random.default_rng(1).random(40_000)
    for family, shapes in (("gamma", (shape,)), ("gengamma", (shape, -1.5))):
        many = family_quantile(family, u, shapes)
        few = np.concatenate([family_quantile(family, part, shapes) for part in np.array_split(u, 10)])
        assert many == pytest.approx(few, rel=5e-4)
