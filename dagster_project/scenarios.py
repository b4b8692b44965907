"""The what-ifs that there are, and how one is added from the launchpad."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.metadata import OWNERS, code_version, table
from dagster_project.partitions import SCENARIOS, out_of_step
from dagster_project.resources import Home
from pipesim.errors import PipesimError
from pipesim.experiments.scenario_files import ScenarioDraft, ScenarioFile, add_scenario, read_files
from pipesim.simulation import Scenario

GROUP = "simulation"
#: Of a key that is swept, as many values are shown.
_VALUES = 12
#: Of so many scenarios that failed it is told in full why.
_TOLD = 5


class Draft(ScenarioDraft, dg.Config):
    """A scenario to add: it is written to the home folder and simulated from then on like those of `scenarios/`."""


@dg.asset(
    group_name=GROUP,
    kinds={"yaml"},
    owners=OWNERS,
    tags={"stage": "scenarios"},
    code_version=code_version("simulation/scenario", "experiments/scenario_files.py", "experiments/sweeps"),
    check_specs=[
        dg.AssetCheckSpec(
            "readable",
            asset="scenarios",
            description="Every scenario file can be read, and is not too many runs. One that cannot be harms no other.",
        )
    ],
)
def scenarios(
    context: dg.AssetExecutionContext, config: Draft, home: Home
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """The what-ifs: the YAML files of `scenarios/`, and those added here; each scenario is a partition of the simulations.

    A sweep is as many scenarios as its values make. Partitions whose scenario is gone go, unless a run is about them.
    """
    lake = home.lake()
    if config.name:
        add_scenario(lake, config)
    fresh, gone = out_of_step(context.instance, lake)
    context.instance.add_dynamic_partitions(str(SCENARIOS.name), fresh)
    for name in gone:
        context.instance.delete_dynamic_partition(str(SCENARIOS.name), name)
    good, broken = read_files(lake)
    yield verdict("readable", broken)
    single = [scenario for file in good if not file.sweep.axes for scenario in file.scenarios]
    sweeps = [file for file in good if file.sweep.axes]
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(file.sweep.size for file in good),
            "scenarios": table(["name", "replications", "workload", "pools", "policy"], [_row(s) for s in single]),
            **({"sweeps": table(["sweep", "scenarios", "runs", "key", "values"], _swept(sweeps))} if sweeps else {}),
        }
    )


def verdict(check: str, broken: dict[str, PipesimError]) -> dg.AssetCheckResult:
    """Return a check that tells of each scenario that failed why it did, and of the first ones in full."""
    told = [str(error) for error in list(broken.values())[:_TOLD]]
    return dg.AssetCheckResult(
        check_name=check,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(told) if told else None,
        metadata={"broken": table(["scenario", "what is wrong"], [(n, str(e)) for n, e in broken.items()])} if broken else {},
    )


def _row(scenario: Scenario) -> tuple[object, ...]:
    plain = scenario.model_dump(mode="json", exclude_none=True)
    pools = "; ".join(", ".join(f"{k} {v}" for k, v in pool.items()) for pool in plain["platform"]["pools"])
    workload = ", ".join(f"{k} {v}" for k, v in plain["workload"].items())
    return (
        scenario.name,
        scenario.replications,
        workload,
        pools,
        f"{scenario.policy.order}, backfill {scenario.policy.backfill}",
    )


def _swept(files: list[ScenarioFile]) -> Iterator[tuple[object, ...]]:
    """Yield a row for each key that a sweep varies."""
    for sweep in (file.sweep for file in files):
        for axis in sweep.axes:
            more = ", ..." if len(axis.values) > _VALUES else ""
            yield sweep.name, sweep.size, sweep.runs(), axis.path, ", ".join(map(str, axis.values[:_VALUES])) + more
