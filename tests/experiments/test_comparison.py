"""Scenarios beside each other: paired differences, their intervals, and the frontier of strategies."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipesim.cli.printing import comparison_table
from pipesim.errors import RequestError
from pipesim.experiments.comparison import compare, efficient_points, unlike
from pipesim.experiments.intervals import Interval
from pipesim.simulation import RunSummary, Scenario
from pipesim.simulation.models.figures import LifecycleFigures

BLANK = RunSummary(
    scenario="s", replication=0, engine="compiled", pipelines=1, tasks=1, mean_wait_s=1.0, p50_wait_s=1.0, p95_wait_s=2.0,
    p99_wait_s=2.0, mean_jct_s=3.0, p95_jct_s=4.0, makespan_s=5.0, utilization={"p": 0.5}, engine_seconds=0.0, seconds=0.0,
)  # fmt: skip
AGING = LifecycleFigures(
    models=1, replaced=0, versions=1, deployments=1, retrainings=2, retrainings_postponed=0, mean_performance=0.8,
    below_objective=0.1, retraining_gpu_hours=7.0, retraining_cost=None, retraining_energy_kwh=None,
    retraining_carbon_kg=None, user_mean_wait_s=1.0, retraining_mean_wait_s=1.0,
)  # fmt: skip


def runs(name: str, waits: list[float | None]) -> list[RunSummary]:
    return [replace(BLANK, scenario=name, replication=i, mean_wait_s=wait) for i, wait in enumerate(waits)]


def strategy(name: str, *points: tuple[float, float | None], **more: Any) -> list[RunSummary]:
    """A scenario that performs and costs so much in each replication."""
    return [
        replace(BLANK, scenario=name, replication=i, lifecycle=replace(AGING, mean_performance=p, retraining_cost=c, **more))
        for i, (p, c) in enumerate(points)
    ]


def test_differences_are_taken_within_replications() -> None:
    """b is 1 to 3 seconds more than a each time, though a varies by hundreds; with a one-sample t-interval."""
    found = compare([*runs("a", [100, 500, 900]), *runs("b", [101, 502, 903])])
    wait = next(one for one in found.differences if one.metric == "mean_wait_s")
    low, high = stats.t.interval(0.95, 2, loc=2, scale=1 / np.sqrt(3))
    assert (wait.scenario, wait.pairs, wait.baseline_mean, wait.mean, wait.difference) == ("b", 3, 500, 502, 2)
    assert (wait.low, wait.high) == (pytest.approx(low), pytest.approx(high))
    assert low < 0 < high
    assert wait.finding == "no difference found"
    assert next(one for one in found.differences if one.metric == "p95_wait_s").difference == 0
    assert found.frontier == ()


@pytest.mark.parametrize(("more", "finding"), [([10, 11, 12], "higher"), ([-10, -11, -12], "lower"), ([10], None)])
def test_what_is_found_follows_from_the_interval(more: list[float], finding: str | None) -> None:
    base = [100.0 * i for i in range(len(more))]
    found = compare([*runs("a", [*base]), *runs("b", [x + m for x, m in zip(base, more, strict=True)])], "a")
    wait = next(one for one in found.differences if one.metric == "mean_wait_s")
    assert wait.finding == finding
    assert (wait.low is None) == (finding is None)


def test_only_replications_that_both_have_are_pairs() -> None:
    found = compare([*runs("a", [1, None, 3, 4]), *runs("b", [2, 2, 5])])
    wait = next(one for one in found.differences if one.metric == "mean_wait_s")
    assert (wait.pairs, wait.difference) == (2, 1.5)
    nothing = compare([*runs("a", [None]), *runs("b", [2])])
    assert "mean_wait_s" not in {one.metric for one in nothing.differences}


@pytest.mark.parametrize(
    ("names", "baseline", "says"),
    [(["a"], None, "nothing to compare"), (["a", "b"], "c", "no scenario is called 'c'"), ([], None, "nothing to compare")],
)
def test_what_cannot_be_compared_is_refused(names: list[str], baseline: str | None, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        compare([run for name in names for run in runs(name, [1.0])], baseline)


def test_the_frontier_is_told_with_the_price_of_each_further_point() -> None:
    """From never to some, four points for 200; from there to most, two for 300. Dear spends more than some and has less."""
    found = compare(
        [
            *strategy("never", (0.70, 0.0), (0.72, 0.0)),
            *strategy("most", (0.76, 490.0), (0.78, 510.0)),
            *strategy("dear", (0.73, 300.0), (0.75, 300.0)),
            *strategy("some", (0.74, 190.0), (0.76, 210.0)),
        ]
    )
    told = [(one.scenario, one.efficient, one.per_point) for one in found.frontier]
    assert told == [
        ("never", True, None), ("some", True, pytest.approx(50)), ("dear", False, None), ("most", True, pytest.approx(150)),
    ]  # fmt: skip
    some = found.frontier[1]
    assert (some.unit, some.gain_points, some.gain_low, some.gain_high) == ("money", *[pytest.approx(4)] * 3)
    assert (some.performance, some.spent) == (pytest.approx(0.75), 200)
    assert (some.spent_low, some.spent_high) == tuple(pytest.approx(x) for x in stats.t.interval(0.95, 1, loc=200, scale=10))
    text = comparison_table(found)
    assert "* some" in text
    assert "  dear" in text
    assert found.as_dict()["frontier"][1]["scenario"] == "some"


def test_without_rates_strategies_are_compared_by_gpu_hours() -> None:
    found = compare([*strategy("a", (0.7, None)), *strategy("b", (0.8, 5.0), retraining_gpu_hours=9.0)])
    assert [(one.spent, one.unit, one.per_point) for one in found.frontier] == [
        (7.0, "GPU x hours", None),
        (9.0, "GPU x hours", pytest.approx(0.2)),
    ]
    assert all(one.performance_low is None for one in found.frontier)
    assert "0.200" in comparison_table(found)


def test_equal_strategies_are_both_efficient_and_have_no_price() -> None:
    found = compare([*strategy("a", (0.7, 1.0)), *strategy("b", (0.7, 1.0)), *runs("plain", [1.0])])
    assert [(one.scenario, one.efficient, one.per_point) for one in found.frontier] == [("a", True, None), ("b", True, None)]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_a_point_is_efficient_if_no_other_beats_it(points: list[tuple[int, int]]) -> None:
    found = efficient_points(np.array(points, np.float64))
    beaten = {
        i for (i, (cost, had)), (other, more) in product(enumerate(points), points)
        if other <= cost and more >= had and (other, more) != (cost, had)
    }  # fmt: skip
    assert [i for i, efficient in enumerate(found) if not efficient] == sorted(beaten)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_an_interval_is_students(values: list[float]) -> None:
    found = Interval.of(values)
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-6)
    assert found.low == pytest.approx(np.mean(values) - half, abs=1e-6)
    assert found.high == pytest.approx(np.mean(values) + half, abs=1e-6)
    assert Interval.of([]) == Interval(None, None, None)


def test_strategies_are_compared_by_the_replications_that_all_have() -> None:
    """The second replication of a, which b lacks, would make it the better one."""
    found = compare([*strategy("a", (0.7, 1.0), (0.9, 1.0)), *strategy("b", (0.8, 2.0))]).frontier
    assert [(one.scenario, one.performance) for one in found] == [("a", 0.7), ("b", 0.8)]
    assert compare([*strategy("a", (0.7, 1.0)), *strategy("b", (0.8, 2.0), (0.8, 2.0))[1:]]).frontier == ()


def test_without_gpus_strategies_are_compared_by_how_often_they_retrain() -> None:
    none = {"retraining_gpu_hours": 0.0}
    found = compare([*strategy("a", (0.7, None), retrainings=0, **none), *strategy("b", (0.8, None), **none)]).frontier
    assert [(one.scenario, one.spent, one.unit) for one in found] == [("a", 0.0, "count"), ("b", 2.0, "count")]


def test_worlds_that_differ_are_named() -> None:
    def scenario(name: str, **more: Any) -> Scenario:
        return Scenario(name=name, platform={"pools": [{"name": "all", "slots": 1}]}, **more)

    alike = [scenario("a", lifecycle={"trigger": "none"}), scenario("b", lifecycle={"gate": 0.5}), scenario("c")]
    assert unlike(alike) == []
    other = scenario("d", horizon_days=3.0, lifecycle={"decay": {"gradual_per_day": 0.1}})
    assert unlike([*alike, other]) == ["horizon_days", "lifecycle.decay"]
