"""The figures of one simulated replication: waits, completion times, makespan, utilisation, and what the scenario asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl

from pipesim.simulation.areas import Usage, has_nodes
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.costs import UNITS, Bill, bill
from pipesim.simulation.engine import BROKEN, CODE, EVICTED, NEVER, STAYS_OPEN, Float64, Int64, Schedule
from pipesim.simulation.models.figures import LifecycleFigures, lifecycle_figures
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.warmup import mser5
from pipesim.trace import Trace

_DAY_US = 86_400e6
#: How many batches the waits of a run are cut into.
BATCHES = 64
_WALL_CLOCK = ("engine_seconds", "seconds")


@dataclass(frozen=True)
class RunSummary:
    """One line of `pipesim simulate`. Times are seconds; None where there is nothing to average.

    With a warm-up, waits count of what was queued from its end on, completion times and deadlines of runs submitted from then
    on, interruptions and all that is measured over time from then on.

    Args:
        scenario: Name of the scenario.
        replication: Number of the replication, from 0.
        engine: The engine that ran it.
        pipelines: Simulated pipeline runs.
        tasks: Simulated tasks.
        mean_wait_s: Mean of started - queued over the attempts that started, and as often as they did.
        p50_wait_s: Its median, as all quantiles by linear interpolation.
        p95_wait_s: Its 0.95 quantile.
        p99_wait_s: Its 0.99 quantile.
        mean_jct_s: Mean of ended - submitted over the runs that ended (job completion time).
        p95_jct_s: Its 0.95 quantile.
        makespan_s: From the first submission to the last event, or to the horizon; the warm-up is part of it.
        utilization: By pool, the part that was held of what was provisioned, of GPUs, else slots, else CPU, else memory.
        engine_seconds: Wall-clock time of the event loop alone.
        seconds: Wall-clock time from the trace to the result.
        warmup_s: How long it was until anything counted; this and what follows is None where the scenario does not ask for it.
        unfinished: Tasks that are not over, of all; where there is a horizon.
        evictions: How often an attempt was evicted; where there is preemption.
        node_failures: How often an attempt was interrupted because its node broke; where nodes break.
        fragmentation: By pool of nodes, the part of what was provisioned that was free but of no use, as what was waiting
            would have fitted into all of it but not on the nodes as they were; from the first submission on.
        cost: Money, for all pools that have rates.
        energy_kwh: Energy, likewise.
        carbon_kg: What the energy caused; where the scenario says what a kilowatt-hour causes, too.
        bills: These three by pool.
        provisioned: By pool that changes its size, the mean of what it had, in GPUs, else slots, else cores, else gigabytes.
        deadlines_missed: The part of the tasks that ended after their deadlines, or should have ended but were waiting or
            running when the simulation stopped; where the order goes by deadlines.
        lifecycle: How models performed, and what keeping them fresh cost; where the scenario has a lifecycle. Its figures stand
            among the others in JSON and in storage.
        asked: The names of the figures that the scenario asks for.
        wait_batches: Mean waits of as many equal batches of attempts, in the order in which they were queued, as tell how sure
            the mean wait of this one run is; fewer than that where there are fewer attempts. In storage only.
    """

    scenario: str
    replication: int
    engine: str
    pipelines: int
    tasks: int
    mean_wait_s: float | None
    p50_wait_s: float | None
    p95_wait_s: float | None
    p99_wait_s: float | None
    mean_jct_s: float | None
    p95_jct_s: float | None
    makespan_s: float
    utilization: dict[str, float | None]
    engine_seconds: float
    seconds: float
    warmup_s: float | None = None
    unfinished: int | None = None
    evictions: int | None = None
    node_failures: int | None = None
    fragmentation: dict[str, float | None] | None = None
    cost: float | None = None
    energy_kwh: float | None = None
    carbon_kg: float | None = None
    bills: dict[str, Bill] | None = None
    provisioned: dict[str, float | None] | None = None
    deadlines_missed: float | None = None
    lifecycle: LifecycleFigures | None = None
    asked: tuple[str, ...] = ()
    wait_batches: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line: of the figures that a scenario may ask for, those that it does."""
        always = [field.name for field in fields(self) if field.name not in (*_ASKED, "lifecycle", "asked", "wait_batches")]
        values = asdict(self)
        figures = {name: values[name] for name in (*always, *(name for name in self.asked if name != "bills"))}
        return figures | (values["lifecycle"] or {})

    def as_frame(self) -> pl.DataFrame:
        """Return one row for storage, with the same columns for every scenario; what it does not ask for is NULL.

        It has no wall-clock times, so that equal inputs are stored as equal bytes. What is told by pool is a list of
        `{pool, <name>}`, as pools differ between scenarios; `bills` of `{pool, cost, energy_kwh, carbon_kg}`.
        """
        row = {name: value for name, value in asdict(self).items() if name not in (*_WALL_CLOCK, "lifecycle", "asked")}
        row |= dict.fromkeys(_OF_MODELS) if self.lifecycle is None else asdict(self.lifecycle)
        for name in _BY_POOL:
            if row[name] is not None:
                row[name] = [{"pool": pool, name: value} for pool, value in row[name].items()]
        if row["bills"] is not None:
            row["bills"] = [{"pool": pool, **parts} for pool, parts in row["bills"].items()]
        return pl.DataFrame([row], schema={name: _TYPES.get(name, pl.Float64()) for name in row})

    @classmethod
    def revive(cls, row: Mapping[str, Any], asked: Sequence[str]) -> RunSummary:
        """Make it again from a row of storage and the names of the figures that the scenario asks for; times are 0."""
        values: dict[str, Any] = {field.name: row[field.name] for field in fields(cls) if field.name in row}
        values["wait_batches"] = tuple(values.get("wait_batches", ()))
        for name in (*_BY_POOL, "bills"):
            if values[name] is not None:
                pools = [dict(entry) for entry in values[name]]
                values[name] = {entry.pop("pool"): Bill(**entry) if name == "bills" else entry[name] for entry in pools}
        models = {name: row[name] for name in _OF_MODELS}
        values["lifecycle"] = None if models["models"] is None else LifecycleFigures(**models)
        return cls(**values, engine_seconds=0.0, seconds=0.0, asked=tuple(asked))


_ASKED = (
    "warmup_s", "unfinished", "evictions", "node_failures", "fragmentation", "cost", "energy_kwh", "carbon_kg", "bills",
    "provisioned", "deadlines_missed",
)  # fmt: skip
_BY_POOL = ("utilization", "fragmentation", "provisioned")
_OF_MODELS = [field.name for field in fields(LifecycleFigures)]
_COUNTS = ("models", "replaced", "versions", "deployments", "retrainings", "retrainings_postponed")
_TYPES: dict[str, pl.DataType] = {
    **dict.fromkeys(("scenario", "engine"), pl.String()),
    **dict.fromkeys(("replication", "pipelines", "tasks", "unfinished", "evictions", "node_failures", *_COUNTS), pl.Int64()),
    **{name: pl.List(pl.Struct({"pool": pl.String(), name: pl.Float64()})) for name in _BY_POOL},
    "wait_batches": pl.List(pl.Float64()),
    "bills": pl.List(pl.Struct({"pool": pl.String()} | dict.fromkeys(("cost", "energy_kwh", "carbon_kg"), pl.Float64()))),
}


def summarize(
    compiled: Compilation,
    schedule: Schedule,
    scenario: Scenario,
    trace: Trace,
    *,
    replication: int,
    engine: str,
    engine_seconds: float,
    began: float,
) -> RunSummary:
    """Measure a schedule and the simulated trace that was made of it; `began` is the `perf_counter` of the beginning."""
    given = compiled.given
    since = counts_from(compiled, schedule, scenario)
    queued, wait_s = _waits(schedule)
    runs = trace.pipeline_runs
    jct_s = runs.select((pl.col("ended_at") - pl.col("submitted_at")).dt.total_microseconds() / 1e6).to_series()
    mean_jct_s, p95_jct_s = _mean_and_quantiles(jct_s.filter(given.run_submitted >= since).drop_nulls().to_numpy(), 0.95)
    mean_wait_s, p50_wait_s, p95_wait_s, p99_wait_s = _mean_and_quantiles(wait_s[queued >= since], 0.5, 0.95, 0.99)
    usage = Usage.of(given, schedule, since)
    held = enumerate(pool.name for pool in scenario.platform.pools)
    figures = _asked(compiled, schedule, scenario, usage)
    return RunSummary(
        scenario=trace.name,
        replication=replication,
        engine=engine,
        pipelines=runs.height,
        tasks=len(schedule.task_state),
        mean_wait_s=mean_wait_s,
        p50_wait_s=p50_wait_s,
        p95_wait_s=p95_wait_s,
        p99_wait_s=p99_wait_s,
        mean_jct_s=mean_jct_s,
        p95_jct_s=p95_jct_s,
        makespan_s=(schedule.stopped - int(given.run_submitted[0])) / 1e6,
        utilization={name: _part(usage.held_area(p), usage.provisioned_area(p)) for p, name in held},
        engine_seconds=engine_seconds,
        seconds=time.perf_counter() - began,
        **figures,
        lifecycle=lifecycle_figures(compiled, schedule, scenario, usage) if scenario.lifecycle else None,
        asked=tuple(figures),
        wait_batches=_batches(queued[queued >= since], wait_s[queued >= since]),
    )


def counts_from(compiled: Compilation, schedule: Schedule, scenario: Scenario) -> int:
    """Return the instant from which on figures count."""
    first = int(compiled.given.run_submitted[0])
    if scenario.warmup_days == "auto":
        queued, wait_s = _waits(schedule)
        in_order = np.argsort(queued, kind="stable")
        left_out = mser5(wait_s[in_order])
        return int(queued[in_order[left_out]]) if left_out else first
    return min(first + round(scenario.warmup_days * _DAY_US), schedule.stopped)


def _waits(schedule: Schedule) -> tuple[Int64, Float64]:
    """Return when something was queued that started, and how many seconds it waited."""
    started = schedule.started != NEVER
    cut = schedule.interruptions
    queued = np.concatenate([schedule.queued[started], cut.queued])
    return queued, (np.concatenate([schedule.started[started], cut.started]) - queued) / 1e6


def _batches(queued: Int64, wait_s: Float64) -> tuple[float, ...]:
    """Return the mean waits of equal batches, in the order of the queue; what is left over at the end is in none."""
    batches = min(BATCHES, len(queued))
    if not batches:
        return ()
    each = len(queued) // batches
    in_order = wait_s[np.argsort(queued, kind="stable")[: batches * each]]
    return tuple(in_order.reshape(batches, each).mean(axis=1).tolist())


def _asked(compiled: Compilation, schedule: Schedule, scenario: Scenario, usage: Usage) -> dict[str, Any]:
    """Return the figures that the scenario asks for."""
    given, pools = compiled.given, scenario.platform.pools
    first = int(given.run_submitted[0])
    cut = schedule.interruptions
    counted = cut.cause[cut.ended >= usage.since]
    found: dict[str, Any] = {}
    if scenario.warmup_days != 0:
        found["warmup_s"] = (usage.since - first) / 1e6
    if scenario.horizon_days is not None:
        found["unfinished"] = int(np.isin(schedule.task_state, STAYS_OPEN).sum())
    if scenario.policy.preemption:
        found["evictions"] = int((counted == EVICTED).sum())
    if any(pool.failures for pool in pools):
        last = (schedule.outcome != given.attempt_outcome) & (schedule.ended >= usage.since)
        found["node_failures"] = int((counted == BROKEN).sum() + last.sum())
    if any(has_nodes(given, p) for p in range(len(pools))):
        whole = replace(usage, since=first)
        areas = {pool.name: (p, whole.provisioned_area(p)) for p, pool in enumerate(pools) if has_nodes(given, p)}
        found["fragmentation"] = {name: _part(float(schedule.stranded[p]), area) for name, (p, area) in areas.items()}
    bills = {pool.name: bill(usage, p, pool.cost, scenario.platform.carbon) for p, pool in enumerate(pools) if pool.cost}
    if bills:
        found["cost"] = sum(b.cost for b in bills.values())
        found["energy_kwh"] = sum(b.energy_kwh for b in bills.values())
        if scenario.platform.carbon:
            found["carbon_kg"] = sum(b.carbon_kg or 0.0 for b in bills.values())
        found["bills"] = bills
    changing = {pool.name: p for p, pool in enumerate(pools) if pool.timetable or pool.autoscale}
    if changing:
        leading, lasts = given.leading(), usage.until - usage.since
        areas_of = {name: (usage.provisioned_area(p), UNITS[leading[p]] * lasts) for name, p in changing.items()}
        found["provisioned"] = {name: _part(*area) for name, area in areas_of.items()}
    if scenario.policy.order == "edf":
        found["deadlines_missed"] = _deadlines_missed(compiled, schedule, usage.since)
    return found


def _deadlines_missed(compiled: Compilation, schedule: Schedule, since: int) -> float | None:
    """Return the part of the tasks that were due and late; the key of the order is the deadline."""
    given = compiled.given
    first = given.task_attempts[:-1]
    deadline = given.attempt_key[first]
    submitted = np.repeat(given.run_submitted, np.diff(given.run_tasks))
    over = ~np.isin(schedule.task_state, [*STAYS_OPEN, CODE["SKIPPED"]])
    left = np.logical_or.reduceat((schedule.queued != NEVER) & (schedule.ended == NEVER), first)
    late = np.where(over, np.maximum.reduceat(schedule.ended, first) > deadline, left & (deadline <= schedule.stopped))
    counted = np.isfinite(deadline) & (submitted >= since)
    return _part(int((late & counted).sum()), int(((late | over) & counted).sum()))


def _part(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _mean_and_quantiles(seconds: Float64, *quantiles: float) -> list[float | None]:
    if not len(seconds):
        return [None] * (1 + len(quantiles))
    return [float(seconds.mean()), *(float(q) for q in np.quantile(seconds, quantiles))]
