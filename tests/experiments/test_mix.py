"""The search for the cheapest mix of two pools finds what trying all of them would."""

from __future__ import annotations

from itertools import product
from typing import Any

import polars as pl
import pytest

from pipesim.cli.printing import mix_table
from pipesim.errors import RequestError
from pipesim.experiments.capacity import Mix, Objective, capacity_rows, find_mix
from pipesim.experiments.capacity.trials import Sized
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario

OBJECTIVE = "mean_wait_s < 60"


@pytest.fixture
def two_kinds(fitted: Lake) -> Lake:
    """A log of two kinds of tasks, of which one takes ten times as long as the other."""
    tasks = fitted.load_observed().task_runs.with_row_index("n")
    long = pl.col("n") % 3 == 0
    tasks = tasks.with_columns(
        task_type=pl.when(long).then(pl.lit("train")).otherwise(pl.lit("evaluate")),
        duration_s=pl.col("duration_s") * pl.when(long).then(20).otherwise(2),
    ).drop("n")
    with fitted.transaction() as tx:
        tx.write_frame(tasks, fitted.observed_file("task_runs", "i"))
    return fitted


def _scenario(train: int = 3, evaluate: int = 2, **changed: Any) -> Scenario:
    pools = [
        {"name": "big", "slots": train, "accepts": {"task_types": ["train"]}},
        {"name": "small", "slots": evaluate, "accepts": {"task_types": ["evaluate"]}},
    ]
    return Scenario.model_validate({"name": "s", "workload": {"kind": "replay"}, "platform": {"pools": pools}, **changed})


def _search(lake: Lake, prices: dict[str, float], scenario: Scenario | None = None, **options: Any) -> Mix:
    wanted = Objective.parse(options.pop("objective", OBJECTIVE))
    options = {"prices": prices, "replications": 2, "workers": 1, **options}
    return find_mix(lake, scenario or _scenario(), ("big", "small"), wanted, **options)


@pytest.mark.endurance
def test_it_is_the_cheapest_of_all_that_meet_the_objective(two_kinds: Lake) -> None:
    wanted, met = Objective.parse(OBJECTIVE), {}
    for train, evaluate in product(range(1, 9), range(1, 7)):
        (result,) = run_scenarios(two_kinds, [_scenario(train, evaluate, name="one")], workers=1)
        met[train, evaluate] = wanted.is_met([result.summary.mean_wait_s or 0.0], 0.95)
    for prices, given in (
        ({"big": 1.0, "small": 1.0}, (1, 1)),
        ({"big": 9.0, "small": 1.0}, (8, 6)),
        ({"big": 1.0, "small": 9.0}, (1, 1)),
    ):

        def cost(mix: tuple[int, int], prices: dict[str, float] = prices) -> float:
            return mix[0] * prices["big"] + mix[1] * prices["small"]

        cheapest = min(cost(mix) for mix, good in met.items() if good)
        found = _search(two_kinds, prices, _scenario(*given))
        assert met[found.capacities]
        assert found.cost_per_h == pytest.approx(cost(found.capacities))
        assert cheapest <= found.cost_per_h <= 1.01 * cheapest / 0.99
        for first, second in found.frontier:
            if first <= 8 and second <= 6:
                assert met[first, second]
                assert second == 1 or not met[first, second - 1]
    assert f"{found.capacities[0]} slots of big" in mix_table(found)


def test_a_node_costs_what_all_it_has_costs(two_kinds: Lake) -> None:
    node = {"count": 2, "gpus": 4, "cpu_cores": 64}
    content = _scenario().as_dict()
    content["platform"]["pools"][0] = {"name": "big", "nodes": node, "cost": {"per_h": 2.5}}
    sized = Sized.of(Scenario.model_validate(content), "big")
    assert (sized.resource, sized.given, sized.price_per_h) == ("nodes", 2, 10.0)
    assert Sized.of(_scenario(), "big").price_per_h is None


def test_every_mix_that_was_tried_is_a_row(two_kinds: Lake) -> None:
    found = _search(two_kinds, {"big": 9.0, "small": 1.0})
    rows = capacity_rows("mix", Objective.parse(OBJECTIVE), [found])
    assert rows.height == len(found.tried)
    (answer,) = rows.filter("is_answer").iter_rows(named=True)
    assert (answer["capacity"], answer["second_capacity"]) == found.capacities
    assert (answer["cost_per_h"], answer["second_pool"]) == (found.cost_per_h, "small")
    assert tuple(rows.filter("is_least").select("capacity", "second_capacity").rows()) == found.frontier
    assert rows.filter(pl.col("is_least") & ~pl.col("met")).is_empty()


def test_prices_come_from_the_scenario_where_none_are_said(two_kinds: Lake) -> None:
    content = _scenario().as_dict()
    for pool, price in zip(content["platform"]["pools"], (2.0, 3.0), strict=True):
        pool["cost"] = {"per_h": price}
    found = _search(two_kinds, {"small": 4.0}, Scenario.model_validate(content))
    assert found.prices == (2.0, 4.0)


def test_what_cannot_be_mixed_is_refused(two_kinds: Lake) -> None:
    with pytest.raises(RequestError, match="--price big="):
        _search(two_kinds, {"small": 1.0})
    with pytest.raises(RequestError, match="two different ones"):
        find_mix(two_kinds, _scenario(), ("big", "big"), Objective.parse(OBJECTIVE), prices={"big": 1})
    with pytest.raises(RequestError, match="no number of slots of the pool big and slots of the pool small meets"):
        _search(two_kinds, {"big": 1, "small": 1}, objective="mean_jct_s < 1")
