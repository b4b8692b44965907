"""Laying out the arrays of the models, and which of their versions are live at the beginning."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipesim.simulation.calendar import LATER
from pipesim.simulation.compiled.arrays import plain
from pipesim.simulation.engine import BY_KEY, NEVER, SimulationInput
from pipesim.simulation.upkeep import AT_BEGINNING, NO_VERSION, Budgets, Upkeep, Ways


def models_of(given: SimulationInput) -> dict[str, Any]:
    """Return the models, which of their versions are live at the beginning, and room for what becomes of them."""
    u = no_upkeep(given) if given.upkeep is None else given.upkeep
    models, retrainings, budgets = u.models, len(u.retrainings), len(u.budgets.period)
    origin, runs = int(given.run_submitted[0]), len(given.run_submitted)
    leaves = 1 << max(0, models - 1).bit_length()
    relative = u.relative_keys and given.rules.order == BY_KEY
    return {
        "upkeep": np.array([u.submissions, u.end, u.cooldown, u.opens, u.closes, relative], np.int64),
        "run_model": plain(u.run_model, np.int32),
        "performance": plain(u.performance, np.float64),
        "task_role": plain(u.task_role, np.int8),
        "gradual": plain(u.gradual, np.float64),
        "jump": plain(u.jump, np.float64),
        "swing": plain(u.swing, np.float64),
        "season": plain(u.season, np.int64),
        "shocks": plain(u.shocks, np.int64),
        "first_shock": plain(u.first_shock, np.int64),
        "aim": plain(u.target, np.float64),
        "data_per_day": plain(u.data_per_day, np.float64),
        "data_growth": np.array([u.growth]),
        "first_retraining": plain(u.first_retraining, np.int64),
        "retrainings": plain(u.retrainings, np.int64),
        "charge": plain(u.charge, np.int64),
        "way_drifts": plain(u.ways.drifts, np.int8),
        "way_below": plain(u.ways.below, np.float64),
        "way_drop": plain(u.ways.drop, np.float64),
        "way_age": plain(u.ways.age, np.int64),
        "way_volume": plain(u.ways.volume, np.float64),
        "way_phase": plain(u.ways.phase, np.int64),
        "way_grid": plain(u.ways.grid, np.int64),
        "budget": plain(u.budget, np.int32),
        "budget_runs": plain(u.budgets.runs, np.int64),
        "budget_hours": plain(u.budgets.hours, np.int64),
        "budget_period": plain(u.budgets.period, np.int64),
        "trained": np.full(runs if given.upkeep else 1, NEVER, np.int64),
        "deployed": np.full(runs if given.upkeep else 1, NEVER, np.int64),
        "live": np.where(np.isnan(u.beginning), NO_VERSION, AT_BEGINNING).astype(np.int64),
        "live_since": np.full(models, origin, np.int64),
        "live_trained": np.full(models, origin, np.int64),
        "live_performance": u.beginning.astype(np.float64),
        "under_way": np.full(models, -1, np.int64),
        "ready_at": np.full(models, NEVER, np.int64),
        "used": np.zeros(models, np.int64),
        "wanted": np.full(models, LATER, np.int64),
        "due_at": np.full(2 * leaves, LATER, np.int64),
        "due_way": np.full(models, -1, np.int32),
        "due_models": np.empty(models, np.int64),
        "spent_period": np.full(budgets, NEVER, np.int64),
        "spent_runs": np.zeros(budgets, np.int64),
        "spent_hours": np.zeros(budgets, np.int64),
        "fired_way": np.full(retrainings, -1, np.int32),
        "replaces": np.full(retrainings, NO_VERSION, np.int64),
        "postponed": np.zeros(models, np.int64),
    }


def no_upkeep(given: SimulationInput) -> Upkeep:
    """Return an upkeep without models."""
    whole, number, integer = np.zeros(0, np.int64), np.zeros(0), np.zeros(1, np.int64)
    return Upkeep(
        submissions=given.submissions,
        end=NEVER,
        run_model=np.zeros(1, np.int32),
        performance=number,
        task_role=np.zeros(1, np.int8),
        gradual=number,
        jump=number,
        swing=number,
        season=whole,
        shocks=whole,
        first_shock=integer,
        beginning=number,
        target=number,
        data_per_day=number,
        growth=0.0,
        first_retraining=integer,
        retrainings=whole,
        charge=whole,
        ways=Ways(np.zeros(0, np.int8), number, number, whole, number, whole, whole),
        cooldown=0,
        opens=-1,
        closes=-1,
        budget=np.zeros(0, np.int32),
        budgets=Budgets(whole, whole, whole),
    )
