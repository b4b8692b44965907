"""What keeping models fresh costs and brings, scenario by scenario, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.sql.handmade import STORED, Tables
from tests.sql.plain import Reference, Row, known, mean, ratio, seconds, submissions
from tests.sql.plain_models import lifecycle_figures, retrainings, work_waits
from tests.sql.plain_scenarios import half_width, minus, plus

#: The names of what is summed over a replication, and whether the table has an interval of its mean.
FIGURES = {
    "mean_performance": True, "below_objective_fraction": True, "retrainings": False, "retrainings_per_week": False,
    "gpu_hours": True, "cost": True, "energy_kwh": False, "carbon_kg": False, "user_mean_wait_s": False,
}  # fmt: skip


def with_interval(name: str, values: list[float]) -> Row:
    middle, width = mean(values), half_width(values)
    low, high = (None, None) if middle is None else (minus(middle, width), plus(middle, width))
    return {name: middle, f"{name}_ci95_low": low, f"{name}_ci95_high": high}


def replication(t: Tables) -> Row:
    figures, runs = lifecycle_figures(t), [*retrainings(t).values()]
    user: Row = work_waits(t).get(("user",), {"mean_wait_s": None})
    weeks = seconds(max(submissions(t)) - min(submissions(t))) / 604_800
    return {
        "mean_performance": figures["mean_model_performance"],
        "below_objective_fraction": figures["below_objective_fraction"],
        "retrainings": figures["retrainings"], "retrainings_per_week": ratio(figures["retrainings"], weeks),
        "gpu_hours": figures["retraining_gpu_hours"], "cost": figures["retraining_cost_usd"],
        "energy_kwh": sum(r["energy_kwh"] for r in runs), "carbon_kg": sum(r["carbon_kg"] for r in runs),
        "user_mean_wait_s": user["mean_wait_s"],
    }  # fmt: skip


def weighed(scenarios: dict[str, dict[int, Row]]) -> Reference:
    """The rows of the table, from the figures of each replication of each scenario."""
    means: dict[str, Row] = {}
    for name, told in scenarios.items():
        means[name] = {"replications": len(told)}
        for figure, has_interval in FIGURES.items():
            row = with_interval(figure, known(r[figure] for r in told.values()))
            means[name] |= row if has_interval else {figure: row[figure]}
    fewest = min(means, key=lambda name: (means[name]["retrainings"], name))
    baseline = "never-retrain" if "never-retrain" in means else fewest
    efficient = [name for name, row in means.items() if not any(dominates(o, row) for o in means.values())]
    out: Reference = {}
    for name, row in means.items():
        shared = sorted(scenarios[name].keys() & scenarios[baseline].keys())
        pairs = [(scenarios[name][r], scenarios[baseline][r]) for r in shared]
        more: Any = {
            figure: [s[figure] - b[figure] for s, b in pairs if s[figure] is not None]
            for figure in ("mean_performance", "cost", "gpu_hours", "carbon_kg")
        }
        gain = with_interval("gain_points", [100 * d for d in more["mean_performance"]])
        gained = gain["gain_points"] if shared and gain["gain_points"] > 0 else None
        cheaper = [means[o] for o in efficient if means[o]["cost"] < row["cost"]] if name in efficient else []
        next_to = max(cheaper, key=lambda o: float(o["cost"]), default=None)
        out[name,] = {
            **row, "baseline": baseline, "pairs": len(shared), **gain,
            "cost_per_point": ratio(mean(more["cost"]), gained),
            "gpu_hours_per_point": ratio(mean(more["gpu_hours"]), gained),
            "carbon_kg_per_point": ratio(mean(more["carbon_kg"]), gained),
            "is_efficient": name in efficient,
            "marginal_cost_per_point": next_to and (
                (row["cost"] - next_to["cost"]) / (100 * (row["mean_performance"] - next_to["mean_performance"]))
            ),
        }  # fmt: skip
    return out


def dominates(one: Row, other: Row) -> bool:
    """Whether a scenario is at least as good and at most as dear as another, and one of the two better."""
    gain, saving = one["mean_performance"] - other["mean_performance"], other["cost"] - one["cost"]
    return bool(gain >= 0 and saving >= 0 and (gain > 0 or saving > 0))


def retraining_strategies() -> Reference:
    scenarios: dict[str, dict[int, Row]] = defaultdict(dict)
    for (origin, trace, number), tables in STORED.items():
        row = replication(tables)
        if origin == "simulated" and row["mean_performance"] is not None:
            scenarios[trace][number] = row
    return weighed(scenarios)
