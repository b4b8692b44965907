"""From a trace to jobs: when each attempt could start, and what it holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.jobs import excerpt
from pipesim.quality.stretch import Stretch
from pipesim.trace import Trace
from pipesim.workload.arrivals.clock import DAY_US
from tests.quality.conftest import MONDAY, days_from_monday, jobs_of, jobs_trace

US = 1_000_000


def run_of(tasks: list[tuple[str, int, str, float | None]], edges: list[tuple[str, str]], **columns: Any) -> Trace:
    """One run at Monday 01:00 of attempts (task, attempt, status, seconds) and dependencies (task, parent)."""
    runs = {"run_id": "r", "pipeline_name": "p", "status": "SUCCEEDED", "raw_status": "?", "time_basis": "utc"}
    at = MONDAY + timedelta(hours=1)
    rows = [
        {"run_id": "r", "task_id": t, "attempt": a, "task_name": t, "status": s, "raw_status": s, "duration_s": d, "gpus": 1.0}
        for t, a, s, d in tasks
    ]
    return Trace(
        {
            "pipeline_runs": pl.DataFrame([{**runs, "submitted_at": at, "observed_until": at + timedelta(days=1)}]),
            "task_runs": pl.DataFrame(rows).with_columns(is_censored=False, **columns),
            "task_edges": pl.DataFrame(
                [{"run_id": "r", "task_id": t, "parent_task_id": p} for t, p in edges],
                schema=dict.fromkeys(("run_id", "task_id", "parent_task_id"), pl.String),
            ),
        }
    )


def starts(found: Excerpt) -> list[float]:
    return (found.jobs["at_us"] / US - 3600).to_list()


TASKS = (("a", 1, "SUCCEEDED", 10.0), ("b", 1, "SUCCEEDED", 5.0), ("c", 1, "FAILED", 3.0), ("c", 2, "SUCCEEDED", 9.0))
DIAMOND = run_of([*TASKS, ("d", 1, "SUCCEEDED", 1.0)], [("b", "a"), ("c", "a"), ("d", "b"), ("d", "c")])


def test_a_job_comes_when_all_before_it_on_the_longest_path_is_done() -> None:
    found = excerpt(DIAMOND, days_from_monday(1))
    assert starts(found) == [0.0, 10.0, 10.0, 13.0, 22.0]
    assert found.jobs["first"].to_list() == [True, True, True, False, True]


def test_what_depends_on_a_task_that_fails_for_good_is_left_out_of_a_synthetic_trace_only() -> None:
    failed = run_of(
        [("a", 1, "FAILED", 10.0), ("a", 2, "FAILED", 10.0), ("b", 1, "SUCCEEDED", 5.0), ("c", 1, "SUCCEEDED", 2.0)],
        [("b", "a")],
    )
    assert starts(excerpt(failed, days_from_monday(1))) == [0.0, 0.0, 10.0, 20.0]
    assert starts(excerpt(replace(failed, origin="synthetic"), days_from_monday(1))) == [0.0, 0.0, 10.0]


def test_attempts_that_never_began_are_no_jobs_and_unknown_durations_hold_nothing() -> None:
    found = excerpt(
        run_of([("a", 1, "PENDING", None), ("b", 1, "SKIPPED", None), ("c", 1, "SUCCEEDED", None)], []), days_from_monday(1)
    )
    assert found.jobs["status"].to_list() == ["SUCCEEDED"]
    assert found.queued.is_empty()


def test_tasks_without_gpus_stay_out_of_a_queue_for_gpus() -> None:
    found = jobs_of([0, 1, 2, 3], 10.0, gpus=[0.0, 0.5, 4.0, None])
    assert found.queued["parts"].to_list() == [500, 4000]
    assert found.work_s == 45.0
    slots = jobs_of([0, 1], 10.0, gpus=[0.0, None])
    assert slots.queued["parts"].to_list() == [1000, 1000]


def test_only_runs_of_the_days_count_and_days_lie_one_after_the_other() -> None:
    day = 86_400
    trace = jobs_trace([0, day, 7 * day + 5, 8 * day], 1.0)
    found = excerpt(trace, Stretch(MONDAY, (0, 7), 48))
    assert found.submitted_us.tolist() == [0, DAY_US + 5 * US]
    assert found.runs["day"].to_list() == [0, 1]
    assert excerpt(trace, Stretch(MONDAY, (0, 1), 24 + 1)).hourly.tolist() == [1, *[0] * 23, 1]


def test_jobs_that_come_together_keep_the_order_of_the_log() -> None:
    names = ["c", "a", "b", "d"]
    trace = jobs_trace([60, 60, 60, 0], [1.0, 2.0, 3.0, 4.0], run_id=names, pipeline_name=names)
    tasks = trace.task_runs.sort("run_id")
    found = excerpt(Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": tasks}), days_from_monday(1))
    assert found.jobs["seconds"].to_list() == [4.0, 1.0, 2.0, 3.0]
    assert found.runs["pipeline_name"].to_list() == ["d", "c", "a", "b"]


def test_of_jobs_that_come_apart_the_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    trace = jobs_trace((rng.random(500) * 1000).tolist(), rng.random(500))
    mixed = Trace({name: trace[name].sample(fraction=1.0, shuffle=True, seed=1) for name in trace if trace[name].height})
    one, other = (excerpt(t, days_from_monday(1)) for t in (trace, mixed))
    assert one.jobs.equals(other.jobs)
    assert one.runs.equals(other.runs)
