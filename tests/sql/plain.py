"""What the plain Python figures share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from tests.sql.handmade import Tables

#: The rows that a file must return for a trace: by the columns that identify a row, the other columns.
Reference = dict[tuple[Any, ...], dict[str, Any]]
Row = dict[str, Any]

HOUR = timedelta(hours=1)
FAILED = ("FAILED", "TIMEOUT", "NODE_FAIL")
WASTED = (*FAILED, "CANCELLED")


def seconds(span: timedelta) -> float:
    return span / timedelta(seconds=1)


def between(row: Row, first: str, last: str) -> float | None:
    return None if row[first] is None or row[last] is None else seconds(row[last] - row[first])


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def total(values: Iterable[float | None]) -> float | None:
    """The sum of what is known, or None where nothing is."""
    numbers = known(values)
    return sum(numbers) if numbers else None


def quantile(values: list[float], probability: float) -> float | None:
    return float(np.quantile(values, probability)) if values else None


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def ratio(a: float | None, b: float | None) -> float | None:
    return None if a is None or not b else a / b


def spread(values: list[float], name: str, *percent: int) -> Row:
    """The mean, quantiles and maximum under the names of the columns."""
    quantiles = {f"p{p}_{name}": quantile(values, p / 100) for p in percent}
    return {f"mean_{name}": mean(values), **quantiles, f"max_{name}": max(values, default=None)}


def grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(row[key] for key in keys)].append(row)
    return dict(groups)


def floor_hour(instant: datetime) -> datetime:
    return instant.replace(minute=0, second=0, microsecond=0)


def steps(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    return [first + i * step for i in range((last - first) // step + 1)]


def distinct_tasks(rows: Iterable[Row]) -> int:
    return len({(row["run_id"], row["task_id"]) for row in rows})


def submissions(t: Tables) -> list[datetime]:
    return [r["submitted_at"] for r in t["pipeline_runs"] if r["submitted_at"]]


def charged(t: Tables) -> list[Row]:
    """The attempts with what their run says."""
    runs = {r["run_id"]: r for r in t["pipeline_runs"]}
    nothing = {"tenant": None, "observed_until": None, "submitted_at": None}
    return [{**{c: runs.get(x["run_id"], nothing)[c] for c in nothing}, **x} for x in t["task_runs"]]


def retraining(t: Tables) -> list[Row]:
    """The runs that train a model anew because it has aged."""
    return [
        r for r in t["pipeline_runs"] if r["run_id"].startswith("retrain-") or r["trigger"] in ("drift", "staleness", "data")
    ]
