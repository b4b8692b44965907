"""How like the log synthetic traces are, in words: the sentence that sums the scores up, and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from pipesim.report.words import UNKNOWN, listed
from pipesim.words import count


@dataclass(frozen=True)
class ScoreTable:
    """The table as it stands in the page.

    Args:
        reading: How to read it.
        heads: The heads of the columns.
        rows: One row a score: what it is called, what it means, the other cells, and whether its goal is missed.
    """

    reading: str
    heads: list[str]
    rows: list[tuple[str, str, list[str], bool]]


def outcome(scores: pl.DataFrame) -> str:
    """Return what the scores come to; empty where nothing was judged.

    Args:
        scores: The rows of `analytics.quality_scores`.
    """
    judged = scores.filter(pl.col("met").is_not_null())
    if scores.is_empty():
        return ""
    if judged.is_empty():
        return "The log tells too little to say how like it the synthetic traces are."
    missed = judged.filter(~pl.col("met"))
    met = judged.height - missed.height
    parts = [
        f"The synthetic traces meet all {count(met, 'goal')}"
        if missed.is_empty()
        else f"The synthetic traces meet {met} of {count(judged.height, 'goal')} and miss {_names(missed)}"
    ]
    # A floor that is beyond the goal says that the log itself differs more from week to week.
    beyond = missed.filter((pl.col("floor") < pl.col("goal_low")) | (pl.col("floor") > pl.col("goal_high")))
    if beyond.height:
        which = "these" if beyond.height == missed.height > 1 else "this" if missed.height == 1 else _names(beyond)
        parts.append(f"real days beside other real days would miss {which} too")
    untold = scores.height - judged.height
    if untold:
        parts.append(f"{count(untold, 'other')} cannot be told from this log")
    return "; ".join(parts) + "."


def score_table(scores: pl.DataFrame) -> ScoreTable:
    """Return the table of all scores; there is one at least."""
    first = scores.row(0, named=True)
    reading = (
        f"Synthetic is the mean over {count(first['traces'], 'trace')} drawn from the model {first['model']}. Real days is "
        "the same figure of days of the log beside other days of the log: what differs no more than these cannot be told from "
        "chance. Simple model is that of a model with one arrival law for each hour of the week and everything else "
        "independent. A dash means that the log does not tell."
    )
    heads = ["What is compared", "Synthetic", "Real days", "Simple model", "Goal", "Met"]
    return ScoreTable(reading, heads, [_row(row) for row in scores.iter_rows(named=True)])


def _row(row: dict[str, Any]) -> tuple[str, str, list[str], bool]:
    title = row["title"] + (f" ({row['cell']})" if row["cell"] else "")
    figures = [_figure(row[name]) for name in ("value", "floor", "baseline")]
    met = UNKNOWN if row["met"] is None else "yes" if row["met"] else "no"
    return title[:1].upper() + title[1:], row["words"], [*figures, row["goal"], met], row["met"] is False


def _figure(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.3f}"


def _names(scores: pl.DataFrame) -> str:
    return listed([f"\u201c{title}\u201d" for title in scores["title"]])
