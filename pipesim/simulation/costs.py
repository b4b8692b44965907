"""What a platform cost, drew and emitted: sums over what was provisioned and what was held."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum

import numpy as np

from pipesim.simulation.areas import Usage
from pipesim.simulation.calendar import Steps
from pipesim.simulation.engine import DIMENSIONS, Float64, Int64
from pipesim.simulation.scenario.platform import Carbon, Cost

#: What people count each dimension in: a GPU, a core, a gigabyte, a slot.
UNITS = tuple((DIMENSIONS | {"memory_bytes": 10**9}).values())
_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Bill:
    """What a pool cost in a time.

    Args:
        cost: Money.
        energy_kwh: Energy.
        carbon_kg: What that caused; None where the scenario does not say how much a kilowatt-hour causes.
    """

    cost: float
    energy_kwh: float
    carbon_kg: float | None


def bill(usage: Usage, pool: int, rates: Cost, carbon: Carbon | None) -> Bill:
    """Return what a pool cost, by the rates of a unit of its leading dimension and what a kilowatt-hour causes.

    Cost and energy are rates times areas, which are whole numbers until then. Carbon is the integral of the power drawn
    times the grams a kilowatt-hour; as both are step functions, that is a sum.
    """
    unit = UNITS[usage.given.leading()[pool]]
    there, used = (area / (unit * _HOUR_US) for area in (usage.provisioned_area(pool), usage.held_area(pool)))
    carbon_kg = None
    if carbon is not None:
        there_g, used_g = (grams / unit for grams in _grams(usage, pool, carbon))
        carbon_kg = (rates.kwh_per_h * there_g + rates.kwh_per_used_h * used_g) / 1000
    return Bill(
        cost=rates.per_h * there + rates.per_used_h * used,
        energy_kwh=rates.kwh_per_h * there + rates.kwh_per_used_h * used,
        carbon_kg=carbon_kg,
    )


def _grams(usage: Usage, pool: int, carbon: Carbon) -> tuple[float, float]:
    """Return what all that was provisioned, and all that was held, would cause if each of it drew a kilowatt."""
    given, held, had = usage.given, usage.held, usage.provisioned[pool]
    dimension = given.leading()[pool]
    caused = _Caused.of(carbon, usage)
    there = caused.between(had.at, np.append(had.at[1:], usage.until)) * had.amount[:, dimension]
    mine = np.flatnonzero(given.class_pool[held.demand_class] == pool)
    amount = given.class_demand[held.demand_class[mine], dimension]
    used = caused.between(held.start[mine], held.end[mine]) * amount
    return fsum(there.tolist()), fsum(used.tolist())


@dataclass(frozen=True)
class _Caused:
    """The grams that a steady kilowatt has caused by each instant: a line from each step to the next. B steps.

    Args:
        since: When it begins to count.
        at: [B] Microseconds from then, from 0 to the end of the simulation.
        grams: [B] By then.
    """

    since: int
    at: Int64
    grams: Float64

    @classmethod
    def of(cls, carbon: Carbon, usage: Usage) -> _Caused:
        """Return it for the time of a usage."""
        origin, since, until = int(usage.given.run_submitted[0]), usage.since, usage.until
        hours, values = [s.from_h for s in carbon.steps], [s.g_per_kwh for s in carbon.steps]
        steps = Steps.of_hours(hours, values, carbon.period_h)
        changes = [(since, steps.at(origin, since) or 0.0), *steps.between(origin, since, until)]
        at = np.array([instant for instant, _ in changes] + [until], np.int64) - since
        rates = np.array([rate for _, rate in changes])
        return cls(since, at, np.append(0.0, np.cumsum(rates * np.diff(at) / _HOUR_US)))

    def between(self, start: Int64, end: Int64) -> Float64:
        """Return the grams of a steady kilowatt in each stretch of time, of the part of it that counts."""
        first, last = (np.interp(instants - self.since, self.at, self.grams) for instants in (start, end))
        return np.asarray(last - first)
