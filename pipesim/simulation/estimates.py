"""What the scheduler believes about how long an attempt will hold its resources: the truth, the past, or a noisy truth."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.durations import LONGEST_US
from pipesim.simulation.engine import Float64, Int64
from pipesim.simulation.rows import natural_s, never_ran
from pipesim.streams import stream
from pipesim.trace import Trace

#: What a task has in common with those whose mean is expected of it, the closest first.
_ALIKE = (("pipeline_name", "task_name"), ("tenant",), ("task_type",))


def noisy(hold: Int64, cv: float, seed: int, replication: int) -> Int64:
    """Return the truth times a lognormal factor of mean 1, drawn for each attempt in order, [A].

    A lognormal law of mean 1 and coefficient of variation cv has sigma^2 = ln(1 + cv^2) and mu = -sigma^2 / 2.

    Args:
        hold: [A] The truth, in microseconds.
        cv: The coefficient of variation of the factor.
        seed: The root seed.
        replication: The number of the replication, each of which has a stream of its own.
    """
    variance = log(1 + cv**2)
    factor = stream(seed, "estimates", replication).lognormal(-variance / 2, sqrt(variance), len(hold))
    return whole_us(np.rint(hold * factor))


def from_history(history: Trace, rows: pl.DataFrame) -> Float64:
    """Return the mean seconds of work that the history holds of attempts like each of these, [A].

    That is the mean over the attempts of tasks of that name in pipelines of that name; where there is none, over those of the
    same tenant; else of the same type; else over all. Every attempt counts that ran for a known time, however it ended: a
    failed one too held its resources. One that was cut off, or still ran, counts with the time that was seen, as this is all
    that a scheduler has seen of it; so estimates are low where much is cut off.

    Args:
        history: What was observed.
        rows: [A rows] `task_runs`, with the `pipeline_name` and `tenant` of their runs.

    Raises:
        RequestError: If nothing in the history says how long it took.
    """
    of_run = history.pipeline_runs.select("run_id", "pipeline_name", "tenant", "observed_until").unique("run_id")
    seen = (
        history.task_runs.join(of_run, on="run_id", how="left", maintain_order="left")
        .filter(~never_ran(), natural_s().is_between(0, LONGEST_US / 1e6, closed="left"))
        # Sums of whole numbers, as those of fractions depend on how the rows are spread over threads.
        .with_columns(pl.col("pipeline_name").fill_null("unknown"), us=(natural_s() * 1e6).round().cast(pl.Int128))
    )
    if seen.is_empty():
        raise RequestError(
            "no attempt that was observed has a known duration",
            where="policy.estimates",
            remedy="ingest a log that has durations, or write `oracle` or `{noisy: 0.5}`",
        )
    mean = pl.col("us").sum().cast(pl.Float64) / pl.len() / 1e6
    found = rows.select(*dict.fromkeys(key for keys in _ALIKE for key in keys))
    for number, keys in enumerate(_ALIKE):
        found = found.join(seen.group_by(keys).agg(mean.alias(f"mean_{number}")), on=keys, how="left", maintain_order="left")
    means = [pl.col(f"mean_{number}") for number in range(len(_ALIKE))]
    return found.select(pl.coalesce(*means, seen.select(mean).item())).to_series().to_numpy()


def whole_us(us: Float64) -> Int64:
    """Return estimates as whole microseconds; none is so long that an instant could leave int64."""
    return np.minimum(us, LONGEST_US).astype(np.int64)
