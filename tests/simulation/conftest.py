"""Traces for the simulator, written as plain lists."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pipesim.trace import Trace

START = datetime(2026, 1, 5)


def _trace_of(runs: list[dict[str, Any]]) -> Trace:
    """Return the trace of runs `{"submitted": s, "tasks": [...], <columns of pipeline_runs>}`.

    A task is `{"attempts": [(duration_s, status), ...], "parents": [index, ...], <columns of task_runs>}`. A RUNNING attempt
    was seen for its duration; a duration None means that the attempt never ran.
    """
    run_rows, task_rows, edge_rows = [], [], []
    for r, run in enumerate(runs):
        run_id = f"run-{r:03d}"
        submitted = None if run["submitted"] is None else START + timedelta(seconds=run["submitted"])
        run_rows.append(
            {"run_id": run_id, "submitted_at": submitted, "priority": run.get("priority"), "pipeline_name": "p"}
            | {"status": run.get("status", "UNKNOWN"), "raw_status": "?", "time_basis": "utc", "observed_until": START}
            | {name: run[name] for name in ("pipeline_name", "tenant", "user") if name in run}
        )
        for k, task in enumerate(run["tasks"]):
            columns = {key: value for key, value in task.items() if key not in ("attempts", "parents")}
            for number, (duration_s, status) in enumerate(task["attempts"], 1):
                task_rows.append(
                    {"run_id": run_id, "task_id": f"t{k:02d}", "attempt": number, "task_name": "t", "raw_status": status}
                    | {"status": status, "duration_s": duration_s, "is_censored": False}
                    | columns
                )
            edge_rows += [
                {"run_id": run_id, "task_id": f"t{k:02d}", "parent_task_id": f"t{p:02d}"} for p in task.get("parents", ())
            ]
    frames = {"pipeline_runs": run_rows, "task_runs": task_rows, "task_edges": edge_rows}
    return Trace({name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows})


@pytest.fixture(scope="session")
def trace_of() -> Callable[[list[dict[str, Any]]], Trace]:
    """The function that turns plain lists into a trace."""
    return _trace_of
