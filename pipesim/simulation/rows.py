"""Which rows of a trace are simulated, in which order; rows that cannot be are refused here, or left out and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import polars as pl

from pipesim.errors import EmptyTraceError, RequestError
from pipesim.schema import PIPELINE_RUNS, STATUSES
from pipesim.simulation.calendar import LATER
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import FAILS
from pipesim.simulation.graph import Graph, build_graph
from pipesim.simulation.scenario import Scenario
from pipesim.trace import Trace
from pipesim.words import count

_DAY_US = 86_400e6
_FAILED = [STATUSES[code] for code in FAILS]


@dataclass(frozen=True)
class Rows:
    """The rows of a trace that are simulated.

    Args:
        runs: [R rows] `pipeline_runs`, by submission, then as in the log, with `submitted_at` filled in.
        attempts: [A rows] `task_runs`, by run, task and attempt, with their `run` and `task` numbers and `natural_s`: seconds
            of work, NaN where the log cannot say.
        edges: `task_edges` of these runs.
        horizon: The last instant that is simulated, in microseconds since 1970.
        warnings: What was left out, with its count.
    """

    runs: pl.DataFrame
    attempts: pl.DataFrame
    edges: pl.DataFrame
    horizon: int
    warnings: tuple[str, ...]

    @cached_property
    def graph(self) -> Graph:
        """The dependencies of the tasks.

        Raises:
            RequestError: If an edge has a missing end, or tasks wait for each other in a circle.
        """
        return build_graph(self.edges, self.attempts)

    def with_retrainings(self, retrainings: Trace, scenario: Scenario) -> Rows:
        """Return these rows followed by those of runs that only a trigger submits, in their order."""
        if retrainings.task_runs.is_empty():
            return self
        attempts, _ = _within_limit(_attempts(retrainings.task_runs, retrainings.pipeline_runs), scenario.policy.retries.limit)
        moved = attempts.with_columns(
            (pl.col("run") + self.runs.height).alias("run"), (pl.col("task") + self.attempts["task"].max() + 1).alias("task")
        )
        return replace(
            self,
            # In one piece, as Polars gives a literal a row for each piece of a frame.
            runs=pl.concat([self.runs, retrainings.pipeline_runs], rechunk=True),
            attempts=pl.concat([self.attempts, moved], rechunk=True),
            edges=pl.concat([self.edges, retrainings.task_edges], rechunk=True),
        )


#: What was chosen of each trace last, for how many days and failures: scenarios of a sweep mostly want the same.
_CHOSEN: WeakKeyDictionary[Trace, tuple[tuple[float | None, int | None], Rows]] = WeakKeyDictionary()


def rows_of(trace: Trace, scenario: Scenario) -> Rows:
    """Choose and sort the rows of a trace.

    Raises:
        EmptyTraceError: If the trace has no tasks, or none of its runs says when it was submitted.
        RequestError: If keys repeat, or a duration is no quantity.
    """
    wanted = scenario.horizon_days, scenario.policy.retries.limit
    last = _CHOSEN.get(trace)
    if last is None or last[0] != wanted:
        last = _CHOSEN[trace] = wanted, _choose(trace, *wanted)
    return last[1]  # not what another thread may have put there since


def _choose(trace: Trace, horizon_days: float | None, retries: int | None) -> Rows:
    if trace.task_runs.is_empty():
        raise EmptyTraceError("the trace has no tasks to simulate", remedy="ingest a log, or synthesize a trace, first")
    every = runs_of(trace)
    known = every.filter(pl.col("submitted_at").is_not_null()).sort("submitted_at", maintain_order=True)
    if known.is_empty():
        raise EmptyTraceError(
            "no run can be replayed: neither submitted_at nor any queued_at is known",
            where="pipeline_runs.submitted_at",
            remedy="map a column of the log to one of them",
        )
    horizon = _horizon(known["submitted_at"].to_physical()[0], horizon_days)
    late = pl.col("submitted_at").to_physical() > horizon
    runs = known.filter(~late)
    attempts, surplus = _within_limit(_attempts(trace.task_runs, runs), retries)
    left_out = every.filter(late.fill_null(True)).select("run_id")
    found = {
        "neither submitted_at nor any queued_at is known": count(every.height - known.height, "run"),
        "they are submitted after the horizon": count(known.height - runs.height, "run"),
        "the task has failed as often as `policy.retries.limit` lets it": count(surplus, "attempt"),
    }
    return Rows(
        runs.select(list(PIPELINE_RUNS.by_name)),
        attempts,
        trace.task_edges.join(left_out, on="run_id", how="anti", maintain_order="left"),
        horizon,
        tuple(f"left out, as {why}: {many}" for why, many in found.items() if not many.startswith("0 ")),
    )


def natural_s() -> pl.Expr:
    """Return the seconds of work of an attempt as the log says or shows them; what was still running, as far as it was seen.

    It is an expression over rows of `task_runs` with the `observed_until` of their runs.
    """
    seen = pl.when(pl.col("status") == "RUNNING").then(pl.col("observed_until") - pl.col("started_at"))
    span = pl.coalesce(pl.col("ended_at") - pl.col("started_at"), seen)
    return pl.coalesce("duration_s", span.dt.total_microseconds() / 1e6).alias("natural_s")


def never_ran() -> pl.Expr:
    """Whether the log says that an attempt never held anything."""
    return pl.col("status").is_in(["PENDING", "SKIPPED"])


def runs_of(trace: Trace) -> pl.DataFrame:
    """Return every run, also those that have tasks but no row of their own."""
    queued = trace.task_runs.group_by("run_id", maintain_order=True).agg(first_queued=pl.col("queued_at").min())
    runs = trace.pipeline_runs.join(queued, on="run_id", how="full", coalesce=True, maintain_order="left_right").with_columns(
        pl.coalesce("submitted_at", "first_queued").alias("submitted_at"),
        # Only a run that has tasks but no row of its own has none of these.
        pl.col("pipeline_name").fill_null("unknown"),
        pl.col("status", "raw_status").fill_null("UNKNOWN"),
        pl.col("time_basis").fill_null("utc"),
    )
    repeated = runs["run_id"].is_duplicated()
    if repeated.any():
        name = runs.filter(repeated)["run_id"].min()
        raise RequestError(f"run_id {name!r} stands in several rows", where="pipeline_runs", remedy="keep one row a run")
    return runs


def _horizon(first: int, days: float | None) -> int:
    return LATER if days is None else min(LATER, first + round(days * _DAY_US))


def _attempts(task_runs: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    of_run = runs.select("run_id", "observed_until", run=pl.int_range(pl.len()))
    new_task = (pl.col("run") != pl.col("run").shift()) | (pl.col("task_id") != pl.col("task_id").shift())
    attempts = (
        task_runs.join(of_run, on="run_id", maintain_order="left")
        .sort("run", "task_id", "attempt")
        .with_columns((new_task.fill_null(True).cum_sum().cast(pl.Int64) - 1).alias("task"), natural_s())
        .drop("observed_until")
    )
    if attempts.is_empty():
        raise EmptyTraceError("no task belongs to a run that can be replayed", where="task_runs", remedy="map submitted_at")
    twin = attempts.select((pl.col("task").diff() == 0) & (pl.col("attempt").diff() == 0)).to_series().fill_null(False)
    if twin.any():
        raise RequestError(
            f"the same attempt stands in several rows for {name_tasks(attempts, twin.to_numpy())}",
            where="task_runs.attempt",
            remedy="number the attempts of a task",
        )
    bad = attempts.select(~pl.col("natural_s").is_between(0, float("inf"), closed="left")).to_series().fill_null(False)
    if bad.any():
        raise RequestError(
            f"the duration is {attempts.filter(bad)['natural_s'][0]:g} s for {name_tasks(attempts, bad.to_numpy())}",
            where="task_runs.duration_s",
            remedy="a duration is a number of seconds from 0 on; NULL where it is not known",
        )
    return attempts.with_columns(pl.col("natural_s").fill_null(float("nan")))


def _within_limit(attempts: pl.DataFrame, limit: int | None) -> tuple[pl.DataFrame, int]:
    """Leave out the attempts that come after the last failure that a task may have; returns how many there were."""
    if limit is None:
        return attempts, 0
    failed = pl.col("status").is_in(_FAILED).cast(pl.Int64)
    before = failed.cum_sum().over("task") - failed
    kept = attempts.filter(before < limit)
    return kept, attempts.height - kept.height
