from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pipesim.workload.laws.binned import Binned, bin_edges, bin_rows
from pipesim.workload.laws.mixture import fit_mixture

RNG = np.random.default_rng(2)
HUMPS = np.exp(np.where(RNG.random(20_000) < 0.3, RNG.normal(2, 0.4, 20_000), RNG.normal(6, 1.0, 20_000)))


def binned(values: np.ndarray, censored: np.ndarray | None = None, resolution: float | None = None) -> Binned:
    order = np.argsort(values)
    hidden = np.zeros(len(values), dtype=bool) if censored is None else censored[order]
    return bin_rows(values[order] + (resolution or 0.0) / 2, hidden, bin_edges(values[order], resolution))


@pytest.mark.parametrize("resolution", [None, 1.0])
def test_two_humps_are_recovered(resolution: float | None) -> None:
    values = np.floor(HUMPS) if resolution else HUMPS
    mixture = fit_mixture(binned(values, resolution=resolution))
    assert len(mixture.weights) == 2
    assert mixture.weights == pytest.approx([0.3, 0.7], abs=0.01)
    assert mixture.means == pytest.approx([2, 6], abs=0.03)
    assert mixture.deviations == pytest.approx([0.4, 1.0], abs=0.02)


def test_censored_rows_count_with_what_lies_beyond() -> None:
    until = np.random.default_rng(7).exponential(1_500.0, len(HUMPS))
    mixture = fit_mixture(binned(np.minimum(HUMPS, until), until < HUMPS))
    assert mixture.distribution(np.array([8.0, 100.0, 400.0]))[0] == pytest.approx(
        [np.mean(v >= HUMPS) for v in (8.0, 100.0, 400.0)], abs=0.015
    )


def test_no_component_is_narrower_than_a_hundredth() -> None:
    values = np.concatenate([np.full(500, 60.0), RNG.lognormal(5, 1, 500)])
    mixture = fit_mixture(binned(values))
    assert mixture.deviations.min() >= 0.01 * (1 - 1e-9)


def test_the_law_inverts_its_distribution_function() -> None:
    law = fit_mixture(binned(HUMPS)).law(unit=1.0, maximum=1.2 * HUMPS.max())
    u = np.linspace(0.0005, 0.9995, 2_000)
    assert law.cdf(law.quantile(u)) == pytest.approx(u, abs=2e-4)
    drawn = law.quantile(np.random.default_rng(3).random(20_000))
    assert stats.ks_2samp(drawn, HUMPS).statistic < 0.015
    assert law.quantile(np.array([1 - 1e-16]))[0] <= 1.2 * HUMPS.max()
