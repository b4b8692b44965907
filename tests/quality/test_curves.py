from __future__ import annotations

import numpy as np
import pytest

from pipesim.quality.curves import KEYS, curves, together
from pipesim.quality.excerpt import Excerpt
from tests.quality.conftest import jobs_of, poisson


def test_curves_of_a_poisson_stream_are_known(real: Excerpt) -> None:
    found = curves(real)
    assert set(found) == set(KEYS)
    short = found["dispersion"].filter(found["dispersion"]["window_s"] <= 3600)["value"].to_numpy()
    np.testing.assert_allclose(short, 1.0, atol=0.25)
    memory = found["hourly_autocorrelation"]
    assert memory["lag_h"].to_list() == list(range(169))
    assert memory["value"][0] == 1.0
    assert np.abs(memory["value"].to_numpy()[1:]).max() < 0.15
    assert found["week"].height == 168
    assert found["week"]["value"].mean() == pytest.approx(len(real.submitted_us) / real.hours)
    quantiles = found["duration_quantiles"]
    median = quantiles.filter((quantiles["cell"] == "train, 8 GPUs") & (quantiles["share"] == 0.5))["value"][0]
    assert median == pytest.approx(np.exp(5), rel=0.15)


def test_the_week_counts_from_monday_and_only_hours_that_are_covered() -> None:
    found = curves(jobs_of([0.0, 3600.0, 3601.0, 86_400.0], days=2))["week"]
    assert found["hour_of_week"].to_list() == list(range(48))
    assert found.filter(found["value"] > 0).rows() == [(0, 1.0), (1, 2.0), (24, 1.0)]


def test_curves_side_by_side_have_the_mean_and_the_range_of_seeds(real: Excerpt) -> None:
    drawn = [curves(poisson(seed)) for seed in (2, 3)]
    found = together(curves(real), drawn, [curves(real)])
    for name, table in found.items():
        assert table.columns == [*KEYS[name], "real", "synthetic", "low", "high", "baseline"]
        assert table["real"].equals(table["baseline"].alias("real"), null_equal=True)
        assert ((table["low"] <= table["synthetic"]) & (table["synthetic"] <= table["high"])).all()
    values = [one["dispersion"]["value"][0] for one in drawn]
    assert found["dispersion"]["synthetic"][0] == pytest.approx(np.mean(values))
    assert (found["dispersion"]["low"][0], found["dispersion"]["high"][0]) == (min(values), max(values))


def test_an_empty_excerpt_has_empty_curves() -> None:
    found = curves(jobs_of([]))
    assert [found[name].height for name in ("duration_quantiles", "dispersion", "hourly_autocorrelation")] == [0, 0, 0]
    assert found["week"]["value"].sum() == 0
