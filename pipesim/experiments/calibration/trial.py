"""What a pool would have done with its log, were its capacity and its overhead others than is said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from pipesim.experiments.calibration.log import PoolLog
from pipesim.experiments.calibration.waiting import Float64, Int64, hours_between, mean_number
from pipesim.experiments.capacity.trials import Sized, resized
from pipesim.simulation import Scenario
from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engines import choose_engine, engine_named
from pipesim.simulation.oversized import OversizedError

#: When an attempt holds its resources for longer than its work: before the log says that it starts, or after it has ended.
Side = Literal["before", "after"]
_DAY_H = 24


@dataclass(frozen=True)
class Guess:
    """What a pool may be in truth: its capacity, and how long each attempt holds it besides its work, and when."""

    capacity: int
    overhead_s: float = 0.0
    side: Side = "before"


class PoolTrials:
    """Guesses at a pool, each simulated once, and how far the waiting that follows is from what the log shows.

    Args:
        scenario: The platform and its policy.
        log: What the log says of the pool.
        sized: The pool.
    """

    def __init__(self, scenario: Scenario, log: PoolLog, sized: Sized) -> None:
        content = scenario.model_dump(mode="json", exclude_none=True)
        content["platform"]["pools"] = [content["platform"]["pools"][sized.place]]
        content["platform"]["oversized"] = "refuse"
        for key in ("lifecycle", "horizon_days"):
            content.pop(key, None)
        content |= {"warmup_days": 0.0, "workload": {"kind": "replay"}}
        self._content, self._log = content, log
        self._sized = replace(sized, place=0)
        self._edges = hours_between(int(log.queued.min()), log.until)
        self._seen = self._waiting(log.started)
        self._made: dict[Guess, Float64 | None] = {}

    @property
    def seen(self) -> Float64:
        """How many attempts waited in the log, on average over each hour, [H]."""
        return self._seen

    @property
    def tried(self) -> int:
        """How many guesses were simulated."""
        return len(self._made)

    def error(self, guess: Guess) -> Float64 | None:
        """Return by how much the number of waiting attempts is off, in each hour, [H]; None if a task would not fit."""
        if guess not in self._made:
            started = self._started(guess)
            self._made[guess] = None if started is None else np.abs(self._waiting(started) - self._seen)
        return self._made[guess]

    def _waiting(self, started: Int64) -> Float64:
        known = self._log.known
        return mean_number(self._log.queued[known], started[known], self._edges)

    def _started(self, guess: Guess) -> Int64 | None:
        """Return when each attempt would have started, as a log tells it, [N]."""
        content = resized(self._content, self._sized, guess.capacity)
        pool = content["platform"]["pools"][0]
        pool["overhead_s"] = guess.overhead_s
        scenario = Scenario.model_validate(content)
        try:
            compiled = compile_scenario(self._log.trace, scenario)
        except OversizedError:
            return None
        schedule = engine_named(choose_engine(None, compiled.given.rules.own))(compiled.given, None)
        # The runs are named in the order of the log's queue.
        place = compiled.runs["run_id"].str.slice(1).cast(int).to_numpy()[compiled.attempts["run"].to_numpy()]
        started = np.empty(len(self._log.queued), np.int64)
        started[place] = schedule.started
        return started + round(guess.overhead_s * 1e6) if guess.side == "before" else started


def by_day(hourly: Float64) -> Float64:
    """Return the sums over whole days, the last of which may be shorter, [D]."""
    return np.add.reduceat(hourly, np.arange(0, len(hourly), _DAY_H))
