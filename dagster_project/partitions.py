"""The partitions that scenarios are: one each, registered while its file is there."""

import dagster as dg
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES, BulkActionsFilter, BulkActionStatus
from dagster._core.storage.tags import MULTIDIMENSIONAL_PARTITION_PREFIX

from pipesim.experiments.scenario_files import may_be_in, scenario_names
from pipesim.lake import Lake

SCENARIOS = dg.DynamicPartitionsDefinition(name="scenarios")
#: The dimension of the simulations' partitions that they are.
DIMENSION = "scenario"
UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_BACKFILLING = [status for status in BulkActionStatus if status not in BULK_ACTION_TERMINAL_STATUSES]


def out_of_step(instance: dg.DagsterInstance, lake: Lake) -> tuple[list[str], list[str]]:
    """Return the scenarios that are no partitions yet, and the partitions whose scenario is gone, so that they may go too.

    One stays as long as a run or a backfill may be about it, or it may belong to a file that is broken just now: whoever
    mends that finds its partitions as they were.
    """
    names, broken = scenario_names(lake)
    there = {name for of_file in names.values() for name in of_file}
    registered = set(instance.get_dynamic_partitions(str(SCENARIOS.name)))
    gone = {name for name in registered - there if not may_be_in(name, broken)}
    if gone and instance.get_backfills(filters=BulkActionsFilter(statuses=_BACKFILLING), limit=1):
        gone.clear()
    if gone:
        tag = f"{MULTIDIMENSIONAL_PARTITION_PREFIX}{DIMENSION}"
        gone -= {run.tags.get(tag) for run in instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))}
    return sorted(there - registered), sorted(gone)
