"""The ground truth of the reference platform: every law and every parameter behind the sample logs.

Which pipelines there are, and how often each is run, stands beside this in `pipelines.py`.
All of it is invented for pipesim except the framework shares, which are those that Rausch, Hummer and Muthusamy report for
IBM's production platform (arXiv 2006.12587). A fit of the sample logs can be compared with what stands here. Unless a
comment says otherwise, all quantities are independent of each other and from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The seed of the logs in `traces/sample/`.
DEFAULT_SEED = 20260302
#: The instant at which the log begins: a Monday, 00:00 UTC.
START = datetime(2026, 3, 2)
#: How many days the log covers; what happens later is unknown to it.
DAYS = 28


@dataclass(frozen=True)
class Law:
    """A positive random quantity.

    Args:
        family: `lognormal` (a = median, b = standard deviation of the logarithm), `weibull` or `gamma` (a = scale, b = shape).
        a: First parameter, in the unit of the quantity.
        b: Second parameter, a pure number.
    """

    family: Literal["lognormal", "weibull", "gamma"]
    a: float
    b: float

    def sample(self, rng: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Return `size` independent draws."""
        if self.family == "lognormal":
            return np.asarray(self.a * np.exp(self.b * rng.standard_normal(size)))
        if self.family == "weibull":
            return np.asarray(self.a * rng.weibull(self.b, size))
        return np.asarray(rng.gamma(self.b, self.a, size))

    def distribution(self) -> Any:
        """Return the same law as a frozen `scipy.stats` distribution, for comparisons."""
        from scipy import stats

        if self.family == "lognormal":
            return stats.lognorm(self.b, scale=self.a)
        if self.family == "weibull":
            return stats.weibull_min(self.b, scale=self.a)
        return stats.gamma(self.b, scale=self.a)


# --- arrivals -----------------------------------------------------------------------------------------------------------

#: Expected runs an hour, averaged over the week and over the day factor.
RUNS_PER_HOUR = 2.8
#: Relative intensity by hour of a working day (Monday to Friday, UTC).
WEEKDAY_PROFILE = (
    0.45, 0.40, 0.50, 0.40, 0.35, 0.40, 0.55, 0.90, 1.50, 2.00, 2.20, 2.00,
    1.60, 1.80, 2.10, 2.10, 1.80, 1.40, 1.00, 0.80, 0.75, 0.70, 0.60, 0.50,
)  # fmt: skip
#: The same for Saturday and Sunday: people stay away, and scheduled retraining has the nights.
WEEKEND_PROFILE = (
    0.40, 0.35, 0.45, 0.35, 0.30, 0.30, 0.35, 0.40, 0.45, 0.55, 0.60, 0.60,
    0.55, 0.55, 0.60, 0.55, 0.50, 0.50, 0.45, 0.45, 0.60, 1.20, 1.70, 1.50,
)  # fmt: skip
#: The logarithm of a day's factor is an AR(1) process with this coefficient and this stationary standard deviation; the
#: factor's mean is 1.
DAY_AR_COEFFICIENT = 0.4
DAY_LOG_SD = 0.3
#: Within the hour, arrivals burst: at level l each cell of 3600 / 2^l seconds splits its n arrivals Binomial(n, p) with
#: p ~ Beta(a, a) and a = CASCADE_ALPHA[l]; inside the last cell (0.88 s) they are uniform. With infinite a it is Poisson.
CASCADE_ALPHA = (1.5, 0.9, 0.6, 0.4, 0.25, 0.2, 0.2, 0.25, 0.4, 0.6, 1.0, 1.5)


def hour_of_week_profile() -> NDArray[np.float64]:
    """Return the 168 relative intensities from Monday 00:00 on; their mean is 1."""
    profile = np.array(WEEKDAY_PROFILE * 5 + WEEKEND_PROFILE * 2)
    return np.asarray(profile / profile.mean())


# --- data ---------------------------------------------------------------------------------------------------------------

#: Every preprocess task reads a new batch (a version of its data asset). (ln rows, ln columns) are jointly normal with
#: these means, standard deviations and correlation, rounded to whole numbers of at least 1.
ASSET_LOG_MEAN = (11.5, 3.2)
ASSET_LOG_SD = (1.6, 0.7)
ASSET_CORRELATION = -0.3
#: Bytes of a cell; a batch's size is rows x columns x this.
BYTES_PER_CELL = Law("lognormal", 7.0, 0.3)
#: What a preprocess task writes, as a share of what it reads; also what a training task without one reads, in bytes.
PREPARED_SHARE = (0.2, 0.9)
UNPREPARED_BYTES = Law("lognormal", 8.0e6, 1.5)


@dataclass(frozen=True)
class SizeLaw:
    """Seconds of a preprocess task: (a b^x + c) e^(s z) with x = ln(rows x columns) and z standard normal."""

    a: float
    b: float
    c: float
    s: float

    def median(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the median number of seconds for inputs of that many cells."""
        return np.asarray(self.a * np.exp(np.log(cells) * np.log(self.b)) + self.c)


PREPROCESS_SECONDS = SizeLaw(a=1.2, b=1.45, c=20.0, s=0.35)

# --- work ---------------------------------------------------------------------------------------------------------------

#: Natural seconds of an attempt: what it would take if nothing stopped it. Training depends on the framework.
TRAIN_SECONDS = {
    "SparkML": Law("lognormal", 1500.0, 1.0),
    "TensorFlow": Law("weibull", 11500.0, 0.8),
    "PyTorch": Law("gamma", 9000.0, 1.6),
    "Caffe": Law("lognormal", 7200.0, 0.9),
    "other": Law("lognormal", 5400.0, 1.1),
}
TASK_SECONDS = {
    "evaluate": Law("gamma", 35.0, 2.2),
    "compress": Law("lognormal", 1200.0, 0.6),
    "harden": Law("lognormal", 2400.0, 0.7),
    "deploy": Law("lognormal", 35.0, 0.4),
}
#: An attempt is stopped as TIMEOUT at this many seconds.
WALL_TIME_LIMIT_S = 57600.0
#: Hazards per hour: each may end an attempt before its work does. They compete with each other, with the work and with the
#: limit, at constant rates, so an attempt that did not succeed is a censored observation of its natural duration.
FAILURES_PER_HOUR = {"preprocess": 0.25, "train": 0.04, "evaluate": 0.60, "compress": 0.08, "harden": 0.06, "deploy": 1.20}
NODE_FAILURES_PER_HOUR = 0.004
CANCELLATIONS_PER_HOUR = 0.006
#: Node failures strike attempts that hold GPUs; users cancel training only. A FAILED or NODE_FAIL attempt is tried again with
#: this probability, with a new natural duration, up to the limit; everything else ends the run.
RETRY_PROBABILITY = 0.8
MAX_ATTEMPTS = 3
#: An evaluation that finds less than this performance fails when its work is done, and is not tried again.
GATE_PERFORMANCE = 0.60
#: What the log says of a refused evaluation, and of other failures.
GATE_ERROR = "performance below the gate"
ERRORS = ("out of memory", "input schema mismatch", "exit code 1", "connection reset")

# --- resources ----------------------------------------------------------------------------------------------------------

#: GPUs of a training task of a GPU framework; CPU cores of a task by type (GPU tasks hold GPU_TASK_CORES).
TRAIN_GPUS = {1.0: 0.70, 2.0: 0.22, 4.0: 0.08}
OPTIMISE_GPUS = {"compress": 0.5, "harden": 1.0}
CPU_CORES = {
    "preprocess": {2.0: 0.5, 4.0: 0.3, 8.0: 0.2},
    "train": {4.0: 0.5, 8.0: 0.4, 16.0: 0.1},
    "evaluate": {2.0: 1.0},
    "compress": {4.0: 1.0},
    "harden": {4.0: 1.0},
    "deploy": {1.0: 1.0},
}
GPU_TASK_CORES = 4.0


@dataclass(frozen=True)
class Pool:
    """A resource pool; `gpus` or `cpu_cores` is what limits it."""

    name: str
    kind: str
    node_count: int
    gpus: float | None = None
    gpu_type: str | None = None
    cpu_cores: float | None = None


GPU_POOL = Pool("gpu", "gpu", node_count=2, gpus=8.0, gpu_type="V100")
CPU_POOL = Pool("cpu", "cpu", node_count=2, cpu_cores=24.0)
#: First come, first served; a task that does not fit lets later ones pass.
SCHEDULING = {"order": "fifo", "backfill": "greedy"}

# --- models -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MetricLaw:
    """A static metric of a new model version: a normal variable on a transformed scale.

    Args:
        scale: `logit` for a metric within (0, 1), `log` for a positive one.
        mean: Mean on that scale, by framework.
        sd: Standard deviation on that scale.
    """

    name: str
    scale: Literal["logit", "log"]
    mean: tuple[float, ...]
    sd: float


#: In the order of `FRAMEWORK_SHARES`. Robustness grows with the distance to the nearest adversarial example, fairness is the
#: disparity between groups (0 is best), size is in bytes and latency in milliseconds per request.
METRICS = (
    MetricLaw("performance", "logit", (1.5, 1.7, 1.8, 1.6, 1.5), 0.45),
    MetricLaw("robustness", "logit", (0.2, -0.4, -0.3, -0.5, 0.0), 0.6),
    MetricLaw("fairness", "logit", (-2.2, -2.4, -2.4, -2.2, -2.2), 0.5),
    MetricLaw("size_bytes", "log", (14.5, 18.0, 18.2, 17.8, 16.0), 0.8),
    MetricLaw("latency_ms", "log", (1.2, 3.0, 3.1, 3.0, 2.3), 0.5),
)
#: Correlation of the metrics on their transformed scales.
METRIC_CORRELATION = (
    (1.0, -0.3, 0.1, 0.4, 0.2),
    (-0.3, 1.0, 0.0, -0.1, 0.0),
    (0.1, 0.0, 1.0, 0.0, 0.0),
    (0.4, -0.1, 0.0, 1.0, 0.7),
    (0.2, 0.0, 0.0, 0.7, 1.0),
)
#: Compression prunes one of these shares of the weights: size x (1 - share), latency x (1 - share / 2), performance less
#: share^2 / 20. Hardening moves robustness this part of the way to 1 and costs this much performance.
PRUNING_LEVELS = (0.2, 0.4, 0.6, 0.8)
PRUNING_PERFORMANCE_COST = 0.05
HARDEN_GAIN = 0.3
HARDEN_PERFORMANCE_COST = 0.01
#: Live performance of the version in production is measured at its deployment and then daily at this hour (UTC), with
#: normal noise of this standard deviation, until another version of the model is deployed.
LIVE_HOUR = 6
LIVE_NOISE_SD = 0.004
