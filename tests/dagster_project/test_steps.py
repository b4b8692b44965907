"""Single steps: their options, and what they do with bad input."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from dagster_project import simulated
from dagster_project.analytics import table_asset
from dagster_project.checks import observed_keeps_the_schema
from dagster_project.logs import observed
from dagster_project.quality import synthetic_quality
from dagster_project.resources import Home, Inbox
from dagster_project.scenarios import scenarios
from pipesim.analytics import queries, read_query
from pipesim.catalog import snapshot_views
from pipesim.experiments import scenario_files
from pipesim.lake import Lake
from pipesim.verbs import fit_workload, ingest_logs
from pipesim.workload import FitConfig
from tests.test_trace import ROW

ROW_OF_LOG = {"run_id": "r", "task_id": "t", "task_name": "t", "status": "SUCCEEDED", "duration_s": 5.0}
SCENARIO = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: 8}]}\nreplications: 4\n"


def _ingest(lake: Lake, instance: dg.DagsterInstance, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [observed],
        instance=instance,
        resources={"home": Home(path=str(lake.root)), "inbox": Inbox(path=str(lake.root / "inbox"))},
        run_config={"ops": {"observed": {"config": options}}},
        raise_on_error=False,
    )


def test_the_logs_of_the_launchpad_are_ingested(lake: Lake, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    log = tmp_path / "tasks.jsonl"
    row = {"run_id": "r", "task_id": "t", "attempt": 1, "task_name": "t", "status": "SUCCEEDED", "duration_s": 5.0}
    log.write_text(json.dumps(row) + "\n" + json.dumps({**row, "attempt": 0}) + "\n")
    result = _ingest(lake, instance, paths=[str(log)], source="native")
    assert result.success
    said = {name: value.value for name, value in result.asset_materializations_for_node("observed")[0].metadata.items()}
    assert (said["lines"], said["valid"], said["quarantined"]) == (2, 1, 1)
    assert lake.load_observed().task_runs["attempt"].to_list() == [1]


def test_a_missing_log_fails_the_step_with_its_remedy(lake: Lake, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    result = _ingest(lake, instance, paths=[str(tmp_path / "nowhere.jsonl")])
    assert not result.success
    (failure,) = result.get_step_failure_events()
    assert failure.step_failure_data.error is not None
    assert "no such file or folder" in failure.step_failure_data.error.to_string()
    assert result.get_asset_materialization_events() == []


def test_the_check_names_the_rule_that_rows_break(lake: Lake) -> None:
    with lake.transaction() as tx:
        tx.write_frame(pl.DataFrame([{**ROW, "duration_s": -1.0}]), lake.observed_file("task_runs", "i1"))
    verdict = observed_keeps_the_schema(home=Home(path=str(lake.root)))
    assert isinstance(verdict, dg.AssetCheckResult)
    assert not verdict.passed
    assert verdict.metadata["task_runs.negative_duration_s"].value == 1


def test_a_query_on_one_origin_waits_for_what_fills_it(tmp_path: Path) -> None:
    file = tmp_path / "own.sql"
    file.write_text(
        "-- Mine.\nSELECT * FROM observed.task_runs JOIN observed.pools USING (pool) JOIN traces.models USING (framework)\n"
    )
    asset = table_asset(read_query(file))
    (spec,) = asset.specs
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == {"observed", "traces/models"}


def _simulate(lake: Lake, instance: dg.DagsterInstance, key: str | None = None) -> dg.ExecuteInProcessResult:
    run_trace = {"run_id": "r", "pipeline_name": "p", "status": "UNKNOWN", "submitted_at": "2026-01-01T00:00:00Z"}
    log = lake.root / "log.jsonl"
    log.write_text(json.dumps(run_trace) + "\n" + json.dumps({**ROW_OF_LOG, "gpus": 1}) + "\n")
    ingest_logs(lake, [log], "native")
    return dg.materialize(
        [simulated.simulated_runs],
        instance=instance,
        partition_key=key,
        resources={"home": Home(path=str(lake.root))},
        raise_on_error=False,
    )


def test_a_scenario_that_cannot_run_keeps_no_other_from_running(lake: Lake, shipped: Path) -> None:
    (shipped / "good.yaml").write_text(SCENARIO)
    (shipped / "broken.yaml").write_text(SCENARIO.replace("gpus: 8", "gpus: many"))
    (shipped / "small.yaml").write_text(SCENARIO.replace("gpus: 8", "gpus: 0.5"))
    with dg.DagsterInstance.ephemeral() as instance:
        result = _simulate(lake, instance)
        assert result.success
        assert lake.replications("good") == [0, 1, 2, 3]
        done = instance.get_materialized_partitions(dg.AssetKey("simulated_runs"))
        assert done == {f"{n}|good" for n in range(min(4, simulated.REPLICATIONS))}
        (check,) = result.get_asset_check_evaluations()
        assert not check.passed
        told = str(check.metadata["broken"].value)
        assert "gpus" in told
        assert "small" in told
        instance.add_dynamic_partitions("scenarios", ["good", "broken"])
        assert not _simulate(lake, instance, "0|broken").success
        assert _simulate(lake, instance, "1|good").success


def test_a_scenario_is_added_from_the_launchpad(lake: Lake, shipped: Path) -> None:
    (shipped / "as-is.yaml").write_text(SCENARIO)
    draft = {"name": "bigger", "order": "sjf", "capacity": {"gpu.gpus": 12.0}, "replications": 1}
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [scenarios],
            instance=instance,
            resources={"home": Home(path=str(lake.root))},
            run_config={"ops": {"scenarios": {"config": draft}}},
        )
        assert result.success
        assert sorted(instance.get_dynamic_partitions("scenarios")) == ["as-is", "bigger"]
    added = scenario_files.read_scenario(lake, "bigger")
    assert (added.policy.order, added.platform.pools[0].gpus, added.replications) == ("sjf", 12.0, 1)
    base = scenario_files.read_scenario(lake, "as-is")
    assert (added.policy.backfill, added.workload) == (base.policy.backfill, base.workload)


def test_a_model_is_judged_and_its_scores_become_a_table(lake: Lake, instance: dg.DagsterInstance) -> None:
    begin = datetime(2026, 3, 2)
    rows: list[dict[str, Any]] = []
    for i in range(160):
        run = {"run_id": f"r{i}", "submitted_at": (begin + timedelta(minutes=90 * i)).isoformat() + "Z", "status": "SUCCEEDED"}
        rows += [{**run, "pipeline_name": "p"}, {**ROW_OF_LOG, "run_id": f"r{i}", "duration_s": 60.0 + i % 7}]
    log = lake.root / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, rows)))
    ingest_logs(lake, [log], "native")
    resources = {"home": Home(path=str(lake.root))}
    (scores,) = (query for query in queries() if query.name == "quality_scores")
    assets = [synthetic_quality, table_asset(scores)]
    assert not dg.materialize(assets, instance=instance, resources=resources, raise_on_error=False).success, "no model yet"
    fitted = fit_workload(lake, FitConfig())
    config = {"ops": {"synthetic_quality": {"config": {"seeds": 2}}}}
    result = dg.materialize(assets, instance=instance, resources=resources, run_config=config)
    said = {
        name: value.value for name, value in result.asset_materializations_for_node("synthetic_quality")[0].metadata.items()
    }
    (made,) = result.asset_materializations_for_node("analytics__quality_scores")
    with snapshot_views(lake) as con:
        stored = con.sql("SELECT model, metric, title, ok AS met FROM quality.scores WHERE is_current ORDER BY position").pl()
        assert con.sql("SELECT DISTINCT seed FROM quality.seeds ORDER BY 1").fetchall() == [(0,), (1,)]
    assert set(stored["model"]) == {fitted.model}
    assert made.metadata["dagster/row_count"].value == stored.height > 10
    assert (said["goals_met"], said["goals"]) == (stored["met"].sum(), stored["met"].count())
    assert str(said["scores"]).count("\n") == stored.height + 1
    assert "The synthetic traces meet" in str(said["outcome"])
