"""An excerpt: what a trace submitted on the days that are compared, as rows and as the series that metrics look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from pipesim.quality.gang_queue import waits_us
from pipesim.quality.stretch import Stretch
from pipesim.quality.values import Int64, Values
from pipesim.workload.arrivals.clock import DAY_US
from pipesim.workload.laws.law import Floats

#: A job that holds its servers for longer counts for this long, as single ones would outweigh all others.
MOST_HELD_US = 7 * DAY_US
#: A GPU's parts: fractions of one are real.
_PARTS = 1000
#: The part of the jobs that find an emptier queue than usual, as it was empty at the beginning.
_WARM_UP = 0.1


@dataclass(frozen=True, eq=False)
class Excerpt:
    """D days of a trace, put one after the other.

    Args:
        days: [D] The weekday of each, from 0, Monday.
        stretch: Where they lie.
        gpus: Whether the queue is one for GPUs, which jobs without them stay out of, or one for slots.
        runs: By submission: `at_us` (microseconds since the beginning), `day` (0 to D - 1), `pipeline_name`, `tenant`.
        jobs: Attempts that held or may have held resources, in the order in which they would start if nothing waited:
            `at_us`, `day` (of the run), `seconds`, `natural` and `censored` (as in `attempts.prepare`), `first` (attempt of its
            task), `width` (GPUs, or 1; NULL for those that stay out of the queue), what they are and ask for, and their run's
            `pipeline_name` and `tenant`.
    """

    days: Int64
    stretch: Stretch
    gpus: bool
    runs: pl.DataFrame
    jobs: pl.DataFrame

    @property
    def hours(self) -> int:
        """How long it lasts."""
        return self.stretch.hours

    @cached_property
    def submitted_us(self) -> Int64:
        """[runs] When each run was submitted, ascending."""
        return self.runs["at_us"].to_numpy()

    @cached_property
    def gaps(self) -> Floats:
        """[runs - 1] Seconds from one submission to the next."""
        return np.asarray(np.diff(self.submitted_us) / 1e6)

    @cached_property
    def hourly(self) -> Int64:
        """[hours] Submissions by hour."""
        return self.counts(3600)

    def counts(self, window_s: int) -> Int64:
        """Return the submissions in each whole window of some seconds."""
        windows = self.hours * 3600 // window_s
        return np.bincount(self.submitted_us // (window_s * 1_000_000), minlength=windows)[:windows]

    @cached_property
    def durations(self) -> pl.DataFrame:
        """The jobs that tell of natural durations, lower bounds among them."""
        return self.jobs.filter(pl.col("natural") | pl.col("censored"))

    @cached_property
    def queued(self) -> pl.DataFrame:
        """The jobs that go through the queue: `at_us`, `hold_us`, `parts` (of servers)."""
        return self.jobs.filter(pl.col("width").is_not_null() & pl.col("seconds").is_not_null()).select(
            "at_us",
            hold_us=(pl.col("seconds") * 1e6).round().clip(0, MOST_HELD_US).cast(pl.Int64),
            parts=(pl.col("width") * _PARTS).round().clip(1).cast(pl.Int64),
        )

    @property
    def work_s(self) -> float:
        """The work of all jobs in the queue, in seconds of one server."""
        return float((self.queued["hold_us"] * (self.queued["parts"] / _PARTS)).sum()) / 1e6

    def waits_s(self, servers: int) -> Floats:
        """Return how long jobs wait for some servers, in seconds, once the queue is no longer empty from the beginning."""
        if servers not in self._waits:
            # Writable, as for arrays of another kind the queue would be compiled once more.
            at, hold, parts = (self.queued[name].to_numpy(writable=True) for name in ("at_us", "hold_us", "parts"))
            waits = waits_us(at, hold, parts, servers * _PARTS) / 1e6
            self._waits[servers] = waits[int(len(waits) * _WARM_UP) :]
        return self._waits[servers]

    @cached_property
    def _waits(self) -> dict[int, Floats]:
        return {}

    def reordered(self, source: Int64) -> Excerpt:
        """Return an excerpt whose days are some of these, in any order, each with all that was submitted on it.

        Args:
            source: [D] The day whose rows each day gets.
        """
        return replace(self, runs=_moved(self.runs, source), jobs=_moved(self.jobs, source))

    def only(self, chosen: Int64) -> Excerpt:
        """Return the rows of some days, each where it was."""
        return replace(self, **{n: getattr(self, n).filter(pl.col("day").is_in(chosen.tolist())) for n in ("runs", "jobs")})


def values_of(rows: pl.DataFrame) -> Values:
    """Return the natural durations of some jobs, in seconds."""
    return Values(rows["seconds"].to_numpy(), rows["censored"].to_numpy())


def counts_of(rows: pl.DataFrame, column: str) -> Mapping[str, int]:
    """Return how many rows have each value of a column."""
    return dict(rows.group_by(pl.col(column).fill_null("-")).len().sort(column).iter_rows())


def _moved(rows: pl.DataFrame, source: Int64) -> pl.DataFrame:
    day = rows["day"].to_numpy()
    order = np.argsort(day, kind="stable")
    begins = np.searchsorted(day[order], np.arange(len(source) + 1))
    taken = [order[begins[d] : begins[d + 1]] for d in source]
    to = np.repeat(np.arange(len(source)), [len(t) for t in taken])
    moved = rows[np.concatenate(taken)] if taken else rows
    shift = (to - moved["day"].to_numpy()) * DAY_US
    return moved.with_columns(pl.col("at_us") + pl.Series(shift), day=pl.Series(to)).sort("at_us", maintain_order=True)
