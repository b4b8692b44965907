"""What is wrong with the sample logs on purpose: lines that no reader may take, each with the reason for its refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from pipesim.sample.events import Event, event, instant
from pipesim.trace import Trace

#: Runs whose dependencies are impossible; every line of them is refused.
BAD_RUNS = ("r90001", "r90002")


@dataclass(frozen=True)
class Damage:
    """Lines that belong into quarantine for one reason.

    Args:
        kind: What is wrong.
        events: The event lines of it.
        rows: Its lines of CSV files, as (table, line).
    """

    kind: str
    events: tuple[Event, ...] = ()
    rows: tuple[tuple[str, str], ...] = ()

    @property
    def lines(self) -> int:
        """How many lines are to be quarantined."""
        return len(self.events) + len(self.rows)


def damages(trace: Trace, good: Sequence[Event]) -> list[Damage]:
    """Return all damage that is done to the log of a trace; none of it shares a key with a good line.

    Args:
        trace: The observed trace.
        good: The events that it amounts to.
    """
    ended = trace.pipeline_runs.filter(pl.col("status") == "SUCCEEDED").sort("run_id")
    hosts = [ended.row(ended.height * i // 10, named=True) for i in range(1, 10)]
    run, at = [host["run_id"] for host in hosts], [host["ended_at"] for host in hosts]
    torn = tuple(Event(e.at, e.line[: len(e.line) * 2 // 3]) for e in (good[len(good) * i // 4] for i in (1, 2, 3)))
    backwards = {"ended_at": at[1] - timedelta(minutes=9)}
    measured = f"{hosts[0]['pipeline_name']},1,performance,static,9,{instant(at[0])},0.8.1"
    return [
        Damage("truncated JSON", torn),
        Damage("negative duration", (_probe(run[0], at[0], "SUCCESS", {"duration_s": -12.5}),)),
        Damage("ended before it started", (_probe(run[1], at[1], "SUCCESS", backwards),)),
        Damage("unknown status word", tuple(_probe(run[i], at[i], "OOMKilled") for i in (2, 3, 4))),
        Damage("two terminal states", tuple(_probe(run[5], at[5], word) for word in ("SUCCESS", "FAILED"))),
        Damage("no run_id", (_probe(None, at[6], "SUCCESS"),)),
        Damage("self-dependency", rows=(("task_edges", f"{run[7]},t1,t1"),)),
        Damage("negative size", rows=(("data_assets", f"d99a,1,batches,1200,8,-4096,{instant(at[8])}"),)),
        Damage("no number", rows=(("model_metrics", measured),)),
        Damage("too few fields", rows=(("task_io", f"{run[8]},t1,1,re"),)),
        _bad_run("dependency on a missing task", BAD_RUNS[0], at[3], (("t2", "t1"), ("t2", "t7"))),
        _bad_run("dependency cycle", BAD_RUNS[1], at[6], (("t2", "t1"), ("t1", "t2"))),
    ]


def _probe(run_id: str | None, at: datetime, word: str, fields: Mapping[str, Any] | None = None) -> Event:
    """Return the event of a task that no pipeline has, so that its refusal leaves its run whole."""
    named = {"run_id": run_id, "task_id": "x1", "task_name": "probe", "task_type": "other", "status": word}
    begun = at - timedelta(minutes=5)
    instants = {"queued_at": at - timedelta(minutes=10), "started_at": begun, "ended_at": begun + timedelta(seconds=80)}
    return event("task_runs", at, named | instants | dict(fields or {}))


def _bad_run(kind: str, run_id: str, at: datetime, edges: Sequence[tuple[str, str]]) -> Damage:
    """Return a whole run of two tasks, in one event each, with impossible edges."""
    tenant = {"run_id": run_id, "pipeline_name": "smoke-test", "trigger": "manual", "tenant": "labs", "user": "labs-1"}
    ends = {"started_at": at, "ended_at": at + timedelta(seconds=100)}
    run = event("pipeline_runs", ends["ended_at"], tenant | {"status": "succeeded", "submitted_at": at} | ends)
    tasks = []
    for number in (1, 2):
        begun = at + timedelta(seconds=50 * (number - 1))
        over = begun + timedelta(seconds=50)
        named = {"run_id": run_id, "task_id": f"t{number}", "task_name": "probe", "task_type": "other", "status": "SUCCESS"}
        tasks.append(
            event("task_runs", over, named | {"queued_at": begun, "started_at": begun, "ended_at": over, "cpu_cores": 1})
        )
    return Damage(kind, (run, *tasks), tuple(("task_edges", f"{run_id},{task},{parent}") for task, parent in edges))
