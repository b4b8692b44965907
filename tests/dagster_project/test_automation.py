"""What runs without a hand: when a tick asks for a run, and when it does not."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project import automation, logs
from dagster_project.definitions import defs
from dagster_project.resources import Home, Inbox
from pipesim.ingest.inbox import due, ingest_new, scan
from pipesim.lake import Lake

SCENARIO = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: 8}]}\nreplications: 2\n"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "inbox").mkdir()
    return tmp_path / "inbox"


def _drop(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("".join(line + "\n" for line in lines))
    os.utime(folder / name, (1e9, 1e9))


def _task(run: str) -> str:
    return json.dumps({"run_id": run, "task_id": "t", "task_name": "n", "status": "SUCCEEDED", "duration_s": 1})


def _look(instance: dg.DagsterInstance, lake: Lake, inbox: Path) -> dg.RunRequest | dg.SkipReason:
    resources = {"home": Home(path=str(lake.root)), "inbox": Inbox(path=str(inbox))}
    context = dg.build_sensor_context(instance=instance, resources=resources, definitions=defs)
    return automation.inbox_sensor(context)  # type: ignore[return-value]


def _run(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, **tags: str) -> None:
    instance.add_run(dg.DagsterRun(job_name="whole_path", status=status, tags=tags))


def _observe(instance: dg.DagsterInstance, lake: Lake, inbox: Path, **config: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [logs.observed],
        instance=instance,
        resources={"home": Home(path=str(lake.root)), "inbox": Inbox(path=str(inbox))},
        run_config={"ops": {"observed": {"config": config}}},
    )


def test_a_new_file_is_asked_for_once_and_again_only_if_that_failed(
    instance: dg.DagsterInstance, lake: Lake, inbox: Path
) -> None:
    assert isinstance(_look(instance, lake, inbox), dg.SkipReason)
    _drop(inbox, "a.jsonl", _task("a"))
    for attempt in range(automation.ATTEMPTS):
        asked = _look(instance, lake, inbox)
        assert isinstance(asked, dg.RunRequest)
        assert str(asked.run_key).endswith(f" {attempt}")
        _run(instance, dg.DagsterRunStatus.FAILURE, **{automation.REASON: asked.tags[automation.REASON]})
    said = _look(instance, lake, inbox)
    assert isinstance(said, dg.SkipReason)
    assert "3 runs for this failed" in str(said.skip_message)
    _drop(inbox, "b.jsonl", _task("b"))
    assert isinstance(_look(instance, lake, inbox), dg.RunRequest)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_nothing_is_asked_for_while_a_run_is_under_way(
    instance: dg.DagsterInstance, lake: Lake, inbox: Path, status: dg.DagsterRunStatus
) -> None:
    _drop(inbox, "a.jsonl", _task("a"))
    _run(instance, status)
    said = _look(instance, lake, inbox)
    assert isinstance(said, dg.SkipReason)
    assert "waiting for 1 run under way" in str(said.skip_message)


def test_a_run_that_was_cancelled_is_not_asked_for_again(instance: dg.DagsterInstance, lake: Lake, inbox: Path) -> None:
    _drop(inbox, "a.jsonl", _task("a"))
    asked = _look(instance, lake, inbox)
    assert isinstance(asked, dg.RunRequest)
    _run(instance, dg.DagsterRunStatus.CANCELED, **{automation.REASON: asked.tags[automation.REASON]})
    said = _look(instance, lake, inbox)
    assert isinstance(said, dg.SkipReason)
    assert "cancelled" in str(said.skip_message)


def test_what_was_ingested_and_not_followed_is_asked_for(instance: dg.DagsterInstance, lake: Lake, inbox: Path) -> None:
    _drop(inbox, "a.jsonl", _task("a"))
    ingest_new(lake, scan(lake, inbox, time.time()))
    assert due(lake)
    assert isinstance(_look(instance, lake, inbox), dg.RunRequest)


def test_an_inbox_that_is_gone_fails_the_tick_with_its_remedy(instance: dg.DagsterInstance, lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="no such folder to watch"):
        _look(instance, lake, tmp_path / "none")


def test_files_become_partitions_and_a_bad_one_fails_the_check(instance: dg.DagsterInstance, lake: Lake, inbox: Path) -> None:
    _drop(inbox, "a.jsonl", _task("a"), "{broken", _task("b"), _task("c"))
    _drop(inbox, "copy.jsonl", _task("a"), "{broken", _task("b"), _task("c"))
    _drop(inbox, "bad.jsonl", "<script>alert(1)</script>", "| a | b |")
    result = _observe(instance, lake, inbox, only_if_new=True)
    assert instance.get_materialized_partitions(dg.AssetKey("log_files")) == {"a.jsonl"}
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey("log_files"))
    said = {name: value.value for name, value in event.materialization.metadata.items()}
    assert (said["lines"], said["valid"], said["quarantined"]) == (4, 3, 1)
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("inbox_files", False)
    told = str(check.metadata["refused"].value)
    assert "bad.jsonl" in told.replace("\\", "")
    assert "not\\_json" in told
    assert "<script>" not in told
    assert " | a | b | " not in told
    assert result.asset_materializations_for_node("observed")[-1].asset_key == dg.AssetKey("observed")


def test_nothing_downstream_runs_where_nothing_new_came(instance: dg.DagsterInstance, lake: Lake, inbox: Path) -> None:
    _drop(inbox, "bad.jsonl", "nonsense")
    result = _observe(instance, lake, inbox, only_if_new=True)
    assert result.success
    assert [c.passed for c in result.get_asset_check_evaluations()] == [False]
    assert result.asset_materializations_for_node("observed") == []
    assert [e.asset_key for e in _observe(instance, lake, inbox).asset_materializations_for_node("observed")] == [
        dg.AssetKey("observed")
    ]


def _scenarios(instance: dg.DagsterInstance, lake: Lake, cursor: str | None) -> dg.SensorResult:
    resources = {"home": Home(path=str(lake.root))}
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources=resources, definitions=defs)
    result: dg.SensorResult = automation.scenario_sensor(context)  # type: ignore[assignment]
    for change in result.dynamic_partitions_requests or []:
        if isinstance(change, dg.AddDynamicPartitionsRequest):
            instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        else:
            for key in change.partition_keys:
                instance.delete_dynamic_partition(change.partitions_def_name, key)
    return result


def test_scenario_files_are_partitions_and_what_changed_is_simulated(
    instance: dg.DagsterInstance, lake: Lake, shipped: Path
) -> None:
    (shipped / "one.yaml").write_text(SCENARIO)
    lake.models.mkdir()
    (lake.models / "current.json").write_text('{"current": "m"}')
    first = _scenarios(instance, lake, None)
    assert instance.get_dynamic_partitions("scenarios") == ["one"]
    assert first.run_requests == []
    again = _scenarios(instance, lake, first.cursor)
    assert (again.run_requests, again.cursor) == ([], first.cursor)
    (shipped / "two.yaml").write_text(SCENARIO)
    (shipped / "broken.yaml").write_text(SCENARIO.replace("gpus: 8", "gpus: many"))
    added = _scenarios(instance, lake, first.cursor)
    assert [str(r.partition_key) for r in added.run_requests or []] == ["0|two", "1|two"]
    assert sorted(instance.get_dynamic_partitions("scenarios")) == ["broken", "one", "two"]
    (shipped / "two.yaml").unlink()
    (shipped / "broken.yaml").write_text(SCENARIO.replace("gpus: 8", "gpus: few"))
    gone = _scenarios(instance, lake, added.cursor)
    assert sorted(instance.get_dynamic_partitions("scenarios")) == ["broken", "one"]
    assert "gpus" in str(gone.skip_reason)


def test_each_night_asks_for_every_replication_of_every_scenario_that_can_be_read(
    lake: Lake, shipped: Path, tmp_path: Path
) -> None:
    (shipped / "one.yaml").write_text(SCENARIO)
    (shipped / "broken.yaml").write_text("platform: {}")
    context = dg.build_schedule_context(
        instance=dg.DagsterInstance.local_temp(str(tmp_path)),
        resources={"home": Home(path=str(lake.root))},
        scheduled_execution_time=datetime(2026, 1, 2, 2, tzinfo=UTC),
        repository_def=defs.get_repository_def(),
    )
    assert isinstance(automation.nightly(context), dg.SkipReason)
    lake.models.mkdir()
    (lake.models / "current.json").write_text('{"current": "m"}')
    asked = automation.nightly(context)
    assert [(r.partition_key, r.run_key) for r in asked] == [  # type: ignore[union-attr]
        ("0|one", "night 2026-01-02 02:00 0|one"),
        ("1|one", "night 2026-01-02 02:00 1|one"),
    ]


def test_simulations_are_published_once_they_are_all_done(instance: dg.DagsterInstance) -> None:
    def look() -> dg.RunRequest | dg.SkipReason:
        return automation.publication_sensor(dg.build_sensor_context(instance=instance, definitions=defs))  # type: ignore[return-value]

    assert isinstance(look(), dg.SkipReason)
    instance.report_runless_asset_event(dg.AssetMaterialization("simulated_runs", partition="0|one"))
    asked = look()
    assert isinstance(asked, dg.RunRequest)
    _run(instance, dg.DagsterRunStatus.STARTED)
    assert isinstance(look(), dg.SkipReason)
    instance.report_runless_asset_event(dg.AssetMaterialization("catalogue"))
    assert "is published" in str(look().skip_message)  # type: ignore[union-attr]
