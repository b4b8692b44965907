"""The real log: figures that were computed before with other code, and what a bootstrap of its days gives."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.measures import METRICS
from pipesim.quality.measures.arrivals import autocorrelation, dispersion
from pipesim.quality.measures.waits import LOADS, servers
from pipesim.quality.stretch import Stretch
from pipesim.streams import stream
from pipesim.trace import Trace

BEGIN = datetime(2017, 10, 2)


@pytest.fixture(scope="module")
def window() -> Excerpt:
    path = Path(__file__).parents[2] / "../shared/traces/philly.csv"
    if not path.is_file():
        pytest.skip("the Philly extract is not on this machine")
    jobs = pl.read_csv(path, try_parse_dates=True).drop_nulls()
    jobs = jobs.filter(pl.col("timestamp").is_between(BEGIN, BEGIN + timedelta(days=42), closed="left"))
    rows = jobs.with_row_index("i").select(
        run_id=pl.format("j{}", "i"),
        task_id=pl.lit("job"),
        attempt=1,
        pipeline_name=pl.lit("job"),
        task_name=pl.lit("job"),
        task_type=pl.lit("train"),
        status=pl.lit("UNKNOWN"),
        raw_status=pl.lit(""),
        tenant="cluster",
        submitted_at=pl.col("timestamp").cast(pl.Datetime("us")),
        observed_until=pl.col("timestamp").max().cast(pl.Datetime("us")),
        time_basis=pl.lit("assumed_zone"),
        duration_s="duration",
        is_censored=False,
        gpus=pl.col("num_gpus").cast(pl.Float64),
    )
    return excerpt(Trace({"pipeline_runs": rows, "task_runs": rows}), Stretch(BEGIN, tuple(range(42)), 42 * 24))


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
