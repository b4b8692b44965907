"""Intervals of what becomes of tasks: how attempts end, whether they are tried again, and what tasks ask for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from pipesim.workload.confidence.limits import clusters, share_limits
from pipesim.workload.confidence.row import MOST, Interval, by_day, rows
from pipesim.workload.confidence.survival import Lifetimes
from pipesim.workload.tasks.attempts import KIND, NOT_BEGUN, UNSUCCESSFUL
from pipesim.workload.tasks.kinds import DEMAND, MIN_OUTCOMES, Demands, Kind, demand_rows, ended_attempts

_HOW = "Wilson, days as clusters"
_ALL = "all kinds"


def task_intervals(attempts: pl.DataFrame, kinds: tuple[Kind, ...], level: float) -> Iterator[Interval]:
    """Return the intervals of outcomes, retries, the time that unsuccessful attempts held, and demands, by kind.

    Kinds whose attempts are too few to have frequencies of their own are left out; `all kinds` is what they have.

    Args:
        attempts: What `attempts.prepare` returns, with the columns `day` and `place`.
        kinds: The model's kinds.
        level: The probability of the intervals.
    """
    ended = ended_attempts(attempts, max(kind.max_attempts for kind in kinds))
    statuses = sorted(ended["status"].unique())
    yield from _endings(_ALL, ended, None, statuses, level)
    for kind in kinds:
        mine = of_kind(ended, kind)
        if mine.height >= MIN_OUTCOMES:
            yield from _endings(kind.name, mine, kind, statuses, level)
    for kind in kinds:
        begun = of_kind(attempts, kind).filter(~pl.col("status").is_in(NOT_BEGUN))
        if len(kind.demands.tasks) > 1 and begun.height:
            yield from _demands(kind, begun, level)


def of_kind(attempts: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    """Return the attempts of one kind."""
    return attempts.filter(*(pl.col(c).eq_missing(pl.lit(getattr(kind, c), dtype=pl.String)) for c in KIND))


def _endings(name: str, ended: pl.DataFrame, kind: Kind | None, statuses: list[str], level: float) -> Iterator[Interval]:
    """Return the intervals of the attempts of one kind, or of all: None, whose estimates are the frequencies themselves."""
    key = pl.DataFrame({"status": statuses}).with_row_index("key")
    keyed = ended.join(key, on="status", maintain_order="left")
    hits = by_day(keyed, "key", len(statuses))
    of = np.broadcast_to(hits.sum(axis=1, keepdims=True), hits.shape)
    fitted = {o.status: o for o in kind.outcomes} if kind else {}
    share = dict(zip(statuses, hits.sum(axis=0) / hits.sum(), strict=True))
    estimate = [(fitted[s].probability if s in fitted else 0.0) if kind else share[s] for s in statuses]
    named = [f"{name}, {status}" for status in statuses]
    yield from rows("outcomes", "share of the outcome", named, estimate, share_limits(hits, of, level), _HOW)
    for status in statuses:
        mine = ended.filter(pl.col("status") == status)
        if status not in UNSUCCESSFUL or (kind and mine.height < MIN_OUTCOMES):
            continue
        could = mine.filter(pl.col("followed").is_not_null())
        of_name = f"{name}, {status}"
        if could.height:
            again = by_day(could.with_columns(key=pl.when("followed").then(0)), "key", 1)
            begun = by_day(could.with_columns(key=0), "key", 1)
            retry = fitted[status].retry if kind else float(could["followed"].mean())  # type: ignore[arg-type]
            yield from rows("outcomes", "probability of a retry", [of_name], [retry], share_limits(again, begun, level), _HOW)
        held = mine.filter(pl.col("seconds").is_not_null())
        if kind and held.height >= MIN_OUTCOMES and (law := fitted[status].held) is not None and held["seconds"].n_unique() > 1:
            seconds = held["seconds"].to_numpy()
            sample = Lifetimes(seconds, np.zeros(len(seconds), dtype=bool), clusters(held["day"].to_numpy()))
            median = float(law.quantile(np.array([0.5]))[0])
            limits = sample.quantile_limits(0.5, level)
            yield Interval("outcomes", "p50 of the seconds held", of_name, median, *limits, "Woodruff, days as clusters")


def _demands(kind: Kind, begun: pl.DataFrame, level: float) -> Iterator[Interval]:
    tasks = begun.group_by("run_id", "task_id", maintain_order=True).first()
    asked = tasks.with_columns(demand_rows(kind.demands, tasks)).with_columns(
        demand=pl.when(pl.col("demand") >= 0).then("demand")
    )
    hits = by_day(asked, "demand", len(kind.demands.tasks))
    of = np.broadcast_to(hits.sum(axis=1, keepdims=True), hits.shape)
    low, high = share_limits(hits, of, level)
    weights = np.array(kind.demands.tasks)
    frequent = np.argsort(-weights, kind="stable")[:MOST]
    named = [f"{kind.name}, {_asked(kind.demands, i)}" for i in frequent.tolist()]
    yield from rows(
        "demand", "share of the demand", named, weights[frequent] / weights.sum(), (low[frequent], high[frequent]), _HOW
    )


def _asked(demands: Demands, row: int) -> str:
    told = ((name, getattr(demands, name)[row]) for name in DEMAND)
    words = [
        f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}"
        for name, value in told
        if value is not None
    ]
    return " ".join(words) or "nothing told"
