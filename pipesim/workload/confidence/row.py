"""A row of the table of confidence intervals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from pipesim.workload.laws.law import Floats

#: Of names (pipelines, users, shapes, demands) only so many, the most frequent, have intervals of their own.
MOST = 50


class Interval(NamedTuple):
    """What a log tells of one fitted quantity.

    Attributes:
        part: The part of the model.
        quantity: Which of its quantities.
        of: Of which tasks, days, names; empty for the whole.
        estimate: What the model says.
        low: The lower confidence limit.
        high: The upper one; None where the log does not tell.
        how: How the limits were found.
    """

    part: str
    quantity: str
    of: str
    estimate: float
    low: float
    high: float | None
    how: str


def rows(
    part: str, quantity: str, of: Iterable[str], estimate: Sequence[float] | Floats, limits: tuple[Floats, Floats], how: str
) -> Iterator[Interval]:
    """Return one interval for each of several estimates."""
    for name, value, low, high in zip(of, estimate, *limits, strict=True):
        yield Interval(part, quantity, name, float(value), float(low), float(high), how)


def by_day(frame: pl.DataFrame, column: str, keys: int) -> Floats:
    """Return how many rows of each day have each key, [days, keys].

    Args:
        frame: The columns `place` (of the day, from 0) and `column` (the key, from 0, or NULL).
        column: Which.
        keys: How many keys there are.
    """
    known = frame.filter(pl.col(column).is_not_null())
    counts: Floats = np.zeros((int(frame["place"].max()) + 1, keys))  # type: ignore[arg-type]
    np.add.at(counts, (known["place"].to_numpy(), known[column].to_numpy()), 1.0)
    return counts


def with_day(frame: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Add the day on which the run of each row was submitted: `day` since 1970, `place` among the days of the frame.

    Runs that do not say when they were submitted share a day of their own.

    Args:
        frame: Rows with a run_id.
        runs: `pipeline_runs`.
    """
    of_run = runs.select("run_id", day=pl.col("submitted_at").dt.epoch("d").cast(pl.Int64))
    joined = frame.join(of_run, on="run_id", how="left", maintain_order="left").with_columns(pl.col("day").fill_null(-1))
    return joined.with_columns(place=pl.col("day").rank("dense").cast(pl.Int64) - 1)
