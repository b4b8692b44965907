"""What a check says: passed or not, how bad that is, one sentence, and the figures with their goals and noise floors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from pipesim.quality.goal import Goal

Severity = Literal["error", "warn"]

#: The rows that a table of examples shows.
MOST_ROWS = 20
_CELL_CHARACTERS = 160
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


@dataclass(frozen=True)
class Figure:
    """A measured number beside what it should be.

    Args:
        value: The number; None where it could not be measured.
        low: The least that is good enough, if there is a least.
        high: The most that is good enough, if there is a most.
        floor: The noise floor: how far from perfect the figure is, on average, where there is nothing but chance to tell
            two samples apart.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    floor: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the goal is met; what was not measured, or has no goal, misses none."""
        return self.value is None or Goal(self.low, self.high).met(self.value)

    @property
    def goal(self) -> str:
        """The goal in words; empty where there is none."""
        return Goal(self.low, self.high).words


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Args:
        passed: Whether all is well.
        words: One sentence on what was found.
        severity: How bad it is if it did not pass: `error` keeps what depends on it from being made, `warn` does not.
        figures: What was measured, by name.
        tables: Details and examples, by name, each small enough to be read.
    """

    passed: bool
    words: str
    severity: Severity = "error"
    figures: Mapping[str, Figure] = field(default_factory=dict)
    tables: Mapping[str, pl.DataFrame] = field(default_factory=dict)

    def scores(self) -> pl.DataFrame:
        """Return the figures that have a goal, one a row: figure, value, goal, noise floor, met."""
        schema = {"figure": pl.String, "value": pl.Float64, "goal": pl.String, "noise floor": pl.Float64, "met": pl.Boolean}
        rows = [(name, f.value, f.goal, f.floor, f.ok if f.value is not None else None) for name, f in self.figures.items()]
        return pl.DataFrame([row for row in rows if row[2]], schema=schema, orient="row")


def markdown(table: pl.DataFrame) -> str:
    """Return a table in which no cell can be taken for markup, whatever a log holds."""
    lines = [table.columns, ["---:" if dtype.is_numeric() else "---" for dtype in table.dtypes]]
    cells = [[_cell(value) for value in row] for row in table.iter_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in (*lines, *cells))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    short = text if len(text) <= _CELL_CHARACTERS else f"{text[: _CELL_CHARACTERS - 3]}..."
    # CommonMark lets every ASCII punctuation mark be escaped; what does not print could break the row or reverse its text.
    return _PUNCTUATION.sub(r"\\\1", "".join(c if c.isprintable() else " " for c in short))
