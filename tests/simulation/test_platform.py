"""Platforms that change, break or consist of nodes: small cases worked by hand, in both engines."""

from datetime import timedelta
from typing import Any

import pytest

from pipesim.simulation import ENGINES, Scenario, SimulationResult, simulate


def run(submitted: float, duration_s: float, gpus: float = 1.0, **columns: Any) -> dict[str, Any]:
    return {"submitted": submitted, "tasks": [{"attempts": [(duration_s, "SUCCEEDED")], "gpus": gpus, **columns}]}


def simulated(
    trace_of: Any, runs: list[dict[str, Any]], pool: dict[str, Any], policy: Any = None, **scenario: Any
) -> SimulationResult:
    what_if = Scenario(name="s", platform={"pools": [{"name": "g"} | pool]}, policy=policy or {}, **scenario)
    first, second = (simulate(trace_of(runs), what_if, engine=engine) for engine in ENGINES)
    assert all(first.trace[table].equals(second.trace[table]) for table in first.trace)
    assert first.trace.violations() == []
    return first


def seconds(result: SimulationResult, column: str = "started_at") -> list[float | None]:
    first = result.trace.pipeline_runs["submitted_at"].min()
    rows = result.trace.task_runs.sort("run_id", "attempt")
    return [None if at is None else (at - first) / timedelta(seconds=1) for at in rows[column]]


def test_what_is_larger_than_a_node_runs_on_several_at_once(trace_of: Any) -> None:
    """Twelve GPUs are six on each of two nodes with eight; the next eight need a whole node, though four are free in all."""
    nodes = {"nodes": {"count": 2, "gpus": 8}}
    result = simulated(trace_of, [run(0, 10, 12.0), run(1, 5, 2.0), run(2, 5, 4.0)], nodes)
    assert seconds(result) == [0, 1, 10]
    assert result.trace.task_runs["node_id"].to_list() == ["g-0+1", "g-0", "g-0"]
    assert seconds(simulated(trace_of, [run(0, 10, 12.0), run(1, 5, 4.0)], nodes | {"placement": "pack"})) == [0, 1]


@pytest.mark.parametrize(
    ("placement", "nodes", "last"),
    [
        ("first-fit", ["g-0", "g-1", "g-0", "g-2"], 2),
        ("best-fit", ["g-0", "g-1", "g-1", "g-2"], 2),
        ("worst-fit", ["g-0", "g-1", "g-2", "g-0"], 10),
    ],
)
def test_placement_decides_whether_room_is_left_for_the_wide(
    trace_of: Any, placement: str, nodes: list[str], last: float
) -> None:
    """Two and three GPUs of four are taken on two of three nodes; then comes a narrow one, then one that needs a whole node."""
    runs = [run(0, 10, 2.0), run(0, 20, 3.0), run(1, 20, 1.0), run(2, 1, 4.0)]
    result = simulated(trace_of, runs, {"nodes": {"count": 3, "gpus": 4}, "placement": placement})
    assert result.trace.task_runs["node_id"].to_list() == nodes
    assert seconds(result) == [0, 0, 1, last]


def test_a_task_runs_on_the_model_of_gpu_that_it_asks_for(trace_of: Any) -> None:
    nodes = [{"count": 1, "gpus": 1, "gpu_type": "V100"}, {"count": 1, "gpus": 1, "gpu_type": "K80"}]
    runs = [run(0, 5, gpu_type="K80"), run(1, 5), run(2, 5, gpu_type="K80"), run(3, 5)]
    result = simulated(trace_of, runs, {"nodes": nodes}, {"backfill": "greedy"})
    assert result.trace.task_runs["node_id"].to_list() == ["g-1", "g-0", "g-1", "g-0"]
    assert seconds(result) == [0, 1, 5, 6]


def test_a_timetable_gives_and_takes_but_never_interrupts(trace_of: Any) -> None:
    """Half of two GPUs for the first hour, all in the second, none for the rest of the day."""
    steps = [{"from_h": 0, "share": 0.5}, {"from_h": 1, "share": 1}, {"from_h": 2, "share": 0}]
    runs = [run(0, 1800), run(0, 1800, 2.0), run(1, 7000), run(7300, 100)]
    result = simulated(trace_of, runs, {"gpus": 2, "timetable": {"steps": steps, "period_h": 24}})
    assert seconds(result) == [0, 3600, 5400, 86_400]
    assert seconds(result, "ended_at")[2] == 12_400


@pytest.mark.parametrize(("step", "sizes"), [(1, [1, 4, 3, 1]), (3, [1, 4, 1])])
def test_an_autoscaler_follows_the_work_after_a_delay(trace_of: Any, step: int, sizes: list[float]) -> None:
    """Three more GPUs are asked for at 10, and come at 70; one more at 71, but at 100 the first one is free again."""
    scale = {"min": 1, "max": 7, "step": step, "delay_s": 60, "cooldown_s": 5}
    runs = [run(0, 100), run(10, 100, 3.0), run(71, 40)]
    result = simulated(trace_of, runs, {"gpus": 1, "autoscale": scale})
    assert seconds(result) == [0, 70, 100]
    assert result.trace.pools["gpus"].to_list() == sizes


def test_an_autoscaler_adds_whole_nodes(trace_of: Any) -> None:
    """Of four nodes one is there: twelve GPUs need two more, which come after 60 s and go when they are empty."""
    scale = {"min": 1, "max": 4, "delay_s": 60, "cooldown_s": 5}
    runs = [run(0, 100, 8.0), run(10, 100, 12.0)]
    result = simulated(trace_of, runs, {"nodes": {"count": 1, "gpus": 8}, "autoscale": scale})
    assert seconds(result) == [0, 70]
    assert result.trace.task_runs["node_id"].to_list() == ["g-0", "g-1+1"]
    assert result.trace.pools["node_count"].to_list() == [1, 3, 1]


def test_broken_nodes_interrupt_until_the_limit(trace_of: Any) -> None:
    """A task that takes a thousand times the working time of its node fails as often as it may, after each wait."""
    pool = {"gpus": 1, "failures": {"mtbf_h": 1, "repair_h": 0.01}}
    retries = {"limit": 4, "backoff_s": 1000, "factor": 2}
    result = simulated(trace_of, [run(0, 3_600_000)], pool, {"retries": retries})
    rows = result.trace.task_runs.sort("attempt")
    assert rows["status"].to_list() == ["NODE_FAIL"] * 4
    waits = (rows["queued_at"].shift(-1) - rows["ended_at"]).dt.total_seconds().to_list()
    assert waits == [1000, 2000, 4000, None]
    assert result.trace.pipeline_runs["status"].to_list() == ["NODE_FAIL"]
    again = simulate(trace_of([run(0, 3_600_000)]), _same(result, pool, retries), replication=1, engine="reference")
    assert not again.trace.task_runs.equals(result.trace.task_runs)


def _same(result: SimulationResult, pool: dict[str, Any], retries: dict[str, Any]) -> Scenario:
    return Scenario(name=result.trace.name, platform={"pools": [{"name": "g"} | pool]}, policy={"retries": retries})


def test_what_is_not_done_at_the_horizon_is_unfinished(trace_of: Any) -> None:
    day = 86_400
    result = simulated(trace_of, [run(0, day), run(1, day), run(2, 1), run(3 * day, 1)], {"gpus": 1}, horizon_days=1.5)
    assert result.trace.task_runs["status"].to_list() == ["SUCCEEDED", "RUNNING", "PENDING"]
    assert seconds(result, "ended_at") == [day, None, None]
    assert "after the horizon: 1 run" in result.warnings[0]
