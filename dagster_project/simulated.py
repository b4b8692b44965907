"""From a workload and the scenarios to simulated traces: one partition a scenario and replication."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_project.logs import observed
from dagster_project.metadata import OWNERS, code_version
from dagster_project.resources import Home
from dagster_project.synthetic import synthetic_trace
from pipesim.errors import PipesimError
from pipesim.shipped import shipped
from pipesim.simulation import load_scenario


def scenario_file(name: str) -> Path:
    """Return the file of a scenario."""
    return shipped("scenarios", f"{name}.yaml")


def most_replications(scenarios: list[str]) -> int:
    """Return how many replications the scenario that asks for most has; a broken file fails its own runs, not the others'."""
    numbers = [1]
    for name in scenarios:
        try:
            numbers.append(load_scenario(scenario_file(name)).replications)
        except PipesimError:
            continue
    return max(numbers)


SCENARIOS = sorted(file.stem for file in shipped("scenarios").glob("*.yaml"))
REPLICATIONS = [str(number) for number in range(most_replications(SCENARIOS))]
RUNS = dg.MultiPartitionsDefinition(
    {"replication": dg.StaticPartitionsDefinition(REPLICATIONS), "scenario": dg.StaticPartitionsDefinition(SCENARIOS)}
)


class Simulation(dg.Config):
    """How the scenarios are simulated."""

    engine: str = Field(default="reference", description="The engine: reference.")


@dg.asset(
    deps=[observed, synthetic_trace],
    partitions_def=RUNS,
    group_name="simulation",
    kinds={"python", "simpy", "parquet"},
    owners=OWNERS,
    tags={"stage": "simulated"},
    code_version=code_version("simulation", "experiments"),
)
def simulated_runs(context: dg.AssetExecutionContext, config: Simulation, home: Home) -> None:
    """What would happen: each scenario of `scenarios/` simulated, as often as it has replications."""
    from pipesim.experiments.backends import default_workers, map_runs
    from pipesim.experiments.replications import Run, run_replication

    lake = home.lake()
    keys = [RUNS.get_partition_key_from_str(key) for key in context.partition_keys]
    runs = [
        Run(
            lake.root,
            load_scenario(scenario_file(key.keys_by_dimension["scenario"])),
            int(key.keys_by_dimension["replication"]),
            config.engine,
        )
        for key in keys
    ]
    for key, result in zip(keys, map_runs(run_replication, runs, default_workers(len(runs))), strict=True):
        figures = {name: value for name, value in result.summary.as_dict().items() if value is not None}
        context.add_asset_metadata({**figures, "warnings": list(result.warnings)}, partition_key=key)
