"""The search for a capacity finds what trying all of them would, and says so where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from pipesim.catalog import snapshot_views
from pipesim.cli.printing import capacity_table
from pipesim.errors import RequestError
from pipesim.experiments.capacity import Answer, Objective, Trial, capacity_rows, find_capacity, search_name
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario


def _scenario(slots: int = 2, **changed: Any) -> Scenario:
    platform = {"pools": [{"name": "p", "slots": slots}, {"name": "idle", "gpus": 1}]}
    workload = {"kind": "synthetic", "days": 2, "scale": 8, "seed": 3}
    return Scenario.model_validate({"name": "s", "workload": workload, "platform": platform, **changed})


def _search(lake: Lake, objective: str, scenario: Scenario | None = None, **options: Any) -> Answer:
    options = {"replications": 4, "workers": 1, **options}
    return find_capacity(lake, scenario or _scenario(), "p", Objective.parse(objective), **options)


def test_it_is_the_smallest_of_all_that_meet_the_objective(fitted: Lake) -> None:
    scenarios = [_scenario(slots, name=f"with-{slots}") for slots in range(1, 12)]
    results = run_scenarios(fitted, scenarios, replications=4, workers=1)
    for objective, given in (("p95_wait_s < 300", 1), ("p95_wait_s < 300", 9), ("mean_wait_s <= 40", 3)):
        wanted = Objective.parse(objective)
        figures: dict[str, list[float]] = {scenario.name: [] for scenario in scenarios}
        for result in results:
            figures[result.summary.scenario].append(result.summary.as_dict()[wanted.metric])
        met = [slots for slots in range(1, 12) if wanted.is_met(figures[f"with-{slots}"], 0.95)]
        found = _search(fitted, objective, _scenario(given))
        assert met == list(range(found.capacity, 12)), "more never makes it worse here"
        assert (found.pool, found.resource, found.objective) == ("p", "slots", str(wanted))
        assert [point.capacities[0] for point in found.curve] == sorted({point.capacities[0] for point in found.curve})
        assert all(point.met == (point.capacities[0] >= found.capacity) for point in found.curve)
        assert any(point.capacities[0] > found.capacity for point in found.curve)
        assert f"p needs {found.capacity} slots" in capacity_table(found)


def test_an_objective_is_held_against_the_end_of_a_one_sided_interval() -> None:
    values = [8.0, 9.0, 11.0, 12.0]
    end = np.mean(values) + stats.t.ppf(0.9, 3) * np.std(values, ddof=1) / 2
    assert Objective("mean_wait_s", True, end + 1e-9).is_met(values, 0.9)
    assert not Objective("mean_wait_s", True, end - 1e-9).is_met(values, 0.9)
    assert Objective("mean_performance", False, 20 - end - 1e-9).is_met(values, 0.9)
    assert not Objective("mean_performance", False, 20 - end + 1e-9).is_met(values, 0.9)


def test_what_is_tried_is_told_stored_and_not_simulated_again(fitted: Lake) -> None:
    told: list[Trial] = []
    found = _search(fitted, "p95_wait_s < 300", tell=told.append)
    assert sorted(told, key=lambda point: point.capacities) == list(found.curve)
    for point in found.curve:
        assert point.scenario is not None
        assert fitted.replications(point.scenario) == [0, 1, 2, 3]
    files = {path: path.stat().st_mtime_ns for path in fitted.lake.rglob("task_runs.parquet")}
    assert _search(fitted, "p95_wait_s < 300") == found
    assert {path: path.stat().st_mtime_ns for path in fitted.lake.rglob("task_runs.parquet")} == files


def test_a_search_stands_in_the_catalogue(fitted: Lake, lake: Lake) -> None:
    objective = Objective.parse("p95_wait_s < 300")
    with snapshot_views(lake) as con:
        assert con.sql("SELECT count(*) FROM simulated.capacity").fetchall() == [(0,)]
    found = [_search(fitted, str(objective), _scenario(name=name), prices={"p": 2.0}) for name in ("a", "b")]
    lake.save_experiment("s", {"capacity": capacity_rows("s", objective, found)})
    with snapshot_views(lake) as con:
        rows = con.sql(
            "SELECT scenario, pool, resource, capacity, metric, bound, threshold, cost_per_h, mean, is_least, second_capacity "
            "FROM simulated.capacity WHERE is_answer ORDER BY scenario"
        ).fetchall()
        tried = con.sql("SELECT scenario, trial, simulated_as FROM simulated.capacity ORDER BY ALL").fetchall()
    capacity, curve = found[0].capacity, found[0].curve
    mean = next(trial.mean for trial in curve if trial.capacities == (capacity,))
    expected = ("p", "slots", capacity, "p95_wait_s", "<", 300.0, 2.0 * capacity, mean, True, None)
    assert rows == [("a", *expected), ("b", *expected)]
    assert tried == [(one.scenario, n, trial.scenario) for one in found for n, trial in enumerate(one.curve)]


def test_searches_are_named_after_what_is_asked() -> None:
    objective = Objective.parse("p95_wait_s < 600")
    assert search_name(["orders"], ["gpu"], objective) == "orders-gpu-p95_wait_s-below-600"
    assert (
        search_name(["a b"], ["p/q", "r"], Objective.parse("mean_performance > .8")) == "a-b-p-q-r-mean_performance-above-0.8"
    )
    long = [search_name(["x" * 120], [pool], objective) for pool in ("a", "b")]
    assert [len(name) for name in long] == [100, 100]
    assert long[0] != long[1]


def test_more_confidence_needs_no_less(fitted: Lake) -> None:
    assert _search(fitted, "p95_wait_s < 300", confidence=0.6).capacity <= _search(fitted, "p95_wait_s < 300").capacity


def test_nodes_are_counted(fitted: Lake) -> None:
    platform = {"pools": [{"name": "p", "nodes": {"count": 1, "slots": 1}}]}
    found = _search(fitted, "p95_wait_s < 300", _scenario(platform=platform), replications=2)
    assert found.resource == "nodes"
    assert found.capacity == _search(fitted, "p95_wait_s < 300", replications=2).capacity


def test_a_capacity_below_the_largest_task_is_too_small_and_work_is_never_turned_away(fitted: Lake) -> None:
    """Every task takes one slot, so that no pool is too small; with three GPUs each, one of one or two is."""
    observed = fitted.load_observed()
    with fitted.transaction() as tx:
        tx.write_frame(observed.task_runs.with_columns(gpus=3.0), fitted.observed_file("task_runs", "i"))
    platform = {"pools": [{"name": "p", "gpus": 1}], "oversized": "reject"}
    found = _search(fitted, "mean_wait_s < 1e6", _scenario(platform=platform, workload={"kind": "replay"}))
    assert found.capacity == 3
    assert [point.capacities[0] for point in found.curve if point.mean is None] == [1, 2]
    assert "smaller than the largest task" in capacity_table(found)
    assert not list((fitted.lake / "simulated" / "summaries").glob("*gpus-2/*/*"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fast", "no objective"),
        ("p95_wait_s < ", "no objective"),
        ("p95_wait_s < 1e", "no objective"),
        ("speed < 3", "no figure"),
    ],
)
def test_what_is_no_objective_is_refused(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Objective.parse(text)


def test_what_cannot_be_searched_is_refused(fitted: Lake) -> None:
    with pytest.raises(RequestError, match="choose from: p, idle"):
        find_capacity(fitted, _scenario(), "q", Objective.parse("cost < 1"))
    with pytest.raises(RequestError, match="no confidence"):
        _search(fitted, "cost < 1", confidence=1.0)
    with pytest.raises(RequestError, match="has no cost"):
        _search(fitted, "cost < 1")
    with pytest.raises(RequestError, match="changes its size"):
        pools = [{"name": "p", "slots": 2, "autoscale": {"min": 1, "max": 4}}]
        _search(fitted, "mean_wait_s < 1", _scenario(platform={"pools": pools}))
    with pytest.raises(RequestError, match="several kinds"):
        pools = [{"name": "p", "nodes": [{"count": 1, "slots": 1}, {"count": 1, "slots": 2}]}]
        _search(fitted, "mean_wait_s < 1", _scenario(platform={"pools": pools}))


def test_an_objective_that_no_capacity_meets_is_told_with_what_comes_nearest(fitted: Lake) -> None:
    with pytest.raises(RequestError, match=r"no number of slots of the pool p meets mean_jct_s < 1: with \d+ it is") as caught:
        _search(fitted, "mean_jct_s < 1")
    assert "something else decides" in str(caught.value)


def test_trials_of_scenarios_whose_names_begin_alike_stay_apart(fitted: Lake) -> None:
    pool: dict[str, Any] = {"name": "p" * 60, "slots": 3}
    work = {"workload": {"kind": "synthetic", "days": 1}, "platform": {"pools": [pool]}}
    ends = (("-a", "fifo"), ("-b", "sjf"))
    scenarios = [Scenario.model_validate({"name": "n" * 70 + end, "policy": {"order": by}, **work}) for end, by in ends]
    objective = Objective.parse("mean_wait_s < 1e9")
    found = [find_capacity(fitted, one, pool["name"], objective, replications=2, workers=1) for one in scenarios]
    names = [{trial.scenario for trial in answer.curve} for answer in found]
    assert not names[0] & names[1]
    assert all(len(name or "") <= 100 for name in names[0] | names[1])
