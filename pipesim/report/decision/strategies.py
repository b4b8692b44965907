"""Which retraining strategy? What those that were compared spend against how well their models perform."""

from __future__ import annotations

import polars as pl

from pipesim.experiments.comparison import Comparison
from pipesim.report.axes import Ruler
from pipesim.report.figure import Caption, Figure, Panel
from pipesim.report.frontier import Plane, frontier_chart
from pipesim.report.series import label_of
from pipesim.report.words import human, listed

_MOST_TOLD = 5


def strategies_sentence(compared: Comparison) -> str:
    """Return which strategies are worth considering, and what one more point of performance costs; empty without strategies."""
    if not compared.frontier:
        return ""
    worth = [one for one in compared.frontier if one.efficient]
    told = []
    for one in worth[:_MOST_TOLD]:
        spent = f"{human(one.spent, 'number')} {one.unit}" if one.spent else "nothing spent"
        price = "" if one.per_point is None else f", each further point for {human(one.per_point, 'number')} {one.unit}"
        told.append(f"{label_of(one.scenario)} ({100 * one.performance:.1f} points, {spent}{price})")
    more = [f"{len(worth) - _MOST_TOLD:,} others"] if len(worth) > _MOST_TOLD else []
    which = "is" if len(worth) == 1 else "are"
    return (
        f"Of {len(compared.frontier):,} strategies of retraining, {len(worth):,} {which} worth considering, by the means: "
        f"{listed([*told, *more])}."
    )


def strategies_figure(compared: Comparison) -> Figure | None:
    """Return the frontier of a comparison's strategies; None where it has none."""
    if not compared.frontier:
        return None
    unit = compared.frontier[0].unit
    numbers = dict.fromkeys(("spent_low", "spent_high", "points_low", "points_high", "next_point"), pl.Float64)
    rows = pl.DataFrame(
        [
            {
                "strategy": label_of(one.scenario),
                "spent": one.spent,
                "spent_low": None if one.spent_low is None else max(one.spent_low, 0.0),
                "spent_high": one.spent_high,
                "points": 100 * one.performance,
                "points_low": None if one.performance_low is None else 100 * one.performance_low,
                "points_high": None if one.performance_high is None else 100 * one.performance_high,
                "next_point": one.per_point,
                "is_efficient": one.efficient,
            }
            for one in compared.frontier
        ],
        schema_overrides=numbers,
    ).with_columns(pl.selectors.float().round_sig_figs(7))
    told = rows.with_columns(
        performance=pl.col("points").map_elements(lambda points: f"{human(points, 'points')} points", pl.String),
        spending=pl.col("spent").map_elements(lambda spent: f"{human(spent, 'number')} {unit}", pl.String),
        verdict=pl.when("is_efficient").then(pl.lit("yes")).otherwise(pl.lit("no")),
    ).sort("is_efficient", descending=True, maintain_order=True)
    across = Ruler.of(rows["spent"], pl.concat([rows["spent_low"], rows["spent_high"]]), "number")
    upright = Ruler.of(rows["points"], pl.concat([rows["points_low"], rows["points_high"]]), "points", zero=False)
    plane = Plane(
        name="strategy",
        x="spent",
        y="points",
        across=across,
        upright=upright,
        x_title=f"spent on retraining in the simulated time ({unit})",
        y_title="mean performance (points of 100)",
        tooltip={"strategy": "strategy", "performance": "mean performance", "spending": "spent", "verdict": "efficient"},
    )
    efficient = [label_of(one.scenario) for one in compared.frontier if one.efficient]
    caption = Caption(
        "What strategies spend, and how well their models perform",
        "Each point is a strategy: the further up, the better its models perform (one point is one hundredth); the further "
        "right, the more is spent on retraining them in the simulated time. Bars are the 95 % intervals of both means, cut at "
        "zero. Filled points, joined by the line, are worth considering: no other strategy performs at least as well for less.",
        f"Points of spending on retraining against performance. Worth considering, the cheapest first: {listed(efficient)}.",
    )
    return Figure(caption, rows, (), (Panel("", frontier_chart(told, plane)),), ())
