"""Orders of service: each gives a key to every attempt, and the least key goes first.

Ties go to the attempt queued earlier, then to the run submitted earlier, then to the earlier task of the run (rule 6).
A key depends on the attempt alone, so all keys are computed before the first event and every engine reads the same ones.
Only `lifo` looks at when an attempt was queued, which the engines do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import Float64, Int64
from pipesim.simulation.scenario import expression


@dataclass(frozen=True)
class Known:
    """What an order may look at: one value an attempt.

    Args:
        hold: How long it will hold its resources, in microseconds (the oracle's estimate).
        share: Its dominant share: the largest part it takes of any resource that its pool limits.
        priority: Its run's priority, 0 where the log says none.
        rows: Its row of `task_runs`, with the columns of its run that an expression may name.
    """

    hold: Int64
    share: Float64
    priority: Int64
    rows: pl.DataFrame


#: Float64 keys hold microseconds exactly up to 285 years, and priorities up to 2^53.
ORDERS: dict[str, Callable[[Known], Float64]] = {
    "fifo": lambda known: np.zeros(len(known.hold)),
    "lifo": lambda known: np.zeros(len(known.hold)),
    "sjf": lambda known: known.hold.astype(np.float64),
    "ljf": lambda known: -known.hold.astype(np.float64),
    "smallest": lambda known: known.share,
    "priority": lambda known: -known.priority.astype(np.float64),
}


def keys(order: str, known: Known) -> Float64:
    """Return the key of each attempt, [A].

    Args:
        order: One of `ORDERS`, or an SQL expression over the columns that `expression` allows.
        known: What may be looked at.

    Raises:
        RequestError: If an expression gives no number for some attempt, or not one value an attempt.
    """
    if order in ORDERS:
        return ORDERS[order](known)
    rows = known.rows.with_columns(estimated_duration_s=pl.lit(pl.Series(known.hold / 1e6)))
    try:
        found = rows.select(key=expression(order).cast(pl.Float64)).to_series()
    except pl.exceptions.PolarsError as error:
        raise RequestError(f"the order cannot be computed: {error}", where="policy.order", remedy="give a number") from error
    if len(found) != rows.height:
        raise RequestError(
            "the order gives one value for all tasks", where="policy.order", remedy="leave out what sums over several tasks"
        )
    if found.is_nan().any():
        raise RequestError(
            f"the order is not a number for {name_tasks(rows, found.is_nan().fill_null(False).to_numpy())}",
            where="policy.order",
            remedy="say what holds there, for example with CASE",
        )
    # What the log does not say comes last.
    return found.fill_null(float("inf")).to_numpy()
