"""The kinds of chart that the figures use: lines, quantile curves, cumulative distributions and bars, in Altair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.data import Series

if TYPE_CHECKING:
    import altair as alt

#: The look that all charts share; the page adds its own fonts.
CONFIG: dict[str, Any] = {
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelColor": "#333", "titleColor": "#333",
        "gridColor": "#e6e6e6", "domainColor": "#999", "tickColor": "#999", "labelFlush": True,
    },
    "legend": {"orient": "bottom", "title": None, "labelLimit": 260, "columns": 4, "symbolSize": 160},
    "title": {"fontSize": 13, "anchor": "start", "fontWeight": "bold"},
}  # fmt: skip

#: The signal that names the one series to bring out; empty brings out all.
PICK = "pick"

_HEIGHT = 210
_TIMES_S = (
    0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1_800, 3_600, 3 * 3_600, 12 * 3_600,
    86_400, 3 * 86_400, 10 * 86_400, 30 * 86_400, 100 * 86_400, 365 * 86_400, 3_650 * 86_400,
)  # fmt: skip
_TIME_LABEL = (
    "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : "
    "datum.value < 86400 ? datum.value / 3600 + ' h' : datum.value < 31536000 ? datum.value / 86400 + ' d' : "
    "datum.value / 31536000 + ' y'"
)
_SHORTEST_S = 0.1


@dataclass(frozen=True)
class Axes:
    """The columns and titles of a chart's two axes; `percent` formats the vertical one, `weekdays` the horizontal one."""

    x: str
    y: str
    x_title: str | None
    y_title: str
    percent: bool = False
    weekdays: bool = False


def lines(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return lines over days, one a series."""
    import altair as alt

    last = float(rows[axes.x].max() or 0)  # type: ignore[arg-type]
    if axes.weekdays:
        days = "['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][datum.value]"
        ticks = alt.Axis(values=list(range(7)), labelExpr=days, labelFlush=False, labelAlign="left")
        scale = alt.Scale(domain=[0, 7], nice=False)
    else:
        ticks = alt.Axis(values=list(range(0, int(last) + 1, 7)), labelFlush=False) if 14 <= last <= 120 else alt.Axis()
        scale = alt.Scale(nice=False)
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, axis=ticks, scale=scale)
    return _curves(rows, series, x, _upright(rows, axes))


def quantile_curves(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return durations (logarithmic, vertical) over the share of tasks that does not exceed them."""
    import altair as alt

    clipped = rows.with_columns(pl.col(axes.y).clip(lower_bound=_SHORTEST_S))
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    scale = alt.Scale(type="log", nice=False)
    y = alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=_time_axis(clipped[axes.y]))
    return _curves(clipped, series, x, y)


def cumulative(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return the share (vertical) of what is no longer than a time (horizontal, linear to 1 s and logarithmic beyond).

    Shares that every series reaches at time zero are cut off: where nine tasks in ten start at once, the tenth is what differs.
    """
    import altair as alt

    at_once = rows.group_by("series").agg(pl.col(axes.y).filter(pl.col(axes.x) == 0).max().fill_null(0))[axes.y].min()
    least = min(math.floor(float(at_once) * 10) / 10, 0.9)  # type: ignore[arg-type]
    kept = rows.filter(pl.col(axes.y) >= least)
    x = alt.X(
        field=axes.x,
        type="quantitative",
        title=axes.x_title,
        scale=alt.Scale(type="symlog", constant=1, nice=False),
        axis=_time_axis(rows[axes.x], zero=True),
    )
    return _curves(kept, series, x, _upright(rows, axes, domain=[least, 1]))


def shares(rows: pl.DataFrame, series: Sequence[Series], value: str, category: str) -> alt.Chart:
    """Return horizontal bars, one a category and series."""
    import altair as alt

    order = rows[category].unique(maintain_order=True).to_list()
    shown = _present(rows, series)
    chart: alt.Chart = (
        alt.Chart(_values(rows), width="container", height=alt.Step(14))
        .mark_bar()
        .encode(
            x=alt.X(field=value, type="quantitative", title="share of the tasks", axis=alt.Axis(format="%", tickCount=6)),
            y=alt.Y(field=category, type="nominal", title=None, sort=order, axis=alt.Axis(labelLimit=140)),
            yOffset=alt.YOffset(field="series", type="nominal", sort=[one.label for one in shown]),
            color=_colour(shown),
            opacity=_opacity(),
            tooltip=_tooltip(rows),
        )
    )
    return chart.add_params(alt.param(name=PICK, value=""))


def _curves(rows: pl.DataFrame, series: Sequence[Series], x: alt.X, y: alt.Y) -> alt.LayerChart:
    import altair as alt

    shown = _present(rows, series)
    dashes = alt.StrokeDash(
        field="series",
        type="nominal",
        scale=alt.Scale(domain=[one.label for one in shown], range=[list(one.dash) for one in shown]),
    )
    base = alt.Chart().encode(x=x, y=y)
    drawn = base.mark_line(strokeWidth=1.6, strokeJoin="round").encode(
        color=_colour(shown), strokeDash=dashes, opacity=_opacity()
    )
    # A line has one tooltip in all, so invisible points carry one each.
    touched = base.mark_point(opacity=0, size=60).encode(tooltip=_tooltip(rows))
    chart = alt.LayerChart(data=_values(rows), layer=[drawn, touched], width="container", height=_HEIGHT)
    return chart.add_params(alt.param(name=PICK, value=""))


def _upright(rows: pl.DataFrame, axes: Axes, domain: list[float] | None = None) -> alt.Y:
    import altair as alt

    most = float(rows[axes.y].max() or 0)  # type: ignore[arg-type]
    scale = alt.Scale(domain=domain) if domain else alt.Scale(zero=True)
    axis = alt.Axis(format="%" if axes.percent else "~s" if most >= 1_000 else ".3~f", tickCount=5)
    return alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=axis)


def _time_axis(values: pl.Series, *, zero: bool = False) -> alt.Axis:
    import altair as alt

    least, most = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
    ticks = [t for t in _TIMES_S if (1 if zero else least) <= t <= most]
    return alt.Axis(
        values=[0.0, *ticks] if zero else ticks or [least], labelExpr=_TIME_LABEL, labelOverlap="greedy", labelSeparation=8
    )


def _present(rows: pl.DataFrame, series: Sequence[Series]) -> list[Series]:
    labels = set(rows["series"].unique().to_list())
    return [one for one in series if one.label in labels]


def _colour(shown: Sequence[Series]) -> alt.Color:
    import altair as alt

    scale = alt.Scale(domain=[one.label for one in shown], range=[one.colour for one in shown])
    return alt.Color(field="series", type="nominal", scale=scale)


def _opacity() -> Any:
    import altair as alt

    return alt.condition(f"{PICK} === '' || datum.series === {PICK}", alt.value(1), alt.value(0.12))


def _tooltip(rows: pl.DataFrame) -> list[alt.Tooltip]:
    import altair as alt

    return [
        alt.Tooltip(
            field=name,
            type="quantitative" if dtype.is_numeric() else "nominal",
            title=name.replace("_", " "),
            format=".4~g" if dtype.is_float() else alt.Undefined,
        )
        for name, dtype in rows.schema.items()
    ]


def _values(rows: pl.DataFrame) -> alt.InlineData:
    import altair as alt

    text = rows.with_columns(pl.col(pl.Datetime).dt.strftime("%a %Y-%m-%d %H:%M"))
    return alt.InlineData(values=text.to_dicts())
