"""What a figure of the report is, and how one is put together from rows, a way to draw them, and what is missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from pipesim.report.data import ReportData
from pipesim.report.series import Series

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True)
class Note:
    """A sentence about what is missing, and the command that makes it (empty where none does)."""

    text: str
    command: str = ""


@dataclass(frozen=True)
class Panel:
    """One coordinate system of a figure; its width is its container's."""

    title: str
    chart: alt.Chart | alt.LayerChart


@dataclass(frozen=True)
class Caption:
    """The words of a figure.

    Args:
        title: Its heading.
        reading: How to read it, in plain words.
        alt: What a reader who cannot see it should know.
        origins: The origins that it compares; none where it is not about origins.
        reason: Why a trace of those origins may be absent from it, to follow "because".
    """

    title: str
    reading: str
    alt: str
    origins: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Figure:
    """One figure; where it has no panels, its notes say why.

    Args:
        caption: Its words.
        rows: The data, for people: the table beside it and the CSV file.
        series: The traces that it shows.
        panels: Its charts.
        notes: What is missing in it.
        beside: Whether few panels stand beside each other too, where there is room.
    """

    caption: Caption
    rows: pl.DataFrame
    series: tuple[Series, ...]
    panels: tuple[Panel, ...]
    notes: tuple[Note, ...]
    beside: bool = False

    @property
    def wide(self) -> bool:
        """Whether its panels stand one below the other: few enough for each to have the page's whole width."""
        return len(self.panels) <= 3 and not self.beside


MISSING = {
    "observed": Note("No log has been ingested yet:", "pipesim ingest PATH --source NAME"),
    "synthetic": Note("There is no synthetic trace yet:", "pipesim synthesize --days 28"),
    "simulated": Note("No scenario has been simulated yet:", "pipesim simulate SCENARIO.yaml"),
}


def assemble(data: ReportData, caption: Caption, rows: pl.DataFrame, draw: Callable[[pl.DataFrame], list[Panel]]) -> Figure:
    """Return the figure of some rows.

    Args:
        data: What the report compares.
        caption: The figure's words.
        rows: One row a point, with the column `series`.
        draw: Makes the panels of rows; not called when there are none.
    """
    shown = set(rows["series"].unique().to_list())
    absent = [one.label for one in data.series if one.origin in caption.origins and one.label not in shown]
    notes = [MISSING[origin] for origin in caption.origins if not data.has(origin)]
    if absent:
        notes.append(Note(f"Not shown: {', '.join(absent)}, because {caption.reason}."))
    series = tuple(one for one in data.series if one.label in shown)
    return Figure(caption, rows, series, tuple(draw(rows)) if rows.height else (), tuple(notes))
