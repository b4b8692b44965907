"""The charts that set synthetic traces beside the log: Q-Q plots, curves with the range of single traces, heat maps."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.marks import (
    HEIGHT,
    PICK,
    SHORTEST_S,
    Axes,
    colour,
    dashes,
    opacity,
    present,
    time_axis,
    tooltip,
    values_of,
)
from pipesim.report.series import Series

if TYPE_CHECKING:
    import altair as alt

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def quantile_pairs(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return a Q-Q plot of durations, both axes logarithmic: lines that are straight and rise by 45 degrees where all is equal.

    Args:
        rows: The points, with the columns of `axes`, `low` and `high`.
        series: The series, in order.
        axes: The columns of the log's quantile and of the series' own, in seconds, and the titles.
    """
    import altair as alt

    clipped = rows.with_columns(pl.col(axes.x, axes.y, "low", "high").clip(lower_bound=SHORTEST_S))
    both = pl.concat([clipped[name] for name in (axes.x, axes.y, "low", "high")]).drop_nulls()
    ends = [float(both.min()), float(both.max())]  # type: ignore[arg-type]
    scale = alt.Scale(type="log", nice=False, domain=ends)
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, scale=scale, axis=time_axis(both))
    y = alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=time_axis(both))
    corners = alt.InlineData(values=[{axes.x: end, axes.y: end} for end in ends])
    diagonal = alt.Chart(corners).mark_line(color="#777", strokeDash=[2, 3], strokeWidth=1).encode(x=x, y=y)
    return banded(clipped, series, x, y, [diagonal])


def dispersion(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return an index (vertical) over the length of windows in seconds, both axes logarithmic."""
    import altair as alt

    above = rows.filter(pl.col(axes.y) > 0)
    ends = above.select(least=pl.min_horizontal(axes.y, "low").min(), most=pl.max_horizontal(axes.y, "high").max())
    ticks = _ticks(*ends.row(0)) if above.height else []
    scale = alt.Scale(type="log", nice=False)
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, scale=scale, axis=time_axis(above[axes.x]))
    axis = alt.Axis(values=ticks, format=".3~f", labelOverlap="greedy")
    y = alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=axis)
    return banded(above, series, x, y)


def memory(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return a correlation (vertical) over a lag in hours."""
    import altair as alt

    last = int(rows[axes.x].max() or 0)  # type: ignore[arg-type]
    axis = alt.Axis(values=list(range(0, last + 1, 24)), labelExpr="datum.value / 24 + ' d'", labelFlush=False)
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, axis=axis, scale=alt.Scale(nice=False))
    y = alt.Y(field=axes.y, type="quantitative", title=axes.y_title, axis=alt.Axis(format=".2~f", tickCount=5))
    return banded(rows, series, x, y)


def week_map(rows: pl.DataFrame, value: str, most: float, title: str) -> alt.Chart:
    """Return the hours of the week as a heat map, days below each other; the darker, the more.

    Args:
        rows: One row an hour, with `weekday`, `hour` (0 to 23) and the value.
        value: The column of the value.
        most: The value of the darkest colour, so that maps can be compared.
        title: The title of the colours.
    """
    import altair as alt

    scale = alt.Scale(domain=[0, most], range=["#f3f6fa", "#9ecae1", "#4292c6", "#08306b"], interpolate="rgb")
    legend = alt.Legend(
        title=title, orient="bottom", gradientLength=180, gradientThickness=10, tickCount=4, titleFontWeight="normal"
    )
    hours = alt.Axis(
        values=list(range(0, 24, 6)), labelExpr="datum.value + ':00'", labelAngle=0, labelFlush=False, domain=False, ticks=False
    )
    chart: alt.Chart = (
        alt.Chart(values_of(rows), width="container", height=alt.Step(20))
        .mark_rect(stroke="#fff", strokeWidth=1)
        .encode(
            x=alt.X(
                field="hour", type="ordinal", title="hour of the day (UTC)", axis=hours, scale=alt.Scale(domain=list(range(24)))
            ),
            y=alt.Y(
                field="weekday",
                type="ordinal",
                title=None,
                sort=list(WEEKDAYS),
                axis=alt.Axis(labelFlush=False, domain=False, ticks=False),
            ),
            color=alt.Color(field=value, type="quantitative", scale=scale, legend=legend),
            tooltip=tooltip(rows),
        )
    )
    return chart


def banded(
    rows: pl.DataFrame,
    series: Sequence[Series],
    x: alt.X,
    y: alt.Y,
    behind: Sequence[alt.Chart] = (),
    ahead: Sequence[alt.Chart] = (),
    *,
    dotted: bool = False,
    height: int = HEIGHT,
) -> alt.LayerChart:
    """Return lines, one a series, and behind them the range from `low` to `high` of those that have one.

    Args:
        rows: One row a point, with `series`, `low`, `high` and what the axes are of.
        series: The series, in order.
        x: The axis across.
        y: The upright axis.
        behind: What is drawn first.
        ahead: What is drawn last.
        dotted: Whether the points themselves are shown, as where there are few of them.
        height: The height in pixels.
    """
    import altair as alt

    shown = present(rows, series)
    base = alt.Chart().encode(x=x, y=y)
    ends: dict[str, Any] = {"y": alt.Y(field="low", type="quantitative"), "y2": alt.Y2(field="high")}
    band = alt.Chart().encode(x=x, opacity=opacity(0.22), **ends)
    layers: list[alt.Chart] = [
        band.transform_filter(f"datum.series === {json.dumps(one.label)}").mark_area(color=one.colour, line=False, clip=True)
        for one in shown
        if rows.filter(series=one.label)["low"].count()
    ]
    drawn = base.mark_line(strokeWidth=1.6, strokeJoin="round").encode(
        color=colour(shown), strokeDash=dashes(shown), opacity=opacity()
    )
    touched = base.mark_point(opacity=0, size=60).encode(tooltip=tooltip(rows))
    if dotted:
        layers.append(base.mark_point(filled=True, size=28).encode(color=colour(shown), opacity=opacity()))
    parts = [*behind, *layers, drawn, touched, *ahead]
    chart = alt.LayerChart(data=values_of(rows), layer=parts, width="container", height=height)
    return chart.add_params(alt.param(name=PICK, value=""))


def _ticks(least: float, most: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten in a range; its ends where there are none."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    found = [digit * 10.0**power for power in powers for digit in (1, 2, 5) if least <= digit * 10.0**power <= most]
    return found or [least, most]
