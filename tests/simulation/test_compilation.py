"""What a scenario becomes as arrays: sizes, nodes, the parts of what is larger than each, tenants, rules; what is left out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.simulation import Scenario
from pipesim.simulation.calendar import LATER, RESIZE, Breakdowns
from pipesim.simulation.compilation import compile_scenario
from pipesim.simulation.engine import CONSERVATIVE, SimulationInput
from pipesim.simulation.reference.pools import Ask, pools_of

HOUR, DAY = 3_600_000_000, 86_400_000_000
G = {"name": "g", "gpus": 4}
MIXED = [{"count": 1, "cpu_cores": 3} | gpus for gpus in ({"gpus": 4}, {"gpus": 2}, {}, {})]


def task(*statuses: str, **columns: Any) -> dict[str, Any]:
    return {"attempts": [(1, status) for status in statuses or ("SUCCEEDED",)], "gpus": 1.0, **columns}


def steps(*shares: tuple[float, float], **timetable: Any) -> dict[str, Any]:
    return {"steps": [{"from_h": hour, "share": share} for hour, share in shares], **timetable}


def arrays(trace_of: Any, tasks: list[dict[str, Any]], *pools: dict[str, Any], policy: Any = None, **scenario: Any) -> Any:
    platform = {"pools": list(pools or (G,)), **scenario.pop("platform", {})}
    what_if = Scenario(name="s", platform=platform, policy=policy or {}, **scenario)
    return compile_scenario(trace_of([{"submitted": 0, "tasks": tasks}]), what_if)


def test_what_has_no_effect_is_told(trace_of: Any) -> None:
    idle = {"tenants": [{"name": "a", "weight": 2.0}], "checkpoint_s": 5.0, "restart_s": 1.0, "estimates": "history"}
    (told,) = (w for w in arrays(trace_of, [task()], policy=idle).warnings if "without effect" in w)
    assert [key for key in ("weight", "checkpoint_s", "restart_s", "estimates") if key not in told] == []
    busy = {**idle, "order": "fair-share", "backfill": "easy", "preemption": True}
    assert not any("without effect" in w for w in arrays(trace_of, [task()], policy=busy).warnings)


def test_a_plain_scenario_asks_for_nothing_besides(trace_of: Any) -> None:
    tasks = [task(gpu_type="V100"), task(gpu_type="A100")]
    found = arrays(trace_of, tasks, policy={"tenants": [{"name": "a"}]}).given
    names = ("attempt_estimate", "run_priority", "class_priority", "size", "tenants", "nodes", "scaling", "calendar")
    assert [name for name in names if getattr(found, name) is not None] == []
    assert (found.rules.horizon, found.rules.most_attempts, found.rules.backoff.tolist()) == (LATER, 0, [0])
    assert len(found.class_pool) == 1


def test_rules_are_whole_microseconds(trace_of: Any) -> None:
    retries = {"limit": 5, "backoff_s": 1.5, "factor": 2, "longest_s": 5}
    policy = {
        "backfill": "conservative", "retries": retries, "preemption": True, "checkpoint_s": 1e-9, "restart_s": 0.25,
    }  # fmt: skip
    rules = arrays(trace_of, [task()], policy=policy).given.rules
    assert (rules.backfill, rules.preempts, rules.checkpoint, rules.restart, rules.most_attempts) == (
        CONSERVATIVE,
        True,
        1,
        250_000,
        5,
    )
    assert rules.backoff.tolist() == [1_500_000, 3_000_000, 5_000_000]


@pytest.mark.parametrize(("factor", "waits"), [(1, 1), (1.001, 64)])
def test_waits_that_repeat_themselves_stand_there_once(trace_of: Any, factor: float, waits: int) -> None:
    policy = {"retries": {"backoff_s": 1, "factor": factor}}
    assert len(arrays(trace_of, [task()], policy=policy).given.rules.backoff) == waits


def test_what_comes_after_the_horizon_is_left_out(trace_of: Any) -> None:
    day = 86_400
    runs = [{"submitted": at, "tasks": [task(), task(parents=[0])]} for at in (0, day, day + 1, 3 * day)]
    compiled = compile_scenario(trace_of(runs), Scenario(name="s", platform={"pools": [G]}, horizon_days=1))
    assert len(compiled.given.run_submitted) == 2
    assert compiled.given.rules.horizon == compiled.given.run_submitted[0] + DAY
    assert compiled.edges.height == 2
    assert compiled.warnings == ("left out, as they are submitted after the horizon: 2 runs",)


def test_attempts_that_the_limit_forbids_are_left_out(trace_of: Any) -> None:
    tasks = [
        task("FAILED", "TIMEOUT", "NODE_FAIL", "SUCCEEDED"),
        task("FAILED", "SUCCEEDED"),
        task("UNKNOWN", "FAILED", "FAILED"),
    ]
    compiled = arrays(trace_of, tasks, policy={"retries": {"limit": 2}})
    assert compiled.attempts.select("task_id", "attempt").rows() == [
        ("t00", 1), ("t00", 2), ("t01", 1), ("t01", 2), ("t02", 1), ("t02", 2), ("t02", 3),
    ]  # fmt: skip
    assert compiled.warnings[0].endswith(": 2 attempts")


def test_sizes_are_nodes_or_units_of_the_leading_dimension(trace_of: Any) -> None:
    scale = {"min": 1, "max": 3, "step": 0.5, "target": 0.8, "cooldown_s": 1.5, "delay_s": 2}
    pools = [
        {"name": "nodes", "nodes": {"count": 2, "gpus": 8, "slots": 3}, "autoscale": scale},
        {"name": "memory", "memory_gb": 2, "autoscale": scale, "accepts": {"gpus": False}},
        {"name": "plain", "cpu_cores": 4, "slots": 6, "accepts": {"gpus": False}},
        {"name": "table", "gpus": 5, "timetable": steps((0, 0.5), (6, 2), period_h=24)},
    ]
    found = arrays(trace_of, [task()], *pools).given
    assert found.sizes().tolist() == [2000, 2_000_000_000, 6000, 5000]
    assert found.capacity.tolist() == [[16_000, 0, 0, 6000], [0, 0, 2_000_000_000, 0], [0, 4000, 0, 6000], [5000, 0, 0, 0]]
    scaling = found.scaling
    assert (scaling.least.tolist(), scaling.most.tolist()) == ([1000, 1_000_000_000, 0, 0], [3000, 3_000_000_000, 0, 0])
    assert scaling.step.tolist()[:2] == [500, 500_000_000]
    assert (scaling.target[0], scaling.cooldown[0], scaling.delay[0]) == (0.8, 1_500_000, 2_000_000)
    # An autoscaler may add a third node; what has none of its own is one.
    assert found.nodes.first.tolist() == [0, 3, 4, 5, 6]
    assert found.nodes.capacity[2:4].tolist() == [[8000, 0, 0, 3000], [0, 0, 2_000_000_000, 0]]
    assert found.nodes.placement.tolist() == [0, -1, -1, -1]
    assert found.calendar.timetables[3].value == (2500, 10_000)


def test_a_timetable_of_nodes_takes_whole_ones(trace_of: Any) -> None:
    """On a Monday: a share of 0.29 of 100 nodes is 29, though 100 * 0.29 is less as floating-point numbers are multiplied."""
    pool = {"name": "g", "nodes": {"count": 100, "gpus": 1}, "timetable": steps((0, 0.299), (1, 0.29), period_h=168)}
    found = arrays(trace_of, [task()], pool).given
    first = found.calendar.stretch(0)
    origin = found.run_submitted[0]
    assert list(zip(first.at - origin, first.what, first.size, strict=True))[:2] == [
        (0, RESIZE, 29_000),
        (HOUR, RESIZE, 29_000),
    ]


def test_failures_break_nodes_or_a_pool_as_a_whole(trace_of: Any) -> None:
    failures = {"mtbf_h": 100, "repair_h": 0.5}
    pools = [
        G,
        {"name": "n", "nodes": {"count": 3, "gpus": 2}, "failures": failures},
        {"name": "w", "gpus": 2, "failures": failures},
    ]
    work = {"kind": "synthetic", "days": 1, "seed": 7}
    found = arrays(trace_of, [task()], *pools, policy={"retries": {"limit": 2}}, workload=work).given
    assert found.calendar.breakdowns == (
        Breakdowns("n", range(1, 4), 100 * HOUR, HOUR / 2),
        Breakdowns("w", range(4, 5), 100 * HOUR, HOUR / 2),
    )
    assert (found.calendar.seed, found.calendar.replication) == (7, 0)


@pytest.mark.parametrize(
    ("placement", "nodes", "asked", "parts"),
    [
        (None, {"count": 3, "gpus": 8}, {"gpus": 8.0}, 1),
        (None, {"count": 3, "gpus": 8}, {"gpus": 12.0}, 2),
        (None, {"count": 3, "gpus": 8}, {"gpus": 17.0}, 3),
        # Two nodes have the GPUs, but not the cores: 50 over three nodes are 17 each.
        (None, {"count": 3, "gpus": 8, "cpu_cores": 20}, {"gpus": 2.0, "cpu_cores": 50.0}, 3),
        # Twelve over three kinds of nodes: 6 and 6 need two large ones, 4 and 4 and 4 find three.
        (None, [{"count": 1, "gpus": 8}, {"count": 2, "gpus": 4}], {"gpus": 12.0}, 3),
        ("spread", [{"count": 2, "gpus": 6}, {"count": 1, "gpus": 4}], {"gpus": 12.0}, 2),
        # Packed, it is as much as there is on each.
        ("pack", [{"count": 1, "gpus": 8}, {"count": 1, "gpus": 4}], {"gpus": 12.0}, 2),
        ("pack", {"count": 3, "memory_gb": 2}, {"memory_bytes": 4_000_000_000}, 2),
    ],
)  # fmt: skip
def test_parts(trace_of: Any, placement: Any, nodes: Any, asked: Any, parts: int) -> None:
    pool = {"name": "g", "nodes": nodes, "placement": placement}
    found = arrays(trace_of, [task(**{"gpus": None} | asked)], pool).given
    assert found.nodes.class_parts.tolist() == [parts]


@pytest.mark.parametrize(
    ("pool", "asked", "says", "where"),
    [
        ({"nodes": [{"count": 1, "gpus": 8}, {"count": 1, "gpus": 4}]}, {"gpus": 12.0}, "cannot hold even together", ".nodes"),
        # Of four parts for their cores, three need GPUs, and only two nodes have some.
        ({"nodes": MIXED}, {"gpus": 5.0, "cpu_cores": 12.0}, "5 gpus and 12 cpu_cores, which they cannot", ".nodes"),
        ({"nodes": {"count": 9, "gpus": 8}, "placement": "pack"}, {"gpus": 12.5}, "demands 12.5 gpus, which", ".nodes"),
        ({"nodes": {"count": 9, "gpus": 8, "gpu_type": "V100"}}, {"gpu_type": "K80"}, "model 'K80', which run", ".nodes"),
        ({"nodes": {"count": 2, "gpus": 8}}, {"gpus": 17.0}, "demands 17 gpus of 16", ""),
        ({"nodes": {"count": 4, "gpus": 1}, "timetable": steps((0, 0.5))}, {"gpus": 3.0}, "3 gpus of 2", ""),
        ({"gpus": 4, "autoscale": {"min": 2, "max": 8}}, {"gpus": 9.0}, "9 gpus of 8", ""),
        ({"gpus": 4, "timetable": steps((0, 0.5), (1, 0))}, {"gpus": 3.0}, "3 gpus of 2", ""),
    ],
)  # fmt: skip
def test_what_could_never_start_is_refused_with_the_reason(trace_of: Any, pool: Any, asked: Any, says: str, where: str) -> None:
    tasks, pool = [task(), task(**asked), task(**asked)], {"name": "g", **pool}
    with pytest.raises(RequestError, match=says) as caught:
        arrays(trace_of, tasks, pool)
    assert caught.value.where == f"platform.pools.0{where}"
    assert "2 tasks (run 'run-000' task 't01', run 'run-000' task 't02')" in caught.value.message
    rejecting = arrays(trace_of, tasks, pool, platform={"oversized": "reject"})
    assert rejecting.given.attempt_class.tolist() == [0, -1, -1]
    assert len(rejecting.given.class_pool) == 1


def test_capacity_that_comes_later_counts(trace_of: Any) -> None:
    """The largest size that a pool ever has: an autoscaler's most, a later step, or what there is before the first step."""
    for pool in (G | {"autoscale": {"min": 2, "max": 8}}, G | {"timetable": steps((5, 2))}):
        assert len(arrays(trace_of, [task(gpus=8.0)], pool).given.class_pool) == 1
    assert len(arrays(trace_of, [task(gpus=4.0)], G | {"timetable": steps((5, 0.25))}).given.class_pool) == 1


def test_nodes_with_gpus_take_the_tasks_that_need_some(trace_of: Any) -> None:
    pools = [{"name": "cpu", "slots": 4}, {"name": "gpu", "nodes": {"count": 1, "gpus": 4}}]
    assert arrays(trace_of, [task(), task(gpus=None)], *pools).placement.pool.tolist() == [1, 0]


def test_models_of_gpus_matter_where_nodes_differ(trace_of: Any) -> None:
    """In a mixed pool V100 and K80 are told apart, and A100 runs on what says no model; elsewhere none of it matters."""
    mixed = [{"count": 1, "gpus": 4, "gpu_type": "V100"}, {"count": 1, "gpus": 4, "gpu_type": "K80"}, {"count": 1, "gpus": 4}]
    pools = [{"name": "mixed", "nodes": mixed}, {"name": "same", "nodes": mixed[0]}, G]
    tasks = [task(gpu_type=kind, pool="mixed") for kind in ("V100", "K80", "A100", None)]
    tasks += [task(gpu_type="V100", pool="same"), task(pool="same"), task(gpu_type="K80", pool="g")]
    found = arrays(trace_of, tasks, *pools).given
    kinds = found.nodes.class_kind[found.attempt_class]
    assert found.nodes.kind[:3].tolist() == [1, 0, -1]
    assert kinds.tolist() == [1, 0, 2, -1, -1, -1, -1]
    assert len(found.class_pool) == 6


def test_tenants_split_classes_only_where_a_rule_looks_at_them(trace_of: Any) -> None:
    trace = trace_of([{"submitted": i, "tasks": [task()], "tenant": name} for i, name in enumerate(["b", None, "a", "b"])])

    def compiled(**policy: Any) -> Any:
        return compile_scenario(trace, Scenario(name="s", platform={"pools": [G]}, policy=policy))

    quota = {"name": "b", "weight": 3.0, "quota": {"gpus": 2.5, "memory_gb": 1}}
    fair = compiled(order="fair-share", tenants=[quota]).given
    assert fair.tenants.of_class[fair.attempt_class].tolist() == [2, 0, 1, 2]
    assert fair.tenants.weight.tolist() == [1, 1, 3]
    assert fair.tenants.quota.tolist() == [[LATER] * 4, [LATER] * 4, [2500, LATER, 1_000_000_000, LATER]]
    limited = compiled(tenants=[quota, {"name": "a", "weight": 2.0}, {"name": "nobody", "quota": {"gpus": 1}}])
    assert limited.given.tenants.of_class[limited.given.attempt_class].tolist() == [0, -1, -1, 0]
    assert limited.warnings[-1] == "listed in `policy.tenants`, but no run is theirs: nobody"
    assert compiled(tenants=[quota | {"quota": {"gpus": 1}}]).given.tenants.quota[0, 0] == 1000
    says = r"tenant 'b' is too small: run 'run-000' task 't00' demands 1 gpus of 0\.5"
    with pytest.raises(RequestError, match=says) as caught:
        compiled(tenants=[{"name": "a"}, quota | {"quota": {"gpus": 0.5}}])
    assert caught.value.where == "policy.tenants.1.quota"


def test_priorities_split_classes_only_under_preemption(trace_of: Any) -> None:
    trace = trace_of([{"submitted": i, "tasks": [task()], "priority": p} for i, p in enumerate([5, None, 0, 5])])
    for preemption, priorities in ((False, None), (True, [0, 5])):
        policy = {"preemption": preemption}
        found = compile_scenario(trace, Scenario(name="s", platform={"pools": [G]}, policy=policy)).given
        assert (None if found.class_priority is None else found.class_priority.tolist()) == priorities


def test_nodes_beyond_counting_are_refused(trace_of: Any) -> None:
    with pytest.raises(RequestError, match="1,000,000 nodes") as caught:
        arrays(trace_of, [task()], {"name": "g", "nodes": {"count": 1_000_000, "gpus": 1}})
    assert caught.value.where == "platform.pools.0.nodes"


amounts = st.fixed_dictionaries({"gpus": st.integers(1, 6)}, optional={"cpu_cores": st.integers(1, 9)})
node = st.tuples(st.integers(1, 3), amounts | st.just({"cpu_cores": 5})).map(lambda kind: {"count": kind[0], **kind[1]})
demand = st.fixed_dictionaries({"gpus": st.sampled_from([0.5, 1.0, 2.5, 5.0, 7.0, 12.0]), "cpu_cores": st.integers(0, 20)})


@settings(max_examples=150, deadline=None)
@given(
    st.lists(node, min_size=1, max_size=3),
    st.lists(demand, min_size=1, max_size=5),
    st.sampled_from(["best-fit", "spread", "pack"]),
)
def test_parts_are_the_fewest_that_an_engine_can_place_while_nothing_runs(
    trace_of: Any, nodes: Any, demands: Any, placement: str
) -> None:
    pool = {"name": "g", "nodes": nodes, "placement": placement}
    compiled = arrays(trace_of, [task(**asked) for asked in demands], pool, platform={"oversized": "reject"})
    found: SimulationInput = compiled.given
    empty = pools_of(found)[0]
    for asked, k in zip(demands, found.attempt_class.tolist(), strict=True):
        units = np.array([asked["gpus"] * 1000, asked["cpu_cores"] * 1000, 0, 0]) * (found.capacity[0] > 0)
        amounts = units.astype(int).tolist()
        ask = Ask(0, 0, tuple((d, a) for d, a in enumerate(amounts) if a), amounts, 0.0, 0, -1, -1, 1)
        able = [parts for parts in range(1, len(empty.nodes or ()) + 1) if empty.place(replace(ask, parts=parts))]
        assert (k >= 0) == bool(able)
        if able:
            parts = int(found.nodes.class_parts[k])
            assert parts == (min(able) if placement != "pack" else 1 + (len(empty.place(ask)) > 1))


def test_what_is_kept_of_a_trace_is_of_the_same_horizon_and_limit(trace_of: Any) -> None:
    runs = [{"submitted": day * 86_400.0, "tasks": [task("FAILED", "SUCCEEDED")]} for day in range(4)]
    trace = trace_of(runs)
    for horizon, limit, expected in ((None, None, (4, 8)), (1.5, None, (2, 4)), (1.5, 1, (2, 2)), (None, 1, (4, 4))):
        what_if = Scenario(
            name="s", platform={"pools": [G]}, horizon_days=horizon, policy={"retries": {"limit": limit}} if limit else {}
        )  # fmt: skip
        for one in (trace, trace_of(runs)):
            found = compile_scenario(one, what_if)
            assert (found.runs.height, found.attempts.height) == expected
