"""From a trace and a scenario to the arrays that engines run on; whatever cannot be simulated is refused here."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from pipesim.simulation.calendar import LATER
from pipesim.simulation.classes import Classes
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.durations import hold_terms, hold_us
from pipesim.simulation.engine import CODE, OWN, Int8, Int64, Nodes, SimulationInput, Tenants
from pipesim.simulation.estimates import from_history, noisy, whole_us
from pipesim.simulation.machines import Machines, calendar_of, machines_of, scaling_of
from pipesim.simulation.models.building import Models, prepare
from pipesim.simulation.models.fleet import ModelSource
from pipesim.simulation.placement import Mask, Placement, place
from pipesim.simulation.policies import Known, keys, looks_at
from pipesim.simulation.rows import never_ran, rows_of
from pipesim.simulation.rules import rules_of, without_effect
from pipesim.simulation.scenario import Platform, Scenario
from pipesim.simulation.scenario.policy import ORDER_COLUMNS
from pipesim.simulation.tenants import dues_of, strangers
from pipesim.trace import Trace
from pipesim.words import count


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
        models: The models; None where the scenario has no lifecycle.
    """

    given: SimulationInput
    runs: pl.DataFrame
    attempts: pl.DataFrame
    edges: pl.DataFrame
    placement: Placement
    warnings: tuple[str, ...]
    models: Models | None = None


def compile_scenario(
    trace: Trace,
    scenario: Scenario,
    *,
    replication: int = 0,
    history: Trace | None = None,
    source: ModelSource | None = None,
    room: Int64 | None = None,
) -> Compilation:
    """Check and translate a trace for a scenario.

    Args:
        trace: What is submitted.
        scenario: The platform and the policy.
        replication: Its number, which chooses the random numbers of failures and noisy estimates.
        history: What the estimates `history` are made of; by default the trace itself.
        source: What is known of models; needed for a lifecycle.
        room: [M] For how many retrainings of each model there is to be room; by default, for as many as are to be expected.

    Raises:
        EmptyTraceError: If the trace has no tasks, or none of its runs says when it was submitted.
        RequestError: If keys repeat, a duration or demand is no quantity, edges have a cycle or a missing end, no pool
            accepts a task, a task asks for more than it could ever be given, or the order cannot be computed; one kind at a
            time, with the first tasks and the count.
    """
    policy, platform = scenario.policy, scenario.platform
    models = None if scenario.lifecycle is None else prepare(trace, scenario, scenario.lifecycle, source, room)
    rows = rows_of(trace, scenario) if models is None else models.rows
    runs, attempts = rows.runs, rows.attempts
    graph = rows.graph
    run, run_submitted = attempts["run"].to_numpy(), runs["submitted_at"].to_physical().fill_null(LATER).to_numpy()
    run_priority = runs["priority"].fill_null(0).to_numpy()
    natural = attempts["natural_s"].to_numpy()
    ran = ~np.isnan(natural) & ~attempts.select(never_ran()).to_series().to_numpy()
    machines, dues = machines_of(platform), dues_of(policy, runs["tenant"])
    placement = place(attempts, ran, scenario, machines, dues, run_priority[run])
    classes = placement.classes
    hold = hold_us(attempts, natural, placement, platform)
    told = attempts.hstack(runs.select("pipeline_name", "trigger", "tenant", "user", "priority")[run])
    estimate = _estimate(scenario, hold, told, placement, replication, trace if history is None else history)
    told = told.with_columns(estimated_duration_s=estimate / 1e6).select("run_id", "task_id", *ORDER_COLUMNS)
    # The deadlines of a run count from its submission; that of a retraining is not known yet.
    known = Known(estimate, placement.share, run_priority[run], np.where(run_submitted < LATER, run_submitted, 0)[run], told)
    given = SimulationInput(
        run_submitted=run_submitted,
        run_tasks=_offsets(attempts.filter(attempts["task"].is_first_distinct())["run"].to_numpy(), runs.height),
        task_parents=graph.parents,
        task_children=graph.offsets,
        children=graph.children,
        task_attempts=_offsets(attempts["task"].to_numpy(), len(graph.parents)),
        attempt_class=placement.demand_class,
        attempt_hold=hold,
        attempt_outcome=_outcome(attempts, ran, placement.rejected),
        attempt_key=keys(policy, known),
        class_pool=classes.pool,
        class_demand=classes.demand,
        capacity=machines.capacity,
        rules=rules_of(policy, rows.horizon, told),
        attempt_estimate=None if estimate is hold else estimate,
        run_priority=run_priority if looks_at(policy.order) == OWN else None,
        class_priority=classes.priority if policy.preemption else None,
        size=machines.size if any(pool.nodes for pool in platform.pools) else None,
        tenants=None if dues is None else Tenants(classes.tenant, dues.weight, dues.quota),
        nodes=_nodes(platform, machines, classes),
        scaling=scaling_of(platform, machines),
        calendar=calendar_of(platform, machines, int(run_submitted[0]), _seed(scenario), replication),
    )
    warnings = (*rows.warnings, *_warnings(attempts, ran, placement, scenario, strangers(policy, runs["tenant"])))
    compiled = Compilation(given, runs, attempts, rows.edges, placement, warnings)
    if models is None:
        return compiled
    given, built = models.finish(given, runs, attempts, graph, _seed(scenario), replication)
    return replace(compiled, given=given, warnings=(*warnings, *built.warnings), models=built)


def _seed(scenario: Scenario) -> int:
    return scenario.workload.seed if scenario.workload.kind == "synthetic" else 0


def _estimate(
    scenario: Scenario, hold: Int64, told: pl.DataFrame, placement: Placement, replication: int, history: Trace
) -> Int64:
    """Return for how many microseconds each attempt is believed to hold its resources, [A]; `hold` itself for the truth."""
    estimates = scenario.policy.estimates
    if estimates.kind == "noisy":
        assert estimates.noisy is not None, "noisy estimates say how noisy"
        return noisy(hold, estimates.noisy, _seed(scenario), replication)
    if estimates.kind == "history":
        return whole_us(np.sum(hold_terms(told, from_history(history, told), placement, scenario.platform), axis=0))
    return hold


def _nodes(platform: Platform, machines: Machines, classes: Classes) -> Nodes | None:
    """Return the nodes, if any pool has some or breaks; a pool that has none is one."""
    if not any(pool.nodes or pool.failures for pool in platform.pools):
        return None
    return Nodes(machines.first, machines.node_capacity, machines.kind, machines.placement, classes.kind, classes.parts)


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
    attempts: pl.DataFrame, ran: Mask, placement: Placement, scenario: Scenario, strangers: list[str]
) -> tuple[str, ...]:
    found = []
    absent = int((~ran).sum())
    if absent:
        found.append(f"pending, skipped or without a duration in the input, so they hold nothing: {count(absent, 'attempt')}")
    running = int((ran & (attempts["status"] == "RUNNING").to_numpy()).sum())
    if running:
        found.append(f"held for as long as was observed, then left unfinished: {count(running, 'running attempt')}")
    if placement.rejected.any():
        found.append(f"rejected, as they could never start: {name_tasks(attempts, placement.rejected)}")
    names = [pool.name for pool in scenario.platform.pools]
    strange = attempts.filter(pl.col("pool").is_not_null() & ~pl.col("pool").is_in(names) & pl.lit(pl.Series(ran)))
    if strange.height:
        pools = ", ".join(sorted(strange["pool"].unique())[:3])
        found.append(f"routed by `accepts`, as the scenario lacks their pools ({pools}): {count(strange.height, 'attempt')}")
    if unused := without_effect(scenario):
        found.append(f"without effect, as no rule of this scenario looks at it: {', '.join(unused)}")
    if strangers:
        found.append(f"listed in `policy.tenants`, but no run is theirs: {', '.join(strangers[:3])}")
    return tuple(found)
