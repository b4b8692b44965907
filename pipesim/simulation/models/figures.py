"""The figures of a lifecycle: how models performed, and what keeping them fresh cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipesim.simulation.areas import Usage
from pipesim.simulation.compilation import Compilation
from pipesim.simulation.costs import bill
from pipesim.simulation.engine import NEVER, Float64, Int64, Schedule
from pipesim.simulation.models.building import gpus_of
from pipesim.simulation.models.lives import lives_of, measure, trained_at
from pipesim.simulation.placement import Mask
from pipesim.simulation.scenario import Scenario
from pipesim.simulation.scenario.platform import Cost


@dataclass(frozen=True)
class LifecycleFigures:
    """What a lifecycle came to, over the time that counts.

    Args:
        models: How many models there are.
        replaced: Runs of the workload that were left out, as the strategy takes their place.
        versions: Versions that were trained.
        deployments: Versions that went live, those that were live at the beginning aside.
        retrainings: Runs that triggers submitted.
        retrainings_postponed: How often one of them had to wait for the next period of its budget.
        mean_performance: Mean over the time in which models had a live version, each model alike.
        below_objective: The part of that time in which performance was below the objective; None without one.
        retraining_gpu_hours: GPU-hours of what retrainings asked for while they ran, also in pools that do not limit GPUs.
        retraining_cost: What they cost, at what their pools cost while they are provisioned and held; None without rates.
        retraining_energy_kwh: Energy, likewise.
        retraining_carbon_kg: What that caused; None where the scenario does not say what a kilowatt-hour causes.
        user_mean_wait_s: Mean wait of the attempts of all other runs.
        retraining_mean_wait_s: Mean wait of the attempts of retrainings.
    """

    models: int
    replaced: int
    versions: int
    deployments: int
    retrainings: int
    retrainings_postponed: int
    mean_performance: float | None
    below_objective: float | None
    retraining_gpu_hours: float
    retraining_cost: float | None
    retraining_energy_kwh: float | None
    retraining_carbon_kg: float | None
    user_mean_wait_s: float | None
    retraining_mean_wait_s: float | None


def lifecycle_figures(compiled: Compilation, schedule: Schedule, scenario: Scenario, usage: Usage) -> LifecycleFigures:
    """Return the figures of a schedule, which is that of runs that took place."""
    given, lifecycle, since = compiled.given, scenario.lifecycle, usage.since
    upkeep, retrainings, models = given.upkeep, schedule.retrainings, compiled.models
    assert upkeep is not None
    assert retrainings is not None
    assert models is not None
    assert lifecycle is not None
    lives = lives_of(given, schedule)
    found = measure(lives, upkeep, since, lifecycle.objective)
    live_s = float(found.live_s.sum())
    mine = compiled.attempts["run"].to_numpy() >= upkeep.submissions
    trained = trained_at(given, schedule)
    return LifecycleFigures(
        models=upkeep.models,
        replaced=models.fleet.replaced,
        versions=int(((trained != NEVER) & (trained >= since)).sum()),
        deployments=int(((lives.run >= 0) & (lives.begin >= since)).sum()),
        retrainings=int((retrainings.submitted >= since).sum()),
        retrainings_postponed=int(retrainings.postponed.sum()),
        mean_performance=float(found.area.sum()) / live_s if live_s else None,
        below_objective=float(found.below_s.sum()) / live_s if live_s and lifecycle.objective is not None else None,
        **_spent(usage.of_attempts(schedule, mine), compiled, scenario),
        user_mean_wait_s=_mean_wait(schedule, ~mine, since),
        retraining_mean_wait_s=_mean_wait(schedule, mine, since),
    )


def _spent(usage: Usage, compiled: Compilation, scenario: Scenario) -> dict[str, Any]:
    """Return what a part of the work held and cost: what is provisioned is charged to whom holds it."""
    held, platform = usage.held, scenario.platform
    hours = np.maximum(held.end - np.maximum(held.start, usage.since), 0) / 3_600_000_000
    bills = []
    for number, pool in enumerate(platform.pools):
        if pool.cost is not None:
            rates = pool.cost
            all_of_it = Cost(per_used_h=rates.per_h + rates.per_used_h, kwh_per_used_h=rates.kwh_per_h + rates.kwh_per_used_h)
            bills.append(bill(usage, number, all_of_it, platform.carbon))
    return {
        "retraining_gpu_hours": float(hours @ gpus_of(compiled.attempts)[held.attempt]),
        "retraining_cost": sum(b.cost for b in bills) if bills else None,
        "retraining_energy_kwh": sum(b.energy_kwh for b in bills) if bills else None,
        "retraining_carbon_kg": sum(b.carbon_kg or 0.0 for b in bills) if bills and platform.carbon else None,
    }


def _mean_wait(schedule: Schedule, mine: Mask, since: int) -> float | None:
    cut = schedule.interruptions
    started = mine & (schedule.started != NEVER)
    queued: Int64 = np.concatenate([schedule.queued[started], cut.queued[mine[cut.attempt]]])
    start: Int64 = np.concatenate([schedule.started[started], cut.started[mine[cut.attempt]]])
    counted = queued >= since
    waits: Float64 = (start - queued)[counted] / 1e6
    return float(waits.mean()) if len(waits) else None
