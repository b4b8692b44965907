"""The simulated platform of the reference engine: its state, and the processes that change it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator
from heapq import heappush
from itertools import count, groupby
from typing import Any

import numpy as np
import simpy
from simpy.events import EventPriority

from pipesim.simulation.calendar import BREAK, LATER, RESIZE
from pipesim.simulation.engine import (
    ATTAINED,
    BROKEN,
    BY_KEY,
    CODE,
    FAILS,
    FAIR,
    GAIN,
    NEWEST,
    NONE,
    OWN,
    PASSES,
    STALEST,
    STAYS_OPEN,
    SimulationInput,
    Tell,
)
from pipesim.simulation.own_order import ask_own_order, waiting_of
from pipesim.simulation.reference import service, upkeep
from pipesim.simulation.reference.moment import AFTER, CHANGE, PASS, Moment
from pipesim.simulation.reference.pools import Held, Piece, Pool, asks_of, pools_of
from pipesim.simulation.reference.record import Record
from pipesim.simulation.reference.scaling import Autoscaler, scalers_of
from pipesim.simulation.reference.tenants import TenantUse
from pipesim.simulation.reference.upkeep import Models

#: How many submissions pass between two reports of progress.
_TOLD_EVERY = 1024

_Process = Generator[simpy.Event, Any, None]


class Platform:
    """The state of the simulated platform, and what changes it. Lists because Python reads them faster than arrays."""

    def __init__(self, given: SimulationInput, tell: Tell | None) -> None:
        self.given, self.rules, self.tell = given, given.rules, tell
        self.origin = int(given.run_submitted[0])
        self.env = simpy.Environment(initial_time=self.origin)
        self.run_submitted = given.run_submitted.tolist()
        self.run_tasks = given.run_tasks.tolist()
        self.missing_parents = given.task_parents.tolist()
        self.task_children = given.task_children.tolist()
        self.children: list[int] = given.children.tolist()
        self.task_attempts = given.task_attempts.tolist()
        self.task_failures = [0] * len(self.missing_parents)
        self.attempt_task = np.repeat(np.arange(len(given.task_parents)), np.diff(given.task_attempts)).tolist()
        self.demand_class: list[int] = given.attempt_class.tolist()
        self.work = given.attempt_hold.tolist()  # what is left of it
        estimate = given.attempt_hold if given.attempt_estimate is None else given.attempt_estimate
        self.expected = estimate.tolist()
        self.outcome = given.attempt_outcome.tolist()
        self.key: list[float] = given.attempt_key.tolist()
        self.pools, self.asks = pools_of(given), asks_of(given)
        self.record = Record(given, self.pools, self.origin)
        # Without backfill only the first of the whole pool counts, else each demand class is a line of its own; where tenants
        # matter, each tenant has lines of its own.
        self.line_of = [ask.tenant if self.rules.backfill == NONE else ask.number for ask in self.asks]
        self.left = given.submissions  # runs that are not submitted, and attempts that are not over
        self.restarts = [0] * len(self.work)  # what an attempt needs besides, as it was interrupted
        self.attained = [0] * len(self.run_submitted)
        self.fresh: list[int] = []  # queued at this instant, and not in a line yet
        self.due: set[EventPriority] = set()
        self.unsettled: set[int] = set()  # pools that changed at this instant
        self.strands = [(self.origin, 0)] * len(self.pools)
        self.stopped = self.last = self.origin  # the last instant of any work
        self.tenants = None if given.tenants is None else TenantUse(given)
        self.scalers = scalers_of(given, self.pools)
        self.models = None if given.upkeep is None else Models(given, given.upkeep)
        self.looks = LATER  # when the models are looked at next, as far as that has been asked for

    @property
    def now(self) -> int:
        """The present instant."""
        return int(self.env.now)  # SimPy's time may be fractional; here all times are whole microseconds

    def simulate(self) -> None:
        """Let time pass until nothing is left to do, or the horizon."""
        env, horizon = self.env, self.rules.horizon
        env.process(self.submissions())
        if self.given.calendar is not None:
            env.process(self.calendar())
        upkeep.begin(self)
        while (at := env.peek()) <= horizon:
            if at > env.now and not self.left and (self.models is None or self.models.next_due() == LATER):
                break
            env.step()
        self.stopped = horizon if self.left and horizon < LATER else self.last
        for pool in self.pools:
            self.settle(pool, self.stopped)

    def call(self, rank: EventPriority, then: Callable[[simpy.Event], None], delay: int = 0) -> None:
        """Have a thing done after a delay, behind everything of lower rank at that instant."""
        moment = Moment(self.env, rank, delay)
        assert moment.callbacks is not None
        moment.callbacks.append(then)

    def call_once(self, rank: EventPriority, then: Callable[[simpy.Event], None]) -> None:
        """Have a thing done once at this instant, however often it is asked for."""
        if rank not in self.due:
            self.due.add(rank)
            self.call(rank, then)

    def submissions(self) -> _Process:
        """Submit each run at its instant; tasks without parents are queued there and then."""
        submissions = self.given.submissions
        span = max(1, min(self.rules.horizon, self.run_submitted[submissions - 1]) - self.origin)
        for instant, runs in groupby(range(submissions), self.run_submitted.__getitem__):
            yield Moment(self.env, CHANGE, instant - self.now)
            self.last = instant
            self.call_after()
            for r in runs:
                if self.tell and not r % _TOLD_EVERY:
                    self.tell(min(1.0, (instant - self.origin) / span))
                self.submit(r)
                self.left -= 1

    def submit(self, run: int) -> None:
        """Queue the tasks of a run that have no parents."""
        for task in range(self.run_tasks[run], self.run_tasks[run + 1]):
            if not self.missing_parents[task]:
                self.begin(self.task_attempts[task])

    def calendar(self) -> _Process:
        """Let pools change their sizes, and nodes break and work again."""
        calendar = self.given.calendar
        assert calendar is not None
        for number in count():
            changes = calendar.stretch(number)
            for at, what, place, size in zip(changes.at, changes.what, changes.place, changes.size, strict=True):
                yield Moment(self.env, CHANGE, int(at) - self.now)
                pool = self.pools[place] if what == RESIZE else self.pool_of_node(int(place))
                if what == RESIZE:
                    pool.resize(int(size))
                else:
                    self.switch(pool, int(place), works=what != BREAK)
                self.record.provision(pool, self.now)
                self.call_pass(pool)
            if changes.until == LATER:
                return
            yield Moment(self.env, CHANGE, changes.until - self.now)

    def pool_of_node(self, number: int) -> Pool:
        """The pool to which a node belongs."""
        return next(pool for pool in self.pools if any(node.number == number for node in pool.nodes or ()))

    def switch(self, pool: Pool, number: int, *, works: bool) -> None:
        """Let a node break, and with it what runs there; or work again."""
        node = next(node for node in pool.nodes or () if node.number == number)
        hit = sorted(a for a, held in pool.running.items() if any(n is node for n, _ in held.pieces))
        for attempt in hit if not works else ():
            self.interrupt(attempt, pool, BROKEN)
        pool.switch(node, works=works)

    def begin(self, attempt: int, delay: int = 0) -> None:
        """Let the turn of an attempt come, after a delay."""
        self.left += 1
        if delay:
            self.call(CHANGE, lambda _: self.queue(attempt), delay)
        else:
            self.queue(attempt)

    def queue(self, attempt: int) -> None:
        """Let the attempt wait for its resources."""
        demand_class = self.demand_class[attempt]
        if demand_class < 0:
            self.env.process(self.pass_through(attempt))
            return
        self.last = self.record.queued[attempt] = self.now
        self.fresh.append(attempt)
        self.call_pass(self.pools[self.asks[demand_class].pool])

    def call_pass(self, pool: Pool) -> None:
        """See to it that the pool is looked at when everything else at this instant has happened."""
        pool.changed = True
        self.unsettled.add(pool.number)
        self.call_once(PASS, self.pass_over_pools)

    def pass_over_pools(self, _: simpy.Event) -> None:
        """Let everybody who is new stand in line, and start what may start."""
        self.due.discard(PASS)
        fresh, self.fresh = self.fresh, []
        for attempt in fresh:
            ask = self.asks[self.demand_class[attempt]]
            pool = self.pools[ask.pool]
            entry = (self.key_of(attempt), self.record.queued[attempt], self.attempt_task[attempt], attempt)
            heappush(pool.lines.setdefault(self.line_of[ask.number], []), entry)
            if self.scalers:
                pool.waiting = [w + a for w, a in zip(pool.waiting, ask.amounts, strict=True)]
        for pool in self.pools:
            if pool.changed:
                pool.changed = False
                service.pass_over(self, pool)
        self.call_after()

    def call_after(self) -> None:
        """See to it that, when all has happened at this instant, it is looked at what that leaves."""
        if self.scalers or self.given.nodes is not None:
            self.call_once(AFTER, self.after)

    def key_of(self, attempt: int) -> float:
        """The order key of an attempt that is queued now."""
        order = self.rules.order
        if order == BY_KEY:
            return self.key[attempt]
        if order == NEWEST:
            return -float(self.now)
        if order == FAIR:
            return 0.0
        run = self.run_of(attempt)
        if order in (GAIN, STALEST):
            assert self.models is not None
            return self.models.key(run, order, self.now)
        if order == ATTAINED:
            return float(self.attained[run])
        number = attempt - self.task_attempts[self.attempt_task[attempt]] + 1
        waiting = waiting_of(self.given, attempt, run, number, self.now, self.run_submitted[run], self.attained[run])
        return ask_own_order(self.rules.own, waiting)

    def run_of(self, attempt: int) -> int:
        """The run to which an attempt belongs."""
        return self.run_of_task(self.attempt_task[attempt])

    def run_of_task(self, task: int) -> int:
        """The run to which a task belongs."""
        return bisect_right(self.run_tasks, task) - 1

    def start(self, attempt: int, pool: Pool, pieces: list[Piece]) -> None:
        """Give the attempt its resources and let it run."""
        ask = self.asks[self.demand_class[attempt]]
        pool.take(ask, pieces)
        self.record.start(attempt, self.now, pieces)
        restart = self.restarts[attempt]
        held = pool.running[attempt] = Held(ask, self.now, self.now + restart + self.expected[attempt], pieces)
        if self.tenants:
            self.tenants.hold(ask, 1)
        if self.scalers:
            pool.waiting = [w - a for w, a in zip(pool.waiting, ask.amounts, strict=True)]
        self.env.process(self.execute(attempt, pool, held, restart + self.work[attempt]))

    def execute(self, attempt: int, pool: Pool, held: Held, hold: int) -> _Process:
        """Hold the resources for the attempt's time, give them back, and see what follows."""
        yield self.env.timeout(hold)
        if pool.running.get(attempt) is not held:
            return  # it was interrupted meanwhile
        self.release(attempt, pool)
        self.record.ended[attempt] = self.now
        self.conclude(attempt, self.outcome[attempt])

    def release(self, attempt: int, pool: Pool) -> None:
        """Take the resources of a running attempt back."""
        self.last = self.now
        held = pool.running.pop(attempt)
        pool.give_back(held.ask, held.pieces)
        if held.pieces:
            self.record.provision(pool, self.now)
        if self.rules.order in (ATTAINED, OWN):
            self.attained[self.run_of(attempt)] += round((self.now - held.started) * held.ask.share)
        self.call_pass(pool)
        if self.tenants:
            self.tenants.hold(held.ask, -1)
            if self.tenants.has_quota(held.ask.tenant):
                for other in self.pools:
                    self.call_pass(other)

    def interrupt(self, attempt: int, pool: Pool, cause: int) -> None:
        """Take its resources from a running attempt; it is queued again, unless it has failed once too often."""
        task = self.attempt_task[attempt]
        started, restart = pool.running[attempt].started, self.restarts[attempt]
        self.release(attempt, pool)
        self.task_failures[task] += cause == BROKEN
        if cause == BROKEN and self.task_failures[task] == self.rules.most_attempts:
            self.record.ended[attempt] = self.now
            self.record.outcome[attempt] = CODE["NODE_FAIL"]
            self.settle_task(task, CODE["NODE_FAIL"])
            self.left -= 1
            return
        if self.rules.checkpoint:
            saved = max(0, self.now - started - restart) // self.rules.checkpoint * self.rules.checkpoint
            self.work[attempt] -= saved
            self.expected[attempt] = max(0, self.expected[attempt] - saved)
        self.restarts[attempt] = self.rules.restart
        self.record.interrupt(attempt, self.now, cause)
        self.left -= 1
        self.begin(attempt, self.backoff(task) if cause == BROKEN else 0)

    def pass_through(self, attempt: int) -> _Process:
        """End an attempt that holds nothing at the instant its turn comes, unless it stays open."""
        yield self.env.timeout(0)
        self.last = self.now
        self.call_after()
        if self.outcome[attempt] not in STAYS_OPEN:
            self.record.queued[attempt] = self.record.ended[attempt] = self.now
        self.conclude(attempt, self.outcome[attempt])

    def conclude(self, attempt: int, outcome: int) -> None:
        """Let the next attempt of the task begin; after its last one, settle the task and what depends on it."""
        task = self.attempt_task[attempt]
        failed = outcome in FAILS
        self.task_failures[task] += failed
        is_last = attempt + 1 == self.task_attempts[task + 1]
        if is_last or (failed and self.task_failures[task] == self.rules.most_attempts):
            self.settle_task(task, outcome)
        else:
            self.begin(attempt + 1, self.backoff(task) if failed else 0)
        self.left -= 1

    def backoff(self, task: int) -> int:
        """How long a task that has failed waits until it is queued again."""
        waits = self.rules.backoff
        return int(waits[min(self.task_failures[task], len(waits)) - 1])

    def settle_task(self, task: int, outcome: int) -> None:
        """Say what became of a task, and what that means to those that wait for it, and to its model."""
        self.record.task_state[task] = outcome
        if outcome in PASSES:
            for child in self.children_of(task):
                self.missing_parents[child] -= 1
                if not self.missing_parents[child]:
                    self.begin(self.task_attempts[child])
        elif outcome in FAILS:
            self.skip_descendants(task)
        if self.models is not None:
            upkeep.tell(self, task, outcome)

    def children_of(self, task: int) -> list[int]:
        """The tasks that wait for this one."""
        return self.children[self.task_children[task] : self.task_children[task + 1]]

    def skip_descendants(self, task: int) -> None:
        """Mark everything below a failed task; none of it is queued, as each has a parent that did not succeed."""
        below = self.children_of(task)
        while below:
            descendant = below.pop()
            if self.record.task_state[descendant] != CODE["SKIPPED"]:
                self.record.task_state[descendant] = CODE["SKIPPED"]
                below += self.children_of(descendant)

    def after(self, _: simpy.Event) -> None:
        """When all has happened at an instant: see what is stranded, and let the autoscalers look."""
        self.due.discard(AFTER)
        for number in sorted(self.unsettled):
            pool = self.pools[number]
            if pool.placement >= 0:
                stranded = max(0, pool.free[pool.lead]) if service.is_stranded(self, pool) else 0
                if stranded != self.strands[number][1]:
                    self.settle(pool, self.now)
                    self.strands[number] = (self.now, stranded)
        self.unsettled.clear()
        for scaler in self.scalers:
            self.look(scaler)

    def settle(self, pool: Pool, now: int) -> None:
        """Count what was stranded in a pool until now."""
        since, amount = self.strands[pool.number]
        self.record.stranded[pool.number] += float(amount) * float(now - since)
        self.strands[pool.number] = (now, amount)

    def look(self, scaler: Autoscaler) -> None:
        """Let an autoscaler ask for capacity, or let go of some."""
        pool, now = scaler.pool, self.now
        if now < scaler.cool_until:
            return
        if not scaler.decide(now):
            return
        self.call(CHANGE, lambda _: self.arrive(scaler), scaler.delay)
        self.call(CHANGE, lambda _: self.call_once(AFTER, self.after), scaler.cooldown)
        self.record.provision(pool, now)
        self.call_pass(pool)

    def arrive(self, scaler: Autoscaler) -> None:
        """Have the capacity that was asked for."""
        scaler.receive(self.now)
        self.record.provision(scaler.pool, self.now)
        self.call_pass(scaler.pool)
