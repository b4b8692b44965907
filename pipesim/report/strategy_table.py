"""The table of the retraining strategies, in units for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipesim.report.series import label_of
from pipesim.report.strategies import Spending, Strategies
from pipesim.report.words import UNKNOWN, Kind, human

_READING = (
    "The best performance comes first; in brackets are 95 % confidence intervals over the replications. Time below the "
    "objective is a share of the time in which models are live. Money is what the hours held by retraining cost at the prices "
    "of sql/resource_rates.sql; energy is that of the same hours at full load, carbon that of the energy. The price of a point "
    "is what is spent beyond the baseline for each point gained on it, that of the next point what is spent beyond the next "
    "cheaper strategy that is worth considering; the sentence above leaves out a strategy where a dearer one sells its points "
    "cheaper. A dash means that it is not known, or that there is nothing to compare with."
)


@dataclass(frozen=True)
class StrategyTable:
    """The table as it stands in the page.

    Args:
        reading: How to read it.
        groups: What stands above the heads, and above how many of them.
        heads: The heads of the columns.
        rows: One row of cells a strategy, the best performance first, and whether it is efficient.
    """

    reading: str
    groups: list[tuple[str, int]]
    heads: list[str]
    rows: list[tuple[list[str], bool]]


def strategy_table(strategies: Strategies) -> StrategyTable:
    """Return the table of all strategies."""
    spending = strategies.spending
    groups = [
        ("", 1),
        ("Performance", 3),
        (f"Retraining, {spending.span}", 5),
        (f"Price of a point, {spending.span}", 2),
        ("", 2),
    ]
    heads = [
        *("Strategy", "Mean points", "Points gained", "Time below objective"),
        *("Runs", "GPU-hours", "Money", "Energy, kWh", "Carbon, kg CO\u2082"),
        *("On the baseline", "Next point", "Users wait, mean", "Worth considering"),
    ]
    rows = [(_cells(row, spending), row["is_efficient"]) for row in strategies.rows.iter_rows(named=True)]
    return StrategyTable(_READING, groups, heads, rows)


def _cells(row: dict[str, Any], spending: Spending) -> list[str]:
    weeks = row["weeks"] if spending.weekly else 1.0

    def told(column: str, kind: Kind = "number") -> str:
        return UNKNOWN if row[column] is None else human(row[column] / weeks, kind)

    price = {"cost": "cost_per_point", "gpu_hours": "gpu_hours_per_point"}.get(spending.column)
    return [
        label_of(row["scenario"]),
        human(row["points"], "points") + _interval(row, "points"),
        "baseline" if row["scenario"] == row["baseline"] else _gain(row),
        human(row["below_objective_fraction"], "share"),
        told("retrainings"),
        told("gpu_hours"),
        told("cost", "money"),
        told("energy_kwh"),
        told("carbon_kg"),
        UNKNOWN if price is None or row[price] is None else spending.amount(row[price] / weeks),
        spending.amount(row["next_point"]),
        human(row["user_mean_wait_s"], "time"),
        "yes" if row["is_efficient"] else "no",
    ]


def _gain(row: dict[str, Any]) -> str:
    return UNKNOWN if row["gain_points"] is None else f"{row['gain_points']:+.1f}" + _interval(row, "gain_points")


def _interval(row: dict[str, Any], column: str) -> str:
    low, high = row[f"{column}_ci95_low"], row[f"{column}_ci95_high"]
    return "" if low is None else f" ({human(low, 'points')} to {human(high, 'points')})"
