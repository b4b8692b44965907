"""The reference engine: SimPy processes, written to be read. What it does is the meaning of a scenario.

Within one instant SimPy serves events by rank, which is what gives the order of rule 5: attempts that end, then
submissions, then one pass over the waiting tasks of every pool that changed. An attempt that ends at the instant it starts
is an event of the first rank again, so it is followed by a further pass.
"""

from __future__ import annotations

from collections.abc import Generator
from heapq import heapify, heappop, heappush, heapreplace
from itertools import groupby
from typing import Any

import numpy as np
import simpy
from simpy.events import EventPriority

from pipesim.simulation.engine import CODE, FAILS, NEVER, PASSES, STAYS_OPEN, Schedule, SimulationInput, Tell

# Ranks within an instant. A plain SimPy timeout, which is what the end of an attempt is, has rank 1.
_SUBMISSION, _PASS = EventPriority(2), EventPriority(3)

#: How many submissions pass between two reports of progress.
_TOLD_EVERY = 1024

_Demand = tuple[tuple[int, int], ...]  # (dimension, amount) of what is asked for
_Process = Generator[simpy.Event, Any, None]
_Entry = tuple[float, int, int, int]  # order key, queued at, task, attempt: rule 6, as tasks are numbered by run


def run(given: SimulationInput, tell: Tell | None = None) -> Schedule:
    """Simulate from the first submission until nothing is left to happen.

    Args:
        given: The scenario and the trace.
        tell: Called every so often with the share of the runs that have been submitted, 0..1.
    """
    platform = _Platform(given, tell)
    platform.env.process(platform.submissions())
    platform.env.run()
    return Schedule(
        queued=np.array(platform.queued, dtype=np.int64),
        started=np.array(platform.started, dtype=np.int64),
        ended=np.array(platform.ended, dtype=np.int64),
        task_state=np.array(platform.task_state, dtype=np.int8),
    )


class _Moment(simpy.Event):
    """An event that happens after a delay, behind all events of lower rank at that instant."""

    def __init__(self, env: simpy.Environment, rank: EventPriority, delay: int = 0) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, rank, delay)


class _Pool:
    """What is free of each resource, and the lines of attempts that wait for it, each a heap that is not empty."""

    def __init__(self, capacity: list[int]) -> None:
        self.free = capacity
        self.lines: dict[int, list[_Entry]] = {}
        self.changed = False

    def fits(self, demand: _Demand) -> bool:
        return all(self.free[dimension] >= amount for dimension, amount in demand)

    def take(self, demand: _Demand) -> None:
        for dimension, amount in demand:
            self.free[dimension] -= amount

    def give_back(self, demand: _Demand) -> None:
        for dimension, amount in demand:
            self.free[dimension] += amount


class _Platform:
    """The state of the simulated platform, and what changes it. Lists because Python reads them faster than arrays."""

    def __init__(self, given: SimulationInput, tell: Tell | None) -> None:
        self.tell = tell
        self.env = simpy.Environment(initial_time=int(given.run_submitted[0]))
        self.run_submitted = given.run_submitted.tolist()
        self.run_tasks = given.run_tasks.tolist()
        self.missing_parents = given.task_parents.tolist()
        self.task_children = given.task_children.tolist()
        self.children: list[int] = given.children.tolist()
        self.task_attempts = given.task_attempts.tolist()
        self.attempt_task = np.repeat(np.arange(len(given.task_parents)), np.diff(given.task_attempts)).tolist()
        self.demand_class: list[int] = given.attempt_class.tolist()
        self.hold = given.attempt_hold.tolist()
        self.outcome = given.attempt_outcome.tolist()
        self.key = given.attempt_key.tolist()
        self.newest_first = given.newest_first
        # Only what a class asks for is compared: most tasks ask for one or two of the resources.
        self.demand: list[_Demand] = [tuple((d, n) for d, n in enumerate(row) if n) for row in given.class_demand.tolist()]
        self.pools = [_Pool(row) for row in given.capacity.tolist()]
        self.pool_of = [self.pools[p] for p in given.class_pool.tolist()]
        # Greedy looks at the head of every demand class; without backfill only the first of the whole pool counts.
        self.line_of = list(range(len(self.demand))) if given.greedy else [0] * len(self.demand)
        self.pass_is_due = False
        attempts = len(self.hold)
        self.queued, self.started, self.ended = [NEVER] * attempts, [NEVER] * attempts, [NEVER] * attempts
        self.task_state = [CODE["PENDING"]] * len(self.missing_parents)

    @property
    def now(self) -> int:
        """The present instant."""
        return int(self.env.now)  # SimPy's time may be fractional; here all times are whole microseconds

    def submissions(self) -> _Process:
        """Submit each run at its instant; tasks without parents are queued there and then."""
        for instant, runs in groupby(range(len(self.run_submitted)), self.run_submitted.__getitem__):
            yield _Moment(self.env, _SUBMISSION, instant - self.now)
            for r in runs:
                if self.tell and not r % _TOLD_EVERY:
                    self.tell(r / len(self.run_submitted))
                for task in range(self.run_tasks[r], self.run_tasks[r + 1]):
                    if not self.missing_parents[task]:
                        self.queue(self.task_attempts[task])

    def queue(self, attempt: int) -> None:
        """Let the attempt wait for its resources."""
        demand_class = self.demand_class[attempt]
        if demand_class < 0:
            self.env.process(self.pass_through(attempt))
            return
        now = self.queued[attempt] = self.now
        pool = self.pool_of[demand_class]
        line = pool.lines.setdefault(self.line_of[demand_class], [])
        key = -float(now) if self.newest_first else self.key[attempt]
        heappush(line, (key, now, self.attempt_task[attempt], attempt))
        self.call_pass(pool)

    def call_pass(self, pool: _Pool) -> None:
        """See to it that the pool is looked at when everything else at this instant has happened."""
        pool.changed = True
        if not self.pass_is_due:
            self.pass_is_due = True
            _Moment(self.env, _PASS).callbacks.append(self.pass_over_pools)

    def pass_over_pools(self, _: simpy.Event) -> None:
        """Start what may start."""
        self.pass_is_due = False
        for pool in self.pools:
            if pool.changed:
                pool.changed = False
                self.pass_over(pool)

    def pass_over(self, pool: _Pool) -> None:
        """Go through the waiting attempts in order; a line whose head does not fit is done with until the next pass."""
        heads = [(line[0], line) for line in pool.lines.values() if pool.fits(self.demand_of(line[0]))]
        heapify(heads)
        while heads:
            entry, line = heads[0]
            if not pool.fits(self.demand_of(entry)):
                heappop(heads)
                continue
            self.start(entry[3], pool)
            heappop(line)
            if line:
                heapreplace(heads, (line[0], line))
            else:
                heappop(heads)
                del pool.lines[self.line_of[self.demand_class[entry[3]]]]

    def demand_of(self, entry: _Entry) -> _Demand:
        """What a waiting attempt asks for."""
        return self.demand[self.demand_class[entry[3]]]

    def start(self, attempt: int, pool: _Pool) -> None:
        """Give the attempt its resources and let it run."""
        pool.take(self.demand[self.demand_class[attempt]])
        self.started[attempt] = self.now
        self.env.process(self.execute(attempt))

    def execute(self, attempt: int) -> _Process:
        """Hold the resources for the attempt's time, give them back, and see what follows."""
        yield self.env.timeout(self.hold[attempt])
        demand_class = self.demand_class[attempt]
        pool = self.pool_of[demand_class]
        pool.give_back(self.demand[demand_class])
        self.call_pass(pool)
        self.ended[attempt] = self.now
        self.conclude(attempt)

    def pass_through(self, attempt: int) -> _Process:
        """End an attempt that holds nothing at the instant its turn comes, unless it stays open."""
        yield self.env.timeout(0)
        if self.outcome[attempt] not in STAYS_OPEN:
            self.queued[attempt] = self.ended[attempt] = self.now
        self.conclude(attempt)

    def conclude(self, attempt: int) -> None:
        """Queue the next attempt of the task; after its last one, settle the task and what depends on it."""
        task = self.attempt_task[attempt]
        if attempt + 1 < self.task_attempts[task + 1]:
            self.queue(attempt + 1)
            return
        outcome = self.task_state[task] = self.outcome[attempt]
        if outcome in PASSES:
            for child in self.children_of(task):
                self.missing_parents[child] -= 1
                if not self.missing_parents[child]:
                    self.queue(self.task_attempts[child])
        elif outcome in FAILS:
            self.skip_descendants(task)

    def children_of(self, task: int) -> list[int]:
        """The tasks that wait for this one."""
        return self.children[self.task_children[task] : self.task_children[task + 1]]

    def skip_descendants(self, task: int) -> None:
        """Mark everything below a failed task; none of it is queued, as each has a parent that did not succeed."""
        below = self.children_of(task)
        while below:
            descendant = below.pop()
            if self.task_state[descendant] != CODE["SKIPPED"]:
                self.task_state[descendant] = CODE["SKIPPED"]
                below += self.children_of(descendant)
