"""The kinds of chart that the figures use: lines, steps, quantile curves, cumulative distributions, bars, ranges, in Altair."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.series import Series

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

#: What has a mark of its own on a step line: a version that goes live, a retraining that is triggered.
EVENTS = ("version live", "retraining triggered")

#: The height of a coordinate system in pixels.
HEIGHT = 210
_TIMES_S = (
    0.1, 0.3, 1, 3, 10, 30, 60, 180, 600, 1_800, 3_600, 3 * 3_600, 12 * 3_600,
    86_400, 3 * 86_400, 10 * 86_400, 30 * 86_400, 100 * 86_400, 365 * 86_400, 3_650 * 86_400,
)  # fmt: skip
_TIME_LABEL = (
    "datum.value < 60 ? datum.value + ' s' : datum.value < 3600 ? datum.value / 60 + ' min' : "
    "datum.value < 86400 ? datum.value / 3600 + ' h' : datum.value < 31536000 ? datum.value / 86400 + ' d' : "
    "datum.value / 31536000 + ' y'"
)
#: Durations under this are drawn here on a logarithmic axis.
SHORTEST_S = 0.1


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

    if axes.weekdays:
        days = "['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][datum.value]"
        ticks = alt.Axis(values=list(range(7)), labelExpr=days, labelFlush=False, labelAlign="left")
        scale = alt.Scale(domain=[0, 7], nice=False)
    else:
        ticks = _days(rows[axes.x])
        scale = alt.Scale(nice=False)
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, axis=ticks, scale=scale)
    return _curves(rows, series, x, _upright(rows, axes))


def quantile_curves(rows: pl.DataFrame, series: Sequence[Series], axes: Axes) -> alt.LayerChart:
    """Return durations (logarithmic, vertical) over the share of tasks that does not exceed them."""
    import altair as alt

    clipped = rows.with_columns(pl.col(axes.y).clip(lower_bound=SHORTEST_S))
    x = alt.X(field=axes.x, type="quantitative", title=axes.x_title, axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    scale = alt.Scale(type="log", nice=False)
    y = alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=time_axis(clipped[axes.y]))
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
        axis=time_axis(rows[axes.x], zero=True),
    )
    return _curves(kept, series, x, _upright(rows, axes, domain=[least, 1]))


def shares(rows: pl.DataFrame, series: Sequence[Series], value: str, category: str) -> alt.Chart:
    """Return horizontal bars, one a category and series."""
    import altair as alt

    order = rows[category].unique(maintain_order=True).to_list()
    shown = present(rows, series)
    chart: alt.Chart = (
        alt.Chart(values_of(rows), width="container", height=alt.Step(14))
        .mark_bar()
        .encode(
            x=alt.X(field=value, type="quantitative", title="share of the tasks", axis=alt.Axis(format="%", tickCount=6)),
            y=alt.Y(field=category, type="nominal", title=None, sort=order, axis=alt.Axis(labelLimit=140)),
            yOffset=alt.YOffset(field="series", type="nominal", sort=[one.label for one in shown]),
            color=colour(shown),
            opacity=opacity(),
            tooltip=tooltip(rows),
        )
    )
    return chart.add_params(alt.param(name=PICK, value=""))


def steps(rows: pl.DataFrame, series: Sequence[Series], axes: Axes, level: float | None) -> alt.LayerChart:
    """Return step lines over days, one a series, with a mark at each event.

    Args:
        rows: The points, with the columns of `axes` and `event`: one of `EVENTS`, or something else for a point of a line
            without a mark. A retraining that is triggered is no point of a line.
        series: The series, in order.
        axes: The columns and titles of the axes.
        level: Where to draw the objective; None draws none.
    """
    import altair as alt

    shown = present(rows, series)
    base = alt.Chart().encode(
        x=alt.X(
            field=axes.x,
            type="quantitative",
            title=axes.x_title,
            axis=_days(rows[axes.x]),
            scale=alt.Scale(nice=False, zero=True),
        ),
        y=alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
    )
    # The legend is that of the lines alone, which shows their dashes.
    drawn = base.encode(opacity=opacity())
    marked = drawn.encode(color=_each(shown, [one.colour for one in shown]))
    live, triggered = EVENTS
    line = drawn.transform_filter(f"datum.event !== '{triggered}'").mark_line(
        interpolate="step-after", strokeWidth=1.4, strokeJoin="round"
    )
    dots = marked.transform_filter(f"datum.event === '{live}'").mark_point(filled=True, size=26)
    diamonds = marked.transform_filter(f"datum.event === '{triggered}'").mark_point(
        shape="diamond", size=44, fill="#fff", strokeWidth=1.4
    )
    touched = base.mark_point(opacity=0, size=60).encode(tooltip=tooltip(rows))
    layers: list[alt.Chart] = [line.encode(color=colour(shown), strokeDash=dashes(shown)), dots, diamonds, touched]
    if level is not None:
        rule = alt.Chart(alt.InlineData(values=[{axes.y: level}])).encode(y=alt.Y(field=axes.y, type="quantitative"))
        word = rule.mark_text(text="objective", align="right", baseline="bottom", dy=-2, fontSize=10, color="#555")
        layers = [rule.mark_rule(color="#777", strokeDash=[2, 3]), word.encode(x=alt.value("width")), *layers]
    chart = alt.LayerChart(data=values_of(rows), layer=layers, width="container", height=HEIGHT)
    return chart.add_params(alt.param(name=PICK, value=""))


def ranges(rows: pl.DataFrame, series: Sequence[Series], category: str, ends: tuple[str, str], title: str) -> alt.LayerChart:
    """Return durations as ranges, one a category and series: from a point to an upright tick.

    Args:
        rows: One row a range.
        series: The series, in order.
        category: The column of the categories, which stand below each other in the order of the rows.
        ends: The columns of the ends of a range, in seconds.
        title: The title of the axis of time.
    """
    import altair as alt

    shown = present(rows, series)
    times = pl.concat([rows[end].drop_nulls() for end in ends])
    longest = max(float(times.max() or 0), 60)  # type: ignore[arg-type]
    scale = alt.Scale(type="symlog", constant=60, nice=False, domain=[0, 1.1 * longest])
    base = alt.Chart().encode(
        x=alt.X(field=ends[0], type="quantitative", title=title, scale=scale, axis=time_axis(times, zero=True, least=60)),
        y=alt.Y(
            field=category,
            type="nominal",
            title=None,
            sort=rows[category].unique(maintain_order=True).to_list(),
            axis=alt.Axis(labelLimit=140, grid=True, tickBand="extent"),
        ),
        yOffset=alt.YOffset(field="series", type="nominal", sort=[one.label for one in shown]),
        color=colour(shown),
        opacity=opacity(),
    )
    upper = alt.X(field=ends[1], type="quantitative")
    shapes = alt.Scale(domain=[one.label for one in shown], range=["circle", "square"])
    chart = alt.LayerChart(
        data=values_of(rows),
        layer=[
            base.mark_rule(strokeWidth=1.4).encode(x2=ends[1], strokeDash=_each(shown, [list(one.dash) for one in shown])),
            base.mark_tick(thickness=2, size=9).encode(x=upper, tooltip=tooltip(rows)),
            base.mark_point(filled=True, size=55).encode(
                shape=alt.Shape(field="series", type="nominal", scale=shapes), tooltip=tooltip(rows)
            ),
        ],
        width="container",
        height=alt.Step(13),
    )
    return chart.add_params(alt.param(name=PICK, value=""))


def _curves(rows: pl.DataFrame, series: Sequence[Series], x: alt.X, y: alt.Y) -> alt.LayerChart:
    import altair as alt

    shown = present(rows, series)
    base = alt.Chart().encode(x=x, y=y)
    drawn = base.mark_line(strokeWidth=1.6, strokeJoin="round").encode(
        color=colour(shown), strokeDash=dashes(shown), opacity=opacity()
    )
    # A line has one tooltip in all, so invisible points carry one each.
    touched = base.mark_point(opacity=0, size=60).encode(tooltip=tooltip(rows))
    chart = alt.LayerChart(data=values_of(rows), layer=[drawn, touched], width="container", height=HEIGHT)
    return chart.add_params(alt.param(name=PICK, value=""))


def _upright(rows: pl.DataFrame, axes: Axes, domain: list[float] | None = None) -> alt.Y:
    import altair as alt

    most = float(rows[axes.y].max() or 0)  # type: ignore[arg-type]
    scale = alt.Scale(domain=domain) if domain else alt.Scale(zero=True)
    axis = alt.Axis(format="%" if axes.percent else "~s" if most >= 1_000 else ".3~f", tickCount=5)
    return alt.Y(field=axes.y, type="quantitative", title=axes.y_title, scale=scale, axis=axis)


def _days(values: pl.Series) -> alt.Axis:
    import altair as alt

    last = float(values.max() or 0)  # type: ignore[arg-type]
    return alt.Axis(values=list(range(0, int(last) + 1, 7)), labelFlush=False) if 14 <= last <= 120 else alt.Axis()


def time_axis(values: pl.Series, *, zero: bool = False, least: float = 1) -> alt.Axis:
    """Return an axis of seconds with ticks at round times; with `zero`, at zero and from `least` on."""
    import altair as alt

    first, most = float(values.min() or 0), float(values.max() or 0)  # type: ignore[arg-type]
    ticks = [t for t in _TIMES_S if (least if zero else first) <= t <= most]
    return alt.Axis(
        values=[0.0, *ticks] if zero else ticks or [first], labelExpr=_TIME_LABEL, labelOverlap="greedy", labelSeparation=8
    )


def present(rows: pl.DataFrame, series: Sequence[Series]) -> list[Series]:
    """Return the series that have rows."""
    labels = set(rows["series"].unique().to_list())
    return [one for one in series if one.label in labels]


def colour(shown: Sequence[Series]) -> alt.Color:
    """Return the colours of the series."""
    import altair as alt

    scale = alt.Scale(domain=[one.label for one in shown], range=[one.colour for one in shown])
    return alt.Color(field="series", type="nominal", scale=scale)


def dashes(shown: Sequence[Series]) -> alt.StrokeDash:
    """Return the dash patterns of the series."""
    import altair as alt

    scale = alt.Scale(domain=[one.label for one in shown], range=[list(one.dash) for one in shown])
    return alt.StrokeDash(field="series", type="nominal", scale=scale)


def _each(shown: Sequence[Series], values: Sequence[Any]) -> Any:
    """Return a value for each series, without a scale and so without a legend."""
    tests = [f"datum.series === {json.dumps(one.label)}" for one in shown]
    return {
        "condition": [{"test": test, "value": value} for test, value in zip(tests, values, strict=True)],
        "value": values[0],
    }


def opacity(full: float = 1) -> Any:
    """Return an opacity that fades all series but the one to bring out."""
    import altair as alt

    return alt.condition(f"{PICK} === '' || datum.series === {PICK}", alt.value(full), alt.value(0.12 * full))


def tooltip(rows: pl.DataFrame) -> list[alt.Tooltip]:
    """Return all columns of a point."""
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


def values_of(rows: pl.DataFrame) -> alt.InlineData:
    """Return rows as a chart's data, with instants as text."""
    import altair as alt

    text = rows.with_columns(pl.col(pl.Datetime).dt.strftime("%a %Y-%m-%d %H:%M"))
    return alt.InlineData(values=text.to_dicts())
