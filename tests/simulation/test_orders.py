"""Orders of service and what may interrupt it, worked by hand; expressions, and what becomes of values that are no numbers."""

import pytest
from pydantic import ValidationError

from pipesim.errors import RequestError
from pipesim.simulation import ENGINES, Scenario, simulate

POOLS = [{"name": "g", "gpus": 1}]


def scenario(order):
    return Scenario(name="s", platform={"pools": POOLS}, policy={"order": order})


def starts(trace_of, order, *tasks):
    """Return the tasks' numbers in the order of their starts; the first occupies the pool while the others come."""
    alone = {"attempts": [(5, "SUCCEEDED")], "gpus": 1.0}
    runs = [{"submitted": 0, "tasks": [alone]}, *({"submitted": 1, "tasks": [alone | t]} for t in tasks)]
    rows = simulate(trace_of(runs), scenario(order)).trace.task_runs.sort("started_at")
    return [int(run_id[-3:]) for run_id in rows["run_id"]][1:]


def test_the_least_value_goes_first_and_what_is_not_said_last(trace_of):
    tasks = [{"memory_bytes": 3}, {"memory_bytes": None}, {"memory_bytes": 1}, {"memory_bytes": 2}]
    assert starts(trace_of, "memory_bytes", *tasks) == [3, 4, 1, 2]
    assert starts(trace_of, "-memory_bytes * gpus", *tasks) == [1, 4, 3, 2]
    assert starts(trace_of, "CASE WHEN memory_bytes > 1 THEN 0 ELSE 1 END", *tasks) == [1, 4, 2, 3]


def test_an_expression_over_estimates_is_the_order_of_that_name(trace_of):
    tasks = [{"attempts": [(length, "SUCCEEDED")]} for length in (4, 2, 7, 1)]
    assert starts(trace_of, "estimated_duration_s", *tasks) == starts(trace_of, "sjf", *tasks) == [4, 2, 1, 3]


def test_the_latest_goes_first(trace_of):
    task = {"attempts": [(10, "SUCCEEDED")], "gpus": 1.0}
    runs = [{"submitted": at, "tasks": [task]} for at in (0, 1, 2, 2, 25)]
    rows = simulate(trace_of(runs), scenario("lifo")).trace.task_runs.sort("started_at")
    assert [int(run_id[-3:]) for run_id in rows["run_id"]] == [0, 2, 3, 4, 1]


@pytest.mark.parametrize("order", ["fifoo", "gpus +", "queued_at", "gpus; DROP TABLE x"])
def test_what_is_no_order_is_refused_with_the_choice(order):
    with pytest.raises(ValidationError, match=r"sjf.*priority"):
        scenario(order)


@pytest.mark.parametrize(
    ("order", "told"),
    [("task_name", "cannot be computed"), ("sum(gpus)", "one value for all"), ("(gpus - 1) / (gpus - 1)", "not a number")],
)
def test_a_value_that_is_no_number_is_refused_with_its_place(trace_of, order, told):
    with pytest.raises(RequestError, match=told) as caught:
        starts(trace_of, order, {}, {})
    assert caught.value.where == "policy.order"


def run(submitted, duration_s, gpus=1.0, **columns):
    return {"submitted": submitted, "tasks": [{"attempts": [(duration_s, "SUCCEEDED")], "gpus": gpus}], **columns}


def times(trace, gpus, column="started_at", **policy):
    """Return when the attempts started, in seconds, by both engines."""
    what_if = Scenario(name="s", platform={"pools": [{"name": "g", "gpus": gpus}]}, policy=policy)
    found = [simulate(trace, what_if, engine=engine).trace.task_runs for engine in ENGINES]
    assert found[0].equals(found[1])
    rows = found[0].sort("run_id", "task_id", "attempt")
    return [(at - trace.pipeline_runs["submitted_at"].min()).total_seconds() for at in rows[column]]


def test_fair_share_serves_whom_the_least_part_is_held_by_for_its_weight(trace_of):
    """On three GPUs, b's weight of 2 gives it two thirds; a run that names no tenant is of one more."""
    tenants = ["a", "a", "a", "a", "b", "b", "b", "b"]
    trace = trace_of([run(0, 10, tenant=name) for name in tenants])
    assert times(trace, 3, order="fair-share", tenants=[{"name": "b", "weight": 2.0}]) == [0, 10, 20, 20, 0, 0, 10, 10]
    assert times(trace, 4, order="fair-share") == [0, 0, 10, 10, 0, 0, 10, 10]
    nobody = trace_of([run(0, 10, tenant=name) for name in ("a", "a", None, None)])
    assert times(nobody, 2, order="fair-share") == [0, 10, 0, 10]


def test_a_tenant_at_its_quota_lets_others_pass(trace_of):
    trace = trace_of([run(at, 10, tenant=name) for at, name in enumerate("aaab")])
    assert times(trace, 4, tenants=[{"name": "a", "quota": {"gpus": 2}}]) == [0, 1, 10, 3]


@pytest.mark.parametrize("deadline_s", [100, "100 * gpus", "CASE WHEN estimated_duration_s > 6 THEN 10 ELSE 11.5 END"])
def test_the_earliest_deadline_goes_first(trace_of, deadline_s):
    """All due after 100 s: as submitted. Twice that for two GPUs: the narrow one first. Long ones sooner: at 12.5, 13.5, 13."""
    trace = trace_of([run(0, 10, 2.0), run(1, 5, 2.0), run(2, 5, 1.0), run(3, 8, 2.0)])
    expected = {100: [0, 10, 15, 20], "100 * gpus": [0, 15, 10, 20]}.get(deadline_s, [0, 10, 23, 15])
    assert times(trace, 2, order="edf", deadline_s=deadline_s) == expected


@pytest.mark.parametrize(("deadline_s", "told"), [("3600", "one value for all"), ("0.0 / (gpus - 1)", "not a number")])
def test_a_deadline_that_is_no_number_is_refused(trace_of, deadline_s, told):
    with pytest.raises(RequestError, match=told) as caught:
        times(trace_of([run(0, 1), run(0, 1)]), 2, order="edf", deadline_s=deadline_s)
    assert caught.value.where == "policy.deadline_s"


def test_the_least_attained_service_goes_first(trace_of):
    """When the GPU is free at 30, the first run has had it for 10 s, so what came after its second task goes first."""
    task = {"attempts": [(10, "SUCCEEDED")], "gpus": 1.0}
    trace = trace_of([{"submitted": 0, "tasks": [task, task | {"parents": [0]}]}, run(1, 20), run(15, 5)])
    assert times(trace, 1) == [0, 30, 10, 40]
    assert times(trace, 1, order="las") == [0, 35, 10, 30]


def test_a_higher_priority_evicts_the_youngest_of_the_lowest(trace_of):
    """At 4 the last to start gives way, and begins anew; with checkpoints it keeps 1.5 of the 2 s it worked."""
    trace = trace_of([run(0, 10), run(1, 10, priority=1), run(2, 10), run(4, 3, priority=2)])
    assert times(trace, 3, preemption=True) == [0, 1, 2, 7, 4]
    assert times(trace, 3, "ended_at", preemption=True) == [10, 11, 4, 17, 7]
    assert times(trace, 3, "ended_at", preemption=True, checkpoint_s=1.5, restart_s=0.25) == [10, 11, 4, 15.75, 7]
