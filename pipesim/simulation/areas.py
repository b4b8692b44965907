"""What was held of each pool and what was provisioned: step functions of time, and the exact areas under them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import mul

import numpy as np
import numpy.typing as npt

from pipesim.simulation.engine import NEVER, Int32, Int64, Schedule, SimulationInput


@dataclass(frozen=True)
class Held:
    """The stretches of time in which attempts held their demand, S in all; one that was interrupted has several.

    Args:
        attempt: [S] By whom.
        demand_class: [S] What was held, and where.
        start: [S] From when on.
        end: [S] Until when: the end of the simulation where that came first.
    """

    attempt: Int64
    demand_class: Int32
    start: Int64
    end: Int64


@dataclass(frozen=True)
class Provisioned:
    """What a pool had, as a step function of n steps. D dimensions.

    Args:
        at: [n] From when on, ascending, the first at the first submission.
        amount: [n, D] How much; each step differs from the one before.
    """

    at: Int64
    amount: Int64


@dataclass(frozen=True)
class Usage:
    """What was held and provisioned in a time that counts, of the leading dimension of each pool. P pools, K demand classes.

    Args:
        given: The input of the engine.
        held: What was held when.
        provisioned: [P] What each pool had when.
        since: When the time begins.
        until: When it ends, with the simulation.
        lasts: [K] For how many microseconds of it each demand class was held, all its attempts together.
    """

    given: SimulationInput
    held: Held
    provisioned: list[Provisioned]
    since: int
    until: int
    lasts: Int64

    @classmethod
    def of(cls, given: SimulationInput, schedule: Schedule, since: int) -> Usage:
        """Return what a schedule used from an instant on."""
        found = held(given, schedule)
        return cls(given, found, provisioned(given, schedule, found), since, schedule.stopped, _lasts(given, found, since))

    def of_attempts(self, schedule: Schedule, mine: npt.NDArray[np.bool_]) -> Usage:
        """Return what some of the attempts, [A], held of it."""
        found = held(self.given, schedule, mine)
        return replace(self, held=found, lasts=_lasts(self.given, found, self.since))

    def held_area(self, pool: int) -> int:
        """Return the unit-microseconds that were held of a pool, exactly."""
        mine = self.given.class_pool == pool
        return _product(self.lasts[mine], self.given.class_demand[mine, self.given.leading()[pool]])

    def provisioned_area(self, pool: int) -> int:
        """Return the unit-microseconds that a pool had, exactly."""
        had = self.provisioned[pool]
        at = np.append(had.at, self.until).clip(self.since)
        return _product(at[1:] - at[:-1], had.amount[:, self.given.leading()[pool]])


def held(given: SimulationInput, schedule: Schedule, mine: npt.NDArray[np.bool_] | None = None) -> Held:
    """Return what was held when, first by all attempts as they came to their ends, then by the interrupted ones.

    Args:
        given: The input of the engine.
        schedule: What came of it.
        mine: [A] The attempts that count; by default all.
    """
    counts = np.ones(len(schedule.started), np.bool_) if mine is None else mine
    ran = np.flatnonzero((schedule.started != NEVER) & counts)
    end = schedule.ended[ran]
    end[end == NEVER] = schedule.stopped
    cut = schedule.interruptions
    also = counts[cut.attempt]
    attempt = np.concatenate([ran, cut.attempt[also]])
    start = np.concatenate([schedule.started[ran], cut.started[also]])
    return Held(attempt, given.attempt_class[attempt], start, np.concatenate([end, cut.ended[also]]))


def _lasts(given: SimulationInput, held: Held, since: int) -> Int64:
    """Return for how many microseconds from an instant on each demand class was held, [K]."""
    lasts = np.zeros(len(given.class_pool), np.int64)
    np.add.at(lasts, held.demand_class, np.maximum(held.end - np.maximum(held.start, since), 0))
    return lasts


def provisioned(given: SimulationInput, schedule: Schedule, held: Held) -> list[Provisioned]:
    """Return what each pool had, [P].

    A pool without nodes that shrinks while more is held than it is to have counts with what is held: it was still there.
    """
    steps = schedule.provisioning
    found = []
    for p in range(len(given.capacity)):
        mine = (steps.pool == p) & (steps.at <= schedule.stopped)
        at, amount = steps.at[mine], steps.amount[mine]
        shrinks = at[1:][(amount[1:] < amount[:-1]).any(axis=1)]
        if len(shrinks) and not has_nodes(given, p):
            at, amount = _with_what_is_held(given, held, p, at, amount, shrinks)
        found.append(_without_repeats(at, amount))
    return found


def has_nodes(given: SimulationInput, pool: int) -> bool:
    """Whether a pool consists of nodes of its own."""
    return given.nodes is not None and bool(given.nodes.placement[pool] >= 0)


def _product(times: Int64, amounts: Int64) -> int:
    # Python's integers neither overflow nor round, so a pool that was never idle comes out as exactly 1.
    return sum(map(mul, times.tolist(), amounts.tolist()))


def _with_what_is_held(
    given: SimulationInput, held: Held, pool: int, at: Int64, amount: Int64, shrinks: Int64
) -> tuple[Int64, Int64]:
    # While more is held than there is to be, nothing starts that would hold more of it: it is held since before it shrank.
    next_shrink = np.append(shrinks, held.end.max(initial=at[-1]))[np.searchsorted(shrinks, held.start)]
    mine = np.flatnonzero((given.class_pool[held.demand_class] == pool) & (next_shrink < held.end))
    demand = given.class_demand[held.demand_class[mine]]
    instants = np.concatenate([at, held.start[mine], held.end[mine]])
    changes = np.concatenate([np.zeros_like(amount), demand, -demand])
    order = np.argsort(instants, kind="stable")
    instants, level = instants[order], np.cumsum(changes[order], axis=0)
    nominal = amount[np.searchsorted(at, instants, side="right") - 1]
    return instants, np.maximum(nominal, level)


def _without_repeats(at: Int64, amount: Int64) -> Provisioned:
    """Keep what holds after all that happens at an instant, and of that what differs from before."""
    settled = np.append(at[1:] != at[:-1], True)
    at, amount = at[settled], amount[settled]
    changes = np.append(True, (amount[1:] != amount[:-1]).any(axis=1))
    return Provisioned(at[changes], amount[changes])
