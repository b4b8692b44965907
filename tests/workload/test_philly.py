"""The real trace: counts and durations of its training window."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import SynthesisConfig, WorkloadModel, fit, synthesize

pytestmark = pytest.mark.endurance


@pytest.fixture(scope="module")
def model(philly: Trace) -> WorkloadModel:
    return fit(philly)


def test_count_ratio(philly: Trace, model: WorkloadModel) -> None:
    start = model.window.start
    counts = [len(model.arrivals.sample(stream(seed, "arrivals"), start, 42.0, 1.0).instants) for seed in range(8)]
    assert np.mean(counts) / philly.pipeline_runs.height == pytest.approx(1.0, abs=0.02)


def test_durations_by_gpus(philly: Trace, model: WorkloadModel) -> None:
    drawn = synthesize(model, SynthesisConfig(days=420)).task_runs
    distances = {}
    for gpus in (1.0, 2.0, 4.0, 8.0):
        real = philly.task_runs.filter(pl.col("gpus") == gpus)["duration_s"].to_numpy()
        synthetic = drawn.filter(pl.col("gpus") == gpus)["duration_s"].to_numpy()
        floor = 0.8687 / np.sqrt(len(real) / 2)
        distances[gpus] = (stats.ks_2samp(real, synthetic).statistic, max(0.03, 1.3 * floor))
    assert all(ks <= goal for ks, goal in distances.values()), distances
    assert drawn["duration_s"].mean() == pytest.approx(philly.task_runs["duration_s"].mean(), rel=0.05)
    assert drawn["duration_s"].max() <= philly.task_runs["duration_s"].max() * 1.2
