"""The chart of what is spent against what is had for it: points by name, with intervals, the efficient ones joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import polars as pl

from pipesim.report.axes import Ruler
from pipesim.report.labels import Line, Point, place
from pipesim.report.marks import values_of

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


@dataclass(frozen=True)
class Plane:
    """What lies across and upright in a frontier, and how it is laid out.

    Args:
        name: The column of the points' names.
        x: The column of what is spent; its interval ends stand in `<x>_low` and `<x>_high`.
        y: The column of what is had, likewise.
        across: How the former is laid out.
        upright: How the latter is.
        x_title: The title of the axis across.
        y_title: The title of the upright axis.
        x_axis: The axis across, where it is not the layout's own.
        named: How many of the points, the first ones, have their names beside them.
        tooltip: The columns that are told of a point, with their titles.
    """

    name: str
    x: str
    y: str
    across: Ruler
    upright: Ruler
    x_title: str
    y_title: str
    tooltip: Mapping[str, str]
    x_axis: alt.Axis | None = None
    named: int = _MAX_NAMES


def frontier_chart(rows: pl.DataFrame, plane: Plane) -> alt.LayerChart:
    """Return points by name, with their intervals and the line through the efficient ones.

    The names are placed for several widths; which holds is told when the chart is drawn.

    Args:
        rows: One row a point, with the columns of the plane and `is_efficient`; those that are to be named first come first.
        plane: What lies where.
    """
    import altair as alt

    # What is drawn last lies on top.
    placed = _with_names(rows, plane).sort("is_efficient", maintain_order=True)
    axis = plane.x_axis or plane.across.axis()
    x = alt.X(f"{plane.x}:Q", title=plane.x_title, scale=plane.across.scale(), axis=axis)
    y = alt.Y(f"{plane.y}:Q", title=plane.y_title, scale=plane.upright.scale(), axis=plane.upright.axis())
    colour = alt.condition("datum.is_efficient", alt.value(_EFFICIENT), alt.value(_OTHER))
    base = alt.Chart().encode(x=x, y=y)
    faint = alt.condition("datum.is_efficient", alt.value(0.55), alt.value(0.3))
    bars = alt.Chart().mark_rule(strokeWidth=1.2, clip=True).encode(color=colour, opacity=faint)
    line = base.transform_filter("datum.is_efficient").mark_line(color=_EFFICIENT, strokeWidth=2.2)
    dots = base.mark_point(size=80, strokeWidth=1.6, opacity=1).encode(
        color=colour,
        fill=alt.condition("datum.is_efficient", alt.value(_EFFICIENT), alt.value("#fff")),
        tooltip=[alt.Tooltip(field=name, type="nominal", title=title) for name, title in plane.tooltip.items()],
    )
    return alt.LayerChart(
        data=values_of(placed),
        layer=[
            bars.encode(x=alt.X(f"{plane.x}_low:Q"), x2=f"{plane.x}_high:Q", y=y),
            bars.encode(x=x, y=alt.Y(f"{plane.y}_low:Q"), y2=f"{plane.y}_high:Q"),
            line,
            *_names(base, plane),
            dots,
        ],
        width="container",
        height=_HEIGHT,
    )


def _with_names(rows: pl.DataFrame, plane: Plane) -> pl.DataFrame:
    """Return the rows with the places of their names, one for each width; a name without a place is empty."""
    names = [name if len(name) <= _MAX_NAME else name[: _MAX_NAME - 1] + "\u2026" for name in rows[plane.name]]
    columns = []
    for which, width in enumerate(_WIDTHS):

        def at(x: float, y: float, width: int = width) -> Point:
            return plane.across.place(x) * width, (1 - plane.upright.place(y)) * _HEIGHT

        lines: list[Line] = []
        for row in rows.iter_rows(named=True):
            x, y = row[plane.x], row[plane.y]
            if row[f"{plane.x}_low"] is not None:
                lines.append((at(row[f"{plane.x}_low"], y), at(row[f"{plane.x}_high"], y)))
            if row[f"{plane.y}_low"] is not None:
                lines.append((at(x, row[f"{plane.y}_low"]), at(x, row[f"{plane.y}_high"])))
        corners = sorted(rows.filter("is_efficient").select(plane.x, plane.y).iter_rows())
        lines += [(at(*before), at(*after)) for before, after in pairwise(corners)]
        points = [at(*row) for row in rows.select(plane.x, plane.y).iter_rows()]
        spots = [*place(points, names[: plane.named], lines, width, _HEIGHT)]
        spots += [None] * (len(names) - len(spots))
        columns += [
            pl.Series(f"name{which}", [name if spot else "" for name, spot in zip(names, spots, strict=True)]),
            pl.Series(f"dx{which}", [spot.dx if spot else 0.0 for spot in spots]),
            pl.Series(f"dy{which}", [spot.dy if spot else 0.0 for spot in spots]),
            pl.Series(f"align{which}", [spot.align if spot else "left" for spot in spots]),
        ]
    return rows.with_columns(columns)


def _names(base: alt.Chart, plane: Plane) -> list[alt.Chart]:
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
    ).encode(x2=f"{plane.x}:Q", y2=f"{plane.y}:Q")
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
