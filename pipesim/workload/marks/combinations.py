"""Who submits what: the observed combinations of pipeline, tenant, user, trigger and priority."""

from __future__ import annotations

import polars as pl

from pipesim.workload.part import Part

MARKS = ("tenant", "user", "trigger", "priority")


class Combinations(Part):
    """The distinct combinations, one a row, ordered by pipeline (index into the structure's), and the runs of each."""

    pipeline: tuple[int, ...]
    tenant: tuple[str | None, ...]
    user: tuple[str | None, ...]
    trigger: tuple[str | None, ...]
    priority: tuple[int | None, ...]
    runs: tuple[int, ...]

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
    return Combinations.model_validate({c: counted[c].to_list() for c in ("pipeline", *MARKS, "runs")})
