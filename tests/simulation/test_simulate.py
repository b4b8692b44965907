"""Small cases worked by hand, and what is refused before the first event."""

from datetime import timedelta

import polars as pl
import pytest

from pipesim.errors import EmptyTraceError, RequestError
from pipesim.simulation import Scenario, simulate
from pipesim.trace import Trace


def scenario(*pools, order="fifo", backfill="none", **platform):
    return Scenario(name="s", platform={"pools": list(pools), **platform}, policy={"order": order, "backfill": backfill})


def ran(*attempts, **columns):
    return {"attempts": list(attempts), **columns}


def run(submitted, *tasks, **columns):
    return {"submitted": submitted, "tasks": list(tasks), **columns}


def seconds(result, column="started_at"):
    """The instants of the attempts in order, in seconds since the first submission."""
    rows = result.trace.task_runs.sort("run_id", "task_id", "attempt")
    first = result.trace.pipeline_runs["submitted_at"].min()
    return [None if at is None else (at - first) / timedelta(seconds=1) for at in rows[column]]


def one(duration_s, **columns):
    return ran((duration_s, "SUCCEEDED"), **columns)


G2 = {"name": "g", "gpus": 2}
# From 0 to 10 one of two GPUs is taken; then come a wide task, a long narrow one and a short narrow one.
CONTENDED = [
    run(0, one(10, gpus=1.0)),
    run(1, one(4, gpus=2.0), priority=1),
    run(2, one(6, gpus=1.0), priority=5),
    run(3, one(1, gpus=1.0)),
]


@pytest.mark.parametrize(
    ("order", "backfill", "starts"),
    [
        ("fifo", "none", [0, 10, 14, 14]),
        ("fifo", "greedy", [0, 10, 2, 8]),
        ("sjf", "none", [0, 10, 14, 3]),
        ("ljf", "none", [0, 10, 2, 14]),
        ("smallest", "none", [0, 10, 2, 8]),
        ("priority", "none", [0, 10, 2, 14]),
    ],
)
def test_orders_and_backfill(trace_of, order, backfill, starts):
    assert seconds(simulate(trace_of(CONTENDED), scenario(G2, order=order, backfill=backfill))) == starts


def test_figures_of_a_case_worked_by_hand(trace_of):
    """First in, first out on CONTENDED: waits 0, 9, 12, 11; completions 10, 13, 18, 12; 26 of 40 GPU-seconds held."""
    summary = simulate(trace_of(CONTENDED), scenario(G2), replication=3).summary
    figures = summary.as_dict()
    assert figures.pop("engine_seconds") <= figures.pop("seconds")
    assert figures == {
        "scenario": "s", "replication": 3, "engine": "compiled", "pipelines": 4, "tasks": 4, "mean_wait_s": 8.0,
        "p50_wait_s": 10.0, "p95_wait_s": pytest.approx(11.85), "p99_wait_s": pytest.approx(11.97), "mean_jct_s": 13.25,
        "p95_jct_s": pytest.approx(17.25), "makespan_s": 20.0, "utilization": {"g": 0.625},
    }  # fmt: skip
    assert summary.as_frame().columns[: len(figures)] == list(figures)


def test_a_dag_with_retries_and_a_failure(trace_of):
    """A diamond whose left side fails for good after a retry: the end is skipped, the right side still runs."""
    tasks = [
        one(2, gpus=1.0),
        ran((1, "FAILED"), (3, "TIMEOUT"), gpus=1.0, parents=[0], error="oom"),
        one(9, gpus=1.0, parents=[0]),
        one(1, gpus=1.0, parents=[1, 2]),
        ran((None, "PENDING"), parents=[3]),
    ]
    result = simulate(trace_of([run(0, *tasks)]), scenario(G2))
    rows = result.trace.task_runs
    assert seconds(result, "queued_at") == [0, 2, 3, 2, None, None]
    assert seconds(result, "ended_at") == [2, 3, 6, 11, None, None]
    assert rows["status"].to_list() == ["SUCCEEDED", "FAILED", "TIMEOUT", "SUCCEEDED", "SKIPPED", "SKIPPED"]
    assert rows["is_censored"].to_list() == [False, True, True, False, False, False]
    assert rows["error"].to_list() == [None, "oom", "oom", None, None, None]
    assert result.trace.pipeline_runs.select("status", "raw_status").row(0) == ("TIMEOUT", "TIMEOUT")
    assert result.trace.violations() == []


def test_a_running_attempt_holds_its_pool_while_it_was_seen_and_stays_open(trace_of):
    runs = [run(0, ran((5, "RUNNING"), gpus=2.0), one(1, parents=[0])), run(1, one(2, gpus=2.0))]
    result = simulate(trace_of(runs), scenario(G2))
    assert seconds(result) == [0, None, 5]
    assert result.trace.task_runs["status"].to_list() == ["RUNNING", "PENDING", "SUCCEEDED"]
    assert result.trace.task_runs.select("ended_at", "duration_s", "is_censored").row(0) == (None, 5.0, True)
    open_run = result.trace.pipeline_runs.row(0, named=True)
    assert (open_run["status"], open_run["ended_at"]) == ("RUNNING", None)
    assert open_run["observed_until"] - open_run["submitted_at"] == timedelta(seconds=5)
    assert result.summary.mean_jct_s == 6
    assert "1 running attempt" in result.warnings[0]


def test_hold_time_is_latency_read_overhead_work_at_the_pools_speed_and_write(trace_of):
    store = {"read_mb_per_s": 3, "write_mb_per_s": 2, "latency_s": 0.05}
    task = one(10, gpus=1.0, read_bytes=1_000_000, written_bytes=500_000)
    result = simulate(trace_of([run(0, task)]), scenario(G2 | {"speed": 3.0, "overhead_s": 1.5}, store=store))
    assert result.trace.task_runs["duration_s"].to_list() == [(50_000 + 333_333 + 1_500_000 + 3_333_333 + 250_000) / 1e6]


def test_a_third_of_a_gpu_is_real_to_the_thousandth(trace_of):
    """Six thirds fill two GPUs; a third of two thirds (3 x 0.667) is one thousandth too much."""
    thirds = simulate(trace_of([run(0, *(one(1, gpus=1 / 3) for _ in range(7)))]), scenario(G2))
    assert seconds(thirds) == [0, 0, 0, 0, 0, 0, 1]
    assert thirds.summary.utilization == {"g": 7 * 0.333 / 4}
    two_thirds = simulate(trace_of([run(0, *(one(1, gpus=2 / 3) for _ in range(3)))]), scenario(G2))
    assert seconds(two_thirds) == [0, 0, 1]


def test_memory_is_counted_in_bytes_and_only_where_the_pool_has_it(trace_of):
    tasks = [one(1, memory_bytes=2_000_000_000), one(1, memory_bytes=1_000_000_001), one(1, memory_bytes=1_000_000_000)]
    small = {"name": "m", "memory_gb": 3}
    assert seconds(simulate(trace_of([run(0, *tasks)]), scenario(small, backfill="greedy"))) == [0, 1, 0]
    assert seconds(simulate(trace_of([run(0, *tasks)]), scenario({"name": "m", "slots": 3}))) == [0, 0, 0]


def test_routing(trace_of):
    """By the row's pool where there is one of that name, else by the first pool that accepts the task."""
    pools = [
        {"name": "trainers", "gpus": 8, "accepts": {"task_types": ["train"], "gpus": True}},
        {"name": "old", "gpus": 8, "accepts": {"gpu_type": "K80"}},
        {"name": "gpu", "gpus": 8},
        {"name": "cpu", "slots": 8},
    ]
    tasks = [
        one(1, gpus=1.0, task_type="train"),
        one(1, gpus=1.0, task_type="evaluate", gpu_type="K80"),
        one(1, gpus=0.5, task_type="evaluate"),
        one(1, gpus=0.0, task_type="train"),
        one(1, gpus=1.0, task_type="train", pool="gpu"),
        one(1, pool="gone"),
    ]
    result = simulate(trace_of([run(0, *tasks)]), scenario(*pools))
    assert result.trace.task_runs["pool"].to_list() == ["trainers", "old", "gpu", "cpu", "gpu", "cpu"]
    assert "gone" in result.warnings[0]
    assert result.trace.pools["kind"].to_list() == ["gpu", "gpu", "gpu", "slots"]


def test_a_demand_above_the_pool_is_refused_or_rejected(trace_of):
    runs = [run(0, one(1, gpus=1.0)), run(0, one(1, gpus=3.0), one(1, parents=[0])), run(0, one(1, gpus=4.0))]
    with pytest.raises(RequestError, match=r"pool 'g' is too small.*'run-001'.*demands 3 gpus of 2.*2 tasks") as caught:
        simulate(trace_of(runs), scenario(G2))
    assert "oversized: reject" in caught.value.remedy
    result = simulate(trace_of(runs), scenario(G2, oversized="reject"))
    assert result.trace.task_runs["status"].to_list() == ["SUCCEEDED", "CANCELLED", "SKIPPED", "CANCELLED"]
    assert result.trace.pipeline_runs["status"].to_list() == ["SUCCEEDED", "CANCELLED", "CANCELLED"]
    assert "2 tasks" in result.warnings[0]


def test_a_task_that_no_pool_accepts_is_refused(trace_of):
    cpu = {"name": "cpu", "slots": 2, "accepts": {"gpus": False}}
    with pytest.raises(RequestError, match=r"no pool accepts 1 task \(run 'run-000' task 't00'\)"):
        simulate(trace_of([run(0, one(1, gpus=1.0))]), scenario(cpu))


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ([one(-1.0)], "duration is -1 s"),
        ([one(float("nan"))], "duration is nan s"),
        ([one(1, gpus=-1.0)], "gpus is -1"),
        ([one(1e14)], "more than can be counted"),
        ([one(1, parents=[1]), one(1, parents=[0]), one(1, parents=[0])], "circle through 2 tasks"),
        ([one(1, parents=[0])], "circle through 1 task "),
        ([one(1, parents=[7])], "no task 't07'"),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_the_tasks(trace_of, tasks, says):
    with pytest.raises(RequestError, match=says):
        simulate(trace_of([run(0, *tasks)]), scenario(G2))


def test_nothing_to_simulate(trace_of):
    for trace in (Trace(), trace_of([run(0)]), trace_of([run(None, one(1))])):
        with pytest.raises(EmptyTraceError):
            simulate(trace, scenario(G2))


def test_an_unknown_engine_is_refused(trace_of):
    with pytest.raises(RequestError, match="'warp'") as caught:
        simulate(trace_of([run(0, one(1))]), scenario(G2), engine="warp")
    assert "reference" in caught.value.remedy


def test_one_row_that_takes_no_time(trace_of):
    result = simulate(trace_of([run(0, one(0))]), scenario(G2))
    assert (result.summary.mean_wait_s, result.summary.makespan_s, result.summary.utilization) == (0, 0, {"g": None})


def test_runs_of_which_the_log_says_little(trace_of):
    """Without a submission: at the first queued_at, else left out; without a row: likewise; without tasks: ended at once."""
    trace = trace_of([run(0, one(1)), run(None, one(1)), run(None, one(1)), run(4, status="FAILED")])
    first = trace.pipeline_runs["submitted_at"][0]
    queued = pl.when(pl.col("run_id") == "run-001").then(pl.lit(first) + timedelta(seconds=3))
    orphan = trace.task_runs.filter(pl.col("run_id") == "run-001").with_columns(
        run_id=pl.lit("orphan"), queued_at=pl.lit(first)
    )
    task_runs = pl.concat([trace.task_runs.with_columns(queued_at=queued), orphan])
    result = simulate(Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": task_runs}), scenario(G2))
    ends = {
        r: (end - first) / timedelta(seconds=1) for r, end in result.trace.pipeline_runs.select("run_id", "ended_at").rows()
    }
    assert ends == {"run-000": 1, "orphan": 1, "run-001": 4, "run-003": 4}
    assert dict(result.trace.pipeline_runs.select("run_id", "status").rows())["run-003"] == "FAILED"
    assert any("left out" in warning and "1 run" in warning for warning in result.warnings)
