"""What of a trace is compared with another: counts by day and hour, gaps, durations; and its halves, to tell what is chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from pipesim.quality.days import FEWEST_DAYS, half_of_the_days
from pipesim.quality.values import Int64, Mask, Values
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import HOUR_US, microseconds
from pipesim.workload.laws.law import Floats
from pipesim.workload.tasks.attempts import NATURAL, NOT_BEGUN, UNSUCCESSFUL, prepare, size_class

#: Above this, more values tell a distance no better than the goals need.
_MOST_VALUES = 100_000
SPLITS = 16
_GB = 1e9


@dataclass(frozen=True)
class Sample:
    """What of a trace is compared. D days, in UTC.

    Args:
        size: Runs that were submitted.
        weekday: [D] From 0, Monday.
        hours: [D, 24] How much of each hour the trace covers, 0 to 1.
        runs: [D, 24] Submissions in it; those of a scaled trace divided by the scale.
        tasks: [D] Tasks of the runs that were submitted on the day, likewise.
        gaps: Seconds from a submission to the next; those of a scaled trace multiplied by the scale.
        gap_day: [n] The day on which the gap began.
        ends: Attempts of which the outcome is known, by whether they `failed` or `succeeded`.
        demand: Tasks by what they ask for.
        durations: Natural durations in seconds by task type, `all` among them.
    """

    size: int
    weekday: Int64
    hours: Floats
    runs: Floats
    tasks: Floats
    gaps: Values
    gap_day: Int64
    ends: Mapping[str, int]
    demand: Mapping[str, int]
    durations: Mapping[str, Values]

    def rates(self) -> Floats:
        """Return the runs per hour by hour of the week, [168] from Monday 00:00; NaN where under half an hour is covered."""
        hours: Floats = np.zeros((7, 24))
        runs: Floats = np.zeros((7, 24))
        rates: Floats = np.full((7, 24), np.nan)
        np.add.at(hours, self.weekday, self.hours)
        np.add.at(runs, self.weekday, self.runs)
        np.divide(runs, hours, out=rates, where=hours >= 0.5)
        return rates.ravel()


def sample(trace: Trace, start: datetime, end: datetime, scale: float = 1.0) -> Sample:
    """Return what is compared of the runs that a trace submitted in [start, end]."""
    runs = trace.pipeline_runs.filter(pl.col("submitted_at").is_between(start, end)).sort("submitted_at", "run_id")
    begin, finish = microseconds(start), microseconds(end)
    first = begin // (24 * HOUR_US)
    days = max(1, -(-finish // (24 * HOUR_US)) - first)
    at = runs["submitted_at"].to_physical().to_numpy()
    day = at // (24 * HOUR_US) - first
    hour = np.arange(first * 24, (first + days) * 24) * HOUR_US
    covered = np.clip(np.minimum(hour + HOUR_US, finish) - np.maximum(hour, begin), 0, None) / HOUR_US
    counts = np.bincount(at // HOUR_US - first * 24, minlength=days * 24)[: days * 24]
    of_run = runs.select("run_id", day=pl.Series(np.minimum(day, days - 1)))
    attempts = prepare(trace).join(of_run, on="run_id", maintain_order="left")
    tasks = attempts.filter(pl.col("attempt") == 1)
    over = attempts.filter(pl.col("status").is_in((*NATURAL, *UNSUCCESSFUL)) & ~pl.col("censored"))
    failed = over.filter(pl.col("status").is_in(UNSUCCESSFUL)).height
    gaps = Values(np.diff(at) / 1e6 * scale, np.zeros(max(0, len(at) - 1), dtype=bool))
    kept = _few(len(gaps.value), "gaps")
    return Sample(
        size=runs.height,
        weekday=(np.arange(first, first + days) + 3) % 7,  # 1970 began on a Thursday
        hours=covered.reshape(days, 24),
        runs=counts.reshape(days, 24) / scale,
        tasks=np.bincount(tasks["day"].to_numpy(), minlength=days) / scale,
        gaps=gaps.take(kept),
        gap_day=of_run["day"].to_numpy()[:-1][kept],
        ends={"failed": failed, "succeeded": over.height - failed},
        demand=dict(tasks.filter(~pl.col("status").is_in(NOT_BEGUN)).group_by(_demand()).len().sort("demand").iter_rows()),
        durations=_durations(attempts),
    )


def halves(real: Sample) -> Iterator[tuple[Sample, Sample]]:
    """Split a sample in 16 random ways; one of under four days in none.

    Arrivals are split by whole days, of each weekday one of every two weeks: days differ more than chance within them would
    let them, and a drift over months is not chance. Tasks and their attempts are split one by one.
    """
    if len(real.weekday) < FEWEST_DAYS:
        return
    for number in range(SPLITS):
        rng = stream(0, "checks", "halves", number)
        yield _split(real, half_of_the_days(real.weekday, rng), rng)


def _split(real: Sample, days: Mask, rng: np.random.Generator) -> tuple[Sample, Sample]:
    ends, demand = ({n: int(rng.binomial(k, 0.5)) for n, k in counts.items()} for counts in (real.ends, real.demand))
    rows = {name: rng.random(len(values.value)) < 0.5 for name, values in real.durations.items()}

    def half(days: Mask, first: bool) -> Sample:
        mine = days.astype(np.float64)
        return replace(
            real,
            hours=real.hours * mine[:, None],
            runs=real.runs * mine[:, None],
            tasks=real.tasks * mine,
            gaps=real.gaps.take(days[real.gap_day]),
            gap_day=real.gap_day[days[real.gap_day]],
            ends=ends if first else {n: k - ends[n] for n, k in real.ends.items()},
            demand=demand if first else {n: k - demand[n] for n, k in real.demand.items()},
            durations={n: v.take(rows[n] == first) for n, v in real.durations.items()},
        )

    return half(days, True), half(~days, False)


def _durations(attempts: pl.DataFrame) -> dict[str, Values]:
    rows = attempts.filter(pl.col("natural") | pl.col("censored"))
    parts = {"all": rows} | {
        str(name): part
        for (name,), part in rows.sort("task_type").group_by("task_type", maintain_order=True)
        if name is not None
    }
    return {
        name: Values(part["seconds"].to_numpy(), part["censored"].to_numpy()).take(_few(part.height, name))
        for name, part in parts.items()
    }


def _few(rows: int, name: str) -> Int64:
    if rows <= _MOST_VALUES:
        return np.arange(rows)
    return np.sort(stream(0, "checks", "thin", name).choice(rows, _MOST_VALUES, replace=False))


def _demand() -> pl.Expr:
    """What a task asks for: its type, and GPUs, cores and gigabytes by powers of two."""
    amounts = pl.col("gpus"), pl.col("cpu_cores"), pl.col("memory_bytes") / _GB
    sizes = [size_class(amount).fill_null("-") for amount in amounts]
    return pl.concat_str(pl.col("task_type").fill_null("-"), *sizes, separator="/").alias("demand")
