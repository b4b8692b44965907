"""The compiled engine: the rules of the reference engine as one loop over arrays, which Numba turns into machine code.

Nothing is allocated inside the loop. Attempts that run lie in one 4-ary heap by the instant at which they end; submissions are
a cursor over the sorted runs. Attempts that wait lie in one heap a line: a line is a demand class under greedy backfill, where
a pass compares the heads of the lines that fit, and a whole pool without backfill, where only its head counts. As each attempt
belongs to one line, all lines share arrays of the length of the attempts.

The loop comes back to Python every so often, so that an interrupt is served and progress can be told.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pipesim.simulation.engine import (
    CODE,
    FAILS,
    NEVER,
    PASSES,
    STAYS_OPEN,
    Float64,
    Int8,
    Int32,
    Int64,
    Schedule,
    SimulationInput,
    Tell,
)
from pipesim.simulation.heaps import pop, pop_end, push, push_end, sooner

#: How many instants pass between two returns to Python: some hundredths of a second.
_STRETCH = 1 << 16
_LATER = np.iinfo(np.int64).max
_PENDING, _SKIPPED = CODE["PENDING"], CODE["SKIPPED"]
#: What a task's outcome means to those that wait for it, by code.
_PASS, _FAIL, _OPEN = 1, 2, 3
_MEANING = np.zeros(max(CODE.values()) + 1, np.int8)
_MEANING[list(PASSES)] = _PASS
_MEANING[list(FAILS)] = _FAIL
_MEANING[list(STAYS_OPEN)] = _OPEN


class _Given(NamedTuple):
    """What does not change; see `SimulationInput`. Besides, L lines: `pool_lines` are the places of each pool's lines."""

    run_submitted: Int64
    run_tasks: Int64
    task_children: Int64
    children: Int64
    task_attempts: Int64
    attempt_task: Int32
    attempt_class: Int32
    hold: Int64
    outcome: Int8
    meaning: Int8
    key: Float64
    class_pool: Int32
    class_demand: Int64
    class_line: Int32
    line_start: Int64
    pool_lines: Int64
    newest_first: bool


class _Happened(NamedTuple):
    """What has happened so far, and what is due."""

    queued: Int64
    started: Int64
    ended: Int64
    task_state: Int8
    missing_parents: Int32
    free: Int64
    cursor: Int64  # how many runs were submitted, how many attempts run
    ends: Int64  # a heap: when each running attempt ends
    runs: Int32  # which attempt that is
    keys: Float64  # heaps of waiting attempts, one a line: their order keys,
    since: Int64  # when they were queued,
    who: Int32  # which they are
    waiting: Int64  # how many wait in each line
    active: Int32  # the lines of each pool in which somebody waits, in no order
    lively: Int64  # how many these are
    changed: npt.NDArray[np.bool_]  # the pools to look at
    able: Int32  # room for the lines of a pass
    due: Int64  # room for attempts whose turn it is to wait
    below: Int64  # room for the descendants of a task


def run(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    """Simulate from the first submission until nothing is left to happen. The result is that of the reference engine.

    Args:
        given: The scenario and the trace.
        tell: Called every so often with the share of the runs that have been submitted, 0..1.
    """
    fixed = _fixed(given)
    state = _start(given, fixed)
    while not _simulate(fixed, state, _STRETCH):
        if tell:
            tell(float(state.cursor[0]) / len(given.run_submitted))
    return Schedule(state.queued, state.started, state.ended, state.task_state)


def is_ready() -> bool:
    """Whether the machine code is there already, from an earlier run on this machine."""
    source = Path(__file__)
    made = Path(str(_simulate.stats.cache_path)).glob(f"{source.stem}._simulate-*.nbi")
    return any(file.stat().st_mtime >= source.stat().st_mtime for file in made)


def make_ready() -> None:
    """Compile, where that has not been done on this machine, by simulating a task of no time."""
    one, none = np.ones(1, np.int64), np.zeros(1, np.int64)
    run(
        SimulationInput(
            run_submitted=none,
            run_tasks=np.arange(2),
            task_parents=none.astype(np.int32),
            task_children=np.zeros(2, np.int64),
            children=np.zeros(0, np.int64),
            task_attempts=np.arange(2),
            attempt_class=none.astype(np.int32),
            attempt_hold=none,
            attempt_outcome=none.astype(np.int8),
            attempt_key=none.astype(np.float64),
            class_pool=none.astype(np.int32),
            class_demand=one[:, None],
            capacity=one[:, None],
            greedy=True,
        )
    )


def _fixed(given: SimulationInput) -> _Given:
    pools, classes = len(given.capacity), len(given.class_pool)
    # With greedy backfill each demand class is a line of its own, else all of a pool's are one.
    line = np.arange(classes, dtype=np.int32) if given.greedy else given.class_pool.astype(np.int32)
    lines = classes if given.greedy else pools
    sizes = np.bincount(line[given.attempt_class[given.attempt_class >= 0]], minlength=lines)
    pool_of_line = given.class_pool if given.greedy else np.arange(pools)
    per_pool = np.bincount(pool_of_line, minlength=pools)
    begins = np.cumsum([0, *sizes]), np.cumsum([0, *per_pool])
    return _Given(
        _plain(given.run_submitted, np.int64),
        _plain(given.run_tasks, np.int64),
        _plain(given.task_children, np.int64),
        _plain(given.children, np.int64),
        _plain(given.task_attempts, np.int64),
        np.repeat(np.arange(len(given.task_parents), dtype=np.int32), np.diff(given.task_attempts)),
        _plain(given.attempt_class, np.int32),
        _plain(given.attempt_hold, np.int64),
        _plain(given.attempt_outcome, np.int8),
        _MEANING[given.attempt_outcome],
        _plain(given.attempt_key, np.float64),
        _plain(given.class_pool, np.int32),
        _plain(given.class_demand, np.int64),
        line,
        begins[0].astype(np.int64),
        begins[1].astype(np.int64),
        given.newest_first,
    )


def _plain(values: npt.NDArray[Any], kind: type[Any]) -> Any:
    """Return an array of one kind and layout, as for each other one the loop would be compiled once more."""
    return np.require(values, kind, ["C", "W"])


def _start(given: SimulationInput, fixed: _Given) -> _Happened:
    attempts, tasks, pools = len(given.attempt_hold), len(given.task_parents), len(given.capacity)
    lines = len(fixed.line_start) - 1
    return _Happened(
        queued=np.full(attempts, NEVER, np.int64),
        started=np.full(attempts, NEVER, np.int64),
        ended=np.full(attempts, NEVER, np.int64),
        task_state=np.full(tasks, _PENDING, np.int8),
        missing_parents=given.task_parents.astype(np.int32),
        free=given.capacity.astype(np.int64, order="C"),
        cursor=np.zeros(2, np.int64),
        ends=np.empty(attempts, np.int64),
        runs=np.empty(attempts, np.int32),
        keys=np.empty(attempts, np.float64),
        since=np.empty(attempts, np.int64),
        who=np.empty(attempts, np.int32),
        waiting=np.zeros(lines, np.int64),
        active=np.empty(lines, np.int32),
        lively=np.zeros(pools, np.int64),
        changed=np.zeros(pools, np.bool_),
        able=np.empty(lines, np.int32),
        due=np.empty(tasks + 1, np.int64),
        below=np.empty(tasks + 1, np.int64),
    )


@njit(cache=True)
def _simulate(g: _Given, s: _Happened, stretch: int) -> bool:
    """Let so many instants pass; returns whether nothing is left to happen.

    One function with everything in local variables: Numba counts references at each look into a tuple of arrays, which made
    the loop three times as slow.
    """
    run_submitted, run_tasks, task_attempts, attempt_task = g.run_submitted, g.run_tasks, g.task_attempts, g.attempt_task
    task_children, children, missing_parents, task_state = g.task_children, g.children, s.missing_parents, s.task_state
    attempt_class, hold, outcome, meaning, key = g.attempt_class, g.hold, g.outcome, g.meaning, g.key
    class_pool, class_demand, class_line, line_start = g.class_pool, g.class_demand, g.class_line, g.line_start
    pool_lines, free, changed, active, lively, able = g.pool_lines, s.free, s.changed, s.active, s.lively, s.able
    queued, started, ended, ends, runs = s.queued, s.started, s.ended, s.ends, s.runs
    keys, since, who, waiting, due, below = s.keys, s.since, s.who, s.waiting, s.due, s.below
    submissions, dimensions = len(run_submitted), free.shape[1]
    submitted, running = s.cursor[0], s.cursor[1]
    for _ in range(stretch):
        if submitted == submissions and running == 0:
            break
        now = ends[0] if running else _LATER
        if submitted < submissions:
            now = min(now, run_submitted[submitted])
        # Completions first, then submissions; what holds nothing ends as it is queued and is a completion again.
        while True:
            ready = 0
            if running and ends[0] == now:
                attempt = runs[0]
                pop_end(ends, runs, running)
                running -= 1
                demand = attempt_class[attempt]
                if demand >= 0:
                    pool = class_pool[demand]
                    for dimension in range(dimensions):
                        free[pool, dimension] += class_demand[demand, dimension]
                    changed[pool] = True
                    ended[attempt] = now
                elif meaning[attempt] != _OPEN:
                    queued[attempt] = now
                    ended[attempt] = now
                task = attempt_task[attempt]
                if attempt + 1 < task_attempts[task + 1]:
                    due[0] = attempt + 1
                    ready = 1
                else:
                    task_state[task] = outcome[attempt]
                    if meaning[attempt] == _PASS:
                        for place in range(task_children[task], task_children[task + 1]):
                            child = children[place]
                            missing_parents[child] -= 1
                            if missing_parents[child] == 0:
                                due[ready] = task_attempts[child]
                                ready += 1
                    elif meaning[attempt] == _FAIL:
                        _skip_below(task, task_children, children, task_state, below)
            elif submitted < submissions and run_submitted[submitted] == now:
                for task in range(run_tasks[submitted], run_tasks[submitted + 1]):
                    if missing_parents[task] == 0:
                        due[ready] = task_attempts[task]
                        ready += 1
                submitted += 1
            else:
                break
            for place in range(ready):
                attempt = due[place]
                demand = attempt_class[attempt]
                if demand < 0:
                    push_end(ends, runs, running, now, attempt)
                    running += 1
                    continue
                queued[attempt] = now
                line, pool = class_line[demand], class_pool[demand]
                if waiting[line] == 0:
                    active[pool_lines[pool] + lively[pool]] = line
                    lively[pool] += 1
                first_by = -float(now) if g.newest_first else key[attempt]
                push(keys, since, who, line_start[line], waiting[line], first_by, now, attempt)
                waiting[line] += 1
                changed[pool] = True
        for pool in range(len(changed)):
            if not changed[pool]:
                continue
            changed[pool] = False
            # Start what may start, in order; a line whose head does not fit is done with until the next pass.
            first, candidates = pool_lines[pool], 0
            for place in range(first, first + lively[pool]):
                line = active[place]
                if _fits(class_demand, attempt_class[who[line_start[line]]], free, pool):
                    able[candidates] = line
                    candidates += 1
            while candidates:
                best = 0
                for place in range(1, candidates):
                    if sooner(keys, since, who, line_start[able[place]], line_start[able[best]]):
                        best = place
                line = able[best]
                attempt = who[line_start[line]]
                demand = attempt_class[attempt]
                if not _fits(class_demand, demand, free, pool):  # any more, now that others have started
                    candidates -= 1
                    able[best] = able[candidates]
                    continue
                for dimension in range(dimensions):
                    free[pool, dimension] -= class_demand[demand, dimension]
                started[attempt] = now
                push_end(ends, runs, running, now + hold[attempt], attempt)
                running += 1
                pop(keys, since, who, line_start[line], waiting[line])
                waiting[line] -= 1
                if waiting[line] == 0:
                    candidates -= 1
                    able[best] = able[candidates]
                    lively[pool] = _without(active, first, lively[pool], line)
    s.cursor[0], s.cursor[1] = submitted, running
    return bool(submitted == submissions and running == 0)


@njit(cache=True)
def _skip_below(task: int, task_children: Int64, children: Int64, task_state: Int8, below: Int64) -> None:
    """Mark everything below a failed task; none of it is queued, as each has a parent that did not succeed."""
    below[0] = task
    depth = 1
    while depth:
        depth -= 1
        above = below[depth]
        for place in range(task_children[above], task_children[above + 1]):
            child = children[place]
            if task_state[child] != _SKIPPED:
                task_state[child] = _SKIPPED
                below[depth] = child
                depth += 1


@njit(cache=True)
def _fits(class_demand: Int64, demand: int, free: Int64, pool: int) -> bool:
    for dimension in range(free.shape[1]):  # noqa: SIM110 - Numba compiles no all()
        if class_demand[demand, dimension] > free[pool, dimension]:
            return False
    return True


@njit(cache=True)
def _without(active: Int32, first: int, size: int, line: int) -> int:
    """Take a line off those of its pool in which somebody waits; returns how many are left."""
    for place in range(first, first + size):
        if active[place] == line:
            active[place] = active[first + size - 1]
            return size - 1
    return size
