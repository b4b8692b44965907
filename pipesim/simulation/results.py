"""From an engine's schedule back to a trace in the canonical tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.schema import PIPELINE_RUNS, STATUSES, TASK_RUNS
from pipesim.simulation.calendar import LATER
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.engine import (
    BROKEN,
    CODE,
    EVICTED,
    FAILS,
    NEVER,
    STAYS_OPEN,
    Int8,
    Int64,
    Schedule,
    SimulationInput,
)
from pipesim.simulation.placement import Mask
from pipesim.simulation.pool_table import node_names, pool_rows
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.summary import RunSummary
from pipesim.trace import Trace

_REJECTED = "rejected: it could never start there"
#: What stands under `error` where an evaluation found less than the gate lets pass.
REFUSED = "performance below the gate"
#: What stands under `error` in the row of a run of an attempt that was interrupted, and in no other row.
INTERRUPTED = {EVICTED: "interrupted: evicted by a task of higher priority", BROKEN: "interrupted: its node broke"}


@dataclass(frozen=True)
class SimulationResult:
    """One simulated replication.

    Args:
        trace: What happened, in the canonical tables; named after the scenario, its origin is `simulated`.
        summary: The figures of the command line.
        warnings: What was left out or reinterpreted, with its count.
    """

    trace: Trace
    summary: RunSummary
    warnings: tuple[str, ...]


def to_trace(
    compiled: Compilation, schedule: Schedule, scenario: Scenario, models: Mapping[str, pl.DataFrame] | None = None
) -> Trace:
    """Write a schedule into the rows that it is a schedule of; `models` are the tables of a lifecycle, if there is one."""
    frames = {
        "pipeline_runs": _pipeline_runs(compiled, schedule),
        "task_runs": _task_runs(compiled, schedule, scenario),
        "task_edges": compiled.edges,
        "pools": pool_rows(compiled.given, schedule, scenario),
        **(models or {}),
    }
    return Trace(frames, "simulated", scenario.name)


def _task_runs(compiled: Compilation, schedule: Schedule, scenario: Scenario) -> pl.DataFrame:
    """Return the attempts, and before each the runs of it that were interrupted, which are attempts of their own."""
    rows = _attempts(compiled, schedule, scenario)
    happened = _happened(compiled.given, schedule)
    cut = schedule.interruptions
    if len(cut.attempt):
        attempt = np.concatenate([np.arange(rows.height), cut.attempt])
        interrupted = np.arange(len(attempt)) >= rows.height
        order = np.argsort(2 * attempt - interrupted, kind="stable")
        order = order[happened[attempt[order]]]
        rows = pl.concat([rows, _interrupted(rows, compiled, schedule, scenario)])[order]
        rows = rows.with_columns(pl.col("attempt") + _earlier(rows["task"].to_numpy(), interrupted[order]))
    elif not happened.all():
        rows = rows.filter(happened)
    return rows.select(list(TASK_RUNS.by_name))


def _attempts(compiled: Compilation, schedule: Schedule, scenario: Scenario) -> pl.DataFrame:
    """Return the rows of the attempts as they came to their ends, [A]."""
    given, before = compiled.given, compiled.attempts
    state = _states(compiled, schedule)
    running = state == CODE["RUNNING"]
    failed = np.isin(state, FAILS)
    started = _column(schedule.started != NEVER)
    word = pl.lit(pl.Series(STATUSES, dtype=pl.String).gather(state))
    as_logged = pl.col("status") == word
    rejected = _column(compiled.placement.rejected & failed)
    models = compiled.models
    refused = pl.lit(False) if models is None else _column(models.refused & failed)
    # A log may be that of a simulation.
    own_error = as_logged & ~pl.col("error").is_in(list(INTERRUPTED.values()))
    # The last name stands at -1, the number of no pool.
    pools = pl.Series([*(pool.name for pool in scenario.platform.pools), None], dtype=pl.String)
    released = np.where(schedule.ended == NEVER, schedule.stopped, schedule.ended)
    return before.with_columns(
        queued_at=_instants(schedule.queued),
        started_at=_instants(schedule.started),
        # A running attempt gives its resources back when it was last seen, but nobody saw it end.
        ended_at=_instants(np.where(running, NEVER, schedule.ended)),
        duration_s=pl.when(started).then(_column((released - schedule.started) / 1e6)),
        is_censored=started & (pl.col("is_censored") | _column(failed | running)),
        pool=pools.gather(compiled.placement.pool % len(pools)),
        # The machine that the log names did not do the simulated work.
        node_id=node_names(given, scenario, schedule.node, schedule.nodes),
        status=word,
        raw_status=pl.when(as_logged).then("raw_status").otherwise(word),
        error=pl.when(rejected).then(pl.lit(_REJECTED)).when(refused).then(pl.lit(REFUSED)).when(own_error).then("error"),
    )


def _states(compiled: Compilation, schedule: Schedule) -> Int8:
    task_state = schedule.task_state[compiled.attempts["task"].to_numpy()]
    unreached = np.where(task_state == CODE["SKIPPED"], CODE["SKIPPED"], CODE["PENDING"])
    at_the_end = np.where(schedule.started == NEVER, unreached, CODE["RUNNING"])
    return np.where(schedule.ended == NEVER, at_the_end, schedule.outcome).astype(np.int8)


def _happened(given: SimulationInput, schedule: Schedule) -> Mask:
    """Return which attempts there were, [A]: none comes after the one with which its task failed once too often."""
    if not given.rules.most_attempts:
        return np.ones(len(schedule.queued), np.bool_)
    ended = schedule.ended != NEVER
    attempts = np.arange(len(ended))
    last = np.maximum.reduceat(np.where(ended, attempts, -1), given.task_attempts[:-1])
    of_task = np.repeat(np.arange(len(last)), np.diff(given.task_attempts))
    return ~np.isin(schedule.task_state, FAILS)[of_task] | (attempts <= last[of_task])


def _interrupted(attempts: pl.DataFrame, compiled: Compilation, schedule: Schedule, scenario: Scenario) -> pl.DataFrame:
    """Return the rows of the runs of attempts that were interrupted, [I]."""
    cut = schedule.interruptions
    broken = _column(cut.cause == BROKEN)
    return attempts[cut.attempt].with_columns(
        queued_at=_instants(cut.queued),
        started_at=_instants(cut.started),
        ended_at=_instants(cut.ended),
        duration_s=_column((cut.ended - cut.started) / 1e6),
        is_censored=pl.lit(True),
        node_id=node_names(compiled.given, scenario, cut.node, cut.nodes),
        status=pl.when(broken).then(pl.lit("NODE_FAIL")).otherwise(pl.lit("CANCELLED")),
        raw_status=pl.when(broken).then(pl.lit("NODE_FAIL")).otherwise(pl.lit("PREEMPTED")),
        # Nobody knows how much of it had been moved.
        read_bytes=pl.lit(None, pl.Int64),
        written_bytes=pl.lit(None, pl.Int64),
        error=pl.when(broken).then(pl.lit(INTERRUPTED[BROKEN])).otherwise(pl.lit(INTERRUPTED[EVICTED])),
    )


def _earlier(task: Int64, interrupted: Mask) -> pl.Series:
    """Return how many interruptions its task has had before each row; the rows of a task are contiguous."""
    earlier: Int64 = np.cumsum(interrupted) - interrupted
    begins = np.flatnonzero(np.diff(task, prepend=-1))
    return pl.Series(earlier - np.repeat(earlier[begins], np.diff(begins, append=len(task))))


def _pipeline_runs(compiled: Compilation, schedule: Schedule) -> pl.DataFrame:
    """Fold attempts to runs: a run is what its tasks are, and ends with the last of them."""
    started = _first_starts(schedule)
    tasks = compiled.attempts.select("run", "task", started=_instants(started), ended=_instants(schedule.ended))
    state = pl.col("state")
    last = pl.lit(schedule.stopped).cast(pl.Datetime("us"))
    folded = (
        tasks.group_by("run", "task", maintain_order=True)
        .agg(pl.col("started").min(), pl.col("ended").max())
        .with_columns(state=pl.Series(schedule.task_state))
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("started").min(),
            pl.col("ended").max(),
            open=state.is_in(STAYS_OPEN).any(),
            # The earliest failure gives the run its state; of several at one instant, that of the first task.
            failure=state.filter(state.is_in(FAILS)).sort_by(pl.col("ended").filter(state.is_in(FAILS))).first(),
            unknown=(state == CODE["UNKNOWN"]).any(),
            skipped=(state == CODE["SKIPPED"]).all(),
        )
    )
    status = (
        pl.when(pl.col("open").is_null())
        .then(pl.when(pl.col("status").is_in(["PENDING", "RUNNING"])).then(pl.lit("UNKNOWN")).otherwise("status"))
        .when(pl.col("open") & pl.col("started").is_null())
        .then(pl.lit("PENDING"))
        .when(pl.col("open"))
        .then(pl.lit("RUNNING"))
        .when(pl.col("failure").is_not_null())
        .then(pl.col("failure").replace_strict(dict(enumerate(STATUSES)), return_dtype=pl.String))
        .when("unknown")
        .then(pl.lit("UNKNOWN"))
        .when("skipped")
        .then(pl.lit("SKIPPED"))
        .otherwise(pl.lit("SUCCEEDED"))
    )
    numbered = compiled.runs.with_columns(run=pl.int_range(pl.len(), dtype=pl.Int64))
    return (
        numbered.join(folded, on="run", how="left", maintain_order="left")
        .with_columns(new_status=status, stopped=_column(_stopped(compiled, schedule)))
        .with_columns(
            started_at=pl.col("started"),
            # A run without tasks ends as it is submitted.
            ended_at=pl.when(pl.col("open").is_null()).then("submitted_at").when(~pl.col("open")).then("ended"),
            raw_status=pl.when(pl.col("status") == pl.col("new_status")).then("raw_status").otherwise("new_status"),
            status=pl.col("new_status"),
            # A run that the log left open was seen up to the last instant at which something of it was running.
            observed_until=pl.max_horizontal(
                "submitted_at",
                pl.when(pl.col("open").fill_null(False) & ~pl.col("stopped")).then("ended").otherwise(last),
            ),
        )
        .select(list(PIPELINE_RUNS.by_name))
    )


def _first_starts(schedule: Schedule) -> Int64:
    """Return when each attempt started for the first time, [A]."""
    cut = schedule.interruptions
    attempt, first = np.unique(cut.attempt, return_index=True)
    started = schedule.started.copy()
    started[attempt] = cut.started[first]
    return started


def _stopped(compiled: Compilation, schedule: Schedule) -> Mask:
    """Return which runs were stopped with the simulation, [R], if they are open: all at a horizon, else those that wait."""
    given = compiled.given
    if given.rules.horizon < LATER:
        return np.ones(len(given.run_submitted), np.bool_)
    left = np.flatnonzero((schedule.queued != NEVER) & (schedule.ended == NEVER))
    stopped = np.zeros(len(given.run_submitted), np.bool_)
    stopped[compiled.attempts["run"][left].to_numpy()] = True
    return stopped


def _instants(at: Int64) -> pl.Series:
    series = pl.Series(at, dtype=pl.Int64)
    return series.set(series == NEVER, None).cast(pl.Datetime("us"))


def _column(values: npt.NDArray[Any]) -> pl.Expr:
    return pl.lit(pl.Series(values))
