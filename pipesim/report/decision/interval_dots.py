"""Points with their 95 % intervals, by category: differences to a baseline, and figures at what has no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.marks import PICK, colour, opacity, present, tooltip, values_of
from pipesim.report.series import Series

if TYPE_CHECKING:
    import altair as alt
#: Names are cut in the middle beyond so many characters.
_LONGEST = 30


def interval_dots(
    rows: pl.DataFrame,
    series: Sequence[Series],
    category: str,
    x: alt.X,
    *,
    side_by_side: bool = False,
    zero: bool = False,
    shapes: Mapping[str, str] | None = None,
) -> alt.LayerChart:
    """Return a point a row at its value, with a bar from `low` to `high`; categories lie below each other.

    Args:
        rows: One row a point: `series`, the category, the column of `x`, `low` and `high` (both may be NULL), and what else is
            told of it.
        series: The series, in order.
        category: The column of the categories, in the order of the rows.
        x: The axis across.
        side_by_side: Whether the series of a category have lines of their own.
        zero: Whether a line is drawn at zero.
        shapes: The shape of each series' points; by default circles.
    """
    import altair as alt

    shown = present(rows, series)
    # Of long names the ends tell most.
    cut = f"length(datum.label) > {_LONGEST} ? slice(datum.label, 0, 10) + '\u2026' + slice(datum.label, -19) : datum.label"
    drawn = shapes or {}
    shape = alt.Shape(
        field="series",
        type="nominal",
        scale=alt.Scale(domain=[one.label for one in shown], range=[drawn.get(one.label, "circle") for one in shown]),
    )
    upright: dict[str, Any] = {
        "y": alt.Y(
            field=category,
            type="nominal",
            title=None,
            sort=rows[category].unique(maintain_order=True).to_list(),
            axis=alt.Axis(labelLimit=190, labelExpr=cut, labelFlush=False, grid=True, tickBand="extent"),
        )
    }
    if side_by_side:
        upright["yOffset"] = alt.YOffset(field="series", type="nominal", sort=[one.label for one in shown])
    base = alt.Chart().encode(**upright, color=colour(shown), opacity=opacity())
    bars = base.mark_rule(strokeWidth=1.6, clip=True).encode(x=alt.X(field="low", type="quantitative"), x2="high")
    dots = base.mark_point(filled=True, size=62).encode(x=x, shape=shape, tooltip=tooltip(rows))
    layers: list[alt.Chart] = [bars.transform_filter("isValid(datum.low)"), dots]
    if zero:
        layers.insert(0, alt.Chart(alt.InlineData(values=[{}])).mark_rule(color="#777").encode(x=alt.datum(0)))
    chart = alt.LayerChart(data=values_of(rows), layer=layers, width="container", height=alt.Step(15 if side_by_side else 20))
    return chart.add_params(alt.param(name=PICK, value=""))
