"""What the ground truth of the reference platform implies for every quantity that has a confidence interval.

All of it follows from `pipesim.sample.truth` and `pipesim.sample.pipelines` by quadrature and enumeration; nothing is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pipesim.sample import truth
from pipesim.sample.pipelines import (
    FRAMEWORK_SHARES,
    GPU_FRAMEWORKS,
    PIPELINES,
    SHAPES,
    TRIGGER_PRIORITY,
    TRIGGER_SHARES,
    USER_SHARES,
    Shape,
)

Floats = NDArray[np.float64]
Truth = dict[tuple[str, str], float]
Kind = tuple[str, str]
_FRAMEWORKS = tuple(FRAMEWORK_SHARES)
_EVEN = (np.arange(500) + 0.5) / 500


@dataclass(frozen=True)
class Weighted:
    """A law as points with weights."""

    values: Floats
    weights: Floats

    def quantile(self, p: float) -> float:
        order = np.argsort(self.values)
        weights = self.weights[order]
        middle = (np.cumsum(weights) - weights / 2) / weights.sum()
        return float(np.exp(np.interp(p, middle, np.log(self.values[order]))))

    def mean(self) -> float:
        return float(self.values @ self.weights / self.weights.sum())


def mixed(parts: list[tuple[Weighted, float]]) -> Weighted:
    """Return a mixture; the weights of each part add up to its share."""
    return Weighted(
        np.concatenate([part.values for part, _ in parts]),
        np.concatenate([part.weights / part.weights.sum() * share for part, share in parts]),
    )


@dataclass(frozen=True)
class Attempts:
    """How attempts of one kind end."""

    ends: Mapping[str, float]
    natural: Weighted
    held: Weighted
    numbers: Floats  # expected first, second and third attempts of a task
    gate: float

    @property
    def succeeds(self) -> float:
        """The probability that the task succeeds in the end."""
        return float(self.ends["SUCCEEDED"] * self.numbers.sum())


@cache
def kind_of(task_type: str, framework: str) -> Attempts:
    """Return how attempts of a kind end: hazards compete with the work and the limit."""
    seconds, weights = _natural_nodes(task_type, framework)
    on_gpu = framework in GPU_FRAMEWORKS and task_type in ("train", *truth.OPTIMISE_GPUS)
    hazards = {
        "FAILED": truth.FAILURES_PER_HOUR[task_type],
        "NODE_FAIL": truth.NODE_FAILURES_PER_HOUR * on_gpu,
        "CANCELLED": truth.CANCELLATIONS_PER_HOUR * (task_type == "train"),
    }
    rate = sum(hazards.values()) / 3600
    in_time = seconds < truth.WALL_TIME_LIMIT_S
    done = weights * np.exp(-rate * seconds) * in_time
    succeeded = float(done.sum())
    late = float(weights[~in_time].sum() * np.exp(-rate * truth.WALL_TIME_LIMIT_S))
    struck = 1 - succeeded - late
    ends = {name: struck * hazard / (rate * 3600) for name, hazard in hazards.items()}
    gate = _gate(framework) if task_type == "evaluate" else 0.0
    hazard_failures = ends["FAILED"]
    ends |= {"TIMEOUT": late, "FAILED": hazard_failures + gate * succeeded, "SUCCEEDED": succeeded * (1 - gate)}
    held = _struck(seconds, weights, rate)
    if gate:
        held = mixed([(held, hazard_failures), (Weighted(seconds, done), gate * succeeded)])
    if task_type == "preprocess":
        numbers = _batch_attempts().mean(axis=1)
    else:
        numbers = (truth.RETRY_PROBABILITY * (hazard_failures + ends["NODE_FAIL"])) ** np.arange(truth.MAX_ATTEMPTS)
    return Attempts(ends, Weighted(seconds[in_time], done[in_time]), held, numbers, gate * succeeded)


@cache
def _natural_nodes(task_type: str, framework: str) -> tuple[Floats, Floats]:
    if task_type == "preprocess":
        cells, noise, weights = _preprocess_nodes()
        return cells * noise, weights
    law = truth.TRAIN_SECONDS[framework] if task_type == "train" else truth.TASK_SECONDS[task_type]
    u = (np.arange(10_000) + 0.5) / 10_000
    return law.distribution().ppf(u), np.full(len(u), 1 / len(u))


def _log_cells() -> tuple[float, float]:
    """Return the mean and the standard deviation of ln(rows x columns)."""
    (a, b), rho = truth.ASSET_LOG_SD, truth.ASSET_CORRELATION
    return sum(truth.ASSET_LOG_MEAN), float(np.sqrt(a * a + b * b + 2 * rho * a * b))


@cache
def _preprocess_nodes() -> tuple[Floats, Floats, Floats]:
    """Return median seconds, noise and weight of a grid over cells and noise."""
    mean, sd = _log_cells()
    cells = np.exp(mean + sd * special.ndtri(_EVEN))
    noise = np.exp(truth.PREPROCESS_SECONDS.s * special.ndtri((np.arange(60) + 0.5) / 60))
    median = truth.PREPROCESS_SECONDS.median(cells)
    grid = np.meshgrid(median, noise, indexing="ij")
    attempts = np.repeat(_batch_attempts().sum(axis=0), len(noise))
    return grid[0].ravel(), grid[1].ravel(), attempts / attempts.sum()


@cache
def _batch_attempts() -> Floats:
    """Return the expected first, second and third attempts on batches of evenly likely sizes, [3, 500].

    A batch that takes long fails more often, and each time is tried again: sizes of attempts are not those of batches.
    """
    mean, sd = _log_cells()
    law = truth.PREPROCESS_SECONDS
    median = law.median(np.exp(mean + sd * special.ndtri(_EVEN)))
    seconds = median[:, None] * np.exp(law.s * special.ndtri((np.arange(60) + 0.5) / 60))
    fails = 1 - np.exp(-truth.FAILURES_PER_HOUR["preprocess"] / 3600 * seconds).mean(axis=1)
    return (truth.RETRY_PROBABILITY * fails) ** np.arange(truth.MAX_ATTEMPTS)[:, None]


def _struck(seconds: Floats, weights: Floats, rate: float) -> Weighted:
    """Return the law of the time to the hazard that ends an attempt first."""
    edges = np.concatenate([[0.0], np.geomspace(1e-2, truth.WALL_TIME_LIMIT_S, 4_000)])
    order = np.argsort(seconds)
    cumulative = np.concatenate([[0.0], np.cumsum(weights[order])])
    middle = (edges[1:] + edges[:-1]) / 2
    alive = 1 - np.interp(middle, seconds[order], cumulative[1:], left=0.0)
    return Weighted(middle, alive * -np.diff(np.exp(-rate * edges)))


def _gate(framework: str) -> float:
    law = truth.METRICS[0]
    return float(special.ndtr((special.logit(truth.GATE_PERFORMANCE) - law.mean[_FRAMEWORKS.index(framework)]) / law.sd))


def _kind(task_type: str, framework: str) -> str:
    return f"{task_type}/-" if task_type == "preprocess" else f"{task_type}/{framework}"


def _groups() -> list[tuple[str, Shape, float]]:
    return [(framework, shape, share * shape.share) for framework, share in FRAMEWORK_SHARES.items() for shape in SHAPES]


@cache
def reached() -> dict[Kind, float]:
    """Return the tasks of each type and framework that begin, a run."""
    found: dict[Kind, float] = defaultdict(float)
    for framework, shape, share in _groups():
        of_id = {task.task_id: task for task in shape.tasks}
        ancestors: dict[str, set[str]] = {}
        for task in shape.tasks:
            ancestors[task.task_id] = set(task.parents).union(*(ancestors[parent] for parent in task.parents))
            chance = np.prod([kind_of(of_id[one].type, framework).succeeds for one in ancestors[task.task_id]])
            found[task.type, framework] += share * float(chance)
    return dict(found)


def arrivals() -> Truth:
    week = truth.hour_of_week_profile().reshape(7, 24) * truth.RUNS_PER_HOUR
    found = {("runs a day", ""): float(week.sum() / 7)}
    for name, chosen in (("Monday to Friday", slice(0, 5)), ("weekend", slice(5, 7))):
        hours = week[chosen].mean(axis=0)
        found["runs a day", name] = float(hours.sum())
        found |= {("share of the hour", f"{name}, {hour:02d} h"): float(hours[hour] / hours.sum()) for hour in range(24)}
    for level, alpha in enumerate(truth.CASCADE_ALPHA):
        found["pairs in one half", f"cells of {3600 / 2**level:.3g} s"] = (alpha + 1) / (2 * alpha + 1)
    return found


def runs() -> Truth:
    found: Truth = defaultdict(float)
    for pipeline in PIPELINES:
        found["share of the pipeline", pipeline.name] += pipeline.share
        found["share of the tenant", pipeline.tenant] += pipeline.share
        for number, share in enumerate(USER_SHARES, 1):
            found["share of the user", f"{pipeline.tenant}-{number}"] += pipeline.share * share
    for name, share in TRIGGER_SHARES.items():
        found["share of the trigger", name] = share
        found["share of the priority", str(TRIGGER_PRIORITY[name])] = share
    return dict(found)


def structure() -> Truth:
    """Shapes are named by their tasks, in order of depth and name."""
    order = {"preprocess": 0, "train": 1, "evaluate": 2, "compress": 3, "harden": 4, "deploy": 5}
    found: Truth = defaultdict(float)
    tasks: dict[str, float] = defaultdict(float)
    for framework, shape, share in _groups():
        kinds = [
            _kind(kind, framework).removesuffix("/-") for kind in sorted((t.type for t in shape.tasks), key=order.__getitem__)
        ]
        found["share of the shape", " ".join(kinds)] += share
        for task in shape.tasks:
            tasks[_kind(task.type, framework)] += share
    total = sum(tasks.values())
    return {**found, **{("share of the kind in tasks", kind): count / total for kind, count in tasks.items()}}


def expected_outcomes(days: int) -> dict[str, float]:
    """Return how many attempts of each kind a log of so many days has that end, and that do not end, in each way: the fewer."""
    runs = truth.RUNS_PER_HOUR * 24 * days
    counts: dict[str, float] = defaultdict(float)
    totals: dict[str, float] = defaultdict(float)
    for (task_type, framework), tasks in reached().items():
        one = kind_of(task_type, framework)
        for name in (_kind(task_type, framework), "all kinds"):
            totals[name] += runs * tasks * float(one.numbers.sum())
            for status, probability in one.ends.items():
                counts[f"{name}, {status}"] += runs * tasks * float(one.numbers.sum()) * probability
    return {of: min(count, totals[of.rpartition(", ")[0]] - count) for of, count in counts.items()}


def outcomes() -> Truth:
    found: Truth = {}
    totals: dict[str, float] = defaultdict(float)
    could: dict[str, float] = defaultdict(float)
    again: dict[str, float] = defaultdict(float)
    counts: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for (task_type, framework), tasks in reached().items():
        one = kind_of(task_type, framework)
        for status, probability in one.ends.items():
            counts[_kind(task_type, framework)][status] += tasks * one.numbers.sum() * probability
            could[status] += tasks * one.numbers[:-1].sum() * probability
        for status in ("FAILED", "NODE_FAIL"):
            struck = one.ends[status] - (one.gate if status == "FAILED" else 0)
            again[status] += tasks * one.numbers[:-1].sum() * truth.RETRY_PROBABILITY * struck
            if one.ends[status]:
                of = f"{_kind(task_type, framework)}, {status}"
                found["probability of a retry", of] = truth.RETRY_PROBABILITY * struck / one.ends[status]
        for status in ("FAILED", "NODE_FAIL", "CANCELLED"):
            if one.ends[status]:
                law = one.held if status == "FAILED" else _struck_alone(task_type, framework)
                found["p50 of the seconds held", f"{_kind(task_type, framework)}, {status}"] = law.quantile(0.5)
    for kind, by_status in counts.items():
        for status, count in by_status.items():
            found["share of the outcome", f"{kind}, {status}"] = count / sum(by_status.values())
            totals[status] += count
    for status, count in totals.items():
        found["share of the outcome", f"all kinds, {status}"] = count / sum(totals.values())
        if could[status]:
            found["probability of a retry", f"all kinds, {status}"] = again[status] / could[status]
    return found


def _struck_alone(task_type: str, framework: str) -> Weighted:
    on_gpu = framework in GPU_FRAMEWORKS and task_type in ("train", *truth.OPTIMISE_GPUS)
    rate = truth.FAILURES_PER_HOUR[task_type] + truth.NODE_FAILURES_PER_HOUR * on_gpu
    rate += truth.CANCELLATIONS_PER_HOUR * (task_type == "train")
    return _struck(*_natural_nodes(task_type, framework), rate / 3600)


def demand() -> Truth:
    found: Truth = {}
    for framework in FRAMEWORK_SHARES:
        if framework in GPU_FRAMEWORKS:
            for gpus, share in truth.TRAIN_GPUS.items():
                found["share of the demand", f"train/{framework}, gpus {gpus:g} cpu_cores 4 pool gpu"] = share
        else:
            for cores, share in truth.CPU_CORES["train"].items():
                found["share of the demand", f"train/{framework}, cpu_cores {cores:g} pool cpu"] = share
    for cores, share in truth.CPU_CORES["preprocess"].items():
        found["share of the demand", f"preprocess/-, cpu_cores {cores:g} pool cpu"] = share
    return found


def durations() -> Truth:
    """Of an attempt that succeeds: short ones more often do."""
    found: Truth = {}
    weights = {kind: tasks * kind_of(*kind).succeeds for kind, tasks in reached().items()}
    laws: dict[str, list[tuple[Weighted, float]]] = defaultdict(list)
    for (task_type, framework), weight in weights.items():
        law = kind_of(task_type, framework).natural
        laws[task_type].append((law, weight))
        if task_type == "preprocess":
            laws["preprocess/-"].append((law, weight))
            laws["preprocess/-/-"].append((law, weight))
        else:
            for size in ("", "/-", "/fraction", "/1", "/2", "/4"):
                laws[f"{task_type}/{framework}{size}"].append((law, weight))
    for name, parts in laws.items():
        law = mixed(parts) if len(parts) > 1 and "/" not in name else parts[0][0]
        found["p50 of seconds", name] = law.quantile(0.5)
        found["p90 of seconds", name] = law.quantile(0.9)
        found["mean of seconds", name] = law.mean()
    return found


def data() -> Truth:
    found: Truth = {}
    for column, law in zip(("read_bytes", "written_bytes"), _batches(), strict=True):
        found |= {(f"p{p} of {column}", "preprocess/-"): law.quantile(p / 100) for p in (50, 90)}
    size = truth.METRICS[3]
    for number, framework in enumerate(_FRAMEWORKS):
        written = size.mean[number] + size.sd * special.ndtri([0.5, 0.9])
        for p, log in zip((50, 90), written, strict=True):
            found[f"p{p} of written_bytes", f"train/{framework}"] = float(np.exp(log))
            found[f"p{p} of read_bytes", f"evaluate/{framework}"] = _gated(number).quantile(p / 100)
            for kind in ("compress", "harden", "deploy"):
                found[f"p{p} of read_bytes", f"{kind}/{framework}"] = _gated(number).quantile(p / 100)
            found[f"p{p} of written_bytes", f"harden/{framework}"] = _gated(number).quantile(p / 100)
            pruned = mixed(
                [(Weighted((1 - s) * _gated(number).values, _gated(number).weights), 1.0) for s in truth.PRUNING_LEVELS]
            )
            found[f"p{p} of written_bytes", f"compress/{framework}"] = pruned.quantile(p / 100)
    return found | functions()


def functions() -> Truth:
    law = truth.PREPROCESS_SECONDS
    named = {"a of a b^x + c": law.a, "b of a b^x + c": law.b, "c of a b^x + c": law.c, "sd of ln noise": law.s}
    return {(name, "preprocess/-"): value for name, value in named.items()}


@cache
def _gated(framework: int) -> Weighted:
    """Return the bytes of models that pass the gate: size goes with performance."""
    performance, size = truth.METRICS[0], truth.METRICS[3]
    rho = truth.METRIC_CORRELATION[0][3]
    first, rest = np.meshgrid(special.ndtri(_EVEN), special.ndtri(_EVEN), indexing="ij")
    passes = performance.mean[framework] + performance.sd * first > special.logit(truth.GATE_PERFORMANCE)
    logs = size.mean[framework] + size.sd * (rho * first + np.sqrt(1 - rho**2) * rest)
    return Weighted(np.exp(logs[passes]), np.ones(np.count_nonzero(passes)))


@cache
def _batches() -> tuple[Weighted, Weighted]:
    """Return the bytes that preprocess tasks read and write, of those that succeed."""
    mean, sd = _log_cells()
    law, per_cell = truth.PREPROCESS_SECONDS, truth.BYTES_PER_CELL
    log_cells = mean + sd * special.ndtri(_EVEN)
    noise = special.ndtri((np.arange(20) + 0.5) / 20)
    rate = truth.FAILURES_PER_HOUR["preprocess"] / 3600
    seconds = law.median(np.exp(log_cells))[:, None] * np.exp(law.s * noise)
    weight = np.exp(-rate * seconds).mean(axis=1) * _batch_attempts().sum(axis=0)
    read = np.exp(log_cells[:, None] + np.log(per_cell.a) + per_cell.b * noise)
    low, high = truth.PREPARED_SHARE
    share = low + (high - low) * (np.arange(20) + 0.5) / 20
    weights = np.broadcast_to(weight[:, None], read.shape)
    written = (read[:, :, None] * share).ravel()
    return Weighted(read.ravel(), weights.ravel()), Weighted(written, np.repeat(weights.ravel(), len(share)))


def assets() -> Truth:
    (a, b), rho = truth.ASSET_LOG_SD, truth.ASSET_CORRELATION
    per_cell = truth.BYTES_PER_CELL
    together = rho * a * b
    covariance = np.array(
        [
            [a * a + b * b + 2 * together + per_cell.b**2, a * a + together, b * b + together],
            [a * a + together, a * a, together],
            [b * b + together, together, b * b],
        ]
    )
    names = ("size_bytes", "row_count", "column_count")
    means = (sum(truth.ASSET_LOG_MEAN) + float(np.log(per_cell.a)), *truth.ASSET_LOG_MEAN)
    sd = np.sqrt(np.diag(covariance))
    found = {("mean of the logarithm", name): mean for name, mean in zip(names, means, strict=True)}
    found |= {("sd of the logarithm", name): float(one) for name, one in zip(names, sd, strict=True)}
    for i, j in combinations(range(3), 2):
        found["correlation of the logarithms", f"{names[i]}, {names[j]}"] = float(covariance[i, j] / sd[i] / sd[j])
    return found


def models() -> Truth:
    found: Truth = {}
    for i, law in enumerate(truth.METRICS):
        found[f"sd of {law.name}", ""] = law.sd
        found |= {(f"mean {law.name}", framework): law.mean[number] for number, framework in enumerate(_FRAMEWORKS)}
        for j in range(i):
            found["correlation", f"{truth.METRICS[j].name}, {law.name}"] = truth.METRIC_CORRELATION[i][j]
    return found


@cache
def quantities() -> dict[tuple[str, str, str], float]:
    """Return the truth by part, quantity and what it is of; that of shapes by their tasks."""
    parts = (arrivals, runs, structure, outcomes, demand, durations, data, assets, models)
    return {(part.__name__, *key): value for part in parts for key, value in part().items()}
