"""What keeps models fresh, as the engines read it: how live versions decay, and what has them trained again.

A retraining is a run that is there from the beginning but is submitted only when a trigger fires. The k-th retraining of a
model is always the same run, whenever it comes; should a model need more of them than there are, the engine stops and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from pipesim.errors import PipesimError

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Float64 = npt.NDArray[np.float64]

#: What the success of a task does, bit by bit: it trains its run's version, it makes that live.
TRAINS, DEPLOYS = 1, 2
#: The version that is live: the number of the run that trained it, or one that was there at the beginning, or none.
AT_BEGINNING, NO_VERSION = -1, -2


@dataclass(frozen=True)
class Ways:
    """The ways in which a trigger can fire; all that is given of one must hold at one of its looks. C ways.

    Args:
        drifts: [C] Whether performance must be too low:
        below: [C] under this; infinite where it need not,
        drop: [C] and more than this under that at deployment; minus infinity where it need not.
        age: [C] Microseconds since training.
        volume: [C] New data since training, in 10^9 bytes; 0 where none is needed.
        phase: [C] An instant of a look,
        grid: [C] and from one look to the next.
    """

    drifts: Int8
    below: Float64
    drop: Float64
    age: Int64
    volume: Float64
    phase: Int64
    grid: Int64


@dataclass(frozen=True)
class Budgets:
    """What may be spent on retraining in a period, counted from a Monday, 0:00 UTC. B budgets.

    Args:
        runs: [B] Retrainings; `LATER` where they are not limited.
        hours: [B] GPU-milliseconds, likewise.
        period: [B] Microseconds.
    """

    runs: Int64
    hours: Int64
    period: Int64


@dataclass(frozen=True)
class Upkeep:
    """The models, and what has them trained again. M models, R runs, T tasks, S shocks, Q retrainings.

    Args:
        submissions: How many runs are submitted by themselves; those that follow are retrainings.
        end: No trigger fires after this instant.
        run_model: [R] The model whose version a run trains, or -1.
        performance: [R] That of the version as it goes live.
        task_role: [T] `TRAINS` and `DEPLOYS`.
        gradual: [M] Loss a day; this and the next three as in `pipesim.lifecycle.decay`.
        jump: [M] Loss a shock.
        swing: [M] Loss at the height of the season.
        season: [M] Microseconds of a season.
        shocks: [S] Instants of shocks, by model, ascending.
        first_shock: [M + 1] Where each model's shocks begin.
        beginning: [M] The performance of the version that is live at the beginning; NaN where there is none.
        target: [M] What a new version is expected to have.
        data_per_day: [M] New data, in 10^9 bytes a day at the first submission.
        growth: By what part of that it grows a day.
        first_retraining: [M + 1] Where each model's retrainings begin in `retrainings`; one that has none is never due.
        retrainings: [Q] Their runs, in the order in which they are submitted.
        charge: [Q] What each is charged, in GPU-milliseconds.
        ways: The ways to fire.
        cooldown: Microseconds from the submission of a retraining until the next may be submitted.
        opens: Microseconds of the day from which on retrainings may be submitted, or -1: always,
        closes: and until when.
        budget: [M] The budget of each model, or -1.
        budgets: The budgets.
        relative_keys: Whether the order keys of retrainings count from their submission.
    """

    submissions: int
    end: int
    run_model: Int32
    performance: Float64
    task_role: Int8
    gradual: Float64
    jump: Float64
    swing: Float64
    season: Int64
    shocks: Int64
    first_shock: Int64
    beginning: Float64
    target: Float64
    data_per_day: Float64
    growth: float
    first_retraining: Int64
    retrainings: Int64
    charge: Int64
    ways: Ways
    cooldown: int
    opens: int
    closes: int
    budget: Int32
    budgets: Budgets
    relative_keys: bool = False

    @property
    def models(self) -> int:
        """How many models there are."""
        return len(self.target)


@dataclass(frozen=True)
class Retrainings:
    """What became of the retrainings.

    Args:
        submitted: [Q] When each was submitted, or `NEVER`.
        way: [Q] The way in which its trigger fired, or -1.
        replaces: [Q] The version that was live then: the run that trained it, or `AT_BEGINNING`; `NO_VERSION` if not submitted.
        postponed: [M] How often a retraining of each model had to wait for the next period of its budget.
    """

    submitted: Int64
    way: Int32
    replaces: Int64
    postponed: Int64

    @classmethod
    def of(cls, submitted: list[int], way: list[int], replaces: list[int], postponed: list[int]) -> Self:
        """Return lists as arrays."""
        integers = [np.array(values, np.int64) for values in (submitted, replaces, postponed)]
        return cls(integers[0], np.array(way, np.int32), *integers[1:])


class NoRetrainingsLeftError(PipesimError):
    """A model needs more retrainings than there are; the simulation is to be begun anew with more.

    Args:
        model: The number of the model.
        instant: When it did.
        used: [M] How many retrainings each model had had by then.
    """

    def __init__(self, model: int, instant: int, used: Int64) -> None:
        super().__init__(f"model {model} needs more retrainings at {instant}")
        self.model, self.instant, self.used = model, instant, used
