"""Words for tasks in errors and warnings: the first few by name, the rest by number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from pipesim.words import count

_NAMED = 3


def name_tasks(rows: pl.DataFrame, chosen: npt.NDArray[np.bool_]) -> str:
    """Return `3 tasks (run 'a' task 'x', ...)` for the chosen rows of a frame with `run_id` and `task_id`."""
    tasks = rows.select("run_id", "task_id").filter(chosen).unique(maintain_order=True)
    names = [f"run {run!r} task {task!r}" for run, task in tasks.head(_NAMED).iter_rows()]
    more = ", ..." if tasks.height > _NAMED else ""
    return f"{count(tasks.height, 'task')} ({', '.join(names)}{more})"
