"""The what-ifs that there are, and how one is added from the launchpad."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.metadata import OWNERS, code_version, table
from dagster_project.resources import Home
from pipesim.errors import PipesimError
from pipesim.experiments.scenario_files import ScenarioDraft, add_scenario, read_scenarios, scenario_files
from pipesim.simulation import Scenario

GROUP = "simulation"
SCENARIOS = dg.DynamicPartitionsDefinition(name="scenarios")


class Draft(ScenarioDraft, dg.Config):
    """A scenario to add: it is written to the home folder and simulated from then on like those of `scenarios/`."""


@dg.asset(
    group_name=GROUP,
    kinds={"yaml"},
    owners=OWNERS,
    tags={"stage": "scenarios"},
    code_version=code_version("simulation/scenario", "experiments/scenario_files.py"),
    check_specs=[
        dg.AssetCheckSpec(
            "readable",
            asset="scenarios",
            description="Every scenario file can be read. One that cannot be harms no other.",
        )
    ],
)
def scenarios(
    context: dg.AssetExecutionContext, config: Draft, home: Home
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """The what-ifs: the YAML files of `scenarios/`, and those added here, each a partition of the simulations."""
    lake = home.lake()
    if config.name:
        add_scenario(lake, config)
    context.instance.add_dynamic_partitions(str(SCENARIOS.name), list(scenario_files(lake)))
    good, broken = read_scenarios(lake)
    yield verdict("readable", broken)
    yield dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(good),
            "scenarios": table(["name", "replications", "workload", "pools", "policy"], [_row(s) for s in good]),
        }
    )


def verdict(check: str, broken: dict[str, PipesimError]) -> dg.AssetCheckResult:
    """Return a check that tells of each scenario that failed why it did."""
    return dg.AssetCheckResult(
        check_name=check,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
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
