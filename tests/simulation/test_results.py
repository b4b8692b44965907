"""What a schedule becomes in the canonical tables: interrupted attempts, what is cut off, nodes, and pools that change."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl

from pipesim.simulation import Scenario, simulate
from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engine import BROKEN, CODE, NEVER, Interruptions
from pipesim.simulation.reference import run
from pipesim.simulation.results import to_trace

SECOND = 1 / 86_400


def what_if(*pools, **parts):
    return Scenario(name="s", platform={"pools": list(pools)}, **parts)


def simulated(trace, scenario):
    return simulate(trace, scenario, engine="reference")


def job(submitted, duration_s, gpus=1.0, priority=None, **columns):
    return {
        "submitted": submitted,
        "priority": priority,
        "tasks": [{"attempts": [(duration_s, "SUCCEEDED")], "gpus": gpus, **columns}],
    }


def told(trace, *columns):
    """Columns of `task_runs` in order; instants in seconds since the first submission."""
    first = trace.pipeline_runs["submitted_at"].min()
    rows = trace.task_runs.sort("run_id", "task_id", "attempt")
    seconds = [(pl.col(c) - first).dt.total_microseconds() / 1e6 for c in columns if rows.schema[c] == pl.Datetime("us")]
    return rows.with_columns(seconds).select(columns).rows()


TIMES = ("attempt", "queued_at", "started_at", "ended_at", "duration_s")


def test_an_evicted_attempt_leaves_a_row_and_goes_on_from_its_checkpoint(trace_of):
    """Evicted at 4 with 10 s of work, it keeps 4 s, starts again at 7 and needs 1 s more for that: until 14."""
    low = {"attempts": [(10, "FAILED"), (1, "SUCCEEDED")], "gpus": 1.0, "read_bytes": 7, "error": "oom"}
    runs = [{"submitted": 0, "priority": 0, "tasks": [low]}, job(4, 3, priority=1)]
    policy = {"order": "priority", "preemption": True, "checkpoint_s": 2.0, "restart_s": 1.0}
    result = simulated(trace_of(runs), what_if({"name": "g", "gpus": 1}, policy=policy))
    assert told(result.trace, *TIMES) == [(1, 0, 0, 4, 4), (2, 4, 7, 14, 7), (3, 14, 14, 15, 1), (1, 4, 4, 7, 3)]
    assert told(result.trace, "status", "raw_status", "is_censored", "read_bytes", "error") == [
        ("CANCELLED", "PREEMPTED", True, None, "interrupted: evicted by a task of higher priority"),
        ("FAILED", "FAILED", True, 7, "oom"),
        ("SUCCEEDED", "SUCCEEDED", False, 7, "oom"),
        ("SUCCEEDED", "SUCCEEDED", False, None, None),
    ]
    assert result.trace.violations() == []
    again = simulated(result.trace, what_if({"name": "g", "gpus": 1}))
    assert "interrupted: evicted by a task of higher priority" not in again.trace.task_runs["error"]


def broken_twice(trace_of):
    """Two tasks on nodes that break: the one at 3, the other at 2, and at 6 once too often, before its second attempt."""
    tasks = [
        {"attempts": [(10, "SUCCEEDED")], "gpus": 1.0, "node_id": "of the log"},
        {"attempts": [(5, "SUCCEEDED"), (7, "SUCCEEDED")], "gpus": 1.0},
        {"attempts": [(1, "SUCCEEDED")], "gpus": 1.0, "parents": [1]},
    ]
    nodes = {"name": "g", "nodes": {"count": 11, "gpus": 4.0, "gpu_type": "A100"}, "failures": {"mtbf_h": 1e6, "repair_h": 1.0}}
    scenario = what_if({"name": "c", "slots": 1}, nodes, policy={"retries": {"limit": 2}})
    compiled = compile_scenario(trace_of([{"submitted": 0, "tasks": tasks}]), scenario)
    at = int(compiled.given.run_submitted[0])

    def instants(*seconds):
        return np.array([NEVER if s is None else at + s * 1_000_000 for s in seconds], np.int64)

    schedule = replace(
        run(compiled.given),
        queued=instants(5, 3, None, None),
        started=instants(6, 4, None, None),
        ended=instants(16, 6, None, None),
        outcome=np.array([CODE["SUCCEEDED"], CODE["NODE_FAIL"], CODE["SUCCEEDED"], CODE["SUCCEEDED"]], np.int8),
        task_state=np.array([CODE["SUCCEEDED"], CODE["NODE_FAIL"], CODE["SKIPPED"]], np.int8),
        node=np.array([1, 11, -1, -1], np.int32),
        nodes=np.array([3, 1, 0, 0], np.int32),
        interruptions=Interruptions(
            attempt=np.array([1, 0], np.int32),
            queued=instants(0, 0),
            started=instants(0, 1),
            ended=instants(2, 3),
            cause=np.full(2, BROKEN, np.int8),
            node=np.array([3, 2], np.int32),
            nodes=np.ones(2, np.int32),
        ),
        stopped=at + 16_000_000,
    )
    return compiled, schedule, scenario


def test_a_broken_node_leaves_a_row_and_the_last_failure_that_a_task_may_have_is_its_last_attempt(trace_of):
    trace = to_trace(*broken_twice(trace_of))
    assert told(trace, *TIMES) == [
        (1, 0, 1, 3, 2), (2, 5, 6, 16, 10), (1, 0, 0, 2, 2), (2, 3, 4, 6, 2), (1, None, None, None, None),
    ]  # fmt: skip
    assert told(trace, "task_id", "status", "raw_status", "node_id", "error") == [
        ("t00", "NODE_FAIL", "NODE_FAIL", "g-01", "interrupted: its node broke"),
        ("t00", "SUCCEEDED", "SUCCEEDED", "g-00+2", None),
        ("t01", "NODE_FAIL", "NODE_FAIL", "g-02", "interrupted: its node broke"),
        ("t01", "NODE_FAIL", "NODE_FAIL", "g-10", None),
        ("t02", "SKIPPED", "SKIPPED", None, None),
    ]
    run_row = trace.pipeline_runs.row(0, named=True)
    assert run_row["status"] == "NODE_FAIL"
    assert (run_row["started_at"], run_row["ended_at"]) == tuple(
        run_row["submitted_at"] + timedelta(seconds=s) for s in (0, 16)
    )
    pools = trace.pools.select("pool", "kind", "node_count", "gpus", "gpu_type", "slots").rows()
    assert pools == [("c", "slots", None, None, None, 1), ("g", "gpu", 11, 44.0, "A100", None)]


def test_what_is_not_over_at_the_horizon_is_left_open(trace_of):
    """One GPU, until 10: 6 s are over, 8 s run since 6, what depends on them and what waits has not begun; 20 is too late."""
    chain = [
        {"attempts": [(8, "SUCCEEDED")], "gpus": 1.0},
        {"attempts": [(1, "SUCCEEDED")], "gpus": 1.0, "parents": [0]},
    ]
    runs = [job(0, 6), {"submitted": 0, "tasks": chain}, job(1, 1), job(20, 1)]
    result = simulated(trace_of(runs), what_if({"name": "g", "gpus": 1}, horizon_days=10 * SECOND))
    assert told(result.trace, *TIMES, "status", "is_censored") == [
        (1, 0, 0, 6, 6, "SUCCEEDED", False),
        (1, 0, 6, None, 4, "RUNNING", True),
        (1, None, None, None, None, "PENDING", False),
        (1, 1, None, None, None, "PENDING", False),
    ]
    first = result.trace.pipeline_runs["submitted_at"][0]
    states = result.trace.pipeline_runs.select("status", "ended_at", "observed_until").rows()
    until = first + timedelta(seconds=10)
    assert states == [
        ("SUCCEEDED", first + timedelta(seconds=6), until), ("RUNNING", None, until), ("PENDING", None, until),
    ]  # fmt: skip
    assert result.trace.violations() == []


def test_what_is_held_beyond_a_timetable_was_still_there(trace_of):
    """Four GPUs until 10, then two: three are held until 20."""
    table = {"steps": [{"from_h": 0, "share": 1}, {"from_h": 10 / 3600, "share": 0.5}]}
    pool = {"name": "g", "gpus": 4, "memory_gb": 10, "timetable": table}
    result = simulated(trace_of([job(0, 20, gpus=3.0), job(0, 5), job(15, 10, gpus=2.0)]), what_if(pool))
    first = result.trace.pipeline_runs["submitted_at"][0]
    rows = [
        (since and (since - first).seconds, until and (until - first).seconds, *amounts)
        for since, until, *amounts in result.trace.pools.select("valid_from", "valid_to", "gpus", "memory_bytes").rows()
    ]
    assert rows == [(0, 10, 4.0, 10**10), (10, 20, 3.0, 5 * 10**9), (20, None, 2.0, 5 * 10**9)]
    assert told(result.trace, "started_at") == [(0,), (0,), (20,)]


def test_a_node_counts_until_it_is_empty(trace_of):
    """Three nodes until 10, then one; what runs on the second ends at 20, the third is empty."""
    table = {"steps": [{"from_h": 0, "share": 1}, {"from_h": 10 / 3600, "share": 0.34}]}
    pool = {"name": "g", "nodes": {"count": 3, "gpus": 2}, "timetable": table}
    result = simulated(trace_of([job(0, 30, gpus=2.0), job(0, 20), job(0, 5, gpus=2.0)]), what_if(pool))
    assert told(result.trace, "node_id") == [("g-0",), ("g-1",), ("g-2",)]
    assert result.trace.pools.select("node_count", "gpus").rows() == [(3, 6.0), (2, 4.0), (1, 2.0)]
