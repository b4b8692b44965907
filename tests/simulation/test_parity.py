"""The engines agree to the microsecond on thousands of random inputs that are made to collide (I6)."""

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from pipesim.simulation.calendar import LATER, Breakdowns, Calendar, Steps
from pipesim.simulation.engine import (
    ATTAINED,
    BEST_FIT,
    BY_KEY,
    CODE,
    CONSERVATIVE,
    EASY,
    FAIR,
    FIRST_FIT,
    GAIN,
    GREEDY,
    NEVER,
    NEWEST,
    NONE,
    OWN,
    PACK,
    STALEST,
    WORST_FIT,
    Nodes,
    Rules,
    Scaling,
    SimulationInput,
    Tenants,
    Waiting,
)
from pipesim.simulation.engines import ENGINES
from pipesim.simulation.upkeep import DEPLOYS, TRAINS, Budgets, NoRetrainingsLeftError, Upkeep, Ways

#: So many inputs are drawn from each of hypothesis's seeds: drawing them one by one would take longer than simulating them.
EACH = 20
HOUR = 3_600_000_000
#: The rules of which a scenario draws some.
_RULES = (
    "order", "backfill", "tenants", "preemption", "retries", "failures", "timetable", "scaling", "nodes", "estimates",
    "horizon", "lifecycle",
)  # fmt: skip
_OUTCOMES = np.array([CODE[s] for s in ("SUCCEEDED",) * 6 + ("UNKNOWN", "SKIPPED", "FAILED", "TIMEOUT", "RUNNING", "PENDING")])


def _offsets(sizes: Any) -> Any:
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)


def _random_input(rng: np.random.Generator, runs: int, width: int, busy: int, *, plain: bool = False) -> SimulationInput:
    """Draw runs of up to four tasks that depend on each other, on pools of up to three resources, with ties everywhere.

    A scenario that is not plain has some of all the rules: at least one, seldom more than four.
    """
    has = dict.fromkeys(_RULES, False) if plain else {rule: rng.random() < rng.choice([0.15, 0.4]) for rule in _RULES}
    has["lifecycle"] = rng.random() < 0.5 if plain else has["lifecycle"]
    submissions, own = runs, rng.integers(0, 6, int(rng.integers(1, 4))) if has["lifecycle"] else np.zeros(0, np.int64)
    runs += int(own.sum())
    run_tasks = _offsets(rng.integers(0, 5, runs))
    tasks = int(run_tasks[-1])
    edges = [
        (parent, child)
        for first, last in zip(run_tasks[:-1].tolist(), run_tasks[1:].tolist(), strict=True)
        for child in range(first, last)
        for parent in range(first, child)
        if rng.random() < 0.4
    ]
    parents, children = np.array(edges, np.int64).reshape(-1, 2).T
    order = np.argsort(parents, kind="stable")
    task_attempts = _offsets(1 + (rng.random(tasks) < 0.3))
    attempts = int(task_attempts[-1])
    pools, classes = int(rng.integers(1, 4)), int(rng.integers(1, 7))
    capacity = rng.integers(2, 5, (pools, width)) * 1000
    class_pool = rng.integers(0, pools, classes).astype(np.int32)
    # Some dimensions are not limited: capacity and demand are 0 there; but a pool limits something.
    capacity *= rng.random((pools, width)) < 0.8
    capacity[:, 0] = np.maximum(capacity[:, 0], 1000)
    nodes = _nodes(rng, capacity, class_pool) if has["nodes"] or has["failures"] else None
    demand = np.minimum(rng.integers(0, 5, (classes, width)) * 500, capacity[class_pool])
    hold = HOUR * rng.integers(0, 5, attempts) if rng.random() < 0.7 else HOUR * rng.integers(0, 40, attempts)
    kinds = [BY_KEY, BY_KEY, BY_KEY, NEWEST] + ([FAIR, ATTAINED, OWN] if has["order"] else [])
    kinds += [GAIN, STALEST] if has["lifecycle"] else []
    backfill = int(rng.choice([NONE, GREEDY] if plain or not has["backfill"] else [EASY, CONSERVATIVE]))
    chosen = int(rng.choice(kinds))
    tenants = None
    if has["tenants"] or chosen == FAIR:
        quota = np.where(rng.random((3, width)) < 0.3, rng.integers(2, 5, (3, width)) * 500, LATER)
        quota = quota if has["tenants"] else np.full((3, width), LATER)
        tenants = Tenants(rng.integers(0, 3, classes).astype(np.int32), rng.choice([0.5, 1.0, 2.0], 3), quota)
    submitted = np.append(HOUR * np.sort(rng.integers(0, busy, submissions)), np.full(runs - submissions, LATER))
    return SimulationInput(
        run_submitted=submitted,
        run_tasks=run_tasks,
        task_parents=np.bincount(children, minlength=tasks).astype(np.int32),
        task_children=_offsets(np.bincount(parents, minlength=tasks)),
        children=children[order],
        task_attempts=task_attempts,
        attempt_class=rng.integers(-1, classes, attempts).astype(np.int32),
        attempt_hold=hold,
        attempt_outcome=rng.choice(_OUTCOMES, attempts).astype(np.int8),
        attempt_key=rng.integers(0, 3, attempts).astype(np.float64),
        class_pool=class_pool,
        class_demand=demand,
        capacity=capacity,
        rules=Rules(
            backfill=backfill,
            depth=int(rng.choice([2, 500])),
            order=chosen,
            own=_own if chosen == OWN else None,
            preempts=has["preemption"],
            checkpoint=HOUR * int(rng.integers(0, 4)),
            restart=HOUR * int(rng.integers(0, 3)),
            most_attempts=int(rng.integers(1, 4)) if has["retries"] or has["failures"] else 0,
            backoff=HOUR * rng.integers(0, 4, int(rng.integers(1, 4))) if has["retries"] else np.zeros(1, np.int64),
            horizon=int(submitted[0]) + HOUR * int(rng.integers(0, busy + 30)) if has["horizon"] or has["failures"] else LATER,
        ),
        attempt_estimate=np.maximum(0, hold + HOUR * rng.integers(-3, 4, attempts)) if has["estimates"] else None,
        class_priority=rng.integers(0, 3, classes) if has["preemption"] else None,
        run_priority=rng.integers(0, 3, runs) if chosen == OWN else None,
        size=None if nodes is None else np.where(nodes.placement < 0, _leading(capacity), 1000 * np.diff(nodes.first)),
        tenants=tenants,
        nodes=nodes,
        scaling=_scaling(rng, capacity, nodes) if has["scaling"] and not has["timetable"] else None,
        calendar=_calendar(rng, submitted, capacity, nodes, has) if has["timetable"] or has["failures"] else None,
        upkeep=_upkeep(rng, submissions, run_tasks, own, int(submitted[0]), busy) if has["lifecycle"] else None,
    )


def _upkeep(rng: np.random.Generator, submissions: int, run_tasks: Any, own: Any, origin: int, busy: int) -> Upkeep:
    """Draw models of which everything falls on whole hours, so that triggers, deployments and all else collide."""
    models, runs, tasks, ways = len(own), len(run_tasks) - 1, int(run_tasks[-1]), int(rng.integers(0, 4))
    run_model = np.append(rng.integers(-1, models, submissions), np.repeat(np.arange(models), own)).astype(np.int32)
    role = rng.choice([0, TRAINS, DEPLOYS, TRAINS | DEPLOYS], tasks).astype(np.int8)
    role[np.repeat(run_model, np.diff(run_tasks)) < 0] = 0
    drifts = rng.random(ways) < 0.6
    shocks = [np.sort(origin + HOUR * rng.integers(0, busy + 20, int(rng.integers(0, 4)))) for _ in range(models)]
    has_hours, budgets = rng.random() < 0.3, int(rng.integers(0, 3))
    return Upkeep(
        submissions=submissions,
        end=origin + HOUR * int(rng.integers(0, busy + 60)),
        run_model=run_model,
        performance=rng.choice([0.5, 0.7, 0.9], runs),
        task_role=role,
        gradual=rng.choice([0.0, 0.24, 0.5], models),
        jump=rng.choice([0.0, 0.1], models),
        swing=rng.choice([0.0, 0.0, 0.2], models),
        season=HOUR * rng.choice([5, 24], models),
        shocks=np.concatenate(shocks),
        first_shock=_offsets([len(s) for s in shocks]),
        beginning=rng.choice([np.nan, 0.6, 0.9], models),
        target=rng.choice([0.6, 0.9], models),
        data_per_day=rng.choice([0.0, 1.0, 24.0], models),
        growth=float(rng.choice([0.0, 0.1])),
        first_retraining=_offsets(own),
        retrainings=np.arange(submissions, runs),
        charge=rng.integers(0, 3, runs - submissions),
        ways=Ways(
            drifts=drifts.astype(np.int8),
            below=np.where(drifts, rng.choice([0.5, 0.7, np.inf], ways), np.inf),
            drop=np.where(drifts, rng.choice([0.05, -np.inf], ways), -np.inf),
            age=HOUR * rng.choice([0, 0, 5, 20], ways),
            volume=rng.choice([0.0, 0.0, 3.0], ways),
            phase=HOUR * rng.integers(0, 3, ways),
            grid=HOUR * rng.choice([1, 5, 24], ways),
        ),
        cooldown=HOUR * int(rng.integers(0, 6)),
        opens=HOUR * 20 if has_hours else -1,
        closes=HOUR * int(rng.choice([22, 4])) if has_hours else -1,
        budget=rng.integers(-1, budgets, models).astype(np.int32),
        budgets=Budgets(
            runs=rng.choice([0, 1, 2, LATER], budgets),
            hours=rng.choice([1, 3, LATER], budgets),
            period=HOUR * rng.choice([5, 24], budgets),
        ),
        relative_keys=bool(rng.random() < 0.2),
    )


def _leading(capacity: Any) -> Any:
    return np.array([next(row[d] for d in (0, 1, 2) if row[d]) for row in capacity])


def _nodes(rng: np.random.Generator, capacity: Any, class_pool: Any) -> Nodes:
    """Make pools of one to four nodes, or of none of their own; the capacity is set to what the nodes have."""
    rows, first, placement = [], [0], []
    for row in capacity:
        count = int(rng.integers(0, 5))
        each = np.where(row > 0, rng.integers(1, 4, (max(1, count), len(row))) * 500, 0)
        if count == 0:
            each = row[None, :].copy()
        row[:] = each.sum(axis=0)
        rows += list(each)
        first.append(len(rows))
        placement.append(int(rng.choice([FIRST_FIT, BEST_FIT, WORST_FIT, PACK])) if count else -1)
    kind = rng.choice([-1, -1, 0, 1], len(rows)).astype(np.int32)
    return Nodes(
        first=np.array(first),
        capacity=np.array(rows),
        kind=kind,
        placement=np.array(placement, np.int8),
        class_kind=rng.choice([-1, -1, -1, 0, 1], len(class_pool)).astype(np.int32),
        class_parts=rng.choice([1, 1, 2, 3], len(class_pool)),
    )


def _scaling(rng: np.random.Generator, capacity: Any, nodes: Nodes | None) -> Scaling:
    pools = len(capacity)
    size = _leading(capacity)
    if nodes is not None:
        size = np.where(nodes.placement < 0, size, 1000 * np.diff(nodes.first))
    return Scaling(
        least=np.minimum(size, rng.integers(0, 2, pools) * 1000),
        most=np.where(rng.random(pools) < 0.7, size, 0),
        step=rng.choice([500, 1000, 2000], pools),
        target=rng.choice([0.5, 0.7, 1.0], pools),
        cooldown=HOUR * rng.integers(0, 4, pools),
        delay=HOUR * rng.integers(0, 4, pools),
    )


def _calendar(rng: np.random.Generator, submitted: Any, capacity: Any, nodes: Nodes | None, has: dict[str, bool]) -> Calendar:
    tables, breakdowns = {}, []
    size = _leading(capacity)
    if nodes is not None:
        size = np.where(nodes.placement < 0, size, 1000 * np.diff(nodes.first))
    for pool in range(len(capacity)):
        if has["timetable"] and rng.random() < 0.7:
            at = np.unique(HOUR * rng.integers(0, 30, 3)).tolist()
            share = rng.choice([0.0, 0.3, 0.5, 1.0], len(at)).tolist()
            tables[pool] = Steps(tuple(at), tuple(round(s * size[pool] / 1000) * 1000.0 for s in share), 0)
        if has["failures"] and nodes is not None and rng.random() < 0.7:
            numbers = range(int(nodes.first[pool]), int(nodes.first[pool + 1]))
            breakdowns.append(Breakdowns(str(pool), numbers, HOUR * float(rng.choice([3.0, 20.0])), 4.0 * HOUR))
    return Calendar(int(submitted[0]), tables, tuple(breakdowns), seed=int(rng.integers(0, 100)))


@njit
def _own(task: Waiting) -> float:
    return task.gpus * 2.0 - task.attained_s * 1e6 + task.priority + task.now_s % 3 + task.attempt


def _differences(drawn: SimulationInput) -> list[str]:
    """Return the fields in which the schedules of the two engines differ."""
    expected, found = _simulated("reference", drawn), _simulated("compiled", drawn)
    if isinstance(expected, NoRetrainingsLeftError) or isinstance(found, NoRetrainingsLeftError):
        same = str(expected) == str(found) and np.array_equal(expected.used, found.used)
        return [] if same else [f"{expected} is not {found}"]
    pairs = [(expected, found), (expected.interruptions, found.interruptions), (expected.provisioning, found.provisioning)]
    pairs += [(expected.retrainings, found.retrainings)] if drawn.upkeep else []
    return [
        f"{type(one).__name__}.{field.name}"
        for one, other in pairs
        for field in fields(one)
        if not is_dataclass(getattr(one, field.name))
        and not np.array_equal(getattr(one, field.name), getattr(other, field.name))
    ]


def _simulated(engine: str, drawn: SimulationInput) -> Any:
    try:
        return ENGINES[engine](drawn)
    except NoRetrainingsLeftError as error:
        return error


@pytest.mark.drawn
@settings(max_examples=2 * settings.default.max_examples)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 3), st.sampled_from([1, 5, 40]))
def test_the_engines_give_the_same_schedule(seed: int, runs: int, width: int, busy: int) -> None:
    rng = np.random.default_rng(seed)
    for number in range(EACH):
        assert _differences(_random_input(rng, runs, width, busy, plain=number % 4 == 0)) == []


def test_a_deep_queue_and_a_long_chain_are_served_alike() -> None:
    drawn = replace(_random_input(np.random.default_rng(1), 4000, 2, 50, plain=True), rules=Rules(GREEDY))
    assert _differences(drawn) == []
    assert (ENGINES["compiled"](drawn).started != NEVER).sum() > 1000


@pytest.mark.parametrize("name", ENGINES)
def test_progress_is_told_and_only_grows(name: str) -> None:
    drawn = _random_input(np.random.default_rng(2), 150_000 if name == "compiled" else 5_000, 1, 10**6, plain=True)
    told: list[float] = []
    ENGINES[name](drawn, told.append)
    assert len(told) >= 2
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1
