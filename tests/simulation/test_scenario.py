"""Scenario files: what is understood, and that every mistake in one is reported at its place."""

import pytest
import yaml
from pydantic import ValidationError

from pipesim.errors import ConfigError, FileError
from pipesim.simulation import Scenario, load_scenario
from pipesim.simulation.policies import ORDERS
from pipesim.simulation.scenario import Order

FIVE_LINES = """\
name: philly-400
workload: {kind: replay}
platform:
  pools: [{name: training, gpus: 400}]
policy: {order: fifo, backfill: none}
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="my-scenario.yaml"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_five_lines_are_a_scenario_and_survive_a_round_trip(write):
    scenario = load_scenario(write(FIVE_LINES))
    assert scenario.platform.pools[0].gpus == 400
    assert Scenario(**scenario.as_dict()) == scenario


def test_a_scenario_without_a_name_is_called_by_its_file(write):
    assert load_scenario(write(FIVE_LINES.replace("name: philly-400\n", ""))).name == "my-scenario"


def problems(path):
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return dict(caught.value.problems)


def test_all_mistakes_are_reported_with_their_paths(write):
    found = problems(
        write("""\
name: ../escape
workload: {kind: synthetic, days: -1, scale: 2, horizon: 3}
platform:
  pools:
    - {name: training, gpus: true}
    - {name: training, speed: 2}
    - {name: other, slots: 2, accepts: {task_types: [train, trian]}}
  store: {read_mb_per_s: 0, write_mb_per_s: 10}
policy: {order: easy, backfill: none}
budget: {drift: gradual}
lifecycle: {drift: gradual}
replications: 0
""")
    )
    assert set(found) == {
        "name", "workload.days", "workload.horizon", "platform.pools.0.gpus", "platform.pools.1.name", "platform.pools.1",
        "platform.pools.2.accepts.task_types", "platform.store.read_mb_per_s", "policy.order", "budget", "lifecycle.drift",
        "replications",
    }  # fmt: skip
    assert (
        "accepted here: name, description, workload, platform, policy, lifecycle, horizon_days, warmup_days, replications"
        in found["budget"]
    )
    assert all(order in found["policy.order"] for order in ORDERS)


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        (FIVE_LINES.replace("replay", "rerun"), "workload.kind", "replay or synthetic"),
        (FIVE_LINES.replace("[{name: training, gpus: 400}]", "[]"), "platform.pools", "at least one pool"),
        (FIVE_LINES.replace("400}", "400, gpus: 500}"), "", "twice"),
        (FIVE_LINES.replace("{order: fifo", "{order fifo"), "policy.order fifo", "unknown key"),
        (FIVE_LINES.replace("]", ""), "", "no valid YAML"),
        ("- a list", "", "a mapping is needed"),
        ("", "", "empty"),
        (FIVE_LINES.replace("gpus: 400", "gpus: .inf"), "platform.pools.0.gpus", "finite"),
    ],
)
def test_each_mistake_says_what_is_wrong(write, text, path, says):
    assert says in problems(write(text))[path]


def a_pool(**keys):
    return {"platform": {"pools": [{"name": "g", **keys}]}}


def at_hours(*hours, share=1, **timetable):
    return {"steps": [{"from_h": hour, "share": share} for hour in hours], **timetable}


NODES = {"count": 2, "gpus": 8}
BREAKS = {"mtbf_h": 10, "repair_h": 1}


@pytest.mark.parametrize(
    ("keys", "path", "says"),
    [
        (a_pool(nodes={"count": 2}), "platform.pools.0.nodes.0", "at least one capacity"),
        (a_pool(nodes={"count": 0, "gpus": 8}), "platform.pools.0.nodes.0.count", "greater than or equal to 1"),
        (a_pool(nodes=NODES, gpus=16), "platform.pools.0.nodes", "leave out gpus"),
        (a_pool(nodes=NODES, placement="tetris"), "platform.pools.0.placement", "'first-fit', 'best-fit'"),
        (a_pool(gpus=2, placement="pack"), "platform.pools.0.placement", "only a pool with `nodes`"),
        (a_pool(gpus=2, timetable=at_hours(0, 8, 8)), "platform.pools.0.timetable.steps.2.from_h", "does not come after 8"),
        (a_pool(gpus=2, timetable=at_hours(5, 3)), "platform.pools.0.timetable.steps.1.from_h", "does not come after 5"),
        (a_pool(gpus=2, timetable=at_hours(0, 24, period_h=24)), "platform.pools.0.timetable.steps.1.from_h", "end of"),
        (a_pool(gpus=2, timetable=at_hours(1, period_h=24)), "platform.pools.0.timetable.steps.0.from_h", "must begin at 0"),
        (a_pool(gpus=2, timetable=at_hours(0, share=-1)), "platform.pools.0.timetable.steps.0.share", "equal to 0"),
        (a_pool(nodes=NODES, timetable=at_hours(0, share=2)), "platform.pools.0.timetable.steps.0.share", "above 1"),
        (a_pool(gpus=2, autoscale={"min": 3, "max": 1}), "platform.pools.0.autoscale.min", "above `max`"),
        (a_pool(gpus=2, autoscale={"min": 3, "max": 9}), "platform.pools.0.autoscale", "begins with 2"),
        (a_pool(gpus=2, autoscale={"min": 1, "max": 9}, timetable=at_hours(0)), "platform.pools.0.autoscale", "leave out one"),
        (a_pool(gpus=2, failures=BREAKS), "platform.pools.0.failures", "interrupted for ever"),
        (a_pool(gpus=2, failures=BREAKS | {"mtbf_h": 0}), "platform.pools.0.failures.mtbf_h", "greater than 0"),
        (a_pool(gpus=2, cost={"per_h": -1}), "platform.pools.0.cost.per_h", "greater than or equal to 0"),
        ({"platform": {"carbon": {"steps": [{"from_h": 6, "g_per_kwh": 3}]}}}, "platform.carbon.steps.0.from_h", "begin at 0"),
        ({"policy": {"order": "edf"}}, "policy.deadline_s", "needs to know"),
        ({"policy": {"deadline_s": 60}}, "policy.deadline_s", "only the order `edf`"),
        ({"policy": {"order": "edf", "deadline_s": "60 * submitted_at"}}, "policy.deadline_s", "not a column"),
        ({"policy": {"order": "edf", "deadline_s": float("nan")}}, "policy.deadline_s", "seconds above 0"),
        ({"policy": {"estimates": "prophecy"}}, "policy.estimates.kind", "'oracle', 'history' or 'noisy'"),
        ({"policy": {"estimates": "noisy"}}, "policy.estimates", "coefficient of variation"),
        ({"policy": {"estimates": {"noisy": 0}}}, "policy.estimates.noisy", "greater than 0"),
        ({"policy": {"retries": {"limit": 0}}}, "policy.retries.limit", "greater than or equal to 1"),
        ({"policy": {"retries": {"factor": 0.5}}}, "policy.retries.factor", "greater than or equal to 1"),
        ({"policy": {"checkpoint_s": 0}}, "policy.checkpoint_s", "greater than 0"),
        ({"policy": {"tenants": [{"name": "a"}, {"name": "a"}]}}, "policy.tenants.1.name", "earlier tenant"),
        ({"policy": {"tenants": [{"name": "a", "quota": {"gpus": -1}}]}}, "policy.tenants.0.quota.gpus", "equal to 0"),
        ({"policy": {"tenants": [{"name": "a", "weight": 0}]}}, "policy.tenants.0.weight", "greater than 0"),
        ({"horizon_days": 0}, "horizon_days", "greater than 0"),
        ({"horizon_days": 2, "warmup_days": 2}, "warmup_days", "leaves nothing"),
        ({"warmup_days": "soon"}, "warmup_days", "`auto`"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_rule_is_reported_at_its_place(write, keys, path, says):
    platform = {"pools": [{"name": "g", "gpus": 2}], **keys.get("platform", {})}
    assert says in problems(write(yaml.safe_dump({"name": "s", **keys, "platform": platform})))[path]


def test_failures_end_with_a_limit_or_a_horizon(write):
    for keys in ({"policy": {"retries": {"limit": 3}}}, {"horizon_days": 1}):
        scenario = load_scenario(write(yaml.safe_dump({"name": "s", **keys, **a_pool(gpus=2, failures=BREAKS)})))
        assert Scenario(**scenario.as_dict()) == scenario


def test_a_syntax_error_is_placed_at_its_line(write):
    with pytest.raises(ConfigError, match=r"my-scenario\.yaml:5: "):
        load_scenario(write(FIVE_LINES.replace("policy", "\tpolicy")))


def test_files_that_are_no_text(write, tmp_path):
    for path in (tmp_path / "absent.yaml", tmp_path, write(b"\xff\xfe\x00name")):
        with pytest.raises(FileError):
            load_scenario(path)


def test_in_python_all_mistakes_are_reported_too():
    with pytest.raises(ValidationError) as caught:
        Scenario(name="a b", platform={"pools": [{"name": "x"}]}, policy={"order": "best"})
    assert caught.value.error_count() == 3


def test_every_order_that_is_accepted_is_built():
    assert set(ORDERS) == set(Order.__args__)
