"""Sweeps: each of their scenarios is a partition, as long as it is there, and one run simulates what is missing of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill

from dagster_project import automation, simulated
from dagster_project.definitions import defs
from dagster_project.operations import prune
from dagster_project.partitions import out_of_step
from dagster_project.resources import Home
from dagster_project.scenarios import scenarios
from pipesim.catalog import snapshot_views
from pipesim.experiments.claims import claimed
from pipesim.experiments.scenario_files import find_scenario
from pipesim.lake import Lake
from pipesim.verbs import ingest_logs

ONE = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: 8}]}\n"
SWEEP = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: {sweep: [2, 4]}}]}\nreplications: 2\n"
NAMES = ["size-gpus-2", "size-gpus-4"]
KEYS = {f"{n}|{name}" for n in range(min(2, simulated.REPLICATIONS)) for name in NAMES}
ASSET = dg.AssetKey("simulated_runs")


@pytest.fixture
def ingested(lake: Lake) -> Lake:
    """A lake with a log of one task."""
    run = {"run_id": "r", "pipeline_name": "p", "status": "UNKNOWN", "submitted_at": "2026-01-01T00:00:00Z"}
    task = {"run_id": "r", "task_id": "t", "task_name": "t", "status": "SUCCEEDED", "duration_s": 5.0, "gpus": 1}
    log = lake.root / "log.jsonl"
    log.write_text(json.dumps(run) + "\n" + json.dumps(task) + "\n")
    ingest_logs(lake, [log], "native")
    return lake


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin no processes, which would take most of the time."""
    monkeypatch.setattr(simulated, "default_workers", lambda _: 1)


def _make(asset: dg.AssetsDefinition, lake: Lake, instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    config, key = options.pop("config", {}), options.pop("key", None)
    return dg.materialize(
        [asset],
        instance=instance,
        partition_key=key,
        resources={"home": Home(path=str(lake.root))},
        run_config={"ops": {asset.op.name: {"config": config}}},
        raise_on_error=False,
    )


def _told(result: dg.ExecuteInProcessResult) -> str:
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed
    return str(check.description)


def _partitions(instance: dg.DagsterInstance) -> list[str]:
    return sorted(instance.get_dynamic_partitions("scenarios"))


def _stored(lake: Lake) -> dict[str, int]:
    return {str(f): f.stat().st_ino for f in (lake.lake / "simulated" / "task_runs").rglob("*.parquet")}


def _age(lake: Lake) -> None:
    written = time.time() - 100 * 86_400
    for file in (lake.lake / "simulated").rglob("*.*"):
        os.utime(file, (written, written))


def test_the_scenarios_of_a_sweep_are_partitions_as_long_as_they_are_there(
    lake: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    (shipped / "one.yaml").write_text(ONE)
    result = _make(scenarios, lake, instance)
    assert _partitions(instance) == ["one", *NAMES]
    said = {name: value.value for name, value in result.asset_materializations_for_node("scenarios")[0].metadata.items()}
    assert said["dagster/row_count"] == 3
    assert "| size | 2 | 4 | platform.pools.gpu.gpus | 2, 4 |" in str(said["sweeps"]).replace("\\", "")
    keys = simulated.RUNS.get_partition_keys(dynamic_partitions_store=instance)
    assert {f"{n}|{name}" for n in range(simulated.REPLICATIONS) for name in NAMES} < set(keys)
    (shipped / "size.yaml").write_text(SWEEP.replace("[2, 4]", "[4, 8]"))
    (shipped / "one.yaml").unlink()
    assert _make(scenarios, lake, instance).success
    assert _partitions(instance) == ["size-gpus-4", "size-gpus-8"]


@pytest.mark.parametrize("broken", [SWEEP.replace("[2, 4]", "[2, many]"), "platform: {pools: ["])
def test_a_broken_sweep_harms_no_other_file_and_keeps_its_partitions(
    lake: Lake, shipped: Path, instance: dg.DagsterInstance, broken: str
) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    _make(scenarios, lake, instance)
    (shipped / "size.yaml").write_text(broken)
    (shipped / "other.yaml").write_text(SWEEP)
    result = _make(scenarios, lake, instance)
    assert "mistake" in _told(result)
    assert {*NAMES, "other-gpus-2", "other-gpus-4"} <= set(_partitions(instance))


def test_a_sweep_of_very_many_runs_is_no_partitions_but_says_what_to_do(
    lake: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    (shipped / "size.yaml").write_text(SWEEP.replace("[2, 4]", "{from: 1, to: 5001, step: 1}"))
    (shipped / "one.yaml").write_text(ONE)
    told = _told(_make(scenarios, lake, instance))
    assert "5,001 scenarios, 10,002 runs in all" in told
    assert f"pipesim simulate {shipped}/size.yaml --yes --home {lake.root}" in told
    assert _partitions(instance) == ["one"]


def test_a_partition_stays_while_a_run_or_a_backfill_may_be_about_it(
    lake: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    instance.add_dynamic_partitions("scenarios", ["gone", "going"])
    tags = {"dagster/partition/scenario": "going"}
    instance.add_run(dg.DagsterRun(job_name="simulations", status=dg.DagsterRunStatus.STARTED, tags=tags))
    assert out_of_step(instance, lake) == ([], ["gone"])
    backfill = PartitionBackfill(
        backfill_id="b", status=BulkActionStatus.REQUESTED, from_failure=False, tags={}, backfill_timestamp=0.0,
        asset_selection=[ASSET], serialized_asset_backfill_data="{}",
    )  # fmt: skip
    instance.add_backfill(backfill)
    assert out_of_step(instance, lake) == ([], [])


def test_a_run_of_one_partition_simulates_it_and_tells_what_is_swept(
    ingested: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    _make(scenarios, ingested, instance)
    assert _make(simulated.simulated_runs, ingested, instance, key="0|size-gpus-4").success
    assert ingested.replications("size-gpus-4") == [0]
    assert ingested.replications("size-gpus-2") == []
    with snapshot_views(ingested) as con:
        rows = con.sql("SELECT scenario, number FROM simulated.sweeps WHERE sweep = 'size' ORDER BY ALL").fetchall()
    assert rows == [("size-gpus-2", 2.0), ("size-gpus-4", 4.0)]


def test_a_run_without_partitions_simulates_of_sweeps_what_is_missing(
    ingested: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    (shipped / "one.yaml").write_text(ONE)
    assert _make(simulated.simulated_runs, ingested, instance).success
    assert instance.get_materialized_partitions(ASSET) == {*KEYS, "0|one"}
    first = _stored(ingested)
    (shipped / "size.yaml").write_text(SWEEP.replace("[2, 4]", "[2, 4, 8]"))
    result = _make(simulated.simulated_runs, ingested, instance)
    again = _stored(ingested)
    assert {file for file in first if again[file] != first[file]} == {file for file in first if "scenario=one" in file}
    assert {file.split("scenario=")[1][:11] for file in again.keys() - first.keys()} == {"size-gpus-8"}
    told = {event.partition for event in result.get_asset_materialization_events() if event.partition}
    assert told.isdisjoint(KEYS)
    config = {"scenarios": ["size", "size-gpus-4"], "again": True}
    assert _make(simulated.simulated_runs, ingested, instance, config=config).success
    anew = _stored(ingested)
    assert {file for file in again if anew[file] == again[file]} == {file for file in again if "scenario=one" in file}


def test_a_scenario_is_added_that_is_like_one_of_a_sweep(lake: Lake, shipped: Path, instance: dg.DagsterInstance) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    assert _make(scenarios, lake, instance, config={"name": "quick", "base": "size-gpus-4", "order": "sjf"}).success
    assert _partitions(instance) == ["quick", *NAMES]
    added = find_scenario(lake, "quick").scenarios[0]
    assert (added.policy.order, added.platform.pools[0].gpus, added.replications) == ("sjf", 4, 2)


@pytest.fixture
def watched(lake: Lake, shipped: Path) -> Iterator[Lake]:
    """A lake that has a model, in which the file of one scenario was seen."""
    (shipped / "one.yaml").write_text(ONE)
    lake.models.mkdir()
    (lake.models / "current.json").write_text('{"current": "m"}')
    return lake


def test_a_new_sweep_is_one_run_and_its_scenarios_are_partitions(
    watched: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    def look(cursor: str | None) -> dg.SensorResult:
        home = {"home": Home(path=str(watched.root))}
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=home, definitions=defs)
        return automation.scenario_sensor(context)  # type: ignore[return-value]

    before = look(None)
    (shipped / "size.yaml").write_text(SWEEP)
    found = look(before.cursor)
    (asked,) = found.run_requests or []
    assert asked.partition_key is None
    assert asked.run_config["ops"]["simulated_runs"]["config"]["scenarios"] == ["size"]
    (change,) = found.dynamic_partitions_requests or []
    assert list(change.partition_keys) == ["one", *NAMES]
    assert look(found.cursor).run_requests == []


def test_each_night_a_sweep_is_one_run(watched: Lake, shipped: Path, tmp_path: Path) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    instance = dg.DagsterInstance.local_temp(str(tmp_path))
    context = dg.build_schedule_context(
        instance=instance,
        scheduled_execution_time=datetime(2026, 1, 2, 2, tzinfo=UTC),
        resources={"home": Home(path=str(watched.root))},
        repository_def=defs.get_repository_def(),
    )
    asked: Any = automation.nightly(context)
    assert [request.partition_key for request in asked] == ["0|one", None]
    assert asked[1].run_config["ops"]["simulated_runs"]["config"]["scenarios"] == ["size"]
    assert _partitions(instance) == ["one", *NAMES]


def test_what_was_simulated_of_a_sweep_stays_while_it_is_there_or_broken(
    ingested: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    (shipped / "size.yaml").write_text(SWEEP)
    _make(simulated.simulated_runs, ingested, instance)

    def removed() -> int:
        _age(ingested)
        done = prune.execute_in_process(resources={"home": Home(path=str(ingested.root))})
        (output,) = [event.event_specific_data for event in done.all_events if event.is_successful_output]
        return int(output.metadata["removed"].value)  # type: ignore[union-attr, arg-type]

    assert removed() == 0
    (shipped / "size.yaml").write_text("platform: {pools: [")
    assert removed() == 0
    (shipped / "size.yaml").write_text(SWEEP.replace("[2, 4]", "[4, 8]"))
    assert removed() == 2
    assert ingested.simulated_scenarios() == ["size-gpus-4"]


def test_a_run_without_partitions_waits_for_who_simulates_the_same(
    ingested: Lake, shipped: Path, instance: dg.DagsterInstance
) -> None:
    """Else either would drop replications of the other. Single partitions drop nothing, and go on side by side."""
    (shipped / "size.yaml").write_text(SWEEP)
    instance.add_dynamic_partitions("scenarios", NAMES)
    there, enough = Event(), Event()
    stored: list[int] = []

    def hold() -> None:
        with claimed(Lake(ingested.root), NAMES[:1]):
            there.set()
            enough.wait(timeout=60)
            time.sleep(0.5)  # in which who does not wait would have stored all
            stored.append(len(_stored(ingested)))

    with ThreadPoolExecutor(1) as other:
        held = other.submit(hold)
        there.wait(timeout=60)
        assert _make(simulated.simulated_runs, ingested, instance, key=f"0|{NAMES[0]}").success
        enough.set()
        assert _make(simulated.simulated_runs, ingested, instance).success
        held.result()
    assert stored == [1]
