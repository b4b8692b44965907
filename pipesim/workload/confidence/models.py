"""Intervals of models: the mean metrics of new versions, and how versions scatter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from pipesim.lifecycle import METRICS, LifecycleModel
from pipesim.lifecycle.measured import measured, training_pipelines
from pipesim.lifecycle.metrics import to_latent
from pipesim.trace import Trace
from pipesim.workload.confidence.limits import clusters, correlation_limits, mean_limits, spread_limits
from pipesim.workload.confidence.row import Interval, with_day

_FEWEST = 20
_HOW = "days as clusters"


def model_intervals(trace: Trace, lifecycle: LifecycleModel, level: float) -> Iterator[Interval]:
    """Return the intervals of the metrics of new versions, on the normal scales: means by framework, and scatter about them.

    Frameworks with under 20 versions that were measured are left out.
    """
    pipelines = training_pipelines(trace)
    of = measured(trace, pipelines)
    if len(of.model) < _FEWEST:
        return
    latent = to_latent(of.first)
    day = with_day(of.run_id.to_frame("run_id"), trace.pipeline_runs)["day"].to_numpy()
    fitted = np.array([lifecycle.law_of(name).mean for name in pipelines["pipeline_name"]])[of.model]
    framework = pipelines["framework"].fill_null("-").to_numpy()[of.model]
    own = latent.copy()
    for name in np.unique(framework).tolist():
        mine = framework == name
        for i, metric in enumerate(METRICS):
            told = mine & ~np.isnan(latent[:, i])
            if np.count_nonzero(told) < _FEWEST:
                own[mine, i] = np.nan
                continue
            own[mine, i] -= latent[told, i].mean()
            limits = mean_limits(latent[told, i], clusters(day[told]), level)
            yield Interval("models", f"mean {metric}", name, float(fitted[told, i].mean()), *limits, _HOW)
    sd = np.sqrt(np.diag(np.array(lifecycle.covariance)))
    told = ~np.isnan(own)
    for i, metric in enumerate(METRICS):
        if np.count_nonzero(told[:, i]) >= _FEWEST:
            low, high = spread_limits(own[told[:, i], i], clusters(day[told[:, i]]), level)
            yield Interval("models", f"sd of {metric}", "", float(sd[i]), low, high, f"{_HOW}, log scale")
    for i, j in combinations(range(len(METRICS)), 2):
        both = told[:, i] & told[:, j]
        if np.count_nonzero(both) >= _FEWEST and sd[i] > 0 < sd[j]:
            low, high = correlation_limits(own[both, i], own[both, j], clusters(day[both]), level)
            rho = float(lifecycle.covariance[i][j] / (sd[i] * sd[j]))
            yield Interval("models", "correlation", f"{METRICS[i]}, {METRICS[j]}", rho, low, high, f"{_HOW}, Fisher's scale")
