from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipesim.workload.laws.binned import Binned, bin_edges, bin_rows
from pipesim.workload.laws.families import FAMILIES, Fitted, pick, refit

TRUTHS = {
    "lognorm": (1.5,),
    "weibull_min": (0.6,),
    "gamma": (0.5,),
    "fisk": (1.2,),
    "burr12": (1.4, 0.6),
    "exponweib": (3.0, 0.5),
    "gengamma": (2.0, 0.7),
    "lomax": (1.8,),
    "invgauss": (1.5,),
    "expon": (),
}


def binned(values: np.ndarray, censored: np.ndarray | None = None, resolution: float | None = None) -> Binned:
    order = np.argsort(values)
    hidden = np.zeros(len(values), dtype=bool) if censored is None else censored[order]
    return bin_rows(values[order] + (resolution or 0.0) / 2, hidden, bin_edges(values[order], resolution))


@pytest.mark.parametrize("family", FAMILIES)
def test_no_family_has_a_likelihood_below_that_of_the_truth(family: str) -> None:
    truth = Fitted(family, TRUTHS[family], 1.3)
    values = getattr(stats, family).rvs(*truth.shapes, scale=1.3, size=20_000, random_state=np.random.default_rng(8))
    sample = binned(values)
    fitted = refit(family, sample)
    assert fitted is not None
    assert sample.log_likelihood(fitted.distribution) >= sample.log_likelihood(truth.distribution) - 0.1
    assert fitted.distribution(np.array([0.2, 1.0, 5.0]))[0] == pytest.approx(
        truth.distribution(np.array([0.2, 1.0, 5.0]))[0], abs=0.015
    )


def test_a_gamma_is_recovered_from_whole_numbers() -> None:
    values = np.floor(np.random.default_rng(5).gamma(0.5, 200.0, 40_000))
    fitted = refit("gamma", binned(values, resolution=1.0))
    assert fitted is not None
    assert (fitted.shapes[0], fitted.scale) == pytest.approx((0.5, 200.0), rel=0.02)


def test_a_weibull_is_recovered_from_censored_rows() -> None:
    rng = np.random.default_rng(11)
    truth, until = 3_000.0 * rng.weibull(0.6, 40_000), rng.exponential(8_000.0, 40_000)
    assert np.mean(truth > until) == pytest.approx(0.3, abs=0.03)
    fitted = refit("weibull_min", binned(np.minimum(truth, until), truth > until))
    assert fitted is not None
    assert (fitted.shapes[0], fitted.scale) == pytest.approx((0.6, 3_000.0), rel=0.03)


def test_the_simplest_of_equally_likely_families_is_picked() -> None:
    values = np.random.default_rng(3).exponential(1.0, 4_000)
    train, test = binned(values[::2]), binned(values[1::2])
    fits = [f for f in (refit(family, train) for family in ("gengamma", "weibull_min", "expon", "lognorm")) if f]
    assert pick(fits, test).family == "expon"


def test_a_warm_start_comes_to_the_same_fit() -> None:
    sample = binned(np.random.default_rng(6).weibull(0.7, 5_000))
    cold = refit("weibull_min", sample)
    warm = refit("weibull_min", sample, Fitted("weibull_min", (0.8,), 1.3))
    assert cold is not None
    assert warm is not None
    assert (warm.shapes[0], warm.scale) == pytest.approx((cold.shapes[0], cold.scale), rel=2e-3)
