"""Drift: whether the weeks of a window differ the more the further they are apart, so that one model is wrong for all."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Literal

import numpy as np
import polars as pl

from pipesim.workload.arrivals.clock import DAY_US, weekday
from pipesim.workload.laws.law import Floats
from pipesim.workload.part import Part

#: Fewer weeks cannot be ordered by chance in enough ways.
_FEWEST_WEEKS = 5
_MOST_WEEKS = 104
_PERMUTATIONS = 2_000
#: About 5 % for the three respects together; the least that six weeks can tell of a step in their middle.
_LEVEL = 0.02
#: A drift that chance does not explain is worth a warning where distant weeks differ at least so much more than neighbours.
_FACTOR = 1.3
_PERCENTILES = np.arange(1, 100) / 100

Streams = Callable[..., np.random.Generator]


class Drift(Part):
    """How far weeks are apart in one respect.

    Attributes:
        what: `runs`: the absolute log ratio of their numbers of runs; `durations`: the mean absolute log ratio of the
            percentiles of the durations of first attempts; `mix`: the share of runs of other pipelines or tenants (total
            variation).
        weeks: How many whole weeks were compared.
        near: The mean distance of neighbouring weeks.
        far: The mean distance of weeks at least half the window apart.
        p: How likely so strong a connection of distance and time is in weeks without an order (Mantel, 1967).
    """

    what: Literal["runs", "durations", "mix"]
    weeks: int
    near: float
    far: float
    p: float

    @property
    def found(self) -> bool:
        """Whether the window drifts in this respect."""
        return self.p <= _LEVEL and self.far > _FACTOR * self.near


def fit_drift(runs: pl.DataFrame, attempts: pl.DataFrame, streams: Streams) -> tuple[tuple[Drift, ...], list[str]]:
    """Return how the whole weeks of a log (Monday to Sunday, UTC) differ, and warnings.

    Args:
        runs: run_id, pipeline_name, tenant and submitted_at (known), in that order of time.
        attempts: run_id, attempt and seconds.
        streams: Gives the generator of a name.
    """
    day = runs["submitted_at"].dt.epoch("us").to_numpy() // DAY_US
    monday = day - weekday(day)
    first = int(monday[0] if day[0] == monday[0] else monday[0] + 7)
    # A week counts if the log goes on to its last day.
    weeks = min((int(day[-1]) + 1 - first) // 7, _MOST_WEEKS)
    if weeks < _FEWEST_WEEKS:
        return (), []
    first += 7 * ((int(day[-1]) + 1 - first) // 7 - weeks)
    who = pl.struct("pipeline_name", "tenant").rank("dense").cast(pl.Int64)
    of_run = runs.select("run_id", who=who, week=pl.Series((day - first) // 7))
    of_run = of_run.filter(pl.col("week").is_between(0, weeks - 1))
    counts = np.bincount(of_run["week"].to_numpy(), minlength=weeks)
    mixes = _mixes(of_run, weeks)
    seconds = attempts.filter((pl.col("attempt") == 1) & pl.col("seconds").is_not_null()).join(of_run, on="run_id").sort("week")
    samples = [_percentiles(part) for part in _by_week(seconds, weeks)]
    distances: dict[Literal["runs", "durations", "mix"], Floats] = {
        "runs": np.abs(np.subtract.outer(np.log(counts + 0.5), np.log(counts + 0.5))),
        "durations": _pairs(samples, _mean_gap),
        "mix": _pairs(list(mixes), lambda a, b: float(np.sum(np.abs(a - b))) / 2),
    }
    found = tuple(_drift(what, apart, streams("fit", "drift", what)) for what, apart in distances.items())
    late, last = (str(np.datetime64(d, "D")) for d in (first + weeks // 2 * 7, first + weeks * 7 - 1))
    return found, [
        f"{_warning(drift)}; fit the last weeks alone, as with --window {late}..{last}" for drift in found if drift.found
    ]


def _mixes(of_run: pl.DataFrame, weeks: int) -> Floats:
    """Return each week's shares of the pipelines and tenants."""
    names = of_run["who"].to_numpy()
    counts = np.zeros((weeks, int(names.max(initial=0)) + 1))
    np.add.at(counts, (of_run["week"].to_numpy(), names), 1.0)
    return np.asarray(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0))


def _by_week(seconds: pl.DataFrame, weeks: int) -> list[Floats]:
    ends = np.searchsorted(seconds["week"].to_numpy(), np.arange(weeks + 1))
    values = seconds["seconds"].to_numpy()
    return [values[ends[i] : ends[i + 1]] for i in range(weeks)]


def _percentiles(values: Floats) -> Floats:
    """Return the logarithms of the 1st to 99th percentile of seconds, counted from 1 s; none of an empty sample."""
    return np.asarray(np.log1p(np.quantile(values, _PERCENTILES))) if len(values) else np.empty(0)


def _pairs(items: list[Floats], distance: Callable[[Floats, Floats], float]) -> Floats:
    apart: Floats = np.zeros((len(items), len(items)))
    for i in range(len(items)):
        for j in range(i):
            apart[i, j] = apart[j, i] = distance(items[i], items[j])
    return apart


def _mean_gap(a: Floats, b: Floats) -> float:
    return float(np.mean(np.abs(a - b))) if len(a) and len(b) else 0.0


def _drift(what: Literal["runs", "durations", "mix"], apart: Floats, rng: np.random.Generator) -> Drift:
    weeks = len(apart)
    rows, columns = np.triu_indices(weeks, 1)
    lag = columns - rows
    seen = float(np.sum(lag * apart[rows, columns]))
    if weeks <= 6:
        orders = np.array(list(permutations(range(weeks))))
    else:
        orders = np.vstack([np.arange(weeks), rng.permuted(np.tile(np.arange(weeks), (_PERMUTATIONS, 1)), axis=1)])
    drawn = np.sum(lag * apart[orders[:, rows], orders[:, columns]], axis=1)
    between = apart[rows, columns]
    return Drift(
        what=what,
        weeks=weeks,
        near=float(between[lag == 1].mean()),
        far=float(between[lag >= (weeks + 1) // 2].mean()),
        p=float(np.mean(drawn >= seen * (1 - 1e-12))),
    )


def _warning(drift: Drift) -> str:
    words = {
        "runs": f"weekly runs differ by a factor of {np.exp(drift.far):.2f}, neighbours by {np.exp(drift.near):.2f}",
        "durations": f"durations differ by a factor of {np.exp(drift.far):.2f}, neighbours by {np.exp(drift.near):.2f}",
        "mix": f"{100 * drift.far:.0f} % of the runs are of other pipelines or tenants, of neighbours {100 * drift.near:.0f} %",
    }
    return f"drift: the window is not stationary: in weeks at least half of it apart {words[drift.what]} (p = {drift.p:.3f})"
