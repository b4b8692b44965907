"""From a trace and a scenario to the arrays that engines run on; whatever cannot be simulated is refused here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.errors import EmptyTraceError, RequestError
from pipesim.schema import PIPELINE_RUNS
from pipesim.simulation.describe import count, name_tasks
from pipesim.simulation.engine import CODE, Float64, Int8, Int64, SimulationInput
from pipesim.simulation.graph import build_graph
from pipesim.simulation.placement import Mask, Placement, place
from pipesim.simulation.policies import Known, keys
from pipesim.simulation.scenario import Scenario
from pipesim.trace import Trace

# Sums of times stay below this, so no instant leaves int64.
_LONGEST_US = 4e18


@dataclass(frozen=True)
class Compilation:
    """The arrays of a scenario, and the rows that they stand for.

    Args:
        given: What the engine takes.
        runs: [R rows] `pipeline_runs`, in the order of the arrays, with `submitted_at` filled in.
        attempts: [A rows] `task_runs`, in the order of the arrays, with their `run` and `task` numbers.
        edges: `task_edges` of these runs.
        placement: Which attempt goes where.
        warnings: What was left out or reinterpreted, with its count.
    """

    given: SimulationInput
    runs: pl.DataFrame
    attempts: pl.DataFrame
    edges: pl.DataFrame
    placement: Placement
    warnings: tuple[str, ...]


def compile_scenario(trace: Trace, scenario: Scenario) -> Compilation:
    """Check and translate a trace for a scenario.

    Raises:
        EmptyTraceError: If the trace has no tasks, or none of its runs says when it was submitted.
        RequestError: If keys repeat, a duration or demand is no quantity, edges have a cycle or a missing end, no pool
            accepts a task, or a task is too large for its pool; one kind at a time, with the first tasks and the count.
    """
    if trace.task_runs.is_empty():
        raise EmptyTraceError("the trace has no tasks to simulate", remedy="ingest a log, or synthesize a trace, first")
    runs, left_out = _runs(trace)
    attempts = _attempts(trace.task_runs, runs)
    edges = trace.task_edges.join(left_out, on="run_id", how="anti", maintain_order="left")
    graph = build_graph(edges, attempts)
    natural_s = attempts["natural_s"].to_numpy()
    ran = ~np.isnan(natural_s) & ~attempts["status"].is_in(["PENDING", "SKIPPED"]).to_numpy()
    placement = place(attempts, ran, scenario.platform)
    held = placement.demand_class >= 0
    hold = _hold(attempts, np.where(held, natural_s, 0.0), held, placement, scenario)
    priority = runs["priority"].fill_null(0).to_numpy()[attempts["run"].to_numpy()]
    of_run = runs.select("pipeline_name", "trigger", "tenant", "user", "priority")[attempts["run"].to_numpy()]
    known = Known(hold, placement.share, priority, attempts.hstack(of_run))
    given = SimulationInput(
        run_submitted=runs["submitted_at"].to_physical().to_numpy(),
        run_tasks=_offsets(attempts.filter(attempts["task"].is_first_distinct())["run"].to_numpy(), runs.height),
        task_parents=graph.parents,
        task_children=graph.offsets,
        children=graph.children,
        task_attempts=_offsets(attempts["task"].to_numpy(), len(graph.parents)),
        attempt_class=placement.demand_class,
        attempt_hold=hold,
        attempt_outcome=_outcome(attempts, ran, placement.rejected),
        attempt_key=keys(scenario.policy.order, known),
        class_pool=placement.class_pool,
        class_demand=placement.class_demand,
        capacity=placement.capacity,
        greedy=scenario.policy.backfill == "greedy",
        newest_first=scenario.policy.order == "lifo",
    )
    warnings = _warnings(left_out, attempts, ran, placement, scenario)
    return Compilation(given, runs, attempts, edges, placement, warnings)


def _runs(trace: Trace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the runs in order of submission, then of the log, and the identifiers of those of which no submission is known."""
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
    known = runs.filter(pl.col("submitted_at").is_not_null()).sort("submitted_at", maintain_order=True)
    if known.is_empty():
        raise EmptyTraceError(
            "no run can be replayed: neither submitted_at nor any queued_at is known",
            where="pipeline_runs.submitted_at",
            remedy="map a column of the log to one of them",
        )
    left_out = runs.filter(pl.col("submitted_at").is_null()).select("run_id")
    return known.select(list(PIPELINE_RUNS.by_name)), left_out


def _attempts(task_runs: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the attempts in order, with `run` and `task` numbers and `natural_s`, NaN where the log cannot say."""
    of_run = runs.select("run_id", "observed_until", run=pl.int_range(pl.len()))
    new_task = (pl.col("run") != pl.col("run").shift()) | (pl.col("task_id") != pl.col("task_id").shift())
    seen = pl.when(pl.col("status") == "RUNNING").then(pl.col("observed_until") - pl.col("started_at"))
    span = pl.coalesce(pl.col("ended_at") - pl.col("started_at"), seen)
    attempts = (
        task_runs.join(of_run, on="run_id", maintain_order="left")
        .sort("run", "task_id", "attempt")
        .with_columns(
            (new_task.fill_null(True).cum_sum().cast(pl.Int64) - 1).alias("task"),
            pl.coalesce("duration_s", span.dt.total_microseconds() / 1e6).alias("natural_s"),
        )
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


def _hold(attempts: pl.DataFrame, natural_s: Float64, held: Mask, placement: Placement, scenario: Scenario) -> Int64:
    """Rule 4: each term rounded to the microsecond, then added in the order of the rule."""
    speed = np.array([pool.speed for pool in scenario.platform.pools])[placement.pool]
    terms = [np.rint(natural_s * 1e6 / speed)]
    store = scenario.platform.store
    if store is not None:
        read = attempts["read_bytes"].fill_null(0).to_numpy() / store.read_mb_per_s
        written = attempts["written_bytes"].fill_null(0).to_numpy() / store.write_mb_per_s
        latency = np.full(attempts.height, store.latency_s * 1e6)
        terms = [np.rint(latency), np.rint(read), *terms, np.rint(written)]
    whole = np.where(held, np.sum(terms, axis=0), 0.0)
    if whole.sum() > _LONGEST_US:
        longest = np.arange(len(whole)) == np.argmax(whole)
        raise RequestError(
            f"the durations add up to {whole.sum() / 1e6:g} s, more than can be counted in microseconds; "
            f"the longest is that of {name_tasks(attempts, longest)}",
            where="task_runs.duration_s",
            remedy="look for a mistake of units in the log",
        )
    hold = np.zeros(attempts.height, dtype=np.int64)
    for term in terms:
        hold += np.where(held, term, 0).astype(np.int64)
    return hold


def _outcome(attempts: pl.DataFrame, ran: Mask, rejected: Mask) -> Int8:
    outcome = attempts["status"].replace_strict(CODE, return_dtype=pl.Int8).to_numpy().copy()
    # Said to be running, but never seen to start; or over, but nobody knows how long it took.
    outcome[~ran & np.isin(outcome, [CODE["RUNNING"], CODE["UNKNOWN"], CODE["SUCCEEDED"]])] = CODE["PENDING"]
    outcome[rejected] = CODE["CANCELLED"]
    return outcome


def _offsets(owner: Int64, owners: int) -> Int64:
    """Return where the members of each owner begin, [owners + 1], for members sorted by owner."""
    return np.searchsorted(owner, np.arange(owners + 1)).astype(np.int64)


def _warnings(
    left_out: pl.DataFrame, attempts: pl.DataFrame, ran: Mask, placement: Placement, scenario: Scenario
) -> tuple[str, ...]:
    found = []
    if left_out.height:
        found.append(f"left out, as neither submitted_at nor any queued_at is known: {count(left_out.height, 'run')}")
    absent = int((~ran).sum())
    if absent:
        found.append(f"pending, skipped or without a duration in the input, so they hold nothing: {count(absent, 'attempt')}")
    running = int((ran & (attempts["status"] == "RUNNING").to_numpy()).sum())
    if running:
        found.append(f"held for as long as was observed, then left unfinished: {count(running, 'running attempt')}")
    if placement.rejected.any():
        found.append(f"rejected, as the demand is above the pool's capacity: {name_tasks(attempts, placement.rejected)}")
    names = [pool.name for pool in scenario.platform.pools]
    strange = attempts.filter(pl.col("pool").is_not_null() & ~pl.col("pool").is_in(names) & pl.lit(pl.Series(ran)))
    if strange.height:
        pools = ", ".join(sorted(strange["pool"].unique())[:3])
        found.append(f"routed by `accepts`, as the scenario lacks their pools ({pools}): {count(strange.height, 'attempt')}")
    return tuple(found)
