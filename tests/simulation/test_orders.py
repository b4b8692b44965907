"""Orders that are SQL expressions: what they may name, and what becomes of values that are no numbers."""

import pytest
from pydantic import ValidationError

from pipesim.errors import RequestError
from pipesim.simulation import Scenario, simulate

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
