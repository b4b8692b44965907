"""The frontier of retraining strategies: what each spends, and how well its models perform."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.axes import Ruler
from pipesim.report.frontier import Plane, frontier_chart
from pipesim.report.series import label_of
from pipesim.report.strategies import Spending, Strategies
from pipesim.report.words import Kind, human

if TYPE_CHECKING:
    import altair as alt


def strategy_frontier(strategies: Strategies) -> alt.LayerChart:
    """Return the strategies whose spending is known, by name, with their intervals and the line through the efficient ones."""
    rows = _drawn(strategies)
    across, upright = _rulers(rows)
    plane = Plane(
        name="strategy",
        x="spent",
        y="points",
        across=across,
        upright=upright,
        x_title=_axis_title(strategies.spending),
        y_title="mean performance (points of 100)",
        tooltip=_tooltip(strategies.spending),
        x_axis=_amounts(strategies),
    )
    return frontier_chart(rows, plane)


def _drawn(strategies: Strategies) -> pl.DataFrame:
    """Return what the chart needs, the efficient first, as they are the first to be named; ends of intervals cut at zero."""
    spending = strategies.spending
    rows = strategies.rows.filter(pl.col("spent").is_not_null()).sort("is_efficient", descending=True, maintain_order=True)
    told = [
        {
            "strategy": label_of(row["scenario"]),
            "spent": row["spent"],
            "spent_low": None if row["spent_ci95_low"] is None else max(row["spent_ci95_low"], 0.0),
            "spent_high": row["spent_ci95_high"],
            "points": row["points"],
            "points_low": row["points_ci95_low"],
            "points_high": row["points_ci95_high"],
            "is_efficient": row["is_efficient"],
            "performance": f"{human(row['points'], 'points')} points" + _interval(row, "points", "points"),
            "spending": spending.text(row["spent"])
            + _interval(row, "spent", "money" if spending.column == "cost" else "number"),
            "retrainings": f"{human(row['retrainings_per_week'], 'number')} a week",
            "wait": human(row["user_mean_wait_s"], "time"),
            "verdict": "yes" if row["is_efficient"] else "no",
        }
        for row in rows.iter_rows(named=True)
    ]
    numbers = dict.fromkeys(("spent_low", "spent_high", "points_low", "points_high"), pl.Float64)
    return pl.DataFrame(told, schema_overrides=numbers)


def _interval(row: dict[str, Any], column: str, kind: Kind) -> str:
    low, high = row[f"{column}_ci95_low"], row[f"{column}_ci95_high"]
    return "" if low is None else f", 95 % interval {human(low, kind)} to {human(high, kind)}"


def _tooltip(spending: Spending) -> dict[str, str]:
    return {
        "strategy": "strategy",
        "performance": "mean performance",
        "spending": f"{spending.unit.lower().replace('gpu', 'GPU')} spent",
        "retrainings": "retrainings",
        "wait": "users wait on average",
        "verdict": "worth considering",
    }


def _rulers(rows: pl.DataFrame) -> tuple[Ruler, Ruler]:
    """Return the two axes: from zero, and around the performances."""
    most = max(float(value) for value in (*rows["spent"], *rows["spent_high"].drop_nulls(), 0.0)) or 1.0
    low = min(float(value) for value in (*rows["points"], *rows["points_low"].drop_nulls()))
    high = max(float(value) for value in (*rows["points"], *rows["points_high"].drop_nulls()))
    margin = 0.08 * (high - low) if high - low > 0.01 else 1.0
    return Ruler("number", -0.02 * most, 1.04 * most, wide=False), Ruler("points", low - margin, high + margin, wide=False)


def _axis_title(spending: Spending) -> str:
    titles = {
        "cost": f"spent on retraining {spending.span} (USD)",
        "gpu_hours": f"GPU-hours of retraining {spending.span}",
        "retrainings": f"retrainings {spending.span}",
    }
    return titles[spending.column]


def _amounts(strategies: Strategies) -> alt.Axis:
    import altair as alt

    money = strategies.spending.column == "cost"
    return alt.Axis(labelExpr=f"datum.value < 0 ? '' : '{'$' if money else ''}' + format(datum.value, ',~g')", tickCount=6)
