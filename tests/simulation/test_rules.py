"""Rules 7 to 11: examples worked by hand, and the invariants over random scenarios with any of them, in both engines."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipesim.checks.invariants import Simulated, lost_or_invented, out_of_order, over_capacity, wrong_times
from pipesim.simulation import ENGINES, Scenario, SimulationResult, simulate
from pipesim.trace import Trace
from tests.simulation.conftest import START

TraceOf = Callable[[list[dict[str, Any]]], Trace]


def by_both(trace: Trace, scenario: Scenario) -> SimulationResult:
    """Simulate by every engine, which must agree."""
    results = [simulate(trace, scenario, engine=name) for name in ENGINES]
    for table in results[0].trace:
        assert results[0].trace[table].equals(results[1].trace[table]), table
    return results[0]


def jobs(trace_of: TraceOf, *given: tuple[float, float, float], **columns: Any) -> Trace:
    """The trace of jobs of one task: when it is submitted, how many GPUs it needs, and for how long."""
    rows = [
        {"submitted": at, "priority": columns.get("priority", {}).get(i), "tasks": [_task(gpus, lasts, i, columns)]}
        for i, (at, gpus, lasts) in enumerate(given)
    ]
    return trace_of(rows)


def _task(gpus: float, lasts: float, i: int, columns: dict[str, Any]) -> dict[str, Any]:
    return {"attempts": [(lasts, columns.get("status", {}).get(i, "SUCCEEDED"))], "gpus": gpus}


def starts(result: SimulationResult) -> list[float | None]:
    """Seconds from the beginning to the start of each row, in the order of runs and attempts."""
    rows = result.trace.task_runs.sort("run_id", "task_id", "attempt")
    return [None if at is None else (at - START).total_seconds() for at in rows["started_at"]]


FOUR = {"pools": [{"name": "gpu", "gpus": 4}]}
#: A holds two of four GPUs until 10. B needs three, C all, D one for long.
JOBS = ((0, 2, 10), (1, 3, 10), (2, 4, 10), (3, 1, 25))


@pytest.mark.parametrize(
    ("backfill", "expected"),
    [
        ("none", [0, 10, 20, 30]),
        # D takes the GPU that B leaves, and so holds up C, which nobody has promised anything.
        ("easy", [0, 10, 28, 3]),
        # C has been promised 20, so D must wait until it is done.
        ("conservative", [0, 10, 20, 30]),
        ("greedy", [0, 10, 28, 3]),
    ],
)
def test_what_may_pass_the_first_worked_by_hand(trace_of: TraceOf, backfill: str, expected: list[float]) -> None:
    scenario = Scenario(name="s", platform=FOUR, policy={"backfill": backfill})
    assert starts(by_both(jobs(trace_of, *JOBS), scenario)) == expected


def test_conservative_backfill_looks_no_further_than_its_depth(trace_of: TraceOf) -> None:
    """A holds all until 10; B, C and D need all; E, one GPU for a second, would pass them if it were looked at."""
    work = jobs(trace_of, (0, 3, 10), (1, 4, 5), (2, 4, 5), (3, 4, 5), (4, 1, 1))
    for depth, last in ((4, 4), (1, 25)):
        policy = {"backfill": "conservative", "depth": depth}
        assert starts(by_both(work, Scenario(name="s", platform=FOUR, policy=policy))) == [0, 10, 15, 20, last]


def test_easy_lets_pass_what_ends_in_time_and_nothing_that_would_not(trace_of: TraceOf) -> None:
    """A holds three of four GPUs until 10, B needs all. C ends by then; D, which comes at 9, does not, and greedy lets it."""
    work = jobs(trace_of, (0, 3, 10), (1, 4, 5), (2, 1, 6), (9, 1, 20))
    easy = Scenario(name="s", platform=FOUR, policy={"backfill": "easy"})
    assert starts(by_both(work, easy)) == [0, 10, 2, 15]
    greedy = Scenario(name="s", platform=FOUR, policy={"backfill": "greedy"})
    assert starts(by_both(work, greedy)) == [0, 29, 2, 9]


def test_an_evicted_attempt_keeps_its_checkpoints_and_pays_for_its_restart(trace_of: TraceOf) -> None:
    """L runs from 0; H evicts it at 4, when it has kept 3 of 10 seconds, and runs till 7; L needs 7 + 1 more."""
    work = jobs(trace_of, (0, 4, 10), (4, 1, 3), priority={1: 5})
    policy = {"order": "priority", "preemption": True, "checkpoint_s": 3.0, "restart_s": 1.0}
    result = by_both(work, Scenario(name="s", platform=FOUR, policy=policy))
    rows = result.trace.task_runs.sort("run_id", "attempt")
    assert rows.select("attempt", "raw_status", "duration_s").rows() == [
        (1, "PREEMPTED", 4.0),
        (2, "SUCCEEDED", 8.0),
        (1, "SUCCEEDED", 3.0),
    ]
    assert starts(result) == [0, 7, 4]


def test_only_as_many_are_evicted_as_needed_the_lowest_and_youngest_first(trace_of: TraceOf) -> None:
    """Four jobs of one GPU run, of priorities 1, 0, 0 and 2; one of priority 2 that needs two takes those of priority 0."""
    work = jobs(trace_of, (0, 1, 50), (1, 1, 50), (2, 1, 50), (3, 1, 50), (4, 2, 5), priority={0: 1, 1: 0, 2: 0, 3: 2, 4: 2})
    result = by_both(work, Scenario(name="s", platform=FOUR, policy={"order": "priority", "preemption": True}))
    evicted = result.trace.task_runs.filter(pl.col("raw_status") == "PREEMPTED")
    assert sorted(evicted["run_id"]) == ["run-001", "run-002"]
    assert starts(result) == [0, 1, 9, 2, 9, 3, 4]


def test_a_failed_attempt_waits_longer_each_time_and_a_task_fails_at_its_limit(trace_of: TraceOf) -> None:
    """Four attempts of a second fail, the waits are 2, 4 and at most 5; of three that may, the third is the last."""
    run = {"submitted": 0, "tasks": [{"attempts": [(1, "FAILED")] * 4 + [(1, "SUCCEEDED")], "gpus": 1}]}
    retries = {"backoff_s": 2.0, "factor": 2.0, "longest_s": 5.0}
    patient = Scenario(name="s", platform=FOUR, policy={"retries": retries})
    assert starts(by_both(trace_of([run]), patient)) == [0, 3, 8, 14, 20]
    strict = Scenario(name="s", platform=FOUR, policy={"retries": {**retries, "limit": 3}})
    result = by_both(trace_of([run]), strict)
    assert starts(result) == [0, 3, 8]
    assert result.trace.pipeline_runs["status"].to_list() == ["FAILED"]


def test_the_least_served_run_goes_first(trace_of: TraceOf) -> None:
    """Two runs of two tasks on one slot, the first task of b short: when both second tasks wait, b has had less."""
    runs = [
        {"submitted": 0, "tasks": [{"attempts": [(5, "SUCCEEDED")]}, {"attempts": [(3, "SUCCEEDED")], "parents": [0]}]},
        {"submitted": 1, "tasks": [{"attempts": [(2, "SUCCEEDED")]}, {"attempts": [(3, "SUCCEEDED")], "parents": [0]}]},
    ]
    pools = {"pools": [{"name": "one", "slots": 1}]}
    las = by_both(trace_of(runs), Scenario(name="s", platform=pools, policy={"order": "las"}))
    assert starts(las) == [0, 10, 5, 7]
    fifo = by_both(trace_of(runs), Scenario(name="s", platform=pools))
    assert starts(fifo) == [0, 7, 5, 10]


def test_a_horizon_leaves_what_is_not_done_unfinished(trace_of: TraceOf) -> None:
    """Of four slots of a day each on one slot, two and a half are done at the horizon, and one is never submitted."""
    day = 86_400.0
    runs = [{"submitted": at * day, "tasks": [{"attempts": [(day, "SUCCEEDED")]}]} for at in (0, 0, 0, 3)]
    scenario = Scenario(name="s", platform={"pools": [{"name": "one", "slots": 1}]}, horizon_days=1.5)
    result = by_both(trace_of(runs), scenario)
    assert result.trace.task_runs["status"].to_list() == ["SUCCEEDED", "RUNNING", "PENDING"]
    assert result.trace.pipeline_runs["observed_until"].max() == START + timedelta(days=1.5)
    assert any("1 run" in warning for warning in result.warnings)


task = st.fixed_dictionaries(
    {
        "attempts": st.sampled_from(
            [[(3, "SUCCEEDED")], [(1, "FAILED"), (2, "SUCCEEDED")], [(2, "FAILED")], [(0, "SUCCEEDED")], [(7, "UNKNOWN")]]
        ),
        "gpus": st.sampled_from([None, 0.5, 1.0, 2.0, 3.0]),
        "cpu_cores": st.sampled_from([None, 1.0]),
    }
)
run = st.fixed_dictionaries(
    {"submitted": st.integers(0, 9), "priority": st.sampled_from([None, 1, 2]), "tasks": st.lists(task, min_size=1, max_size=3)}
)
plain_pool = st.just({"gpus": 4.0, "cpu_cores": 4.0})
node_pool = st.fixed_dictionaries(
    {
        "nodes": st.sampled_from([{"count": 3, "gpus": 2, "cpu_cores": 2}, [{"count": 1, "gpus": 4}, {"count": 2, "gpus": 1}]]),
        "placement": st.sampled_from(["first-fit", "best-fit", "worst-fit", "pack"]),
    }
)
hour = 1 / 3600
changing = st.sampled_from(
    [
        {},
        {"failures": {"mtbf_h": 5 * hour, "repair_h": 2 * hour}},
        {
            "timetable": {
                "steps": [{"from_h": 0, "share": 1}, {"from_h": 4 * hour, "share": 0.4}, {"from_h": 15 * hour, "share": 1}]
            }
        },
        {"autoscale": {"min": 1, "max": 4, "step": 1, "target": 0.8, "cooldown_s": 2, "delay_s": 1}},
    ]
)
policy = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["fifo", "sjf", "priority", "fair-share", "las", "gpus"]),
        "backfill": st.sampled_from(["none", "greedy", "easy", "conservative"]),
        "preemption": st.booleans(),
        "checkpoint_s": st.sampled_from([None, 2.0]),
        "restart_s": st.sampled_from([0.0, 1.0]),
        "estimates": st.sampled_from(["oracle", "history", {"noisy": 0.5}]),
        "retries": st.sampled_from([{"limit": 3}, {"limit": 2, "backoff_s": 1.5}]),
    }
)


@pytest.mark.drawn
@given(
    st.lists(run, min_size=3, max_size=8),
    st.one_of(plain_pool, node_pool),
    changing,
    policy,
    st.sampled_from([None, 20 / 86_400]),
)
def test_the_invariants_hold_whatever_the_rules(
    trace_of: TraceOf, runs: list[dict[str, Any]], pool: Any, change: Any, rules: Any, horizon: float | None
) -> None:
    """Conservation, causality, capacity and hold times (I1 to I3 and rule 4), judged without any of the engines' code."""
    assume("autoscale" not in change or not isinstance(pool.get("nodes"), list))
    trace = trace_of(runs)
    platform = {"pools": [{"name": "gpu", **pool, **change}], "oversized": "reject"}
    scenario = Scenario(name="s", platform=platform, policy=rules, horizon_days=horizon)
    judged = Simulated(scenario, 0, by_both(trace, scenario).trace, trace)
    for broken in (lost_or_invented, out_of_order, over_capacity, wrong_times):
        found = broken(judged)
        assert found.is_empty(), (broken.__name__, found)
