"""Run marks: who submitted which pipeline, tied to the arrivals."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.workload.arrivals.model import Instants
from pipesim.workload.part import Part

MARKS = ("tenant", "user", "trigger", "priority")


class IndependentMarks(Part):
    """Each run draws one of the observed combinations, whenever it arrives."""

    kind: Literal["independent"] = "independent"
    pipeline: tuple[int, ...]
    tenant: tuple[str | None, ...]
    user: tuple[str | None, ...]
    trigger: tuple[str | None, ...]
    priority: tuple[int | None, ...]
    runs: tuple[int, ...]

    def sample(self, rng: np.random.Generator, instants: Instants) -> NDArray[np.int64]:
        """Return for each arrival the row of the combination it has."""
        shares = np.cumsum(self.runs) / np.sum(self.runs)
        return np.searchsorted(shares, rng.random(len(instants)), side="right")

    def columns(self) -> pl.DataFrame:
        """Return the combinations as a frame: pipeline (index into the structure's), tenant, user, trigger, priority."""
        types = {"tenant": pl.String(), "user": pl.String(), "trigger": pl.String(), "priority": pl.Int64()}
        return pl.DataFrame({c: getattr(self, c) for c in ("pipeline", *MARKS)}, schema={"pipeline": pl.Int64(), **types})


def fit_marks(runs: pl.DataFrame, pipelines: tuple[str, ...]) -> IndependentMarks:
    """Return the distinct combinations of pipeline, tenant, user, trigger and priority with their counts.

    Args:
        runs: Rows of `pipeline_runs`, each of one of the pipelines.
        pipelines: Their names, in the order of the structure.
    """
    names = pl.DataFrame({"pipeline_name": pipelines}, schema={"pipeline_name": pl.String()}).with_row_index("pipeline")
    counted = runs.group_by("pipeline_name", *MARKS).agg(pl.len().alias("runs")).join(names, on="pipeline_name")
    counted = counted.sort("pipeline", *MARKS)
    return IndependentMarks.model_validate({c: counted[c].to_list() for c in ("pipeline", *MARKS, "runs")})
