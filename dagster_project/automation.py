"""What runs without a hand: new logs, new scenarios, the simulations of each night, and what is published after them.

A step follows its inputs by one of two ways. What new logs change is made anew in one run of `whole_path`, in the order of the
graph. What simulations of one partition each change (a night, a backfill, a new scenario) is published by one run of
`publication` once no run is under way any more. Nothing is remembered outside the lake and Dagster's own record of runs, so
that whatever dies, the next tick asks for what is missing.
"""

import json
import logging
import time
from collections.abc import Iterator

import dagster as dg
from dagster import AddDynamicPartitionsRequest, AssetSelection, DeleteDynamicPartitionsRequest

from dagster_project.analytics import GROUP as ANALYTICS
from dagster_project.logs import observed
from dagster_project.partitions import SCENARIOS, UNDER_WAY, out_of_step
from dagster_project.report import GROUP as PUBLICATION
from dagster_project.resources import Home, Inbox
from dagster_project.scenarios import scenarios
from dagster_project.simulated import REPLICATIONS, partition_key, simulated_runs
from dagster_project.traces import PREFIX as TRACES
from pipesim.experiments.scenario_files import ScenarioFile, read_files, scenario_files
from pipesim.identity import content_hash
from pipesim.ingest.inbox import due, scan
from pipesim.lake import Lake
from pipesim.words import count

#: How often what failed is asked for again, as long as nothing that it depends on changes.
ATTEMPTS = 3
#: The tag that says what a run was asked for.
REASON = "pipesim/reason"
#: The tag of which a run queue lets only one run run at a time.
ALONE = "pipesim/refresh"
#: What dies of these is asked for again by a sensor, not by Dagster too.
REFRESH = {ALONE: "true", "dagster/max_retries": "0"}
whole_path = dg.define_asset_job(
    "whole_path",
    selection=AssetSelection.all(),
    description="Everything in one run: logs, workload model, synthetic trace, every scenario, analytics, report, catalogue.",
    tags=REFRESH,
)
simulations = dg.define_asset_job(
    "simulations",
    selection=[simulated_runs],
    description="One replication of one scenario; in a run without a partition, all of them.",
)
new_scenario = dg.define_asset_job(
    "new_scenario",
    selection=[scenarios],
    description="Add a scenario that differs from another one in its policy or capacity; it is simulated by the next tick.",
)
publication = dg.define_asset_job(
    "publication",
    selection=AssetSelection.groups(TRACES, ANALYTICS, PUBLICATION),
    description="What follows the simulations: canonical tables, analytics, report, catalogue.",
    tags=REFRESH,
)


@dg.sensor(job=whole_path, minimum_interval_seconds=10, default_status=dg.DefaultSensorStatus.RUNNING)
def inbox_sensor(context: dg.SensorEvaluationContext, home: Home, inbox: Inbox) -> dg.RunRequest | dg.SkipReason:
    """Notices log files in the inbox, and has everything downstream follow them in one run."""
    lake = home.lake()
    found = scan(lake, inbox.folder(), time.time())
    waiting = due(lake)
    if not found.new and not waiting:
        return dg.SkipReason(f"nothing new: {count(found.known, 'file')} known, {len(found.unsettled)} still being written")
    reason = content_hash("inbox", found.key, str(waiting), *(path.stem for path in lake.ingest_manifests()))
    config = dg.RunConfig(ops={observed.op.name: {"config": {"only_if_new": True}}})
    return _request(context.instance, reason, config=config)


@dg.sensor(job=publication, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def publication_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Publishes simulations that were made outside a run of the whole path, once no run is under way any more."""
    made = context.instance.get_latest_materialization_event(dg.AssetKey("simulated_runs"))
    published = context.instance.get_latest_materialization_event(dg.AssetKey("catalogue"))
    if made is None:
        return dg.SkipReason("nothing has been simulated yet")
    if published is not None and published.timestamp >= made.timestamp:
        return dg.SkipReason("what was simulated is published")
    return _request(context.instance, content_hash("publication", str(made.timestamp)))


@dg.sensor(job=simulations, minimum_interval_seconds=15, default_status=dg.DefaultSensorStatus.RUNNING)
def scenario_sensor(context: dg.SensorEvaluationContext, home: Home) -> dg.SensorResult:
    """Keeps the partitions of the simulations in step with the scenario files, and simulates what is new or changed."""
    lake = home.lake()
    files = scenario_files(lake)
    seen = {name: [str(path), path.stat().st_size, path.stat().st_mtime_ns] for name, path in files.items()}
    before = json.loads(context.cursor) if context.cursor else None
    requests: list[AddDynamicPartitionsRequest | DeleteDynamicPartitionsRequest] = []
    fresh, gone = out_of_step(context.instance, lake)
    if fresh:
        requests.append(SCENARIOS.build_add_request(fresh))
    if gone:
        requests.append(SCENARIOS.build_delete_request(gone))
    changed = [] if before is None else [name for name in files if before.get(name) != seen[name]]
    good, broken = read_files(lake, changed)
    _warn_of_room(context.log, good)
    runs = list(_requests(good, f"scenario {content_hash(json.dumps(seen))}")) if _has_workload(lake) else []
    reasons = [str(error) for error in broken.values()]
    if good and not runs:
        reasons.append("there is no workload to simulate yet")
    return dg.SensorResult(
        run_requests=runs,
        skip_reason="\n".join(reasons) or "no scenario has changed" if not runs else None,
        dynamic_partitions_requests=requests,
        cursor=json.dumps(seen),
    )


@dg.schedule(job=simulations, cron_schedule="0 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING)
def nightly(context: dg.ScheduleEvaluationContext, home: Home) -> list[dg.RunRequest] | dg.SkipReason:
    """Simulates each night every replication of every scenario, one run each, and what is missing of a sweep in one run."""
    lake = home.lake()
    if not _has_workload(lake):
        return dg.SkipReason("there is no workload to simulate yet")
    good, broken = read_files(lake)
    for name, error in broken.items():
        context.log.error(f"the scenario {name} is left out: {error}")
    _warn_of_room(context.log, good)
    context.instance.add_dynamic_partitions(str(SCENARIOS.name), [name for file in good for name in file.sweep.names])
    return list(_requests(good, f"night {context.scheduled_execution_time:%Y-%m-%d %H:%M}"))


def _requests(wanted: list[ScenarioFile], reason: str) -> Iterator[dg.RunRequest]:
    """Ask for a run of each replication of a scenario, and for one of a whole sweep, which may be thousands."""
    for file in wanted:
        if file.sweep.axes:
            config = dg.RunConfig(ops={simulated_runs.op.name: {"config": {"scenarios": [file.sweep.name]}}})
            # It is spread over the cores, so that two at a time would only be in each other's way.
            tags = {REASON: reason, ALONE: "true"}
            yield dg.RunRequest(run_key=f"{reason} {file.sweep.name}", run_config=config, tags=tags)
            continue
        (scenario,) = file.scenarios
        for number in range(min(scenario.replications, REPLICATIONS)):
            key = partition_key(scenario.name, number)
            yield dg.RunRequest(run_key=f"{reason} {key}", partition_key=key, tags={REASON: reason})


def _warn_of_room(log: logging.Logger, wanted: list[ScenarioFile]) -> None:
    for file in wanted:
        if not file.sweep.axes and file.sweep.most_replications > REPLICATIONS:
            log.warning(f"{file.sweep.name} is simulated {REPLICATIONS} times until the definitions are reloaded")


def _has_workload(lake: Lake) -> bool:
    return lake.current(lake.models) is not None


def _request(instance: dg.DagsterInstance, reason: str, config: dg.RunConfig | None = None) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run unless one is under way, or the same was asked for often enough, or somebody cancelled it."""
    if under_way := instance.get_runs_count(dg.RunsFilter(statuses=UNDER_WAY)):
        return dg.SkipReason(f"waiting for {count(under_way, 'run')} under way")
    earlier = instance.get_runs(dg.RunsFilter(tags={REASON: reason}))
    if any(run.status == dg.DagsterRunStatus.CANCELED for run in earlier):
        return dg.SkipReason("the run for this was cancelled; it is asked for again when something changes, or by hand")
    if len(earlier) >= ATTEMPTS:
        return dg.SkipReason(
            f"{count(len(earlier), 'run')} for this failed; it is asked for again when something changes, or by hand"
        )
    return dg.RunRequest(run_key=f"{reason} {len(earlier)}", run_config=config or {}, tags={REASON: reason})


JOBS = [whole_path, simulations, new_scenario, publication]
SENSORS = [inbox_sensor, publication_sensor, scenario_sensor]
SCHEDULES = [nightly]
