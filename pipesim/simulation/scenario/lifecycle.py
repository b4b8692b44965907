"""The lifecycle of a scenario: how models decay, what has them trained again, and what holds that back."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from pipesim.schema import TRIGGERS
from pipesim.simulation.scenario.part import Amount, Flag, Mistake, NotNegative, Part, Word
from pipesim.simulation.scenario.platform import repeated_names

Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]
Hour = Annotated[float, Strict(), Field(ge=0, lt=24, allow_inf_nan=False)]
#: No longer than a century.
Days = Annotated[float, Strict(), Field(gt=0, le=36_525, allow_inf_nan=False)]
#: More ways to fire than this come of nested conditions only by mistake.
MOST_WAYS = 64


class Drift(Part):
    """Performance is too low; `below` a value, or more than a `drop` under that at deployment. What is given must all hold.

    Args:
        below: The performance that it is lower than.
        drop: The loss since deployment that it is more than.
    """

    below: Share | None = None
    drop: Share | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Something must be too low."""
        if given.get("below") is None and given.get("drop") is None:
            return [((), "say `below: 0.75`, a performance, or `drop: 0.05`, a loss since deployment")]
        return []


class Staleness(Part):
    """The live version was trained so many days ago.

    Args:
        days: How many.
    """

    days: Days


class Schedule(Part):
    """Every so many hours, counted from a Monday, 0:00 UTC, at so many hours after that.

    Args:
        every_h: The period; 24 is a day, 168 a week.
        at_h: The hours after the beginning of each period, less than it is long.
    """

    every_h: Amount
    at_h: NotNegative = 0.0

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """The offset lies in the period."""
        every, at = given.get("every_h"), given.get("at_h", 0.0)
        if isinstance(every, (int, float)) and isinstance(at, (int, float)) and at >= every:
            return [(("at_h",), f"{at} is not before the end of the period, {every}")]
        return []


class Data(Part):
    """So much new data has come in since the live version was trained.

    Args:
        gb: How much, in units of 10^9 bytes.
    """

    gb: Amount


class Trigger(Part):
    """When a model is trained again: one condition, `any` of several, or `all` of several.

    Args:
        drift: The monitor has seen that its performance is too low.
        staleness: It was trained too long ago.
        schedule: A fixed time has come.
        data: Enough new data has come in.
        any: One of these holds.
        all: All of these hold.
    """

    drift: Drift | None = None
    staleness: Staleness | None = None
    schedule: Schedule | None = None
    data: Data | None = None
    any: Annotated[tuple[Trigger, ...], Field(min_length=1)] | None = None
    all: Annotated[tuple[Trigger, ...], Field(min_length=1)] | None = None

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """It is one thing, and fixed times of two schedules need not meet."""
        named = [name for name in cls.model_fields if given.get(name) is not None]
        if len(named) != 1:
            said = f"not {', '.join(named)} at once" if named else "it says none"
            return [((), f"give one of {', '.join(cls.model_fields)}; {said}")]
        return []

    def ways(self) -> list[tuple[Drift | Staleness | Schedule | Data, ...]]:
        """Return the ways to fire (the disjunctive normal form): for each the conditions that must all hold."""
        if self.any is not None:
            return [way for part in self.any for way in part.ways()]
        if self.all is not None:
            found: list[tuple[Drift | Staleness | Schedule | Data, ...]] = [()]
            for part in self.all:
                found = [(*way, *more) for way in found for more in part.ways()]
            return found
        return [(part,) for part in (self.drift, self.staleness, self.schedule, self.data) if part is not None]


class Hours(Part):
    """The hours of the day (UTC) in which retraining may be submitted; what fires outside of them waits until they begin.

    Args:
        from_h: The hour at which they begin.
        until_h: The hour at which they end; less than `from_h` is on the next day.
    """

    from_h: Hour
    until_h: Hour

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Some time must lie between."""
        if given.get("from_h") is not None and given.get("from_h") == given.get("until_h"):
            return [(("until_h",), "there is no time between `from_h` and `until_h`")]
        return []


class Budget(Part):
    """What a tenant may spend on retraining in a period, counted from a Monday, 0:00 UTC.

    A retraining is charged in full when it is submitted: with all that its attempts will hold if nothing interrupts them.

    Args:
        tenant: As in `pipeline_runs.tenant`; without it the budget is that of all models together that have none of their own.
        runs: How many retrainings; it needs this, or `gpu_hours`, or both.
        gpu_hours: How many GPU-hours.
        period_h: The period.
    """

    tenant: Word | None = None
    runs: Annotated[int, Field(ge=0, le=10**9)] | None = None
    gpu_hours: NotNegative | None = None
    period_h: Amount = 168.0

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """It limits something."""
        if given.get("runs") is None and given.get("gpu_hours") is None:
            return [((), "a budget limits `runs`, `gpu_hours` or both")]
        return []


class DecayGiven(Part):
    """How every model decays, in place of what was fitted: the sum of a gradual loss, of shocks and of a season.

    Args:
        gradual_per_day: Loss a day.
        jumps_per_day: Shocks a day, at the instants of a Poisson process.
        jump_size: Loss a shock.
        season_swing: Loss at the height of the season.
        season_days: Its period.
    """

    gradual_per_day: Share = 0.0
    jumps_per_day: Annotated[float, Strict(), Field(ge=0, le=100, allow_inf_nan=False)] = 0.0
    jump_size: Share = 0.0
    season_swing: Share = 0.0
    season_days: Days = 7.0

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Shocks have a rate and a size."""
        if bool(given.get("jumps_per_day")) != bool(given.get("jump_size")):
            return [((), "shocks need both `jumps_per_day` and `jump_size`")]
        return []


class DataGiven(Part):
    """How much new data each model gets, in place of what was fitted.

    Args:
        gb_per_day: 10^9 bytes a day at the beginning; by default as fitted.
        growth_per_day: By what part of that the rate grows a day.
    """

    gb_per_day: Amount | None = None
    growth_per_day: Share = 0.0


def _none_as_absent(given: object) -> object:
    return None if given == "none" else given


class Lifecycle(Part):
    """What becomes of models once they are trained, and when they are trained again.

    Args:
        trigger: When a model is trained again; `none`: never.
        monitor_h: How often the monitor looks at performance, age and data: at multiples from a Monday, 0:00 UTC on.
        cooldown_h: After a retraining was submitted, the model's next one is not for so long.
        hours: The hours of the day in which retraining is submitted; always, where not given.
        budgets: What tenants may spend on it.
        priority: The priority of retraining runs.
        replaces: Runs of the workload with these triggers are left out where they would train a model: the strategy takes their
            place.
        gate: An evaluation that finds less than this performance fails; by default none does.
        objective: The performance that models should have; the time below it is reported.
        decay: How every model decays; by default as fitted.
        data: How much new data each model gets; by default as fitted.
        pruning_level: What compress tasks prune; by default the levels that were fitted.
        live_after: A version goes live when its `deploy` task, or already its `train` task, has succeeded.
        starts_live: Whether every model has a version at the beginning that was just deployed.
    """

    trigger: Annotated[
        Trigger | None, BeforeValidator(_none_as_absent, json_schema_input_type=Literal["none"] | Trigger | None)
    ] = None
    monitor_h: Amount = 24.0
    cooldown_h: NotNegative = 24.0
    hours: Hours | None = None
    budgets: tuple[Budget, ...] = ()
    priority: Annotated[int, Field(ge=-(2**31), le=2**31)] = 0
    replaces: tuple[Literal[TRIGGERS], ...] = ()  # type: ignore[valid-type]
    gate: Share | None = None
    objective: Share | None = None
    decay: DecayGiven | None = None
    data: DataGiven = DataGiven()
    pruning_level: Share | None = None
    live_after: Literal["deploy", "train"] = "deploy"
    starts_live: Flag = True

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Two budgets of one tenant could not be told apart; ways to fire that cannot be checked are refused."""
        found: list[Mistake] = []
        budgets = given.get("budgets")
        if isinstance(budgets, (list, tuple)):
            named = [{"name": _at(part, "tenant") or "(all others)"} for part in budgets]
            found += [
                ((*where[:-1], "tenant"), text) for where, text in repeated_names(named, "tenant with a budget", "budgets")
            ]
        return found + cls._trigger_mistakes(given.get("trigger"))

    @classmethod
    def _trigger_mistakes(cls, trigger: Any) -> list[Mistake]:
        try:
            ways = (trigger if isinstance(trigger, Trigger) else Trigger.model_validate(trigger)).ways()
        except ValueError:
            return []  # absent, or its own mistakes are told where they are
        if len(ways) > MOST_WAYS:
            return [(("trigger",), f"it has {len(ways)} ways to fire; {MOST_WAYS} is the most")]
        if any(sum(isinstance(part, Schedule) for part in way) > 1 for way in ways):
            return [(("trigger",), "`all` of two schedules: their times need not meet; give one schedule, or `any` of them")]
        return []


def _at(part: Any, key: str) -> Any:
    return part.get(key) if isinstance(part, dict) else getattr(part, key, None)
