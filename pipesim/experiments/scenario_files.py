"""The scenarios at hand: the YAML files of `scenarios/`, and those that were added to a home folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipesim.errors import ConfigError, PipesimError, RequestError
from pipesim.lake import Lake, safe_name
from pipesim.shipped import shipped
from pipesim.simulation import Scenario, load_scenario
from pipesim.simulation.scenario import Backfill, Order


class ScenarioDraft(BaseModel):
    """A new scenario, said as the difference to one that exists."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="", description="The new scenario's name; where it is empty, none is added.")
    base: str = Field(default="as-is", description="The scenario that it is like, but for what follows.")
    order: Literal["same", Order] = Field(default="same", description="In what order waiting tasks start.")
    backfill: Literal["same", Backfill] = Field(
        default="same", description="Whether later tasks may pass a first one that does not fit."
    )
    capacity: Mapping[str, float] = Field(
        default_factory=dict, description='What pools offer, for example {"gpu.gpus": 16, "cpu.cpu_cores": 48}.'
    )
    replications: int = Field(default=0, ge=0, description="How often it is simulated; 0: as often as the other one.")


def scenario_files(lake: Lake) -> dict[str, Path]:
    """Return the file of each scenario, by name; one that was added to the home folder stands before a shipped one."""
    return _files(lake.scenarios)


def _files(added: Path) -> dict[str, Path]:
    return dict(sorted((file.stem, file) for folder in (shipped("scenarios"), added) for file in folder.glob("*.yaml")))


def read_scenario(lake: Lake, name: str) -> Scenario:
    """Return a scenario by name.

    Raises:
        RequestError: If there is no such scenario.
        FileError: If its file cannot be read.
        ConfigError: For all mistakes in it.
    """
    files = scenario_files(lake)
    if name not in files:
        raise RequestError(
            f"there is no scenario {name!r}", where=str(lake.scenarios), remedy=f"there are {', '.join(files) or 'none'}"
        )
    scenario = load_scenario(files[name])
    if scenario.name != name:
        raise ConfigError(str(files[name]), [("name", f"{scenario.name!r} is not the name of the file, {name!r}")])
    return scenario


def read_scenarios(lake: Lake, names: Iterable[str] | None = None) -> tuple[list[Scenario], dict[str, PipesimError]]:
    """Return the scenarios of some names, by default of all files, and what is wrong with those that cannot be read."""
    good: list[Scenario] = []
    broken: dict[str, PipesimError] = {}
    for name in scenario_files(lake) if names is None else names:
        try:
            good.append(read_scenario(lake, name))
        except PipesimError as error:
            broken[name] = error
    return good, broken


def most_replications(home: Path) -> int:
    """Return how many replications the scenario that asks for most has; one that cannot be read does not count.

    Args:
        home: The home folder, which need not exist and is not made.
    """
    numbers = [1]
    for file in _files(home / "scenarios").values():
        with suppress(PipesimError):
            numbers.append(load_scenario(file).replications)
    return max(numbers)


def add_scenario(lake: Lake, draft: ScenarioDraft) -> Scenario:
    """Write a scenario to the home folder, in place of an earlier one of that name there.

    Raises:
        RequestError: If the base does not exist, or a pool or resource that is given is not in it.
        ConfigError: For all mistakes in what comes out.
    """
    content = read_scenario(lake, draft.base).model_dump(mode="json", exclude_none=True)
    content["name"] = draft.name
    content["description"] = f"Like {draft.base}, as added by hand."
    given = {"order": draft.order, "backfill": draft.backfill}
    content["policy"].update({key: value for key, value in given.items() if value != "same"})
    if draft.replications:
        content["replications"] = draft.replications
    pools = {pool["name"]: pool for pool in content["platform"]["pools"]}
    for place, amount in draft.capacity.items():
        pool, _, resource = place.rpartition(".")
        if resource not in pools.get(pool, {}):
            known = [f"{p}.{r}" for p, offer in pools.items() for r, value in offer.items() if isinstance(value, (int, float))]
            raise RequestError(f"{draft.base} has no {place}", where="capacity", remedy=f"it has {', '.join(known)}")
        pools[pool][resource] = amount
    return write_scenario(lake, content)


def write_scenario(lake: Lake, content: Mapping[str, Any]) -> Scenario:
    """Write a scenario, given as plain values, to the home folder, in place of an earlier one of its name there.

    Raises:
        RequestError: If its name cannot be a file's name.
        ConfigError: For all mistakes in it.
    """
    with lake.transaction() as tx:
        staged = tx.stage(scenario_file(lake, content["name"]))
        staged.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
        return load_scenario(staged)  # so that what stands in the folder can be read


def scenario_file(lake: Lake, name: str) -> Path:
    """Return where a scenario that is added to a home folder stands."""
    return lake.scenarios / f"{safe_name(name, 'scenario')}.yaml"
