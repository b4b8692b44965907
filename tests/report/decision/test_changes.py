"""What changed between two scenarios is told by dotted keys, pools as a whole."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.report.decision.changes import changes, origins, told
from pipesim.report.parts import Change
from tests.report.decision.simulated import scenario


def test_keys_are_told_with_what_they_had_and_have_those_of_the_sweep_first() -> None:
    base, other = scenario("a"), scenario("b", gpus=12, order="sjf", description="other", replications=9)
    expected = [Change("platform.pools.gpu.gpus", "8", "12"), Change("policy.order", "fifo", "sjf")]
    assert changes(base, other) == expected
    assert changes(base, other, ["policy.order"]) == expected[::-1]
    assert changes(other, base) == [Change(c.key, c.new, c.old) for c in expected]


def test_pools_and_other_parts_come_and_go_as_a_whole() -> None:
    base, other = scenario("a"), scenario("b")
    cpu = other["platform"]["pools"].pop()
    other["platform"]["pools"].append({"name": "spot", "gpus": 4.0, "cost": {"per_h": 1.5, "per_used_h": 0.0}})
    other["platform"]["store"] = {"read_mb_per_s": 200.0, "latency_s": 0.05}
    other["policy"]["preemption"] = True
    assert cpu["name"] == "cpu"
    assert changes(base, other) == [
        Change("pool spot", "", "gpus 4, cost.per_h 1.5, cost.per_used_h 0"),
        Change("pool cpu", "cpu_cores 48", ""),
        Change("platform.store", "", "read_mb_per_s 200, latency_s 0.05"),
        Change("policy.preemption", "", "yes"),
    ]


def test_lists_without_names_go_by_number_and_an_order_that_matters_is_told() -> None:
    base, other = scenario("a"), scenario("b")
    other["platform"]["pools"].reverse()
    base["steps"], other["steps"] = ([{"from_h": 0, "share": share}, {"from_h": 8, "share": 1}] for share in (1, 0.5))
    base["kinds"], other["kinds"] = [{"count": 1}], [{"count": 1}, {"count": 2}]
    base["types"], other["types"] = ["train"], ["train", "evaluate"]
    assert changes(base, other) == [
        Change("platform.pools, in order", "gpu, cpu", "cpu, gpu"),
        Change("steps.0.share", "1", "0.5"),
        Change("kinds", '[{"count": 1}]', '[{"count": 1}, {"count": 2}]'),
        Change("types", '["train"]', '["train", "evaluate"]'),
    ]


def test_long_values_are_cut_and_a_part_without_keys_says_so() -> None:
    base, other = scenario("a"), scenario("b", order="x" * 500)
    assert len(changes(base, other)[0].new) == 160
    assert told({}) == "as by default"


PLAIN = st.recursive(
    st.one_of(st.integers(), st.booleans(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name"]), inner, max_size=3),
    max_leaves=12,
)
CONTENT = st.dictionaries(st.sampled_from(["workload", "platform", "policy", "a"]), PLAIN, max_size=4)


@given(CONTENT, CONTENT)
def test_equal_scenarios_differ_in_nothing_and_others_in_something(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert changes(old, deepcopy(old)) == []
    assert (changes(old, new) == []) == (old == new)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"workload": {"model": "m-1"}}, {"workload": {"model": "m-2"}}, [Change("workload model", "m-1", "m-2")]),
        ({"workload": {"ingests": "i"}, "pipesim": "1"}, {"workload": {"ingests": "i"}, "pipesim": "1"}, []),
        ({"pipesim": "1"}, {"pipesim": "2"}, [Change("version of pipesim", "1", "2")]),
        ({}, {"workload": {"model": "m-2"}}, []),
    ],
)
def test_what_work_was_drawn_from_is_told_too(old: dict[str, Any], new: dict[str, Any], expected: list[Change]) -> None:
    assert origins(old, new) == expected
