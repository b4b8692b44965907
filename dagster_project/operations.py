"""What keeps a home folder in order: the job that lets go of what the retention policy says, and when it runs."""

import sys
from datetime import UTC, datetime

import dagster as dg

from dagster_project.automation import REFRESH
from dagster_project.metadata import table
from dagster_project.resources import Home
from pipesim.catalog import publish
from pipesim.experiments.scenario_files import may_be_in, read_scenarios
from pipesim.retention import Policy
from pipesim.retention import prune as prune_lake


class Retention(Policy, dg.Config):
    """What is kept, and how long."""


@dg.op(out=dg.Out(dg.Nothing))
def let_go(context: dg.OpExecutionContext, config: Retention, home: Home) -> None:
    """Remove what `pipesim.retention` names: obsolete simulations, unused traces and models, stale reports."""
    lake = home.lake()
    good, broken = read_scenarios(lake)
    living = {scenario.name: scenario.replications for scenario in good}
    for name, error in broken.items():
        context.log.warning(f"the simulations of {name} stay, as its file cannot be read: {error}")
    living |= {name: sys.maxsize for name in lake.simulated_scenarios() if name not in living and may_be_in(name, broken)}
    removals = prune_lake(lake, living, config, datetime.now(UTC).replace(tzinfo=None))
    if removals:
        publish(lake)
    context.add_output_metadata(
        {
            "removed": len(removals),
            "megabytes": round(sum(removal.bytes for removal in removals) / 1e6, 3),
            "what went": table(
                ["kind", "name", "why", "MB"], [(r.kind, r.name, r.reason, f"{r.bytes / 1e6:,.3f}") for r in removals]
            ),
        }
    )


@dg.job(tags=REFRESH)  # nothing is let go that a refresh is about to use
def prune() -> None:
    """Let go of simulations, synthetic traces, models and reports that have served their time; observed rows never go."""
    let_go()


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune,
    cron_schedule="0 4 * * 0",
    description="Sundays at 4:00 UTC.",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
