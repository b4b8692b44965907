"""The chart of mixes of two pools: the least of the second over the first, what it costs, and what was tried in vain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from pipesim.report.marks import PICK, colour, dashes, opacity, present, tooltip, values_of
from pipesim.report.series import Series

if TYPE_CHECKING:
    import altair as alt

_HEIGHT = 280


def staircase(
    rows: pl.DataFrame, series: Sequence[Series], x_title: str, y_title: str, cheapest: Mapping[str, Any]
) -> alt.LayerChart:
    """Return one staircase a series.

    Args:
        rows: The trials, in the columns of `simulated.capacity`, with `series`.
        series: The series, in order.
        x_title: What the first pool is counted in.
        y_title: What the second pool is counted in.
        cheapest: The row of the cheapest mix of all.
    """
    import altair as alt

    told = rows.select("series", "capacity", "second_capacity", "cost_per_h", "mean", "met", "is_least", "is_answer")
    told = told.with_columns(pl.selectors.float().round_sig_figs(7)).sort("capacity", "second_capacity", maintain_order=True)
    # The axes show where mixes will do; what was tried beyond the largest of these tells nothing more.
    least = told.filter("is_least")
    ends = {name: 1.12 * float(least[name].max()) for name in ("capacity", "second_capacity")}  # type: ignore[arg-type]
    told = told.filter(*(pl.col(name) <= end for name, end in ends.items()))
    shown = present(told, series)
    axis = alt.Axis(format=",d", tickMinStep=1, tickCount=6)
    x, y = (
        alt.X(field="capacity", type="quantitative", title=x_title, axis=axis, scale=_from_zero(ends["capacity"])),
        alt.Y(
            field="second_capacity", type="quantitative", title=y_title, axis=axis, scale=_from_zero(ends["second_capacity"])
        ),
    )
    base = alt.Chart().encode(x=x, y=y, opacity=opacity())
    tone = colour(shown)
    line = base.transform_filter("datum.is_least").mark_line(interpolate="step-after", strokeWidth=1.8)
    steps = base.transform_filter("datum.is_least").mark_point(filled=True, size=45)
    failed = base.transform_filter("!datum.met").mark_point(shape="cross", size=42, filled=True)
    ring = base.transform_filter("datum.is_answer").mark_point(size=230, strokeWidth=2.2)
    touched = alt.Chart().encode(x=x, y=y).mark_point(opacity=0, size=60).encode(tooltip=tooltip(told))
    layers: list[alt.Chart] = [
        alt.Chart(alt.InlineData(values=_equal_cost(cheapest, ends)))
        .mark_line(color="#a34700", strokeDash=[5, 4], strokeWidth=1.2, clip=True)
        .encode(x=x, y=y),
        failed.encode(color=tone, opacity=opacity(0.35)),
        line.encode(color=tone, strokeDash=dashes(shown)),
        steps.encode(color=tone),
        ring.encode(color=tone),
        touched,
    ]
    chart = alt.LayerChart(data=values_of(told), layer=layers, width="container", height=_HEIGHT)
    return chart.add_params(alt.param(name=PICK, value=""))


def _from_zero(end: float) -> alt.Scale:
    import altair as alt

    return alt.Scale(nice=False, domain=[0, end])


def _equal_cost(cheapest: Mapping[str, Any], ends: Mapping[str, float]) -> list[dict[str, float]]:
    """Return the ends of the line of all mixes that cost as much as the cheapest."""
    cost, first, second = (float(cheapest[name]) for name in ("cost_per_h", "price_per_h", "second_price_per_h"))
    return [{"capacity": at, "second_capacity": (cost - first * at) / second} for at in (0.0, ends["capacity"])]
