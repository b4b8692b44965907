"""The scenarios at hand: the YAML files of `scenarios/`, and those that were added to a home folder; some are sweeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pipesim.errors import ConfigError, PipesimError, RequestError
from pipesim.experiments.sweeps import MANY_RUNS, Sweep, may_be_of, sweep_of
from pipesim.identity import safe_name
from pipesim.lake import Lake
from pipesim.shipped import shipped
from pipesim.simulation import Scenario, load_scenario
from pipesim.simulation.scenario import Backfill, Order
from pipesim.simulation.scenario.file import document_of, read_text
from pipesim.words import count

#: So many files are kept as they were parsed and checked.
_KEPT = 256


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


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario file that is sound, and those of its scenarios that were asked for; several of them if it is a sweep."""

    sweep: Sweep
    scenarios: tuple[Scenario, ...]


def scenario_files(lake: Lake) -> dict[str, Path]:
    """Return all scenario files by their names; one that was added to the home folder stands before a shipped one.

    A file of one scenario is called as the scenario; one that sweeps is called as the sweep.
    """
    lake.look_for_scenarios()
    return _files(lake.scenarios)


def _files(added: Path) -> dict[str, Path]:
    return dict(sorted((file.stem, file) for folder in (shipped("scenarios"), added) for file in folder.glob("*.yaml")))


def read_scenario(lake: Lake, name: str) -> Scenario:
    """Return a scenario by name; of a sweep, no other one is built.

    Raises:
        RequestError: If there is no such scenario.
        FileError: If its file cannot be read.
        ConfigError: For all mistakes in it.
    """
    return find_scenario(lake, name).scenarios[0]


def find_scenario(lake: Lake, name: str) -> ScenarioFile:
    """Return a scenario by name with its file; of a sweep, no other one is built or checked.

    Raises:
        RequestError: If there is no such scenario.
        FileError: If its file cannot be read.
        ConfigError: For all mistakes in it.
    """
    files = scenario_files(lake)
    sweep = _holder(files, name)
    if sweep is None:
        if name in files:
            raise RequestError(
                f"{name!r} is a sweep, not a scenario", where=str(files[name]), remedy="name one of its scenarios"
            )
        raise RequestError(
            f"there is no scenario {name!r}", where=str(lake.scenarios), remedy=f"there are {', '.join(files) or 'none'}"
        )
    return ScenarioFile(sweep, (sweep.variant(name).scenario,))


def _holder(files: Mapping[str, Path], name: str) -> Sweep | None:
    """Return the file that a scenario is in, if it is in any; only files that may hold it are read.

    Raises:
        PipesimError: If it is in none of those that can be read, what is wrong with the first that cannot.
    """
    if name in files and name in (own := _load(files[name])):
        return own
    broken: PipesimError | None = None
    for stem in (stem for stem in files if may_be_of(name, stem)):
        try:
            sweep = _load(files[stem])
        except PipesimError as error:
            broken = broken or error
        else:
            if name in sweep:
                return sweep
    if broken:
        raise broken
    return None


def read_files(lake: Lake, names: Iterable[str] | None = None) -> tuple[list[ScenarioFile], dict[str, PipesimError]]:
    """Return scenario files, read and checked as a whole, and what is wrong with the others, each by its name.

    Args:
        lake: Whose home folder they were added to.
        names: Those of files, or of single scenarios; by default all files.
    """
    files = scenario_files(lake)
    good: list[ScenarioFile] = []
    broken: dict[str, PipesimError] = {}
    for name in dict.fromkeys(files if names is None else names):
        try:
            if name in files:
                sweep = _sound(lake, files, name)
                good.append(ScenarioFile(sweep, tuple(variant.scenario for variant in sweep.variants())))
            else:
                good.append(find_scenario(lake, name))
        except PipesimError as error:
            broken[name] = error
    return good, broken


def read_scenarios(lake: Lake, names: Iterable[str] | None = None) -> tuple[list[Scenario], dict[str, PipesimError]]:
    """Return the scenarios of some names, or of all files, and what is wrong with the others, as `read_files` does."""
    good, broken = read_files(lake, names)
    return [scenario for file in good for scenario in file.scenarios], broken


def scenario_names(lake: Lake) -> tuple[dict[str, tuple[str, ...]], dict[str, PipesimError]]:
    """Return the names of the scenarios of each file, none of which is built, and what is wrong with files, by their names.

    A file that is broken counts as one scenario that is called as the file; a broken sweep has none.
    """
    files = scenario_files(lake)
    names: dict[str, tuple[str, ...]] = {}
    broken: dict[str, PipesimError] = {}
    for name, path in files.items():
        try:
            names[name] = _sound(lake, files, name).names
        except PipesimError as error:
            broken[name] = error
            names[name] = () if _is_sweep(path) else (name,)
    return names, broken


def may_be_in(name: str, files: Iterable[str]) -> bool:
    """Tell whether a scenario may be in any of some files, by their names alone."""
    return any(name == file or may_be_of(name, file) for file in files)


def _sound(lake: Lake, files: Mapping[str, Path], stem: str) -> Sweep:
    """Return what a file stands for, all of which is sound, not too much, and called as nothing else is.

    Raises:
        PipesimError: If not.
    """
    sweep = _load(files[stem])
    if (runs := sweep.runs()) > MANY_RUNS:
        raise RequestError(
            f"{count(sweep.size, 'scenario')}, {count(runs, 'run')} in all, are too many to be partitions, "
            f"which {MANY_RUNS:,} runs at most become",
            where=sweep.source,
            remedy=f"simulate them with `pipesim simulate {sweep.source} --yes --home {lake.home}`, or ask for fewer",
        )
    if fault := _fault(sweep):
        raise fault.with_traceback(None)
    if sweep.axes:
        # Of two sweeps that have a name in common, that of the longer name gives way.
        others = (_names(files[other]) for other in files if other != stem and may_be_of(stem, other))
        for others_names in (files.keys(), *others):
            if shared := sorted(others_names & set(sweep.names)):
                text = f"the scenario {shared[0]} is that of another file too; give this sweep another name"
                raise ConfigError(sweep.source, [("name", text)])
    return sweep


def _is_sweep(path: Path) -> bool:
    """Tell whether a file sweeps anything; one that cannot be read does not."""
    with suppress(PipesimError):
        return bool(_load(path).axes)
    return False


def _names(path: Path) -> set[str]:
    """Return what the scenarios of a sweep are called, if the file is one that can be simulated here."""
    return set(_load(path).names) if _is_sweep(path) and _load(path).runs() <= MANY_RUNS else set()


def _load(path: Path) -> Sweep:
    """Return what a file stands for; it is parsed again only when it has changed.

    Raises:
        FileError: If it cannot be read.
        ConfigError: For all mistakes in what it sweeps, or if it is not called as it should be.
    """
    sweep = _parsed(path, read_text(path))
    if sweep.name != path.stem:
        raise ConfigError(str(path), [("name", f"{sweep.name!r} is not the name of the file, {path.stem!r}")])
    return sweep


@lru_cache(maxsize=_KEPT)
def _parsed(path: Path, text: str) -> Sweep:
    return sweep_of(document_of(text, path), str(path))


@lru_cache(maxsize=_KEPT)
def _fault(sweep: Sweep) -> ConfigError | None:
    """Return what is wrong with the scenarios of a file; they are checked once as long as it does not change."""
    try:
        sweep.check()
    except ConfigError as error:
        return error
    return None


def most_replications(home: Path) -> int:
    """Return how many replications the scenario that asks for most has; files that cannot be read, or not run, do not count.

    Args:
        home: The home folder, which need not exist and is not made.
    """
    numbers = [1]
    for file in _files(home / "scenarios").values():
        with suppress(PipesimError):
            sweep = _load(file)
            sweep.first()
            if sweep.runs() <= MANY_RUNS:
                numbers.append(sweep.most_replications)
    return max(numbers)


def add_scenario(lake: Lake, draft: ScenarioDraft) -> Scenario:
    """Write a scenario to the home folder, in place of an earlier one of that name there.

    Raises:
        RequestError: If the base does not exist, a pool or resource that is given is not in it, or a sweep has that name.
        ConfigError: For all mistakes in what comes out.
    """
    check_no_sweep(lake, draft.name)
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


def check_no_sweep(lake: Lake, name: str) -> None:
    """Check that a scenario can be added under a name.

    Raises:
        RequestError: If a sweep, or one of its scenarios, is called so.
    """
    if sweep := _sweep_called(scenario_files(lake), name):
        raise RequestError(
            f"{name!r} is the name of a sweep, or of one of its scenarios", where=sweep.source, remedy="choose another name"
        )


def scenario_file(lake: Lake, name: str) -> Path:
    """Return where a scenario that is added to a home folder stands."""
    return lake.scenarios / f"{safe_name(name, 'scenario')}.yaml"


def _sweep_called(files: Mapping[str, Path], name: str) -> Sweep | None:
    """Return the sweep that has a name or a scenario of it; files that cannot be read have none."""
    for stem in (stem for stem in files if stem == name or may_be_of(name, stem)):
        with suppress(PipesimError):
            sweep = _load(files[stem])
            if sweep.axes and (stem == name or name in sweep):
                return sweep
    return None
