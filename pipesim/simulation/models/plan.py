"""What the engine is told of the models: how they decay, the ways in which triggers fire, budgets, and room for retrainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipesim.lifecycle import Decay, ModelLaw
from pipesim.lifecycle.metrics import PERFORMANCE, from_latent
from pipesim.simulation.calendar import LATER, MONDAY
from pipesim.simulation.models.fleet import Fleet
from pipesim.simulation.models.versions import Versions
from pipesim.simulation.scenario.lifecycle import Data, Drift, Lifecycle, Schedule, Staleness
from pipesim.simulation.upkeep import Budgets, Int32, Int64, NoRetrainingsLeftError, Upkeep, Ways
from pipesim.streams import stream

_HOUR_US = 3_600_000_000
DAY_US = 24 * _HOUR_US
#: Longer than anything that is simulated.
_NEVER_DAYS = 1e6
#: Places of the normal law, each for a fifth of it.
_SPREAD = (-1.28, -0.52, 0.0, 0.52, 1.28)
#: How many retrainings a model has room for at first, if its triggers would fire more often than anybody wants.
_MOST_AT_FIRST = 2_000


@dataclass(frozen=True)
class Span:
    """From when until when models live.

    Args:
        begin: The first submission.
        end: The end of the workload or the horizon; no trigger fires later.
    """

    begin: int
    end: int

    @property
    def days(self) -> float:
        """How long that is."""
        return max(0, self.end - self.begin) / DAY_US


def laws_of(fleet: Fleet, lifecycle: Lifecycle) -> list[ModelLaw]:
    """Return the laws of the models, [M], with what the scenario gives in place of what was fitted."""
    changed: dict[str, object] = {}
    if lifecycle.decay is not None:
        changed["decay"] = Decay(**lifecycle.decay.model_dump())
    if lifecycle.data.gb_per_day is not None:
        changed["data_gb_per_day"] = lifecycle.data.gb_per_day
    return [fleet.source.laws.law_of(name).model_copy(update=changed) for name in fleet.names]


def words_of(lifecycle: Lifecycle) -> list[str]:
    """Return what a run that is submitted in each way has for a trigger, [C]."""
    words = {Drift: "drift", Staleness: "staleness", Data: "data", Schedule: "schedule"}
    ways = lifecycle.trigger.ways() if lifecycle.trigger else []
    return [next(word for kind, word in words.items() if any(isinstance(part, kind) for part in way)) for way in ways]


def ways_of(lifecycle: Lifecycle) -> Ways:
    """Return the ways in which the trigger can fire; of several conditions of one kind the strictest counts."""
    ways = lifecycle.trigger.ways() if lifecycle.trigger else []
    rows = []
    for way in ways:
        drifts = [part for part in way if isinstance(part, Drift)]
        age = max((part.days for part in way if isinstance(part, Staleness)), default=0.0)
        volume = max((part.gb for part in way if isinstance(part, Data)), default=0.0)
        fixed = next((part for part in way if isinstance(part, Schedule)), None)
        below = min((part.below for part in drifts if part.below is not None), default=np.inf)
        drop = max((part.drop for part in drifts if part.drop is not None), default=-np.inf)
        every, at = (fixed.every_h, fixed.at_h) if fixed else (lifecycle.monitor_h, 0.0)
        grid = max(1, round(every * _HOUR_US))
        rows.append((bool(drifts), below, drop, round(age * DAY_US), volume, MONDAY + round(at * _HOUR_US), grid))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 7
    kinds = (np.int8, np.float64, np.float64, np.int64, np.float64, np.int64, np.int64)
    return Ways(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def first_room(fleet: Fleet, lifecycle: Lifecycle, laws: Sequence[ModelLaw], span: Span) -> Int64:
    """Return for how many retrainings of each model there is room at first, [M]: some more than are to be expected.

    A version of performance p would be followed by a retraining after D(p) days, if no run of the workload put another one
    into production before. Where these do at rate r a day, a version lasts for E[1 - exp(-r D)] / r days in the mean, and
    E[exp(-r D)] of them are followed by a retraining. Means are over versions of varying performance.
    """
    ways = ways_of(lifecycle)
    sd = float(np.sqrt(fleet.source.laws.covariance[PERFORMANCE][PERFORMANCE]))
    means = np.array([law.mean for law in laws])
    spread = np.zeros((len(_SPREAD), *means.shape))
    spread[:, :, PERFORMANCE] = sd * np.array(_SPREAD)[:, None]
    performance = from_latent(means + spread)[:, :, PERFORMANCE]
    pairs = zip(laws, performance.T, strict=True)
    days = np.array([[_cycle_days(lifecycle, ways, law, float(p)) for p in drawn] for law, drawn in pairs])
    counted = fleet.workload.pipeline_runs.group_by("pipeline_name").len()
    runs = fleet.numbers.join(counted, on="pipeline_name", how="left").sort("model")["len"].fill_null(0).to_numpy()
    # A schedule does not begin anew with a version.
    fixed = bool(((ways.drifts == 0) & (ways.age == 0) & (ways.volume == 0)).any())
    rate = np.zeros(len(laws)) if fixed else runs / max(span.days, 1.0)
    stays = np.exp(-rate[:, None] * days)
    lasts = np.where(rate > 0, (1 - stays.mean(axis=1)) / np.maximum(rate, 1e-12), days.mean(axis=1))
    expected = span.days * stays.mean(axis=1) / np.maximum(lasts, 1e-6)
    room = np.minimum(np.ceil(1.1 * expected + 4 * np.sqrt(expected)) + 3, _MOST_AT_FIRST).astype(np.int64)
    return np.where(np.array(fleet.can_retrain) & (len(ways.grid) > 0), room, 0)


def room_for_more(room: Int64, left: NoRetrainingsLeftError) -> Int64:
    """Return room for more retrainings, [M], when that of a model is used up: twice as much of it, and some for others."""
    more = np.where(2 * left.used > room, room + room // 2 + 1, room)
    more[left.model] = 2 * room[left.model] + 2
    return more


def _cycle_days(lifecycle: Lifecycle, ways: Ways, law: ModelLaw, performance: float) -> float:
    """Return how many days it takes at least from a retraining that gives this performance to the next."""
    rate = law.decay.gradual_per_day + law.decay.jumps_per_day * law.decay.jump_size
    shortest = _NEVER_DAYS
    for way in range(len(ways.grid)):
        days = ways.age[way] / DAY_US
        if ways.volume[way] > 0:
            grown = law.data_gb_per_day * (1 + lifecycle.data.growth_per_day * 30)
            days = max(days, _days_until(float(ways.volume[way]), grown))
        if ways.drifts[way]:
            margin = max(performance - ways.below[way], ways.drop[way]) - law.decay.season_swing
            days = max(days, _days_until(margin, rate))
        shortest = min(shortest, max(days, ways.grid[way] / DAY_US))
    return max(shortest, lifecycle.cooldown_h / 24)


def _days_until(amount: float, per_day: float) -> float:
    """Return in how many days so much has come together."""
    return _NEVER_DAYS if amount > _NEVER_DAYS * per_day else amount / per_day if amount > 0 else 0.0


def shocks_of(fleet: Fleet, laws: Sequence[ModelLaw], span: Span, seed: int, replication: int) -> tuple[Int64, Int64]:
    """Draw the shocks of each model: their instants, [S], by model, and where those of each begin, [M + 1]."""
    found = []
    for name, law in zip(fleet.names, laws, strict=True):
        rate = law.decay.jumps_per_day
        if rate <= 0 or law.decay.jump_size <= 0:
            found.append(np.zeros(0, np.int64))
            continue
        draws = stream(seed, "shocks", name, replication)
        many = draws.poisson(rate * span.days)
        found.append(np.sort(draws.integers(span.begin + 1, max(span.end, span.begin + 1) + 1, many)))
    return np.concatenate([np.zeros(0, np.int64), *found]), np.concatenate(([0], np.cumsum([len(s) for s in found]))).astype(
        np.int64
    )


def upkeep_of(
    fleet: Fleet,
    lifecycle: Lifecycle,
    laws: Sequence[ModelLaw],
    versions: Versions,
    *,
    submissions: int,
    charge: Int64,
    span: Span,
    whole: Span,
    seed: int,
    replication: int,
    relative_keys: bool,
) -> Upkeep:
    """Return what the engine is told.

    Args:
        fleet: The models.
        lifecycle: The scenario's.
        laws: [M] What was made of their laws.
        versions: What the versions of all runs are worth.
        submissions: How many runs are submitted by themselves.
        charge: [R] The GPU-milliseconds that each run holds.
        span: From when until when models live.
        whole: The time of the whole workload, in which shocks come.
        seed: The root seed.
        replication: The number of the replication.
        relative_keys: Whether the order keys of retrainings count from their submission.
    """
    shocks, first_shock = shocks_of(fleet, laws, whole, seed, replication)
    retrainings = np.arange(submissions, len(versions.model))
    retrainings = retrainings[np.argsort(versions.model[retrainings], kind="stable")]
    budget, budgets = _budgets(lifecycle, laws)
    hours = lifecycle.hours
    beginning = versions.beginning[:, PERFORMANCE] if lifecycle.starts_live else np.full(len(laws), np.nan)
    decays = [law.decay for law in laws]
    return Upkeep(
        submissions=submissions,
        end=span.end,
        run_model=versions.model,
        performance=versions.live[:, PERFORMANCE],
        task_role=versions.role,
        gradual=np.array([d.gradual_per_day for d in decays]),
        jump=np.array([d.jump_size if d.jumps_per_day > 0 else 0.0 for d in decays]),
        swing=np.array([d.season_swing for d in decays]),
        season=np.array([max(1, round(d.season_days * DAY_US)) for d in decays], np.int64),
        shocks=shocks,
        first_shock=first_shock,
        beginning=beginning,
        target=versions.target,
        data_per_day=np.array([law.data_gb_per_day for law in laws]),
        growth=lifecycle.data.growth_per_day,
        first_retraining=np.searchsorted(versions.model[retrainings], np.arange(len(laws) + 1)).astype(np.int64),
        retrainings=retrainings.astype(np.int64),
        charge=charge[retrainings],
        ways=ways_of(lifecycle),
        cooldown=round(lifecycle.cooldown_h * _HOUR_US),
        opens=-1 if hours is None else round(hours.from_h * _HOUR_US),
        closes=-1 if hours is None else round(hours.until_h * _HOUR_US),
        budget=budget,
        budgets=budgets,
        relative_keys=relative_keys,
    )


def _budgets(lifecycle: Lifecycle, laws: Sequence[ModelLaw]) -> tuple[Int32, Budgets]:
    """Return the budget of each model, [M], or -1, and the budgets."""
    given = lifecycle.budgets
    named = {budget.tenant: number for number, budget in enumerate(given)}
    others = named.get(None, -1)
    of_model = [named.get(law.tenant, others) if law.tenant is not None else others for law in laws]
    limits = [
        (
            LATER if budget.runs is None else budget.runs,
            LATER if budget.gpu_hours is None else round(budget.gpu_hours * 3_600_000),
            max(1, round(budget.period_h * _HOUR_US)),
        )
        for budget in given
    ]
    runs, hours, period = np.array(limits, np.int64).reshape(-1, 3).T.copy()
    return np.array(of_model, np.int32), Budgets(runs, hours, period)
