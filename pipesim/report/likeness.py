"""The figures on how like the log synthetic traces are: durations, bursts, the memory of busy hours, the week."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl

from pipesim.report import bands
from pipesim.report.data import ReportData
from pipesim.report.figure import Caption, Figure, Note, Panel
from pipesim.report.marks import Axes
from pipesim.report.series import LIKENESS, Series
from pipesim.words import count

if TYPE_CHECKING:
    import altair as alt

MEASURE = Note("Nobody has measured yet how like the log the synthetic traces are:", "pipesim quality")
_MAX_PANELS = 8

_BAND = "The tinted band holds every single synthetic trace; lines are means."


def quality_durations(data: ReportData) -> Figure:
    """Q-Q plots of the natural durations by kind of task."""
    kinds = data.rows(
        """
        WITH judged AS (SELECT cell, value / goal_high AS missed FROM analytics.quality_cells WHERE metric = 'duration_ks')
        SELECT DISTINCT cell, missed FROM analytics.quality_curves LEFT JOIN judged USING (cell)
        WHERE curve = 'duration_quantiles' ORDER BY missed DESC NULLS LAST, cell
        """
    )["cell"].to_list()
    shown = kinds[:_MAX_PANELS]
    rows = data.rows(
        """
        WITH curves AS (SELECT * FROM analytics.quality_curves WHERE curve = 'duration_quantiles'),
        panels AS (SELECT unnest($kinds) AS cell, unnest(range(len($kinds))) AS panel),
        sides AS (SELECT unnest($sides) AS side, unnest($labels) AS label, unnest(range(len($sides))) AS place)
        SELECT c.cell AS tasks, label AS series, c.x AS share, o.value AS observed_s, c.value AS duration_s, c.low, c.high
        FROM curves AS c
        JOIN curves AS o ON o.series = 'real' AND o.cell = c.cell AND o.x = c.x
        JOIN panels ON panels.cell = c.cell
        JOIN sides ON side = c.series
        ORDER BY panel, place, share
        """,
        {"kinds": shown or [""], **_sides(LIKENESS[1:])},
    )
    caption = Caption(
        "How long tasks take",
        "Each point of a line is a duration that some share of the tasks does not exceed: in the log on the horizontal axis, "
        "in the synthetic traces on the vertical one. On the dotted line both are equal; above it, synthetic tasks are longer. "
        f"{_BAND}",
        "Q-Q plots of durations on logarithmic axes, one for each kind of task, with the line on which both are equal.",
    )
    axes = Axes("observed_s", "duration_s", "in the log", "in the synthetic traces")
    drawn = tuple(
        Panel(str(kind[0]), bands.quantile_pairs(part.drop("tasks"), LIKENESS, axes))
        for kind, part in rows.group_by("tasks", maintain_order=True)
    )
    notes = []
    if len(kinds) > len(shown):
        notes.append(
            Note(f"Shown are {len(shown)} of {count(len(kinds), 'kind')} of tasks, those farthest beyond their goals.")
        )
    return Figure(caption, rows, _present(rows), drawn, tuple(notes))


def quality_bursts(data: ReportData) -> Figure:
    """The index of dispersion of submissions by the length of windows."""
    rows = _curve(data, "dispersion", "window_s", "index")
    caption = Caption(
        "How bursts come",
        "Time is cut into windows of the length on the horizontal axis; the height of a line says how unevenly runs fall into "
        "them (the index of dispersion: variance over mean of their numbers). At 1 runs come independently of each other; the "
        f"higher, the stronger the bursts, and the longer the queues. {_BAND}",
        "Line chart of the index of dispersion of submissions over the length of windows, both axes logarithmic.",
    )
    axes = Axes("window_s", "index", "length of the windows", "unevenness (index)")
    return _figure(caption, rows, lambda: bands.dispersion(rows, LIKENESS, axes))


def quality_rhythm(data: ReportData) -> Figure:
    """The autocorrelation of hourly counts."""
    rows = _curve(data, "hourly_autocorrelation", "lag_h", "correlation").filter(pl.col("lag_h") > 0)
    caption = Caption(
        "What a busy hour tells about later ones",
        "The height of a line says how much an hour that is busier than usual goes with one that is as many hours later: at 1 "
        "they are always busy together, at 0 one tells nothing about the other. Peaks at whole days are the daily rhythm. "
        f"{_BAND}",
        "Line chart of the autocorrelation of the hourly number of submissions for lags of up to a week.",
    )
    axes = Axes("lag_h", "correlation", "time between the two hours", "correlation")
    return _figure(caption, rows, lambda: bands.memory(rows, LIKENESS, axes))


def quality_week(data: ReportData) -> Figure:
    """Submissions by hour of the week as heat maps, real beside synthetic."""
    rows = (
        _curve(data, "week", "hour_of_week", "runs_per_hour")
        .filter(pl.col("series") != LIKENESS[2].label)
        .select(
            "series",
            pl.col("hour_of_week").cast(pl.Int64),
            weekday=(pl.col("hour_of_week") // 24).replace_strict(dict(enumerate(bands.WEEKDAYS)), return_dtype=pl.String),
            hour=(pl.col("hour_of_week") % 24).cast(pl.Int64),
            runs_per_hour="runs_per_hour",
        )
    )
    caption = Caption(
        "Which hours of the week are busy",
        "Each square is an hour of the week; the darker, the more runs are submitted in it on average. Colours mean the same "
        "in both maps.",
        "Two heat maps of the mean number of runs submitted in each of the 168 hours of the week, one for the log and one for "
        "the synthetic traces.",
    )
    most = float(rows["runs_per_hour"].max() or 1)  # type: ignore[arg-type]
    drawn = tuple(
        Panel(str(name[0]), bands.week_map(part, "runs_per_hour", most, "runs per hour"))
        for name, part in rows.group_by("series", maintain_order=True)
    )
    return Figure(caption, rows, (), drawn, (), beside=True)


def _figure(caption: Caption, rows: pl.DataFrame, draw: Callable[[], alt.LayerChart]) -> Figure:
    return Figure(caption, rows, _present(rows), (Panel("", draw()),) if rows.height else (), ())


def _curve(data: ReportData, curve: str, x: str, value: str) -> pl.DataFrame:
    return data.rows(
        f"""
        WITH sides AS (SELECT unnest($sides) AS side, unnest($labels) AS label, unnest(range(len($sides))) AS place)
        SELECT label AS series, x AS {x}, value AS {value}, low, high
        FROM analytics.quality_curves AS c JOIN sides ON side = c.series
        WHERE curve = $curve ORDER BY place, x
        """,
        {"curve": curve, **_sides(LIKENESS)},
    )


def _sides(series: tuple[Series, ...]) -> dict[str, list[str]]:
    return {"sides": [one.trace for one in series], "labels": [one.label for one in series]}


def _present(rows: pl.DataFrame) -> tuple[Series, ...]:
    labels = set(rows["series"])
    return tuple(one for one in LIKENESS if one.label in labels)
