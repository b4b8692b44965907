"""The reference platform's models: what training makes of them, and how they do once deployed."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.sample import truth
from pipesim.sample.pipelines import FRAMEWORK_SHARES, PIPELINES
from pipesim.streams import stream

Floats = NDArray[np.float64]


def static_metrics(seed: int, pipelines: NDArray[np.intp]) -> pl.DataFrame:
    """Return the metrics of the model that each run trains, one column a metric of `truth.METRICS` and one row a run.

    Args:
        seed: Root seed.
        pipelines: The index of each run's pipeline in `PIPELINES`.
    """
    normal = stream(seed, "sample", "metrics").standard_normal((pipelines.size, len(truth.METRICS)))
    normal = normal @ np.linalg.cholesky(np.array(truth.METRIC_CORRELATION)).T
    order = list(FRAMEWORK_SHARES)
    framework = np.array([order.index(p.framework) for p in PIPELINES])[pipelines]
    columns = {}
    for i, law in enumerate(truth.METRICS):
        latent = np.array(law.mean)[framework] + law.sd * normal[:, i]
        columns[law.name] = 1 / (1 + np.exp(-latent)) if law.scale == "logit" else np.exp(latent)
    return _rounded(pl.DataFrame(columns))


def optimised_metrics(seed: int, static: pl.DataFrame, compressed: pl.Series, hardened: pl.Series) -> pl.DataFrame:
    """Return the metrics as they stand after compression and hardening, row for row of `static`.

    Args:
        seed: Root seed.
        static: What `static_metrics` returned.
        compressed: Whether each run compresses its model.
        hardened: Whether each run hardens its model.
    """
    share = pl.Series(pruning_levels(seed, static.height)) * compressed.cast(pl.Float64)
    hard = hardened.cast(pl.Float64)
    performance = pl.col("performance") - truth.PRUNING_PERFORMANCE_COST * share**2 - truth.HARDEN_PERFORMANCE_COST * hard
    return _rounded(
        static.with_columns(
            performance.clip(0, 1),
            robustness=pl.col("robustness") + truth.HARDEN_GAIN * hard * (1 - pl.col("robustness")),
            size_bytes=pl.col("size_bytes") * (1 - share),
            latency_ms=pl.col("latency_ms") * (1 - share / 2),
        )
    )


def pruning_levels(seed: int, size: int) -> Floats:
    """Return the share of the weights that each run's compression prunes."""
    return stream(seed, "sample", "pruning").choice(np.array(truth.PRUNING_LEVELS), size)


def live_performance(seed: int, deployments: pl.DataFrame, until: pl.Expr) -> pl.DataFrame:
    """Return the daily measurements of every deployed version until the next deployment of its model.

    Args:
        seed: Root seed.
        deployments: One row a deployment: `pipeline` (index), `model_id`, `version`, `performance`, `deployed_at`.
        until: The instant at which measuring ends.

    Returns:
        Canonical `model_metrics` rows of phase live; step 0 is the deployment itself.
    """
    laws = pl.DataFrame(
        {
            "pipeline": np.arange(len(PIPELINES)),
            "drift": [p.drift_per_day for p in PIPELINES],
            "jumps": [p.jumps_per_day for p in PIPELINES],
            "jump_size": [p.jump_size for p in PIPELINES],
        }
    )
    live = deployments.join(laws, on="pipeline").sort("model_id", "deployed_at")
    retired = pl.col("deployed_at").shift(-1).over("model_id").fill_null(until)
    first = pl.col("deployed_at").dt.truncate("1d").dt.offset_by(f"{truth.LIVE_HOUR}h")
    first = pl.when(first > pl.col("deployed_at")).then(first).otherwise(first.dt.offset_by("1d"))
    ticks = pl.datetime_ranges(first, pl.col("retired"), "1d", closed="left")
    live = live.with_columns(retired.alias("retired")).filter(pl.col("deployed_at") < until)
    live = live.with_columns(pl.concat_list(pl.col("deployed_at"), ticks).alias("measured_at"))
    live = live.explode("measured_at").filter(pl.col("measured_at") <= pl.col("retired"))
    step = pl.int_range(pl.len()).over("model_id", "version")
    elapsed = (pl.col("measured_at") - pl.col("deployed_at")).dt.total_microseconds() / 86.4e9
    live = live.with_columns(step.alias("step"), elapsed.alias("days"))
    gap = (pl.col("days") - pl.col("days").shift(1)).over("model_id", "version").fill_null(0.0)
    live = live.with_columns(gap.alias("gap"))
    happened = stream(seed, "sample", "jumps").poisson((live["gap"] * live["jumps"]).to_numpy())
    noise = truth.LIVE_NOISE_SD * stream(seed, "sample", "live-noise").standard_normal(live.height)
    live = live.with_columns(pl.Series("happened", happened), pl.Series("noise", noise))
    jumped = pl.col("happened").cum_sum().over("model_id", "version") * pl.col("jump_size")
    value = pl.col("performance") - pl.col("drift") * pl.col("days") - jumped + pl.col("noise")
    return live.select(
        "model_id",
        "version",
        pl.lit("performance").alias("metric"),
        pl.lit("live").alias("phase"),
        "step",
        "measured_at",
        value.clip(0, 1).round(4).alias("value"),
    )


def _rounded(metrics: pl.DataFrame) -> pl.DataFrame:
    digits = {"size_bytes": 0, "latency_ms": 2}
    return metrics.select(pl.col(name).round(digits.get(name, 4)) for name in metrics.columns)
