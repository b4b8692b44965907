"""The event lines that the reference platform's scheduler and agents write: one JSON object a line, in no strict order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipesim.sample import truth
from pipesim.trace import Trace

#: An agent reports a task that is over sooner than this once, when it ends, instead of when it starts and when it ends.
SINGLE_REPORT_S = 300.0

_SCHEDULER_WORDS = {
    "PENDING": "queued",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
    "TIMEOUT": "timed_out",
    "NODE_FAIL": "node_lost",
    "SKIPPED": "skipped",
}
_CPU_WORDS = {
    "RUNNING": "RUNNING",
    "SUCCEEDED": "SUCCESS",
    "FAILED": "FAILED",
    "CANCELLED": "KILLED",
    "TIMEOUT": "TIMEOUT",
}
_GPU_WORDS = {
    "RUNNING": "Running",
    "SUCCEEDED": "Completed",
    "FAILED": "Error",
    "CANCELLED": "Canceled",
    "TIMEOUT": "Timeout",
    "NODE_FAIL": "Node_lost",
}


@dataclass(frozen=True)
class Event:
    """One line of the log and the instant of which it tells."""

    at: datetime
    line: str


def events(trace: Trace) -> list[Event]:
    """Return the events that an observed trace amounts to, run by run."""
    runs = [event for run in trace.pipeline_runs.iter_rows(named=True) for event in _run_events(run)]
    closed = trace.pipeline_runs.select("run_id", closed=pl.col("ended_at"), until=pl.col("observed_until"))
    tasks = trace.task_runs.join(closed, on="run_id", maintain_order="left")
    return runs + [event for task in tasks.iter_rows(named=True) for event in _task_events(task)]


def event(table: str, at: datetime, fields: Mapping[str, Any]) -> Event:
    """Return an event; fields without a value are left out, and instants are written in UTC."""
    whole = {"table": table, "event_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
    whole |= {name: _plain(value) for name, value in fields.items() if value is not None}
    return Event(at, json.dumps(whole, separators=(",", ":")))


def instant(at: datetime) -> str:
    """Return an instant in ISO 8601, UTC, to the millisecond."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _run_events(run: dict[str, Any]) -> Iterator[Event]:
    named = ("run_id", "pipeline_name", "trigger", "tenant", "user", "priority")
    submitted = {name: run[name] for name in named} | {"status": "queued", "submitted_at": run["submitted_at"]}
    yield event("pipeline_runs", run["submitted_at"], submitted)
    if run["started_at"] is not None:
        # The scheduler notices a start at its next tick, so that the event is never of the same second as the submission.
        at = run["ended_at"] or run["started_at"] + timedelta(seconds=1)
        later = {"run_id": run["run_id"], "status": _SCHEDULER_WORDS[run["status"]]}
        yield event("pipeline_runs", at, later | {"started_at": run["started_at"], "ended_at": run["ended_at"]})


def _task_events(task: dict[str, Any]) -> Iterator[Event]:
    key = {name: task[name] for name in ("run_id", "task_id")}
    if task["attempt"] > 1:
        key["attempt"] = task["attempt"]
    described = key | {name: task[name] for name in ("task_name", "task_type", "framework")}
    held = {name: task[name] for name in ("queued_at", "started_at", "pool", "gpus", "cpu_cores", "read_bytes")}
    end = {name: task[name] for name in ("ended_at", "written_bytes", "error")}
    words = _GPU_WORDS if task["pool"] == truth.GPU_POOL.name else _CPU_WORDS
    if task["started_at"] is None:
        # What never started stands in the log as the scheduler's last word on it: at the run's end, or at the log's.
        at, word = task["closed"] or task["until"], _SCHEDULER_WORDS[task["status"]]
        demand = {name: task[name] for name in ("queued_at", "gpus", "cpu_cores")}
        yield event("task_runs", at, described | {"status": word} | demand)
    elif task["ended_at"] is None:
        yield event("task_runs", task["started_at"], described | {"status": words["RUNNING"]} | held)
    elif task["ended_at"] - task["started_at"] < timedelta(seconds=SINGLE_REPORT_S):
        yield event("task_runs", task["ended_at"], described | {"status": words[task["status"]]} | held | end)
    else:
        yield event("task_runs", task["started_at"], described | {"status": words["RUNNING"]} | held)
        yield event("task_runs", task["ended_at"], key | {"status": words[task["status"]]} | end)
