"""From a workload and the scenarios to simulated traces: one partition a scenario and replication."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field

from dagster_project.logs import observed
from dagster_project.metadata import OWNERS, code_version
from dagster_project.partitions import DIMENSION, SCENARIOS
from dagster_project.resources import Home
from dagster_project.scenarios import GROUP, scenarios, verdict
from dagster_project.synthetic import synthetic_trace
from pipesim.errors import PipesimError
from pipesim.experiments.backends import backend, default_workers
from pipesim.experiments.claims import claimed
from pipesim.experiments.scenario_files import ScenarioFile, find_scenario, most_replications, read_files
from pipesim.experiments.sweeps import save_sweeps
from pipesim.lake import Lake
from pipesim.object_store.address import folder_of
from pipesim.simulation import DEFAULT, ENGINES, Scenario, make_ready

#: How many replications the grid has room for: as many as any scenario asks for when the definitions are loaded.
REPLICATIONS = most_replications(folder_of(Home().path))
RUNS = dg.MultiPartitionsDefinition(
    {"replication": dg.StaticPartitionsDefinition([str(n) for n in range(REPLICATIONS)]), DIMENSION: SCENARIOS}
)
_CHECK = "every_scenario_runs"


class Simulation(dg.Config):
    """How the scenarios are simulated."""

    engine: str | None = Field(
        default=None, description=f"The engine: {' or '.join(ENGINES)}; where none is named, the fastest that can."
    )
    scenarios: list[str] = Field(
        default=[],
        description="In a run that is not of one partition: the scenarios and sweeps to simulate; all where none is named.",
    )
    again: bool = Field(
        default=False,
        description="In a run that is not of one partition: whether to simulate also what sweeps have simulated already.",
    )


def partition_key(scenario: str, replication: int) -> dg.MultiPartitionKey:
    """Return the partition of one replication of a scenario."""
    return dg.MultiPartitionKey({DIMENSION: scenario, "replication": str(replication)})


@dg.asset(
    deps=[observed, synthetic_trace, scenarios],
    partitions_def=RUNS,
    group_name=GROUP,
    kinds={"python", "simpy", "parquet"},
    owners=OWNERS,
    tags={"stage": "simulated"},
    code_version=code_version("simulation", "experiments"),
    check_specs=[
        dg.AssetCheckSpec(
            _CHECK, asset="simulated_runs", description="Every scenario could be simulated on what the lake holds."
        )
    ],
)
def simulated_runs(
    context: dg.AssetExecutionContext, config: Simulation, home: Home
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """What would happen: each scenario simulated, as often as it has replications.

    A run of one partition simulates one replication. A run without partitions simulates all replications of all scenarios,
    spread over the cores; a scenario that fails keeps no other from being simulated. Of sweeps, what is in the lake already and
    was made from the same is not simulated again there.
    """
    lake = home.lake()
    wanted, broken = _wanted(context, config, lake)
    save_sweeps(lake, dict.fromkeys(file.sweep for file, _, _ in wanted))
    # Partitions of one scenario are run side by side, and none of them drops what another one has stored.
    names = [] if context.has_partition_key else [scenario.name for _, scenario, _ in wanted]
    with claimed(lake, names, context.log.info):
        failures = _simulate(context, lake, wanted, config)
        broken |= failures
        if broken and len(failures) == len(wanted):
            raise next(iter(broken.values()))
        if not context.has_partition_key:
            for _, scenario, numbers in wanted:
                if scenario.name not in failures:
                    lake.drop_replications(scenario.name, keep=len(numbers))
    yield verdict(_CHECK, broken)
    yield dg.MaterializeResult()


#: Scenarios with their files, and the numbers of the replications to simulate.
Wanted = list[tuple[ScenarioFile, Scenario, list[int]]]


def _wanted(context: dg.AssetExecutionContext, config: Simulation, lake: Lake) -> tuple[Wanted, dict[str, PipesimError]]:
    if context.has_partition_key:
        (key,) = context.partition_keys
        place = RUNS.get_partition_key_from_str(key).keys_by_dimension
        file = find_scenario(lake, place[DIMENSION])
        return [(file, file.scenarios[0], [int(place["replication"])])], {}
    good, broken = read_files(lake, config.scenarios or None)
    named = {scenario.name: (file, scenario) for file in good for scenario in file.scenarios}
    return [(file, scenario, list(range(scenario.replications))) for file, scenario in named.values()], broken


def _simulate(context: dg.AssetExecutionContext, lake: Lake, wanted: Wanted, config: Simulation) -> dict[str, PipesimError]:
    """Simulate and store; tells of each partition as it is done, and returns what could not be simulated."""
    from pipesim.experiments.replications import Run, try_replication

    kept = not (context.has_partition_key or config.again)
    runs = [
        Run(lake.home, scenario, number, config.engine, reuse=kept and bool(file.sweep.axes))
        for file, scenario, numbers in wanted
        for number in numbers
    ]
    runs.sort(key=lambda run: run.replication)  # scenarios draw the same work, which is drawn once for those that follow
    known = context.instance.get_materialized_partitions(context.asset_key) if any(run.reuse for run in runs) else set()
    failures: dict[str, PipesimError] = {}
    make_ready(config.engine or DEFAULT, [run.scenario for run in runs], context.log.info)
    with backend(default_workers(len(runs))) as on:
        for place, result in on.map(try_replication, runs):
            run = runs[place]
            if isinstance(result, PipesimError):
                failures.setdefault(run.scenario.name, result)
                continue
            figures = {name: value for name, value in result.summary.as_dict().items() if value is not None}
            metadata = {**figures, "warnings": list(result.warnings)}
            if context.has_partition_key:
                context.add_asset_metadata(metadata)
                continue
            key = partition_key(run.scenario.name, run.replication)
            if run.replication < REPLICATIONS and not (result.kept and key in known):
                context.log_event(dg.AssetMaterialization("simulated_runs", partition=key, metadata=metadata))
    return failures
