"""Metrics of durations: by cell and altogether, in the middle and in the tail."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt, values_of
from pipesim.quality.goal import Goal
from pipesim.quality.measures.metric import CannotTellError, Metric, Parts, percent, whole
from pipesim.quality.values import Values, largest_gap, quantiles
from pipesim.workload.laws.law import Floats

#: A cell with fewer real rows has no figure of its own.
FEWEST_ROWS = 200
_GRID: Floats = np.linspace(0.0005, 0.9995, 1000)


def by_cell(one: Excerpt) -> dict[str, Values]:
    """Return the natural durations (seconds) by task type and size class of the GPU demand."""
    words = {"none": "no GPU", "fraction": "part of a GPU", "1": "1 GPU"}
    size = pl.col("size").replace_strict(words, default=pl.format("{} GPUs", "size"))
    label = pl.concat_str(pl.col("task_type").fill_null("-"), size, separator=", ", ignore_nulls=True)
    rows = one.durations.select("seconds", "censored", cell=label).partition_by("cell", as_dict=True, include_key=False)
    return {str(cell): values_of(part) for (cell,), part in sorted(rows.items())}


def duration_ks(real: Excerpt, other: Excerpt) -> Parts:
    """Return the Kolmogorov-Smirnov distance of the natural durations in every cell with 200 real rows."""
    theirs, found = by_cell(other), {}
    for cell, values in _large_cells(real).items():
        gap = largest_gap(values, theirs[cell]) if cell in theirs else None
        found[cell] = 1.0 if gap is None else gap
    return found


def duration_noise(real: Excerpt, rng: np.random.Generator) -> Parts:
    """Return the distance of two random halves of each cell's rows, scaled to two samples of the cell's own size.

    Days would differ more, as like durations come together: what is told here is how near a law can be to the rows at all.
    """
    found = {}
    for cell, values in _large_cells(real).items():
        first = rng.random(len(values.value)) < 0.5
        gap = largest_gap(values.take(first), values.take(~first))
        if gap is not None:
            found[cell] = gap * float(np.sqrt(0.5))
    return found


def wasserstein(real: Excerpt, other: Excerpt) -> Parts:
    """Return the Wasserstein-1 distance of log(1 + seconds), in standard deviations of the real ones."""
    mine, theirs = _known(real), _known(other)
    spread = float(np.std(np.log1p(mine.value[~mine.censored])))
    if not spread:
        raise CannotTellError("all real durations are equal")
    apart = np.abs(np.log1p(quantiles(theirs, _GRID)) - np.log1p(quantiles(mine, _GRID)))
    known = ~np.isnan(apart)
    if not known.any():
        raise CannotTellError("nearly all durations are only known to be larger")
    return whole(float(np.mean(apart[known])) / spread)


def q99_ratio(real: Excerpt, other: Excerpt) -> Parts:
    """Return the ratio of the 99th percentiles of the natural durations."""
    (mine,), (theirs,) = (quantiles(_known(one), np.array([0.99])) for one in (real, other))
    if mine == 0:
        raise CannotTellError("99 of 100 real durations are zero")
    if np.isnan(mine) or np.isnan(theirs):
        raise CannotTellError("too many durations are only known to be larger to tell their 99th percentile")
    return whole(float(theirs / mine))


def _large_cells(real: Excerpt) -> dict[str, Values]:
    cells = {n: v for n, v in by_cell(real).items() if len(v.value) >= FEWEST_ROWS and not v.censored.all()}
    if not cells:
        raise CannotTellError(f"no cell of task type and size has {FEWEST_ROWS} natural durations")
    return cells


def _known(one: Excerpt) -> Values:
    values = values_of(one.durations)
    if values.censored.all():
        raise CannotTellError("no natural duration is known")
    return values


DURATIONS = (
    Metric(
        "duration_ks",
        "durations, distance, worst cell",
        duration_ks,
        Goal(high=0.03, floors=1.3),
        Goal(high=0.015, floors=1.1),
        says=lambda v: f"Whatever duration one asks for, the shares of tasks that end within it differ by at most {percent(v)}",
        real_says=lambda v: f"two draws from the real tasks by {percent(v)}",
        noise=duration_noise,
    ),
    Metric(
        "duration_wasserstein",
        "durations, mean shift / spread",
        wasserstein,
        Goal(high=0.05),
        Goal(high=0.02),
        says=lambda v: f"Durations are shifted by {percent(v)} of how widely they spread, on average",
        real_says=lambda v: f"those of real weeks by {percent(v)}",
    ),
    Metric(
        "duration_q99_ratio",
        "longest 1 % of durations, ratio",
        q99_ratio,
        Goal(0.8, 1.25),
        Goal(0.9, 1.1),
        says=lambda v: f"The longest one in a hundred tasks begin at {v:.2f} times the real duration",
        real_says=lambda v: f"real weeks differ from each other by {percent(v)}",
        perfect=1.0,
        two_sided=True,
    ),
)
