"""The real log: figures that were computed before with other code, and what a bootstrap of its days gives."""

from __future__ import annotations

import numpy as np
import pytest

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.measures import METRICS
from pipesim.quality.measures.arrivals import autocorrelation, dispersion
from pipesim.quality.measures.waits import LOADS, servers
from pipesim.quality.stretch import Stretch
from pipesim.streams import stream
from tests.philly import BEGIN, DAYS, philly_trace, philly_window


@pytest.fixture(scope="module")
def window() -> Excerpt:
    return excerpt(philly_trace(philly_window()), Stretch(BEGIN, tuple(range(DAYS)), DAYS * 24))


def test_the_window_has_the_known_figures(window: Excerpt) -> None:
    assert len(window.submitted_us) == 56_266
    index = [dispersion(window.counts(s)) for s in (60, 600, 3600, 86_400)]
    assert index == pytest.approx([11.840, 68.190, 172.149, 611.906], rel=1e-4)
    assert autocorrelation(np.log1p(window.gaps)) == pytest.approx(0.6573, abs=1e-4)
    assert autocorrelation(np.log1p(window.hourly)) == pytest.approx(0.4852, abs=1e-4)


def test_its_queue_waits_as_long_as_a_plain_loop_said(window: Excerpt) -> None:
    assert [servers(window, load) for load in LOADS] == [688, 602, 535]
    waits = [window.waits_s(n) for n in (688, 602, 535)]
    assert [w.mean() for w in waits] == pytest.approx([890, 5_232, 18_527], abs=1)
    assert [np.quantile(w, 0.95) for w in waits] == pytest.approx([4_972, 33_218, 80_621], abs=1)


def test_real_days_in_another_order_are_half_a_logarithm_apart_in_waits_and_near_in_bursts(window: Excerpt) -> None:
    floors = {
        name: np.mean([metric.floor(window, stream(seed, "philly"))[""] for seed in range(16)])
        for name, metric in ((metric.name, metric) for metric in METRICS)
        if name in ("wfe_p95", "dispersion_error", "interarrival_ks")
    }
    assert 0.35 < floors["wfe_p95"] < 1.0
    assert floors["dispersion_error"] < 0.15
    assert floors["interarrival_ks"] < 0.05
