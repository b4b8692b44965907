"""The invariants of a simulation (docs/simulation.md), held against a trace, without any of the engine's code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from pipesim.checks.capacity import started_beyond, usage
from pipesim.checks.nominal import by_machine
from pipesim.schema import TERMINAL_STATUSES
from pipesim.simulation import Scenario
from pipesim.simulation.engine import EVICTED
from pipesim.simulation.results import INTERRUPTED
from pipesim.trace import Trace

_KEY = ("run_id", "task_id", "attempt")
_GIVEN_KEY = ("run_id", "task_id", "given_attempt")
_OPEN = ("PENDING", "RUNNING")
_FAILED = ("FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")


@dataclass(frozen=True)
class Simulated:
    """One stored replication of a scenario.

    Args:
        scenario: The scenario as it was simulated.
        replication: The number of the replication.
        trace: What happened.
        given: What was submitted; None where it was not asked for, or is not what it was when this was simulated.
    """

    scenario: Scenario
    replication: int
    trace: Trace
    given: Trace | None


def lost_or_invented(run: Simulated) -> pl.DataFrame:
    """Return what breaks conservation (I1): run_id, task_id, attempt, problem."""
    after = run.trace.task_runs
    over = pl.col("status").is_in([s for s in TERMINAL_STATUSES if s != "SKIPPED"]) | (pl.col("status") == "UNKNOWN")
    found = [
        _told(after.filter(after.select(_KEY).is_duplicated()), "stands in several rows"),
        _told(after.filter(over & pl.col("ended_at").is_null()), "is said to be over, but never ended"),
        _told(
            after.filter(pl.col("status").is_in(["PENDING", "SKIPPED"]) & pl.col("started_at").is_not_null()),
            "started, but is said never to have run",
        ),
        _told(
            after.filter((pl.col("status") == "RUNNING") & (pl.col("started_at").is_null() | pl.col("ended_at").is_not_null())),
            "is said to be running, but did not start, or ended",
        ),
        _told(after.join(run.trace.pipeline_runs, on="run_id", how="anti"), "belongs to no run"),
        _wrong_ends_of_runs(run.trace),
    ]
    return pl.concat([*found, *_wrong_interruptions(run), *_not_as_submitted(run)])


def _wrong_interruptions(run: Simulated) -> Iterator[pl.DataFrame]:
    """Only preemption and nodes that break interrupt an attempt, and it comes back."""
    rows = _told_apart(run.trace.task_runs)
    cut, own = rows.filter("interrupted"), rows.filter(~pl.col("interrupted"))
    yield _told(cut.join(own, on=_GIVEN_KEY, how="anti"), "was interrupted, and never came back")
    if not run.scenario.policy.preemption and not _breaks(run.scenario):
        yield _told(cut, "was interrupted, though nothing in the scenario does that")


def _not_as_submitted(run: Simulated) -> Iterator[pl.DataFrame]:
    """What came out is what was submitted, but for attempts after the last failure that a task may have."""
    own = _told_apart(run.trace.task_runs).filter(~pl.col("interrupted"))
    task, limit = ["run_id", "task_id"], run.scenario.policy.retries.limit
    over = run.trace.task_runs.clear()
    if limit is not None:
        failure = pl.col("status").is_in(_FAILED) & pl.col("error").ne_missing(INTERRUPTED[EVICTED])
        rows = run.trace.task_runs.sort(_KEY).with_columns(failures=failure.cast(pl.Int64).cum_sum().over(task))
        over = rows.filter(pl.col("failures") >= limit)
        again = over.filter(pl.int_range(pl.len()).over(task) > 0)
        yield _told(again, "came after the last failure that its task may have")
    if run.given is not None:
        before = _submitted(run.given, run.scenario)
        lost = before.join(own, left_on=_KEY, right_on=_GIVEN_KEY, how="anti").join(over, on=task, how="anti")
        yield _told(lost, "was submitted, but never came out")
        yield _told(own.join(before, left_on=_GIVEN_KEY, right_on=_KEY, how="anti"), "came out, but was never submitted")


def out_of_order(run: Simulated) -> pl.DataFrame:
    """Return what breaks causality (I2): run_id, task_id, attempt, problem."""
    attempts = (
        run.trace.task_runs.select(*_KEY, "queued_at", "started_at", "ended_at", "duration_s")
        .join(run.trace.pipeline_runs.select("run_id", "submitted_at"), on="run_id", how="left")
        .sort(_KEY)
        .with_columns(released=_released())
    )
    again = (pl.col("run_id") == pl.col("run_id").shift()) & (pl.col("task_id") == pl.col("task_id").shift())
    problem = (
        pl.when(pl.col("queued_at") < pl.col("submitted_at"))
        .then(pl.lit("was queued before its run was submitted"))
        .when(pl.col("started_at").is_not_null() & pl.col("queued_at").is_null())
        .then(pl.lit("started without being queued"))
        .when(pl.col("started_at") < pl.col("queued_at"))
        .then(pl.lit("started before it was queued"))
        .when(pl.col("ended_at") < pl.coalesce("started_at", "queued_at"))
        .then(pl.lit("ended before it began"))
        .when(again & (pl.col("queued_at") < pl.col("released").shift()))
        .then(pl.lit("was queued before the attempt before it had ended"))
    )
    tasks = attempts.group_by("run_id", "task_id", maintain_order=True).agg(
        pl.col("attempt", "queued_at").first(), ended=pl.col("ended_at").last()
    )
    parents = tasks.select("run_id", "ended", parent_task_id="task_id")
    children = (
        run.trace.task_edges.join(tasks.drop("ended"), on=["run_id", "task_id"])
        .join(parents, on=["run_id", "parent_task_id"], how="left")
        .filter(pl.col("queued_at").is_not_null())
    )
    orphans = children.filter((pl.col("queued_at") < pl.col("ended")).fill_null(True))
    return pl.concat(
        [
            attempts.with_columns(problem=problem).filter(pl.col("problem").is_not_null()).select(*_KEY, "problem"),
            _told(orphans.unique(_KEY, keep="first", maintain_order=True), "was queued before its parents had ended"),
        ]
    )


def over_capacity(run: Simulated) -> pl.DataFrame:
    """Return what breaks the capacities (I3): pool, resource, peak, capacity, over_s, first_at, problem."""
    found = usage(run.trace)
    problem = (
        pl.when(pl.col("capacity").is_null())
        .then(pl.lit("the trace does not tell its capacity"))
        .when(pl.col("over_s") > 0)
        .then(pl.lit("more was held than there is"))
    )
    started = started_beyond(by_machine(run.trace, run.scenario))
    beyond = started.with_columns(
        over_s=pl.lit(None, pl.Float64), problem=pl.lit("something started that adds to more than the scenario gives it")
    )
    columns = ("pool", "resource", "peak", "capacity", "over_s", "first_at", "problem")
    broken = found.with_columns(problem=problem).filter(pl.col("problem").is_not_null())
    return pl.concat([broken.select(columns), beyond.select(columns)])


def wrong_times(run: Simulated) -> pl.DataFrame:
    """Return the attempts whose times are not what rule 4 says: run_id, task_id, attempt, problem."""
    held = (pl.col("duration_s") * 1e6).round()
    started = run.trace.task_runs.filter(pl.col("started_at").is_not_null())
    span = (pl.col("ended_at") - pl.col("started_at")).dt.total_microseconds()
    found = [_told(started.filter((span != held).fill_null(False)), "ended - started is not its duration")]
    if run.given is not None:
        given = _submitted(run.given, run.scenario).select(*_KEY, "natural_s", "read_bytes", "written_bytes")
        rows = _told_apart(started.drop("read_bytes", "written_bytes"))
        rows = rows.join(given, left_on=_GIVEN_KEY, right_on=_KEY, maintain_order="left")
        rows = rows.with_columns(held=held, work=_work(run.scenario))
        left = _left(run.scenario) if rows["interrupted"].any() else pl.col("work")
        wrong = pl.when(_cut_short(run.scenario)).then(pl.col("held") > left).otherwise(pl.col("held") != left)
        found.append(_told(rows.filter(wrong.fill_null(True)), "its duration is not what its work takes"))
    return pl.concat(found)


def _told_apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Add whether a row of `task_runs` was `interrupted`, and the `given_attempt` of which it is a run.

    Each interruption is an attempt of its own, so the numbers of what comes after it in its task are greater by one.
    """
    rows = rows.with_columns(interrupted=pl.col("error").is_in(list(INTERRUPTED.values())).fill_null(False))
    if not rows["interrupted"].any():
        return rows.with_columns(given_attempt="attempt")
    rows = rows.sort(_KEY)
    earlier = pl.col("interrupted").cum_sum().over("run_id", "task_id") - pl.col("interrupted")
    return rows.with_columns(given_attempt=pl.col("attempt") - earlier.cast(pl.Int64))


def _breaks(scenario: Scenario) -> bool:
    return any(pool.failures for pool in scenario.platform.pools)


def _cut_short(scenario: Scenario) -> pl.Expr:
    """Whether a run of an attempt need not have come to its end: it was interrupted, its node broke, or time was up."""
    stops = scenario.horizon_days is not None
    broken, running = (
        pl.lit(_breaks(scenario)) & (pl.col("status") == "NODE_FAIL"),
        pl.lit(stops) & (pl.col("status") == "RUNNING"),
    )
    return pl.col("interrupted") | broken | running


def _left(scenario: Scenario) -> pl.Expr:
    """Return the microseconds that a run of an attempt takes if nothing interrupts it, for rows in order."""
    again = (pl.col("given_attempt").cum_count().over(_GIVEN_KEY) > 1).cast(pl.Int64)
    restart = again * round(scenario.policy.restart_s * 1e6)
    checkpoint = scenario.policy.checkpoint_s
    if checkpoint is None:
        return pl.col("work") + restart
    every = max(1, round(checkpoint * 1e6))
    kept = (pl.col("held") - restart).clip(0) // every * every
    return pl.col("work") + restart - (kept.cum_sum().over(_GIVEN_KEY) - kept)


def _work(scenario: Scenario) -> pl.Expr:
    """Return the microseconds that an attempt's work takes in its pool (rule 4)."""
    speeds = {pool.name: pool.speed for pool in scenario.platform.pools}
    speed = pl.col("pool").replace_strict(speeds, default=None, return_dtype=pl.Float64)
    overheads = {pool.name: pool.overhead_s * 1e6 for pool in scenario.platform.pools}
    overhead = pl.col("pool").replace_strict(overheads, default=None, return_dtype=pl.Float64)
    work = overhead.round() + (pl.col("natural_s") * 1e6 / speed).round()
    if (store := scenario.platform.store) is not None:
        # A megabyte a second is a byte a microsecond.
        moved = [
            pl.lit(store.latency_s * 1e6),
            pl.col("read_bytes").fill_null(0) / store.read_mb_per_s,
            pl.col("written_bytes").fill_null(0) / store.write_mb_per_s,
        ]
        work += pl.sum_horizontal(part.round() for part in moved)
    return work


def _submitted(given: Trace, scenario: Scenario) -> pl.DataFrame:
    """Return the attempts that can come out, with `natural_s`, seconds of work.

    These are those of runs that are known to be submitted, up to the horizon, and up to the last failure that a task may have.
    """
    queued = given.task_runs.group_by("run_id").agg(queued=pl.col("queued_at").min())
    runs = given.pipeline_runs.select("run_id", "submitted_at", "observed_until")
    at = pl.coalesce("submitted_at", "queued")
    known = queued.join(runs, on="run_id", how="full", coalesce=True).filter(at.is_not_null())
    if scenario.horizon_days is not None:
        known = known.filter(at - at.min() <= pl.duration(microseconds=round(scenario.horizon_days * 86_400e6)))
    seen = pl.when(pl.col("status") == "RUNNING").then(pl.col("observed_until") - pl.col("started_at"))
    span = pl.coalesce(pl.col("ended_at") - pl.col("started_at"), seen).dt.total_microseconds() / 1e6
    rows = given.task_runs.join(known, on="run_id").with_columns(natural_s=pl.coalesce("duration_s", span))
    if (limit := scenario.policy.retries.limit) is None:
        return rows
    failed = pl.col("status").is_in(_FAILED).cast(pl.Int64)
    return rows.sort(_KEY).filter(failed.cum_sum().over("run_id", "task_id") - failed < limit)


def _wrong_ends_of_runs(trace: Trace) -> pl.DataFrame:
    """A run is over exactly when the last attempt of each of its tasks is."""
    last = trace.task_runs.sort("attempt").group_by("run_id", "task_id").agg(pl.col("status").last())
    still = last.group_by("run_id").agg(open=pl.col("status").is_in(_OPEN).any())
    runs = trace.pipeline_runs.join(still, on="run_id", how="left").with_columns(pl.col("open").fill_null(False))
    wrong = runs.filter(pl.col("open") == pl.col("ended_at").is_not_null())
    rows = wrong.select("run_id", task_id=pl.lit(None, pl.String), attempt=pl.lit(None, pl.Int64))
    return _told(rows, "the run has ended though a task of it has not, or the other way round")


def _released() -> pl.Expr:
    """When an attempt gave back what it held: a running one when it was last seen, though nobody saw it end."""
    return pl.coalesce("ended_at", pl.col("started_at") + pl.duration(microseconds=(pl.col("duration_s") * 1e6).round()))


def _told(rows: pl.DataFrame, problem: str) -> pl.DataFrame:
    return rows.select(*_KEY, problem=pl.lit(problem))
