"""Whether attempts that ran at the same time demanded more of a pool than it has: one sweep over starts and ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.checks.reading import observed_trace
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.lake import Lake
from pipesim.simulation.engine import DIMENSIONS
from pipesim.trace import Trace
from pipesim.words import count

Int64 = npt.NDArray[np.int64]

#: Of the capacity: logs round fractions of GPUs and cores.
_ROUNDING = 1e-3
#: Logs of whole seconds let an attempt end a second later than the next one starts on what it gave back.
_SHORTEST_S = 1.0
_MOST_OF_TIME = 0.01
_END = np.iinfo(np.int64).max // 4
#: Beyond it a duration is a mistake of units, and microseconds would overflow.
_LONGEST_S = 1e12
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "pool": pl.String, "resource": pl.String, "peak": pl.Float64, "capacity": pl.Float64, "over_s": pl.Float64,
    "longest_s": pl.Float64, "known_s": pl.Float64, "first_at": pl.Datetime("us"),
}  # fmt: skip

_STARTED = ("pool", "resource", "peak", "capacity", "first_at")


def capacity_exceeded(lake: Lake) -> Verdict:
    """Attempts that ran at the same time demand no more than their pool had, by the capacities that the log tells.

    An attempt holds what it demands from its start to its end; without an end for its duration, and without that to the end
    of the log. What ends at an instant is given back before what starts then takes it. Excess of less than a thousandth of
    the capacity, or for no longer than a second, is rounding. More than that is a warning, and an error where it lasts for
    over 1 % of the time for which the capacity is known. A pool has the capacity of its row from `valid_from` to `valid_to`,
    or to the next row; before and after that, and in what it does not tell, it has no limit.
    """
    trace = observed_trace(lake, "pipeline_runs", "task_runs", "pools")
    found = usage(trace, rounding=_ROUNDING, shortest_s=_SHORTEST_S)
    limited = found.filter(pl.col("capacity").is_not_null()).with_columns(
        share=pl.col("peak") / pl.col("capacity"), of_time=(pl.col("over_s") / pl.col("known_s")).fill_nan(0.0)
    )
    over = limited.filter(pl.col("over_s") > 0).sort("over_s", descending=True)
    unlimited = found.filter(pl.col("capacity").is_null())["pool"].n_unique()
    nowhere = trace.task_runs.filter(pl.col("started_at").is_not_null())["pool"].null_count()
    figures = {
        "exceeded": Figure(over.height, high=0),
        "peak_over_capacity": Figure(_most(limited["share"]), high=1 + _ROUNDING),
        "time_over_capacity": Figure(_most(limited["of_time"]), high=_MOST_OF_TIME),
        "pools_without_capacity": Figure(unlimited),
        "attempts_without_pool": Figure(nowhere),
    }
    words = f"Of {count(limited['pool'].n_unique(), 'pool')} with a known capacity none held more than it has."
    if over.height:
        words = (
            f"{count(over['pool'].n_unique(), 'pool')} held more than there is, for up to {over['over_s'][0]:,.0f} s in all."
        )
    if unlimited or nowhere:
        words += f" Not told: the capacity of {count(unlimited, 'pool')}, and the pool of {count(nowhere, 'attempt')}."
    return Verdict(
        passed=over.is_empty(),
        severity="warn" if figures["time_over_capacity"].ok else "error",
        words=words,
        figures=figures,
        tables={"pools": found.sort("over_s", "pool", descending=[True, False], nulls_last=True).head(MOST_ROWS)},
    )


def usage(trace: Trace, *, rounding: float = 0.0, shortest_s: float = 0.0) -> pl.DataFrame:
    """Return what the pools of a trace held at most, and for how long that was more than they had.

    Args:
        trace: `task_runs` with their starts, ends and demands; `pools`.
        rounding: The part of the capacity by which it may be exceeded.
        shortest_s: Stretches of excess that last no longer do not count.

    Returns:
        One row a pool and resource that it limits, or a pool with `resource` and all that follows NULL where it limits none:
        pool, resource, peak (the most that was held while a capacity was known, in GPUs, cores, bytes or slots), capacity
        (what there was of it then), over_s and longest_s (seconds of excess in all, and without a pause), known_s (seconds
        for which the capacity is known, from the first start to the last end), first_at (when it was first exceeded).
    """
    attempts = _holding(trace).partition_by("pool", as_dict=True)
    pools = trace.pools.sort("pool", "valid_from").partition_by("pool", as_dict=True)
    rows: list[tuple[object, ...]] = []
    for key in sorted(attempts):
        capacities = pools.get(key)
        limited = [r for r in DIMENSIONS if capacities is not None and capacities[r].null_count() < capacities.height]
        if capacities is None or not limited:
            rows.append((key[0], *[None] * (len(_SCHEMA) - 1)))
            continue
        steps = _steps(attempts[key], capacities, limited)
        rows += [(key[0], r, *_measure(steps, i, r, rounding, shortest_s)) for i, r in enumerate(limited)]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def started_beyond(trace: Trace) -> pl.DataFrame:
    """Return the pools in which something started although less was left than it takes, once all else had happened.

    More than there is may be held for a while after a pool has shrunk, but nothing may start meanwhile that adds to it.

    Args:
        trace: As for `usage`.

    Returns:
        One row a pool and resource: pool, resource, peak (what was held then), capacity (what there was), first_at.
    """
    attempts = _holding(trace).partition_by("pool", as_dict=True)
    pools = trace.pools.sort("pool", "valid_from").partition_by("pool", as_dict=True)
    rows: list[tuple[object, ...]] = []
    for key in sorted(set(attempts) & set(pools)):
        limited = [r for r in DIMENSIONS if pools[key][r].null_count() < pools[key].height]
        steps = _steps(attempts[key], pools[key], limited)
        start = attempts[key]["start"].to_numpy()
        then = np.searchsorted(steps.at, start)
        beyond = steps.known[then] & (steps.held[then] > steps.capacity[then])
        beyond &= attempts[key].select(limited).to_numpy() > 0
        for i in np.flatnonzero(beyond.any(axis=0)).tolist():
            first = int(then[np.argmin(np.where(beyond[:, i], start, _END))])
            unit = DIMENSIONS[limited[i]]
            amounts = float(steps.held[first, i] / unit), float(steps.capacity[first, i] / unit)
            rows.append((key[0], limited[i], *amounts, pl.Series([steps.at[first]]).cast(pl.Datetime("us"))[0]))
    return pl.DataFrame(rows, schema={name: _SCHEMA[name] for name in _STARTED}, orient="row")


@dataclass(frozen=True)
class _Steps:
    """What is held and what there is, constant from each instant (microseconds since 1970) to the next. R resources.

    Args:
        at: [n] Instants, ascending, each once.
        held: [n, R] Units of `DIMENSIONS`.
        capacity: [n, R] Likewise; 0 where it is not known.
        known: [n, R] Whether it is.
        last: The last end of an attempt.
    """

    at: Int64
    held: Int64
    capacity: Int64
    known: npt.NDArray[np.bool_]
    last: int


def _holding(trace: Trace) -> pl.DataFrame:
    """Return the attempts that held something of a pool for some time: pool, start, end (microseconds) and demands."""
    until = trace.pipeline_runs.select("run_id", "observed_until").unique("run_id")
    start = pl.col("started_at").to_physical()
    worked = start + (pl.col("duration_s").clip(0, _LONGEST_S) * 1e6).round().cast(pl.Int64)
    return (
        trace.task_runs.filter(pl.col("started_at").is_not_null() & pl.col("pool").is_not_null())
        .join(until, on="run_id", how="left")
        .select(
            "pool",
            *(_units(name) for name in DIMENSIONS if name != "slots"),
            start=start,
            end=pl.coalesce(pl.col("ended_at").to_physical(), worked, pl.col("observed_until").to_physical(), start),
            slots=pl.lit(DIMENSIONS["slots"]),
        )
        .filter(pl.col("end") > pl.col("start"))
    )


def _units(name: str) -> pl.Expr:
    return (pl.col(name).fill_null(0) * DIMENSIONS[name]).round().cast(pl.Int64).alias(name)


def _steps(attempts: pl.DataFrame, capacities: pl.DataFrame, resources: list[str]) -> _Steps:
    start, end = attempts["start"].to_numpy(), attempts["end"].to_numpy()
    demand = attempts.select(resources).to_numpy()
    since = capacities["valid_from"].to_physical().to_numpy()
    ends = pl.min_horizontal("valid_to", pl.col("valid_from").shift(-1)).to_physical().fill_null(_END)
    until = capacities.select(ends).to_series().to_numpy()
    # A capacity that rounds to nothing is still one.
    has = capacities.select(pl.max_horizontal(_units(r), pl.lit(1)).alias(r) for r in resources).to_numpy()
    given = capacities.select(pl.col(resources).is_not_null().cast(pl.Int64)).to_numpy()
    has = has * given
    none = np.zeros_like(demand)
    instants = np.concatenate([start, end, since, until])
    changes = np.concatenate(
        [
            np.hstack([demand, none, none]),
            np.hstack([-demand, none, none]),
            np.hstack([np.zeros_like(has), has, given]),
            np.hstack([np.zeros_like(has), -has, -given]),
        ]
    )
    order = np.argsort(instants, kind="stable")
    at, level = instants[order], np.cumsum(changes[order], axis=0)
    settled = np.append(at[1:] != at[:-1], True)  # after all that happens at an instant
    held, capacity, known = np.split(level[settled], 3, axis=1)
    return _Steps(at[settled], held, capacity, known > 0, int(end.max()))


def _measure(steps: _Steps, i: int, resource: str, rounding: float, shortest_s: float) -> tuple[object, ...]:
    """Return the columns from `peak` on for one resource."""
    held, capacity, known = steps.held[:, i], steps.capacity[:, i], steps.known[:, i]
    first = int(np.flatnonzero(held)[0]) if held.any() else 0
    lasts = np.diff(np.minimum(steps.at, steps.last), append=steps.last)
    over = known & (held > capacity + np.floor(capacity * rounding).astype(np.int64))
    edges = np.flatnonzero(np.diff(over, prepend=False, append=False))
    until = np.append(steps.at, steps.last)
    begun, ended = steps.at[edges[::2]], until[edges[1::2]]
    counted = (ended - begun) / 1e6 > shortest_s
    stretches = (ended - begun)[counted] / 1e6
    top = int(np.argmax(np.where(known, held - capacity, -_END)))
    unit = DIMENSIONS[resource]
    return (
        *((float(held[top] / unit), float(capacity[top] / unit)) if known.any() else (None, None)),
        float(stretches.sum()),
        float(stretches.max(initial=0.0)),
        float(np.sum(lasts[first:], where=known[first:]) / 1e6),
        pl.Series([int(begun[counted][0])]).cast(pl.Datetime("us"))[0] if counted.any() else None,
    )


def _most(shares: pl.Series) -> float | None:
    most = shares.max()
    return float(most) if isinstance(most, float) else None
