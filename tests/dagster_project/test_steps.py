"""Single steps: their options, and what they do with bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from dagster_project import simulated
from dagster_project.analytics import table_asset
from dagster_project.checks import observed_keeps_the_schema
from dagster_project.logs import observed
from dagster_project.resources import Home
from pipesim.analytics import read_query
from pipesim.lake import Lake
from tests.test_trace import ROW

SCENARIO = "workload: {kind: replay}\nplatform: {pools: [{name: gpu, gpus: 8}]}\nreplications: 4\n"


def _ingest(lake: Lake, **options: Any) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [observed],
        resources={"home": Home(path=str(lake.root))},
        run_config={"ops": {"observed": {"config": options}}},
        raise_on_error=False,
    )


def test_the_logs_of_the_launchpad_are_ingested(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "tasks.jsonl"
    row = {"run_id": "r", "task_id": "t", "attempt": 1, "task_name": "t", "status": "SUCCEEDED", "duration_s": 5.0}
    log.write_text(json.dumps(row) + "\n" + json.dumps({**row, "attempt": 0}) + "\n")
    result = _ingest(lake, paths=[str(log)], source="native")
    assert result.success
    said = {name: value.value for name, value in result.asset_materializations_for_node("observed")[0].metadata.items()}
    assert (said["lines"], said["valid"], said["quarantined"]) == (2, 1, 1)
    assert lake.load_observed().task_runs["attempt"].to_list() == [1]


def test_a_missing_log_fails_the_step_with_its_remedy(lake: Lake, tmp_path: Path) -> None:
    result = _ingest(lake, paths=[str(tmp_path / "nowhere.jsonl")])
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


def test_a_broken_scenario_does_not_keep_the_others_from_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "shipped", lambda *parts: tmp_path.joinpath(*parts[1:]))
    (tmp_path / "good.yaml").write_text(SCENARIO)
    (tmp_path / "broken.yaml").write_text(SCENARIO.replace("gpus: 8", "gpus: many"))
    assert simulated.most_replications(["broken", "good"]) == 4
