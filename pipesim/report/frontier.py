"""The chart of what retraining strategies spend against how well their models perform."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.labels import Line, Point, place
from pipesim.report.marks import values_of
from pipesim.report.series import label_of
from pipesim.report.strategies import Spending, Strategies
from pipesim.report.words import Kind, human

if TYPE_CHECKING:
    import altair as alt

_HEIGHT = 340
#: The least widths for which the names are placed, from a phone to a page.
_WIDTHS = (290, 440, 640, 860)
_MAX_NAME = 30
_MAX_NAMES = 40
#: Further away, a name is joined to its point.
_FAR = 16
_EFFICIENT = "#0072B2"
_OTHER = "#767676"


def frontier_chart(strategies: Strategies) -> alt.LayerChart:
    """Return the strategies whose spending is known, by name, with their intervals and the line through the efficient ones.

    The names are placed for three widths; which holds is told when the chart is drawn.
    """
    import altair as alt

    rows = _drawn(strategies)
    x_domain, y_domain = _domains(rows)
    placed = _with_names(rows, x_domain, y_domain)
    x = alt.X(
        "spent:Q",
        title=_axis_title(strategies.spending),
        scale=alt.Scale(domain=x_domain, nice=False),
        axis=_amounts(strategies),
    )
    y = alt.Y("points:Q", title="mean performance (points of 100)", scale=alt.Scale(domain=y_domain, nice=False))
    colour = alt.condition("datum.is_efficient", alt.value(_EFFICIENT), alt.value(_OTHER))
    base = alt.Chart().encode(x=x, y=y)
    faint = alt.condition("datum.is_efficient", alt.value(0.55), alt.value(0.3))
    bars = alt.Chart().mark_rule(strokeWidth=1.2).encode(color=colour, opacity=faint)
    line = base.transform_filter("datum.is_efficient").mark_line(color=_EFFICIENT, strokeWidth=2.2)
    dots = base.mark_point(size=80, strokeWidth=1.6, opacity=1).encode(
        color=colour,
        fill=alt.condition("datum.is_efficient", alt.value(_EFFICIENT), alt.value("#fff")),
        tooltip=[alt.Tooltip(field=name, type="nominal", title=title) for name, title in _tooltip(strategies.spending).items()],
    )
    return alt.LayerChart(
        data=values_of(placed),
        layer=[
            bars.encode(x=alt.X("spent_low:Q"), x2="spent_high:Q", y=y),
            bars.encode(x=x, y=alt.Y("points_low:Q"), y2="points_high:Q"),
            line,
            *_names(base),
            dots,
        ],
        width="container",
        height=_HEIGHT,
    )


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


def _domains(rows: pl.DataFrame) -> tuple[list[float], list[float]]:
    """Return the ends of the two axes: from zero, and around the performances."""
    most = max(float(value) for value in (*rows["spent"], *rows["spent_high"].drop_nulls(), 0.0)) or 1.0
    low = min(float(value) for value in (*rows["points"], *rows["points_low"].drop_nulls()))
    high = max(float(value) for value in (*rows["points"], *rows["points_high"].drop_nulls()))
    margin = 0.08 * (high - low) if high - low > 0.01 else 1.0
    return [-0.02 * most, 1.04 * most], [low - margin, high + margin]


def _with_names(rows: pl.DataFrame, x_domain: list[float], y_domain: list[float]) -> pl.DataFrame:
    """Return the rows with the places of their names, one for each width; a name without a place is empty."""
    names = [name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "\u2026" for name in rows["strategy"]]
    columns = []
    for which, width in enumerate(_WIDTHS):

        def at(spent: float, points: float, width: int = width) -> Point:
            across = (spent - x_domain[0]) / (x_domain[1] - x_domain[0])
            return across * width, (y_domain[1] - points) / (y_domain[1] - y_domain[0]) * _HEIGHT

        lines: list[Line] = []
        for row in rows.iter_rows(named=True):
            if row["spent_low"] is not None:
                lines.append((at(row["spent_low"], row["points"]), at(row["spent_high"], row["points"])))
            if row["points_low"] is not None:
                lines.append((at(row["spent"], row["points_low"]), at(row["spent"], row["points_high"])))
        corners = sorted(rows.filter("is_efficient").select("spent", "points").iter_rows())
        lines += [(at(*before), at(*after)) for before, after in pairwise(corners)]
        points = [at(*row) for row in rows.select("spent", "points").iter_rows()]
        spots = [*place(points[:_MAX_NAMES], names[:_MAX_NAMES], lines, width, _HEIGHT)]
        spots += [None] * (len(names) - len(spots))
        columns += [
            pl.Series(f"name{which}", [name if spot else "" for name, spot in zip(names, spots, strict=True)]),
            pl.Series(f"dx{which}", [spot.dx if spot else 0.0 for spot in spots]),
            pl.Series(f"dy{which}", [spot.dy if spot else 0.0 for spot in spots]),
            pl.Series(f"align{which}", [spot.align if spot else "left" for spot in spots]),
        ]
    # What is drawn last lies on top.
    return rows.with_columns(columns).sort("is_efficient", maintain_order=True)


def _names(base: alt.Chart) -> list[alt.Chart]:
    import altair as alt

    def of_width(field: str) -> str:
        narrower = (f"width < {width} ? datum.{field}{which} : " for which, width in enumerate(_WIDTHS[1:]))
        return f"({''.join(narrower)}datum.{field}{len(_WIDTHS) - 1})"

    far = f"({of_width('dx')} * {of_width('dx')} + {of_width('dy')} * {of_width('dy')} > {_FAR * _FAR})"
    lead = base.mark_rule(
        color="#9a9a9a",
        strokeWidth=0.7,
        x2Offset=alt.ExprRef(f"{far} ? {of_width('dx')} : 0"),
        y2Offset=alt.ExprRef(f"{far} ? {of_width('dy')} : 0"),
    ).encode(x2="spent:Q", y2="points:Q")
    text = base.mark_text(
        text=alt.ExprRef(of_width("name")),
        dx=alt.ExprRef(of_width("dx")),
        dy=alt.ExprRef(of_width("dy")),
        align=alt.ExprRef(of_width("align")),
        baseline="middle",
        fontSize=11,
    )
    halo = text.encode(color=alt.value("#fff"), stroke=alt.value("#fff"), strokeWidth=alt.value(3))
    return [lead, halo, text.encode(color=alt.condition("datum.is_efficient", alt.value("#1b1b1b"), alt.value("#5f5f5f")))]


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
