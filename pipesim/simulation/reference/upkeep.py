"""The models of the reference engine: which versions are live, when their triggers fire, and what that submits."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from pipesim.lifecycle.decay import DAY_US, first_seen_below, gathered, lost, on_grid, opens, shocks_until
from pipesim.simulation.calendar import LATER, MONDAY
from pipesim.simulation.engine import CODE, GAIN, NEVER, PASSES, SimulationInput
from pipesim.simulation.reference.moment import CHANGE, LOOK
from pipesim.simulation.upkeep import AT_BEGINNING, DEPLOYS, NO_VERSION, TRAINS, NoRetrainingsLeftError, Retrainings, Upkeep

if TYPE_CHECKING:
    from pipesim.simulation.reference.platform import Platform


class Models:
    """The live version of each model, what is under way to replace it, and when it is next to be trained again."""

    def __init__(self, given: SimulationInput, upkeep: Upkeep) -> None:
        self.upkeep, self.origin = upkeep, int(given.run_submitted[0])
        models, runs = range(upkeep.models), len(given.run_submitted)
        self.run_model: list[int] = upkeep.run_model.tolist()
        self.performance: list[float] = upkeep.performance.tolist()
        self.shocks: list[int] = upkeep.shocks.tolist()
        self.first_shock: list[int] = upkeep.first_shock.tolist()
        self.trained, self.deployed = [NEVER] * runs, [NEVER] * runs
        self.live = [NO_VERSION if p != p else AT_BEGINNING for p in upkeep.beginning.tolist()]
        self.since = [self.origin for _ in models]
        self.live_trained = [self.origin for _ in models]
        self.live_performance: list[float] = upkeep.beginning.tolist()
        self.under_way: list[int | None] = [None for _ in models]
        self.ready = [NEVER for _ in models]  # not before this instant
        self.due = [LATER for _ in models]
        self.queue: list[tuple[int, int]] = []  # a heap of these, with entries that do not hold any more
        self.way = [-1 for _ in models]
        self.wanted = [LATER for _ in models]  # since when it has been due, where it is postponed
        self.used = [0 for _ in models]
        self.spent = [[NEVER, 0, 0] for _ in upkeep.budgets.period]  # which period; retrainings and GPU-milliseconds in it
        retrainings = len(upkeep.retrainings)
        self.submitted, self.fired = [NEVER] * retrainings, [-1] * retrainings
        self.replaces = [NO_VERSION] * retrainings
        self.postponed = [0 for _ in models]
        for model in models:
            self.look_ahead(model, self.origin)

    def succeeded(self, task: int, run: int, now: int) -> None:
        """A task has succeeded: that may be the training of a version, or its deployment; after both it is live."""
        role, model = self.upkeep.task_role[task], self.run_model[run]
        first_trained = bool(role & TRAINS) and self.trained[run] == NEVER
        if first_trained:
            self.trained[run] = now
        if role & DEPLOYS:
            self.deployed[run] = now
        if not (role & DEPLOYS or first_trained) or NEVER in (self.trained[run], self.deployed[run]):
            return
        if self.since[model] == now and self.live[model] > run:
            return  # of two at one instant the later run counts
        self.live[model], self.since[model], self.live_trained[model] = run, now, self.trained[run]
        self.live_performance[model], self.wanted[model] = self.performance[run], LATER
        self.look_ahead(model, now)

    def is_over(self, run: int, now: int) -> None:
        """A run has ended; if it was a retraining, the next may come."""
        model = self.run_model[run]
        if run >= self.upkeep.submissions:
            self.under_way[model] = None
            self.look_ahead(model, now)

    def look_ahead(self, model: int, earliest: int) -> None:
        """See when the model is next to be trained again, if nothing else happens to it."""
        upkeep, end = self.upkeep, self.upkeep.end
        self.due[model], self.way[model] = LATER, -1
        none = upkeep.first_retraining[model] == upkeep.first_retraining[model + 1]
        if none or self.under_way[model] is not None or self.live[model] == NO_VERSION:
            return
        earliest = max(earliest, self.ready[model])
        ways = upkeep.ways
        for way in range(len(ways.grid)):
            first = max(earliest, self.live_trained[model] + int(ways.age[way]))
            if ways.volume[way] > 0:
                first = max(first, self._gathered(model, float(ways.volume[way])))
            if first > end:
                continue
            phase, grid = int(ways.phase[way]), int(ways.grid[way])
            look = self._seen_below(model, way, first) if ways.drifts[way] else on_grid(first, phase, grid)
            if look < self.due[model] and look <= end:
                self.due[model], self.way[model] = look, way
        self.set_due(model, self.due[model])

    def set_due(self, model: int, instant: int) -> None:
        """Let the model be due at an instant, or as soon as the hours of the day allow it, if that is before the end."""
        upkeep = self.upkeep
        if upkeep.opens >= 0 and instant < LATER:
            instant = opens(instant, MONDAY, int(DAY_US), upkeep.opens, upkeep.closes)
        self.due[model] = instant if instant <= upkeep.end else LATER
        if self.due[model] < LATER:
            heappush(self.queue, (self.due[model], model))

    def _gathered(self, model: int, volume: float) -> int:
        per_day = float(self.upkeep.data_per_day[model])
        return gathered(self.live_trained[model], self.origin, volume, per_day, self.upkeep.growth)

    def _seen_below(self, model: int, way: int, first: int) -> int:
        upkeep, ways, since = self.upkeep, self.upkeep.ways, self.since[model]
        margin = max(self.live_performance[model] - float(ways.below[way]), float(ways.drop[way]))
        if margin >= self.live_performance[model]:
            return LATER  # as nothing is below 0
        last = self.first_shock[model + 1]
        begin = shocks_until(self.shocks, self.first_shock[model], last, since)
        gradual, jump, swing = float(upkeep.gradual[model]), float(upkeep.jump[model]), float(upkeep.swing[model])
        return first_seen_below(
            first, upkeep.end, int(ways.phase[way]), int(ways.grid[way]), since, margin,
            gradual, jump, swing, int(upkeep.season[model]), self.shocks, begin, last,
        )  # fmt: skip

    def next_due(self) -> int:
        """When the next trigger fires."""
        while self.queue and self.due[self.queue[0][1]] != self.queue[0][0]:
            heappop(self.queue)
        return self.queue[0][0] if self.queue else LATER

    def fire(self, now: int) -> list[int]:
        """Return the runs that are submitted now: of models that waited longest for their budget first, then by number.

        Raises:
            NoRetrainingsLeftError: If a model has none left.
        """
        upkeep, runs, due = self.upkeep, [], set()
        while self.next_due() <= now:
            due.add(heappop(self.queue)[1])
        for model in sorted(due, key=lambda model: (self.wanted[model], model)):
            place = int(upkeep.first_retraining[model]) + self.used[model]
            if place == upkeep.first_retraining[model + 1]:
                raise NoRetrainingsLeftError(model, now, np.array(self.used, np.int64))
            if not self._may_spend(model, int(upkeep.charge[place]), now):
                continue
            run = int(upkeep.retrainings[place])
            self.used[model] += 1
            self.under_way[model], self.ready[model], self.wanted[model] = run, max(now + upkeep.cooldown, now + 1), LATER
            self.submitted[place], self.fired[place], self.replaces[place] = now, self.way[model], self.live[model]
            self.due[model] = LATER
            runs.append(run)
        return runs

    def _may_spend(self, model: int, charge: int, now: int) -> bool:
        """Take a retraining out of the model's budget, or put it off until the next period."""
        budget, budgets = int(self.upkeep.budget[model]), self.upkeep.budgets
        if budget < 0:
            return True
        period, runs, hours = int(budgets.period[budget]), int(budgets.runs[budget]), int(budgets.hours[budget])
        number = (now - MONDAY) // period
        if self.spent[budget][0] != number:
            self.spent[budget] = [number, 0, 0]
        _, spent_runs, spent_hours = self.spent[budget]
        if spent_runs < runs and charge <= hours - spent_hours:
            self.spent[budget] = [number, spent_runs + 1, spent_hours + charge]
            return True
        self.postponed[model] += 1
        self.wanted[model] = min(self.wanted[model], now)
        ever = runs > 0 and charge <= hours
        self.set_due(model, MONDAY + (number + 1) * period if ever else LATER)
        return False

    def key(self, run: int, order: int, now: int) -> float:
        """The order key of a run: what its model would gain, or the age of its live version, the most first."""
        model = self.run_model[run]
        if model < 0:
            return 0.0
        if self.live[model] == NO_VERSION:
            return -float("inf")
        if order != GAIN:
            return float(self.live_trained[model] - self.upkeep.end)
        since, upkeep = self.since[model], self.upkeep
        first, last = self.first_shock[model], self.first_shock[model + 1]
        struck = shocks_until(self.shocks, first, last, now) - shocks_until(self.shocks, first, last, since)
        gradual, jump, swing = float(upkeep.gradual[model]), float(upkeep.jump[model]), float(upkeep.swing[model])
        loss = lost(now - since, struck, gradual, jump, swing, int(upkeep.season[model]))
        return max(0.0, self.live_performance[model] - loss) - float(upkeep.target[model])

    def retrainings(self) -> Retrainings:
        """Return what became of the retrainings, as arrays."""
        return Retrainings.of(self.submitted, self.fired, self.replaces, self.postponed)


def begin(platform: Platform) -> None:
    """See to it that the simulation lasts as long as models live, and that they are looked at."""
    if platform.models is None:
        return

    def end(_: object) -> None:
        platform.left -= 1
        platform.last = platform.now

    platform.left += 1
    platform.call(CHANGE, end, max(0, platform.models.upkeep.end - platform.now))
    watch(platform)


def watch(platform: Platform) -> None:
    """See to it that the models are looked at when the next trigger fires."""
    if platform.models is not None and (due := platform.models.next_due()) < platform.looks:
        platform.looks = due
        platform.call(LOOK, lambda _: look(platform), due - platform.now)


def look(platform: Platform) -> None:
    """Submit the retrainings whose triggers fire now, behind all else that happens at this instant but for the passes."""
    assert platform.models is not None
    platform.looks = LATER
    for run in platform.models.fire(platform.now):
        platform.last = platform.run_submitted[run] = platform.now
        platform.call_after()
        if platform.models.upkeep.relative_keys:
            first, last = platform.run_tasks[run], platform.run_tasks[run + 1]
            for attempt in range(platform.task_attempts[first], platform.task_attempts[last]):
                platform.key[attempt] += float(platform.now)
        platform.submit(run)
    watch(platform)


def tell(platform: Platform, task: int, outcome: int) -> None:
    """A task is over: that may make a version live, or end a retraining."""
    assert platform.models is not None
    run = platform.run_of_task(task)
    if outcome in PASSES:
        platform.models.succeeded(task, run, platform.now)
    if CODE["PENDING"] not in platform.record.task_state[platform.run_tasks[run] : platform.run_tasks[run + 1]]:
        platform.models.is_over(run, platform.now)
    watch(platform)
