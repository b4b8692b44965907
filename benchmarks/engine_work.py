"""The work of the benchmark of the engines, drawn anew for any number of runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipesim.lifecycle.decay import DAY_US
from pipesim.simulation.calendar import LATER
from pipesim.simulation.engine import CODE, DIMENSIONS, FAIR, Int64, Rules, Scaling, Schedule, SimulationInput, Tenants
from pipesim.simulation.upkeep import DEPLOYS, TRAINS, Budgets, Upkeep, Ways
from pipesim.streams import stream

#: What the runs need, as a part of the capacity of the busier pool: usually, and where the queue is to be deep.
LOAD, OVERLOAD = 0.85, 1.5


def chains(submitted: Int64, run_tasks: Int64, hold: Int64, pool: Int64, gpus: Int64, capacity: list[int]) -> SimulationInput:
    """Runs that are chains of tasks, each of one attempt that succeeds and takes whole GPUs, and nothing else, of its pool."""
    tasks = len(hold)
    follows = np.ones(tasks, bool)
    follows[run_tasks[:-1]] = False
    demands, demand_class = np.unique(np.stack([pool, gpus]), axis=1, return_inverse=True)
    one_gpu = np.array([unit if name == "gpus" else 0 for name, unit in DIMENSIONS.items()])
    return SimulationInput(
        run_submitted=submitted,
        run_tasks=run_tasks,
        task_parents=follows.astype(np.int32),
        task_children=np.concatenate(([0], np.cumsum(np.append(follows[1:], False)))),
        children=np.flatnonzero(follows).astype(np.int32),
        task_attempts=np.arange(tasks + 1),
        attempt_class=demand_class.ravel().astype(np.int32),
        attempt_hold=hold,
        attempt_outcome=np.full(tasks, CODE["SUCCEEDED"], np.int8),
        attempt_key=np.zeros(tasks),
        class_pool=demands[0].astype(np.int32),
        class_demand=demands[1][:, None] * one_gpu,
        capacity=np.array(capacity)[:, None] * one_gpu,
    )


def year(runs: int) -> SimulationInput:
    """Runs of one to six tasks in a chain, every other one on the second pool; 64 and 128 GPUs, one a task, load `LOAD`."""
    rng = stream(2, "year")
    lengths = rng.integers(1, 7, runs)
    run_tasks = np.concatenate(([0], np.cumsum(lengths)))
    pool = (np.arange(run_tasks[-1]) - np.repeat(run_tasks[:-1], lengths)) % 2
    hold = np.rint(rng.lognormal(4.0, 1.2, len(pool)) * 1e6).astype(np.int64)
    capacity = [64, 128]
    span = max(hold[pool == p].sum() / capacity[p] for p in (0, 1)) / LOAD
    return chains(np.sort(rng.integers(0, int(span), runs)), run_tasks, hold, pool, np.ones_like(pool), capacity)


def crowd(runs: int, load: float) -> SimulationInput:
    """Runs of one task that asks for one to eight of a pool's 64 GPUs, at a load."""
    rng = stream(3, "crowd")
    gpus = rng.integers(1, 9, runs)
    hold = np.rint(rng.lognormal(4.0, 1.2, runs) * 1e6).astype(np.int64)
    span = (hold * gpus).sum() / 64 / load
    return chains(np.sort(rng.integers(0, int(span), runs)), np.arange(runs + 1), hold, np.zeros_like(gpus), gpus, [64])


def with_rules(given: SimulationInput) -> dict[str, SimulationInput]:
    """The same work as it is, and with rules besides: every tenth attempt fails, four tenants share fairly, pools follow it."""
    rng = stream(4, "rules")
    tasks, classes, pools = len(given.attempt_hold), len(given.class_pool), len(given.capacity)
    retried = rng.random(tasks) < 0.1
    again = np.repeat(np.arange(tasks), 1 + retried)
    outcome = np.full(len(again), CODE["SUCCEEDED"], np.int8)
    outcome[np.append(again[1:] == again[:-1], False)] = CODE["FAILED"]
    # Both attempts together take as long as the one did.
    retries = replace(
        given,
        task_attempts=np.concatenate(([0], np.cumsum(1 + retried))),
        attempt_class=given.attempt_class[again],
        attempt_hold=given.attempt_hold[again] // (1 + retried[again]),
        attempt_outcome=outcome,
        attempt_key=given.attempt_key[again],
        rules=Rules(most_attempts=3, backoff=np.array([60_000_000, 120_000_000])),
    )
    tenants = 4
    shared = {
        "attempt_class": (given.attempt_class * tenants + rng.integers(0, tenants, tasks)).astype(np.int32),
        "class_pool": np.repeat(given.class_pool, tenants),
        "class_demand": np.repeat(given.class_demand, tenants, axis=0),
        "tenants": Tenants(
            of_class=np.tile(np.arange(tenants, dtype=np.int32), classes),
            weight=np.ones(tenants),
            quota=np.tile(given.capacity.sum(axis=0) * 3 // 4, (tenants, 1)),
        ),
        "rules": Rules(order=FAIR),
    }
    scaling = Scaling(
        least=given.sizes() // 4,
        most=given.sizes(),
        step=np.full(pools, 1000),
        target=np.full(pools, 0.9),
        cooldown=np.full(pools, 300_000_000),
        delay=np.full(pools, 120_000_000),
    )
    return {
        "plain": given,
        "retries": retries,
        "quotas and fair share": replace(given, **shared),
        "autoscaling": replace(given, scaling=scaling),
    }


def with_models(given: SimulationInput, models: int, room: int = 20) -> SimulationInput:
    """The same work, of which each run makes a new version of one of so many models live, which decay and are trained again.

    There are 365 looks at each model, as at a day each in a year. One version in twenty is soon below the threshold, and is
    followed by a retraining, a run like one of the others; all work is a little shorter, so that the load is the same.
    """
    rng = stream(5, "models")
    runs = len(given.run_submitted)
    again = rng.integers(0, runs, models * room)
    lengths = np.diff(given.run_tasks)
    run_tasks = np.concatenate((given.run_tasks, given.run_tasks[-1] + np.cumsum(lengths[again])))
    more = lengths[again]
    place = np.arange(more.sum()) - np.repeat(np.cumsum(more) - more, more)
    tasks = np.concatenate((np.arange(given.run_tasks[-1]), np.repeat(given.run_tasks[again], more) + place))
    begin, span = int(given.run_submitted[0]), int(given.run_submitted[-1] - given.run_submitted[0])
    one_gpu = given.class_demand.max(axis=0)
    capacity = (given.capacity[:, one_gpu > 0][:, 0] // one_gpu.max()).tolist()
    gpus = np.ones(len(tasks), np.int64)
    submitted = np.concatenate((given.run_submitted, np.full(len(again), LATER)))
    pool = given.class_pool[given.attempt_class[tasks]].astype(np.int64)
    work = chains(submitted, run_tasks, given.attempt_hold[tasks] * 94 // 100, pool, gpus, capacity)
    role = np.zeros(len(tasks), np.int8)
    role[run_tasks[:-1]] |= TRAINS
    role[run_tasks[1:] - 1] |= DEPLOYS
    days = span / DAY_US
    whole, none = np.zeros(models, np.int64), np.zeros(models)
    return replace(
        work,
        upkeep=Upkeep(
            submissions=runs,
            end=begin + span,
            run_model=np.concatenate((np.arange(runs) % models, np.repeat(np.arange(models), room))).astype(np.int32),
            performance=rng.uniform(0.745, 0.95, len(submitted)),
            task_role=role,
            gradual=np.full(models, 0.5 / days),
            jump=none,
            swing=none,
            season=whole + 1,
            shocks=np.zeros(0, np.int64),
            first_shock=np.zeros(models + 1, np.int64),
            beginning=np.full(models, 0.85),
            target=np.full(models, 0.85),
            data_per_day=none,
            growth=0.0,
            first_retraining=np.arange(models + 1) * room,
            retrainings=np.arange(runs, runs + models * room),
            charge=np.zeros(models * room, np.int64),
            ways=Ways(
                drifts=np.ones(1, np.int8),
                below=np.full(1, 0.75),
                drop=np.full(1, -np.inf),
                age=np.zeros(1, np.int64),
                volume=np.zeros(1),
                phase=np.full(1, begin),
                grid=np.full(1, max(1, span // 365)),
            ),
            cooldown=span // 365,
            opens=-1,
            closes=-1,
            budget=np.full(models, -1, np.int32),
            budgets=Budgets(*np.zeros((3, 0), np.int64)),
        ),
    )


def deepest_queue(schedule: Schedule) -> int:
    """Return the most attempts that waited at once: at each queueing, those queued so far less those started by then."""
    queued, started = np.sort(schedule.queued), np.sort(schedule.started)
    return int((np.arange(1, len(queued) + 1) - np.searchsorted(started, queued, side="right")).max())
