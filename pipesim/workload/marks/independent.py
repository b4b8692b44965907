"""Independent marks: each run is what it is whenever it arrives, but for sessions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.arrivals.clock import Instants, Submissions
from pipesim.workload.marks.combinations import Combinations
from pipesim.workload.marks.drawn import Indices, Marks
from pipesim.workload.part import Part

#: Seconds: sessions are told apart by how long ago the run before was submitted.
_GAP_ENDS = (1.0, 10.0, 60.0, 600.0, 3600.0)
_FEWEST_PAIRS = 50


class IndependentMarks(Part):
    """Each run draws one of the observed combinations, or has that of the run before: users submit a pipeline in sessions.

    Attributes:
        repeat: Probability of having the combination of the run before, by the seconds since then: up to 1, 10, 60, 600, 3600,
            and more. However often combinations are repeated, each keeps its share of all runs.
    """

    kind: Literal["independent"] = "independent"
    repeat: tuple[float, ...] = Field(min_length=len(_GAP_ENDS) + 1, max_length=len(_GAP_ENDS) + 1)

    def sample(self, rng: np.random.Generator, submissions: Submissions, combinations: Combinations) -> Marks:
        """Return the marks of submissions."""
        instants = submissions.instants
        shares = np.cumsum(combinations.runs) / np.sum(combinations.runs)
        fresh = np.searchsorted(shares, rng.random(len(instants)), side="right")
        again = rng.random(len(instants)) < np.append(0.0, np.asarray(self.repeat)[gap_bins(instants)])[: len(instants)]
        origin = np.maximum.accumulate(np.where(again, 0, np.arange(len(instants))))
        return Marks(np.minimum(fresh, len(shares) - 1)[origin], None)


def fit_repeats(runs: pl.DataFrame) -> tuple[float, ...]:
    """Return by how much more often than by chance a run has the pipeline and user of the run before, by the time between.

    If a share c of pairs of runs agree by chance and a share s of neighbours, (s - c) / (1 - c) of the neighbours are repeats.
    A gap with under 50 pairs has the share of all gaps.

    Args:
        runs: The log's runs with a known submission, in that order.
    """
    who = (
        runs.select(pl.struct("pipeline_name", "tenant", "user").rank("dense").alias("who"))["who"].to_numpy().astype(np.int64)
    )
    if len(who) < 2:
        return (0.0,) * (len(_GAP_ENDS) + 1)
    shares = np.bincount(who) / len(who)
    chance = float(np.sum(shares**2))
    same = who[1:] == who[:-1]
    of_gap = gap_bins(runs["submitted_at"].dt.epoch("us").to_numpy())
    overall = _repeats(same, chance)
    return tuple(
        _repeats(same[of_gap == b], chance) if np.count_nonzero(of_gap == b) >= _FEWEST_PAIRS else overall
        for b in range(len(_GAP_ENDS) + 1)
    )


def gap_bins(instants: Instants) -> Indices:
    """Return the bin of each gap between neighbouring instants, in microseconds."""
    return np.searchsorted(np.asarray(_GAP_ENDS) * 1e6, np.diff(instants), side="left")


def _repeats(same: NDArray[np.bool_], chance: float) -> float:
    return max(0.0, (float(np.mean(same)) - chance) / (1 - chance)) if chance < 1 else 0.0
