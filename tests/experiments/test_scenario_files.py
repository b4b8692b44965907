"""Scenario files: each scenario is found by its name, in a file of its own or in a sweep, and a broken file harms no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipesim.errors import ConfigError, PipesimError, RequestError
from pipesim.experiments import scenario_files
from pipesim.experiments.scenario_files import (
    ScenarioDraft,
    add_scenario,
    find_scenario,
    most_replications,
    read_files,
    read_scenario,
    read_scenarios,
    scenario_names,
)
from pipesim.experiments.sweeps import sweep as sweeping
from pipesim.lake import Lake
from pipesim.simulation import Scenario

ONE = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: 8}]}\n"


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand a folder of the test's own for the shipped scenarios."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(scenario_files, "shipped", lambda *_: folder)
    return folder


def _sweep(values: str, more: str = "") -> str:
    return ONE.replace("gpus: 8", f"gpus: {{sweep: {values}}}") + more


def test_a_scenario_of_a_sweep_is_found_by_name_and_no_other_is_built(
    lake: Lake, shipped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shipped / "size.yaml").write_text(_sweep("{from: 1, to: 1000, step: 1}"))
    (shipped / "one.yaml").write_text(ONE)
    built: list[str] = []

    def scenario_of(content: dict[str, Any], source: str) -> Scenario:
        built.append(content["name"])
        return Scenario.model_validate(content)

    monkeypatch.setattr(sweeping, "scenario_of", scenario_of)
    for number in (1, 500, 1000):
        assert read_scenario(lake, f"size-gpus-{number}").platform.pools[0].gpus == number
    assert built == ["size-gpus-1", "size-gpus-500", "size-gpus-1000"]
    names, broken = scenario_names(lake)
    assert ({name: len(of_file) for name, of_file in names.items()}, broken) == ({"one": 1, "size": 1000}, {})
    checked = len(built)
    assert scenario_names(lake) == (names, {})
    assert len(built) == checked, "what has not changed is not checked again"


def test_a_file_that_changes_is_read_again(lake: Lake, shipped: Path) -> None:
    file = shipped / "size.yaml"
    for values, there, gone in [("[1, 2]", "size-gpus-2", "size-gpus-3"), ("[1, 3]", "size-gpus-3", "size-gpus-2")]:
        file.write_text(_sweep(values))
        assert read_scenario(lake, there).name == there
        with pytest.raises(RequestError, match="there is no scenario"):
            read_scenario(lake, gone)


def test_names_of_files_and_of_scenarios_may_be_given(lake: Lake, shipped: Path) -> None:
    (shipped / "size.yaml").write_text(_sweep("[1, 2, 3]"))
    (shipped / "one.yaml").write_text(ONE)
    good, broken = read_files(lake, ["size", "one", "size-gpus-2", "size-gpus-9"])
    assert [[s.name for s in file.scenarios] for file in good] == [
        ["size-gpus-1", "size-gpus-2", "size-gpus-3"], ["one"], ["size-gpus-2"],
    ]  # fmt: skip
    assert set(broken) == {"size-gpus-9"}
    with pytest.raises(RequestError, match="is a sweep"):
        find_scenario(lake, "size")


def test_broken_files_harm_no_other_and_say_what_is_wrong(lake: Lake, shipped: Path) -> None:
    (shipped / "one.yaml").write_text(ONE)
    (shipped / "half.yaml").write_text(_sweep("[1, 2, many]"))
    (shipped / "empty.yaml").write_text(_sweep("[]"))
    (shipped / "alias.yaml").write_text(_sweep("[1, 2]", "name: other\n"))
    (shipped / "large.yaml").write_text(_sweep("[1, 2]", "replications: 6000\n"))
    good, broken = read_scenarios(lake)
    assert [scenario.name for scenario in good] == ["one"]
    assert {name: type(error) for name, error in broken.items()} == {
        "half": ConfigError, "empty": ConfigError, "alias": ConfigError, "large": RequestError,
    }  # fmt: skip
    assert "in 1 of 3 scenarios" in str(broken["half"])
    assert "2 scenarios, 12,000 runs in all" in str(broken["large"])
    assert read_scenario(lake, "half-gpus-2").name == "half-gpus-2", "of which nothing is wrong"
    with pytest.raises(PipesimError, match="empty; list at least one"):
        read_scenario(lake, "empty-gpus-2")
    assert scenario_names(lake)[0] == {"one": ("one",), "half": (), "empty": ("empty",), "alias": ("alias",), "large": ()}


def test_of_two_files_with_a_scenario_in_common_one_gives_way(lake: Lake, shipped: Path) -> None:
    (shipped / "a.yaml").write_text(_sweep("[1, 2]"))
    (shipped / "a-gpus-2.yaml").write_text(ONE)
    assert "a-gpus-2 is that of another file" in str(read_files(lake)[1]["a"])
    assert read_scenario(lake, "a-gpus-2").platform.pools[0].gpus == 8
    (shipped / "a-gpus-2.yaml").unlink()
    checkpoint = "policy.checkpoint_s: {sweep: [1]}\n"
    (shipped / "a.yaml").write_text(_sweep("[1, 2]", checkpoint))
    (shipped / "a-gpus-1.yaml").write_text(ONE + "policy.checkpoint_s: {sweep: [2]}\n")
    assert read_files(lake)[1] == {}
    (shipped / "a-gpus-1.yaml").write_text(ONE + checkpoint)
    assert set(read_files(lake)[1]) == {"a-gpus-1"}, "which is the longer name"


def test_as_many_replications_have_room_as_any_sound_scenario_asks_for(lake: Lake, shipped: Path) -> None:
    assert most_replications(lake.root) == 1
    (shipped / "few.yaml").write_text(_sweep("[1, 2]", "replications: {sweep: [2, 7, 3]}\n"))
    (shipped / "broken.yaml").write_text(_sweep("[many]", "replications: 8\n"))
    (shipped / "large.yaml").write_text(_sweep("[1, 2]", "replications: 6000\n"))
    assert most_replications(lake.root) == 7


def test_a_draft_takes_no_name_of_a_sweep(lake: Lake, shipped: Path) -> None:
    (shipped / "size.yaml").write_text(_sweep("[1, 2]"))
    added = add_scenario(lake, ScenarioDraft(name="more", base="size-gpus-2", capacity={"gpu.gpus": 3}))
    assert added.platform.pools[0].gpus == 3
    for name in ("size", "size-gpus-1"):
        with pytest.raises(RequestError, match="name of a sweep"):
            add_scenario(lake, ScenarioDraft(name=name, base="size-gpus-2"))
    assert [file.stem for file in lake.scenarios.iterdir()] == ["more"]
