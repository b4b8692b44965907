"""Who submits what: the observed combinations of pipeline, tenant, user, trigger and priority."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipesim.workload.arrivals.clock import Instants
from pipesim.workload.marks.drawn import Indices
from pipesim.workload.part import Part

#: Sessions are told apart by how long ago the run before was submitted.
GAP_ENDS_S = (1.0, 10.0, 60.0, 600.0, 3600.0)
_FEWEST_PAIRS = 50
MARKS = ("tenant", "user", "trigger", "priority")


class Combinations(Part):
    """The distinct combinations, one a row, ordered by pipeline (index into the structure's).

    Attributes:
        runs: The runs that had each.
        repeat: Probability that a run has the combination of the run before because both are of one session, by the seconds
            between them: up to 1, 10, 60, 600, 3600, and more.
    """

    pipeline: tuple[int, ...]
    tenant: tuple[str | None, ...]
    user: tuple[str | None, ...]
    trigger: tuple[str | None, ...]
    priority: tuple[int | None, ...]
    runs: tuple[int, ...]
    repeat: tuple[float, ...] = Field(
        default=(0.0,) * (len(GAP_ENDS_S) + 1), min_length=len(GAP_ENDS_S) + 1, max_length=len(GAP_ENDS_S) + 1
    )

    def frame(self) -> pl.DataFrame:
        """Return the combinations as a frame, one a row."""
        types = {"tenant": pl.String(), "user": pl.String(), "trigger": pl.String(), "priority": pl.Int64(), "runs": pl.Int64()}
        return pl.DataFrame(
            {c: getattr(self, c) for c in ("pipeline", *MARKS, "runs")}, schema={"pipeline": pl.Int64(), **types}
        )


def fit_combinations(runs: pl.DataFrame, pipelines: tuple[str, ...]) -> Combinations:
    """Return the distinct combinations of the runs.

    Args:
        runs: Rows of `pipeline_runs`, each of one of the pipelines.
        pipelines: Their names, in the order of the structure.
    """
    names = pl.DataFrame({"pipeline_name": pipelines}, schema={"pipeline_name": pl.String()}).with_row_index("pipeline")
    counted = runs.group_by("pipeline_name", *MARKS).agg(pl.len().alias("runs")).join(names, on="pipeline_name")
    counted = counted.sort("pipeline", *MARKS)
    in_order = runs.filter(pl.col("submitted_at").is_not_null()).sort("submitted_at", "run_id")
    columns = {c: counted[c].to_list() for c in ("pipeline", *MARKS, "runs")}
    return Combinations.model_validate(columns | {"repeat": _fit_repeats(in_order)})


def _fit_repeats(runs: pl.DataFrame) -> tuple[float, ...]:
    """Return by how much more often than by chance a run has the pipeline and user of the run before, by the time between.

    If a share c of pairs of runs agree by chance and a share s of neighbours, (s - c) / (1 - c) of the neighbours are repeats.
    A gap with under 50 pairs has the share of all gaps.

    Args:
        runs: The log's runs with a known submission, in that order.
    """
    if runs.height < 2:
        return (0.0,) * (len(GAP_ENDS_S) + 1)
    same, chance = repeats_of(runs)
    of_gap = gap_bins(runs["submitted_at"].dt.epoch("us").to_numpy())
    overall = _repeats(same, chance)
    return tuple(
        _repeats(same[of_gap == b], chance) if np.count_nonzero(of_gap == b) >= _FEWEST_PAIRS else overall
        for b in range(len(GAP_ENDS_S) + 1)
    )


def repeats_of(runs: pl.DataFrame) -> tuple[NDArray[np.bool_], float]:
    """Return which runs but the first have the pipeline and user of the one before, and how often chance would do that.

    Args:
        runs: Runs in the order of their submissions.
    """
    who = (
        runs.select(pl.struct("pipeline_name", "tenant", "user").rank("dense").alias("who"))["who"].to_numpy().astype(np.int64)
    )
    shares = np.bincount(who) / len(who)
    return who[1:] == who[:-1], float(np.sum(shares**2))


def gap_bins(instants: Instants) -> Indices:
    """Return the bin of each gap between neighbouring instants, in microseconds."""
    return np.searchsorted(np.asarray(GAP_ENDS_S) * 1e6, np.diff(instants), side="left")


def _repeats(same: NDArray[np.bool_], chance: float) -> float:
    return max(0.0, (float(np.mean(same)) - chance) / (1 - chance)) if chance < 1 else 0.0
