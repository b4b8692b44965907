"""The capacity and the overhead of a pool under which waiting comes nearest to what its log shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipesim.experiments.calibration.log import FEWEST, PoolLog
from pipesim.experiments.calibration.trial import Guess, PoolTrials, Side, by_day
from pipesim.experiments.calibration.waiting import Float64, Mask
from pipesim.experiments.capacity.trials import Sized
from pipesim.experiments.intervals import Interval
from pipesim.simulation import Scenario
from pipesim.words import count

#: With less waiting than this, on average over the log, a pool's capacity leaves no trace in it.
_NO_QUEUE = 1e-3
#: Capacities are told apart to this part of themselves, and to one at the finest.
_FINEST = 0.005
#: A pool of this many times the best capacity that is no worse shows that more would change nothing.
_MOST_TIMES = 4
_GOLDEN = (math.sqrt(5) - 1) / 2
_REFINEMENTS = 7
_SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)


@dataclass(frozen=True)
class PoolFit:
    """What was found of a pool.

    Args:
        pool: Its name.
        resource: What it is measured in: GPUs, slots, cores, gigabytes, or nodes.
        given: How much of it the scenario says.
        capacity: How much fits the log best.
        low: The least that fits as well, by the differences from day to day, at 95 %; None where a log of a day or less does
            not tell.
        high: The greatest; None there, and where more would change nothing.
        overhead_s: Seconds for which each attempt holds it besides its work.
        held: Whether that is `before` the log says that an attempt starts, so that the log counts it as waiting, or `after` it
            has ended; None without overhead.
        waiting: How many attempts waited, on average over the log.
        error_as_given: By how much the number of waiting attempts is off in an hour, on average and as a part of `waiting`,
            with the pool as the scenario says.
        error: The same with what was found.
        error_elsewhere: The same in the second half of the log, with what is found from its first half alone; None where
            nobody waits there, or the log has no two hours.
        note: Why nothing could be found, or empty.
    """

    pool: str
    resource: str
    given: int
    capacity: int
    low: int | None
    high: int | None
    overhead_s: float
    held: Side | None
    waiting: float
    error_as_given: float | None
    error: float | None
    error_elsewhere: float | None
    note: str = ""


def fit_pool(scenario: Scenario, log: PoolLog, sized: Sized, tell: Callable[[int], None] | None = None) -> PoolFit:
    """Find capacity and overhead of one pool.

    The error is the sum over hours of the absolute difference between the mean numbers of waiting attempts, simulated and
    observed (by Little's law, of what is waited). Capacities are searched from the given one on, each with the overhead that
    suits it best.

    Args:
        scenario: The platform and its policy.
        log: What the log says of the pool.
        sized: The pool.
        tell: Called with how many guesses have been simulated.
    """
    if not len(log.queued):
        return _nothing(sized, "no task went there")
    if (known := int(log.known.sum())) < FEWEST:
        return _nothing(sized, f"the log says of {known:,} of its {count(len(log.known), 'attempt')} only how long they waited")
    trials = PoolTrials(scenario, log, sized)
    mean = float(trials.seen.mean())
    as_given = trials.error(Guess(sized.given, scenario.platform.pools[sized.place].overhead_s, "after"))
    if mean < _NO_QUEUE:
        return _nothing(sized, "nobody waited there, so that its capacity cannot be told")
    hours = len(trials.seen)
    search = _Search(trials, log, sized, np.ones(hours, np.bool_), tell)
    best = search.best()
    # One day alone does not say how far days differ.
    low, high = search.as_good(best) if len(by_day(trials.seen)) > 1 else (None, None)
    # What is found from one half is judged by the other, which it has not seen.
    first = np.arange(hours) < hours // 2
    elsewhere = trials.error(_Search(trials, log, sized, first, tell).best()) if first.any() else None
    return PoolFit(
        pool=sized.name,
        resource=sized.resource,
        given=sized.given,
        capacity=best.capacity,
        low=low,
        high=high,
        overhead_s=best.overhead_s,
        held=best.side if best.overhead_s else None,
        waiting=mean,
        error_as_given=_relative(as_given, trials.seen),
        error=_relative(trials.error(best), trials.seen),
        error_elsewhere=None if elsewhere is None else _relative(elsewhere[~first], trials.seen[~first]),
    )


def _nothing(sized: Sized, why: str) -> PoolFit:
    known = sized.name, sized.resource, sized.given, sized.given
    return PoolFit(*known, None, None, 0.0, None, 0.0, None, None, None, why)


def _relative(error: Float64 | None, seen: Float64) -> float | None:
    return None if error is None or not seen.sum() else float(error.sum() / seen.sum())


class _Search:
    """The search for the best guess over some of the hours."""

    def __init__(
        self,
        trials: PoolTrials,
        log: PoolLog,
        sized: Sized,
        hours: Mask,
        tell: Callable[[int], None] | None,
    ) -> None:
        self._trials, self._given, self._hours, self._tell = trials, sized.given, hours, tell
        waits = log.waits
        # An overhead that counts as waiting is in every wait, up to what clocks and luck do; one that follows the work cannot
        # be longer than the work for long, as that much capacity would be missed.
        self._longest: dict[Side, float] = {
            "before": float(np.median(waits)),
            "after": float(np.nanmean(log.seconds)),
        }
        self._best_of: dict[int, Guess] = {}

    def loss(self, guess: Guess) -> float:
        """Return the error over the hours that are looked at."""
        error = self._trials.error(guess)
        if self._tell:
            self._tell(self._trials.tried)
        return math.inf if error is None else float(error[self._hours].sum())

    def best(self) -> Guess:
        """Return the best guess."""
        # First without any overhead, to come near; it adds load, so the true capacity is that or more.
        step = max(1, round(0.1 * self._given))
        at = _descend(self._given, step, lambda capacity: self.loss(Guess(capacity)))
        at = _descend(at, max(1, round(0.02 * at)), lambda capacity: self.loss(self.of(capacity)))
        return self.of(at)

    def of(self, capacity: int) -> Guess:
        """Return the best guess of a capacity."""
        if capacity not in self._best_of:
            best = Guess(capacity)
            if math.isfinite(self.loss(best)):
                best = min((self._finely(self._coarsely(capacity, side)) for side in self._longest), key=self.loss)
            self._best_of[capacity] = best
        return self._best_of[capacity]

    def _coarsely(self, capacity: int, side: Side) -> Guess:
        return min((Guess(capacity, overhead_s, side) for overhead_s in self._grid(side)), key=self.loss)

    def _grid(self, side: Side) -> list[float]:
        return [round(share * self._longest[side], 1) for share in (0.0, *_SHARES)]

    def _finely(self, best: Guess) -> Guess:
        """Narrow the stretch between the neighbours of the best point of the grid, by golden sections."""
        capacity, side, grid = best.capacity, best.side, self._grid(best.side)
        place = grid.index(best.overhead_s)
        low, high = grid[max(0, place - 1)], grid[min(len(grid) - 1, place + 1)]
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        for _ in range(_REFINEMENTS):
            one, other = Guess(capacity, round(left, 1), side), Guess(capacity, round(right, 1), side)
            best = min(best, one, other, key=self.loss)
            if self.loss(one) <= self.loss(other):
                high, right = right, left
                left = high - _GOLDEN * (high - low)
            else:
                low, left = left, right
                right = low + _GOLDEN * (high - low)
        return best

    def as_good(self, best: Guess) -> tuple[int, int | None]:
        """Return the least and the greatest capacity that are not worse than the best by more than days differ.

        None stands for the greatest where even `_MOST_TIMES` the best is not worse.
        """
        low, high = self._end(best, -1), self._end(best, 1)
        return 1 if low is None else low, high

    def _end(self, best: Guess, sign: int) -> int | None:
        """Return the last capacity in a direction that is as good; None if there is no end."""
        stride = step = max(1, round(_FINEST * best.capacity))
        good = best.capacity
        while True:
            tried = min(max(good + sign * stride, 1), _MOST_TIMES * best.capacity)
            if tried == good:
                return None
            if self._is_worse(self.of(tried), best):
                break
            good, stride = tried, 2 * stride
        while abs(tried - good) > step:
            middle = (tried + good) // 2
            good, tried = (good, middle) if self._is_worse(self.of(middle), best) else (middle, tried)
        return good

    def _is_worse(self, guess: Guess, best: Guess) -> bool:
        one, other = self._trials.error(guess), self._trials.error(best)
        if one is None or other is None:
            return True
        more = by_day((one - other)[self._hours])
        low = Interval.of(more.tolist()).low
        return low is None or low > 0


def _descend(start: int, step: int, loss: Callable[[int], float]) -> int:
    """Return where a function of a whole number from 1 on is least, as far as it has one valley; steps are halved to one."""
    at, least = start, loss(start)
    while True:
        moved = False
        for sign in (1, -1):
            stride = step
            while (to := at + sign * stride) >= 1:
                if (found := loss(to)) >= least:
                    break
                at, least, moved = to, found, True
                stride *= 2
            if moved:
                break
        if not moved:
            if step <= max(1, round(_FINEST * at)):
                return at
            step = max(1, step // 2)
