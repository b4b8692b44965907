"""Two orders of service of one's own, for `policy.order` (docs/simulation.md)."""

import polars as pl
from numba import njit

from pipesim.simulation import Waiting


@njit
def smallest_product(task: Waiting) -> float:
    """The least GPU-seconds first; compiled, so it runs in both engines."""
    return task.estimated_duration_s * max(task.gpus, 1.0)


class EarliestModelFirst:
    """The pipeline that was seen first goes first: a class is made with all attempts, so it can look at names."""

    def __init__(self, attempts: pl.DataFrame) -> None:
        first_seen = {name: rank for rank, name in enumerate(attempts["pipeline_name"].unique(maintain_order=True))}
        self.rank = [first_seen[name] for name in attempts["pipeline_name"]]

    def __call__(self, task: Waiting) -> float:
        """The rank of the task's pipeline."""
        return self.rank[task.row]
