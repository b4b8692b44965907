"""Metrics of mixes: who submits what, what tasks are and ask for, how they end, and which quantities go together."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt, counts_of
from pipesim.quality.goal import Goal
from pipesim.quality.measures.durations import FEWEST_ROWS
from pipesim.quality.measures.metric import CannotTellError, Metric, Parts, percent, whole
from pipesim.quality.values import share_moved
from pipesim.workload.tasks.attempts import NATURAL, UNSUCCESSFUL

_OF_RUNS = {"pipeline": "pipeline_name", "tenant": "tenant"}
_OF_TASKS = {"framework": "framework", "task type": "task_type", "size": "size"}
_QUANTITIES = ("seconds", "gpus", "cpu_cores", "memory_bytes", "read_bytes")


def category_mix(real: Excerpt, other: Excerpt) -> Parts:
    """Return the share of rows that are in the same category, 1 less the total variation distance, by what the log tells."""
    tasks = [one.jobs.filter("first") for one in (real, other)]
    over = [one.jobs.filter(pl.col("status").is_in((*NATURAL, *UNSUCCESSFUL))) for one in (real, other)]
    found = {}
    for (mine, theirs), columns in (((real.runs, other.runs), _OF_RUNS), (tasks, _OF_TASKS), (over, {"status": "status"})):
        for name, column in columns.items():
            if mine[column].null_count() < mine.height:
                moved = share_moved(counts_of(mine, column), counts_of(theirs, column))
                found[name] = 0.0 if moved is None else 1.0 - moved
    if not found:
        raise CannotTellError("the log has no categories")
    return found


def correlation_similarity(real: Excerpt, other: Excerpt) -> Parts:
    """Return 1 less half of the mean difference of Spearman's rank correlations, over the pairs that the log tells."""
    apart = []
    for pair in combinations(_QUANTITIES, 2):
        mine = _spearman(real, pair, FEWEST_ROWS)
        if mine is not None:
            theirs = _spearman(other, pair, 2) or 0.0  # what is not there hangs together with nothing
            apart.append(abs(mine - theirs))
    if not apart:
        raise CannotTellError(f"no two quantities vary and are both known for {FEWEST_ROWS} tasks")
    return whole(1.0 - float(np.mean(apart)) / 2)


def _spearman(one: Excerpt, pair: tuple[str, str], fewest: int) -> float | None:
    rows = one.jobs.filter("natural").select(pair).drop_nulls()
    if rows.height < fewest or any(rows[name].n_unique() < 2 for name in pair):
        return None
    a, b = (rows[name].rank("average").to_numpy() for name in pair)
    return float(np.corrcoef(a, b)[0, 1])


MIXES = (
    Metric(
        "category_mix",
        "mix of categories, worst",
        category_mix,
        Goal(low=0.97),
        Goal(low=0.99),
        says=lambda v: f"{percent(v)} of rows are in the category they should be in, where it is worst",
        real_says=lambda v: f"between real weeks {percent(v)}",
        perfect=1.0,
    ),
    Metric(
        "correlation_similarity",
        "correlations, likeness",
        correlation_similarity,
        Goal(low=0.97),
        Goal(low=0.99),
        says=lambda v: f"What goes together, such as long tasks with many GPUs, does so in {percent(v)} of its strength",
        real_says=lambda v: f"between real weeks {percent(v)}",
        perfect=1.0,
    ),
)
