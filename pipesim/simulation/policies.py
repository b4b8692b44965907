"""Orders of service: what an order looks at, and the key that it gives to every attempt; the least key goes first.

Ties go to the attempt queued earlier, then to the run submitted earlier, then to the earlier task of the run (rule 6).
Where a key depends on the attempt alone, all keys are computed before the first event, so that every engine reads the same
ones. `lifo`, `fair-share`, `las`, `potential-improvement`, `staleness` and a user's own order look at what has happened,
which the engines do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import ATTAINED, BY_KEY, FAIR, GAIN, NEWEST, OWN, STALEST, Float64, Int64
from pipesim.simulation.scenario import Policy
from pipesim.simulation.scenario.policy import expression, own_policy


@dataclass(frozen=True)
class Known:
    """What an order may look at: one value an attempt.

    Args:
        estimate: How long it is believed to hold its resources, in microseconds.
        share: Its dominant share: the largest part it takes of any resource that its pool limits.
        priority: Its run's priority, 0 where the log says none.
        submitted: The instant at which its run is submitted.
        rows: Its row of `task_runs`, with `ORDER_COLUMNS`.
    """

    estimate: Int64
    share: Float64
    priority: Int64
    submitted: Int64
    rows: pl.DataFrame


#: Float64 keys hold microseconds exactly up to 285 years, and priorities up to 2^53.
ORDERS: dict[str, Callable[[Policy, Known], Float64]] = {
    "fifo": lambda _, known: np.zeros(known.rows.height),
    "lifo": lambda _, known: np.zeros(known.rows.height),
    "sjf": lambda _, known: known.estimate.astype(np.float64),
    "ljf": lambda _, known: -known.estimate.astype(np.float64),
    "smallest": lambda _, known: known.share,
    "priority": lambda _, known: -known.priority.astype(np.float64),
    "edf": lambda policy, known: known.submitted + _deadline_us(policy, known),
    "fair-share": lambda _, known: np.zeros(known.rows.height),
    "las": lambda _, known: np.zeros(known.rows.height),
    "potential-improvement": lambda _, known: np.zeros(known.rows.height),
    "staleness": lambda _, known: np.zeros(known.rows.height),
}

_LOOKS_AT = {"lifo": NEWEST, "fair-share": FAIR, "las": ATTAINED, "potential-improvement": GAIN, "staleness": STALEST}


def looks_at(order: str) -> int:
    """Return what an order looks at: `BY_KEY`, `NEWEST`, `FAIR`, `ATTAINED`, `OWN`, `GAIN` or `STALEST`."""
    return OWN if own_policy(order) else _LOOKS_AT.get(order, BY_KEY)


def keys(policy: Policy, known: Known) -> Float64:
    """Return the key of each attempt, [A].

    Args:
        policy: Its order is one of `ORDERS`, an SQL expression over the columns that `expression` allows, or a user's own,
            which gives its keys later.
        known: What may be looked at.

    Raises:
        RequestError: If an expression gives no number for some attempt, or not one value an attempt.
    """
    if policy.order in ORDERS:
        return ORDERS[policy.order](policy, known)
    if looks_at(policy.order) == OWN:
        return np.zeros(known.rows.height)
    return _values(policy.order, known.rows, "order")


def _deadline_us(policy: Policy, known: Known) -> Float64:
    """Return how long after its submission the run of each attempt is due."""
    deadline_s = policy.deadline_s
    if isinstance(deadline_s, str):
        return np.rint(_values(deadline_s, known.rows, "deadline_s") * 1e6)
    assert deadline_s is not None, "a scenario with `edf` has deadlines"
    return np.full(known.rows.height, np.rint(deadline_s * 1e6))


def _values(text: str, rows: pl.DataFrame, key: str) -> Float64:
    where = f"policy.{key}"
    try:
        found = rows.select(key=expression(text).cast(pl.Float64)).to_series()
    except pl.exceptions.PolarsError as error:
        raise RequestError(f"{text!r} cannot be computed: {error}", where=where, remedy="give a number") from error
    if len(found) != rows.height:
        remedy = "name a column, and leave out what sums over several tasks"
        raise RequestError(f"{text!r} gives one value for all tasks", where=where, remedy=remedy)
    if found.is_nan().any():
        raise RequestError(
            f"{text!r} is not a number for {name_tasks(rows, found.is_nan().fill_null(False).to_numpy())}",
            where=where,
            remedy="say what holds there, for example with CASE",
        )
    # What the log does not say comes last.
    return found.fill_null(float("inf")).to_numpy()
