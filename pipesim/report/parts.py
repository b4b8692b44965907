"""What a page is put together from: parts of figures, with what is said, tabled and offered beside them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from markupsafe import Markup

from pipesim.report.figure import Figure, Note
from pipesim.report.score_table import ScoreTable

_TABLE_ROWS = 100


@dataclass(frozen=True)
class Change:
    """What one key of a scenario has, and what it has in the scenario that it is held against.

    Args:
        key: The dotted path of the key, or what it is about.
        old: What it had; empty where it was not there.
        new: What it has; empty where it is not there any more.
    """

    key: str
    old: str
    new: str


@dataclass(frozen=True)
class Card:
    """A scenario: what changed in it, and what comes of it.

    Args:
        title: Its name.
        changes: What changed, what matters most first.
        more: How many changes are left out.
        text: What comes of it, in words.
        unchanged: What stands in the place of changes where there are none.
    """

    title: str
    changes: tuple[Change, ...]
    more: int
    text: str
    unchanged: str = ""


@dataclass(frozen=True)
class Grid:
    """A table in units for people.

    Args:
        name: Its anchor in the page.
        reading: How to read it.
        heads: The heads of the columns.
        rows: One row of cells each, the first of which names it.
    """

    name: str
    reading: str
    heads: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Part:
    """Figures that belong together.

    Args:
        name: Its anchor in the page; empty if it needs no heading.
        title: Its heading.
        lead: What it comes to, in a sentence.
        notes: What is missing in it.
        sections: The figures (see `section`).
        scores: The scores that the lead sums up, if it does.
        downloads: Names of CSV files with more than is shown, and what they hold.
        cards: The scenarios that it is about, with what changed in each.
        grids: Tables that belong to no figure.
    """

    name: str
    title: str
    lead: str
    notes: tuple[Note, ...]
    sections: list[dict[str, Any]]
    scores: ScoreTable | None = None
    downloads: Mapping[str, str] = field(default_factory=dict)
    cards: tuple[Card, ...] = ()
    grids: tuple[Grid, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows as they stand in the page, and how many there are in all."""

    heads: list[str]
    rows: list[list[Any]]
    total: int


def section(name: str, figure: Figure, grid: Grid | None = None) -> dict[str, Any]:
    """Return a figure as the page takes it.

    Args:
        name: Its anchor in the page, and the name of its CSV file.
        figure: The figure.
        grid: A table that stands below it.
    """
    alt = figure.caption.alt
    if figure.series:
        alt += f" Shown: {', '.join(one.label for one in figure.series)}."
    frame = as_text(figure.rows)
    return {
        "name": name,
        "figure": figure,
        "strategies": None,
        "grid": grid,
        "alt": alt,
        "panels": [
            {"title": panel.title, "spec": as_json({**panel.chart.to_dict(validate=False), "description": alt})}
            for panel in figure.panels
        ],
        "csv": csv_link(frame),
        "table": Table(
            [c.replace("_", " ") for c in frame.columns], [list(r) for r in frame.head(_TABLE_ROWS).rows()], len(frame)
        ),
    }


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with instants as text."""
    return frame.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%dT%H:%M:%S"))


def csv_link(frame: pl.DataFrame) -> str:
    """Return rows as a link to a CSV file that needs no network."""
    return "data:text/csv;charset=utf-8;base64," + base64.b64encode(frame.write_csv().encode()).decode()


def as_json(value: Any) -> Markup:
    """Return a value as JSON that may stand inside a script element, whatever names it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return Markup(text.translate({ord(character): escape for character, escape in escapes.items()}))
