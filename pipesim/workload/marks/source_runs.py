"""The runs of the log from which coupled marks are drawn: when each came, what it was, and how much work its tasks were."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.workload.arrivals.clock import HOUR_US
from pipesim.workload.laws.law import Floats
from pipesim.workload.marks.drawn import Indices
from pipesim.workload.part import Part

#: More runs than this tell a queue no more; the model would only grow.
MOST_RUNS = 100_000
#: Runs are left out, and drawn, in blocks of neighbours.
BLOCK = 20
UNKNOWN = -32_768
#: Normal scores are stored as whole thousandths.
_STEPS = 1_000
#: A synthetic task has nearly, and not exactly, the score of its source: their correlation.
_ALIKE = 0.99


class SourceRuns(Part):
    """Runs of the log in the order of their submission.

    Attributes:
        hour: Hours since 1970 in which each was submitted.
        combination: Row of `Combinations`.
        shape: Index of its shape in the structure, -1 where that is not one of a complete run.
        demand: Of each task, run after run in the order of the shape's tasks: row of its kind's demands, -1 where unknown.
        work: Of each task: the normal score of its duration in its cell, in thousandths; UNKNOWN where the log does not tell.
    """

    hour: tuple[int, ...]
    combination: tuple[int, ...]
    shape: tuple[int, ...]
    demand: tuple[int, ...]
    work: tuple[int, ...]

    def tasks(self, sizes: Indices) -> Indices:
        """Return where each run's tasks begin in `demand` and `work`, and where the last ends.

        Args:
            sizes: The number of tasks of each shape.
        """
        shape = np.asarray(self.shape, dtype=np.int64)
        counts = np.where(shape >= 0, np.append(sizes, 0)[shape], 0)
        return np.concatenate([[0], np.cumsum(counts)])


def scores_near(work: Indices, rng: np.random.Generator) -> Floats:
    """Return normal scores near the stored ones, and independent ones where they are unknown: standard normal altogether."""
    fresh = rng.standard_normal(len(work))
    near = _ALIKE * (work / _STEPS) + np.sqrt(1 - _ALIKE**2) * fresh
    return np.where(work == UNKNOWN, fresh, near)


def fit_source_runs(runs: pl.DataFrame, tasks: pl.DataFrame) -> SourceRuns:
    """Return the runs to draw from; of more than 100,000 the first ones of evenly spread blocks of 20.

    Args:
        runs: run_id, submitted_at (known), combination and shape (-1 where it has none), in the order of submission.
        tasks: run_id, position in the shape, demand and work (a normal score, NULL where unknown) of their tasks.
    """
    blocks = -(-runs.height // BLOCK)
    kept = np.unique(np.linspace(0, blocks - 1, min(blocks, MOST_RUNS // BLOCK)).round().astype(np.int64))
    runs = runs.with_row_index("row")
    runs = runs[np.flatnonzero(np.isin(runs["row"].to_numpy() // BLOCK, kept))]
    mine = runs.filter(pl.col("shape") >= 0).select("row", "run_id").join(tasks, on="run_id").sort("row", "position")
    work = (mine["work"] * _STEPS).round().clip(-8 * _STEPS, 8 * _STEPS).cast(pl.Int64).fill_null(UNKNOWN)
    return SourceRuns(
        hour=tuple((runs["submitted_at"].dt.epoch("us") // HOUR_US).to_list()),
        combination=tuple(runs["combination"].to_list()),
        shape=tuple(runs["shape"].to_list()),
        demand=tuple(mine["demand"].to_list()),
        work=tuple(work.to_list()),
    )
