"""Scenario files: what is understood, and that every mistake in one is reported at its place."""

import pytest
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
lifecycle: {drift: gradual}
replications: 0
""")
    )
    assert set(found) == {
        "name", "workload.days", "workload.horizon", "platform.pools.0.gpus", "platform.pools.1.name", "platform.pools.1",
        "platform.pools.2.accepts.task_types", "platform.store.read_mb_per_s", "policy.order", "lifecycle", "replications",
    }  # fmt: skip
    assert "accepted here: name, description, workload, platform, policy, replications" in found["lifecycle"]
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
