"""The checks in Dagster: which there are, what they block, and what they show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from dagster_project.checks import CHECKS, MAX_AGE, observed_freshness
from dagster_project.resources import Home
from dagster_project.simulated import RUNS
from pipesim.experiments.replications import run_scenarios
from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from pipesim.simulation import Scenario

SCENARIO = Scenario(name="small", platform={"pools": [{"name": "a", "slots": 1}]}, replications=2)


@pytest.fixture
def ingested(lake: Lake, tmp_path: Path) -> Lake:
    """A lake with a log of a hundred good lines and three bad ones."""
    begin = datetime(2026, 3, 2)
    rows = [
        {"run_id": f"r{i}", "task_id": "t", "task_name": "t", "status": "SUCCEEDED", "duration_s": 5 if i < 100 else "|bad|"}
        | {"queued_at": (begin + timedelta(hours=i)).isoformat()}
        for i in range(103)
    ]
    log = tmp_path / "task_runs.jsonl"
    log.write_text("\n".join(map(json.dumps, rows)))
    ingest(lake, [log], find_source("native"))
    return lake


def named(name: str, asset: str = "observed") -> dg.AssetChecksDefinition:
    (found,) = [check for check in CHECKS if check.check_key == dg.AssetCheckKey(dg.AssetKey(asset), name)]
    return found


def result_of(check: dg.AssetChecksDefinition, lake: Lake) -> dg.AssetCheckResult:
    result = check(home=Home(path=str(lake.root)))
    assert isinstance(result, dg.AssetCheckResult)
    return result


def test_each_asset_has_its_checks_and_bad_data_blocks() -> None:
    specs = [spec for check in CHECKS for spec in check.check_specs]
    names = {(spec.asset_key.to_user_string(), spec.name, spec.blocking) for spec in specs}
    assert names == {
        ("observed", "keeps_the_schema", True),
        ("observed", "accounting", True),
        ("observed", "quarantine_ratio", True),
        ("observed", "freshness", True),
        ("observed", "overlapping_ids", True),
        ("observed", "capacity_exceeded", True),
        ("workload_model", "durations_fit", False),
        ("workload_model", "arrivals_fit", False),
        ("workload_model", "quantities_fit", False),
        ("synthetic_trace", "keeps_the_schema", True),
        ("synthetic_trace", "arrivals_like_observed", False),
        ("synthetic_trace", "durations_like_observed", False),
        ("synthetic_trace", "tasks_like_observed", False),
        ("simulated_runs", "conservation", False),
        ("simulated_runs", "causality", False),
        ("simulated_runs", "capacity", False),
        ("simulated_runs", "hold_times", False),
    }
    assert all(spec.description for spec in specs)


def test_a_check_shows_its_figures_their_goals_and_the_lines_at_fault(ingested: Lake) -> None:
    result = result_of(named("quarantine_ratio"), ingested)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "3 of 103 lines are in quarantine (2.9 %), most of them for duration_s_not_a_number."
    assert result.metadata["quarantine_ratio"].value == pytest.approx(3 / 103)
    goals, first = (str(result.metadata[name].value) for name in ("goals", "first_lines"))
    assert "at most 0\\.01" in goals
    assert "task\\_runs\\.jsonl\\:101" in first
    assert "\\|bad\\|" in first


def test_bad_data_is_an_error(ingested: Lake) -> None:
    (manifest,) = ingested.ingest_manifests()
    ingested.quarantine_file(manifest.stem).unlink()
    result = result_of(named("accounting"), ingested)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_the_age_of_the_log_is_limited_by_the_environment(ingested: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for value, passed in [(None, True), ("", True), ("1", False), ("1e9", True)]:
        monkeypatch.delenv(MAX_AGE, raising=False) if value is None else monkeypatch.setenv(MAX_AGE, value)
        assert result_of(observed_freshness, ingested).passed == passed
    for value in ("soon", "-1", "nan"):
        monkeypatch.setenv(MAX_AGE, value)
        with pytest.raises(Exception, match="is no number of days"):
            result_of(observed_freshness, ingested)


@pytest.fixture
def simulated(ingested: Lake) -> Lake:
    """Two stored replications, of which the second lost a row."""
    run_scenarios(ingested, [SCENARIO])
    file = ingested.simulated_folder("task_runs", "small", 1) / "task_runs.parquet"
    pl.read_parquet(file).tail(-1).write_parquet(file)
    return ingested


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("scenarios", ["small"])
        yield instance


@pytest.mark.parametrize(("key", "passed", "simulations"), [("0|small", True, 1), ("1|small", False, 1), (None, False, 2)])
def test_a_run_of_a_partition_judges_that_one_and_any_other_all(
    simulated: Lake, instance: dg.DagsterInstance, key: str | None, passed: bool, simulations: int
) -> None:
    @dg.asset(name="simulated_runs", partitions_def=RUNS)
    def stored_before() -> None:
        """Leaves the store as it is."""

    result = dg.Definitions(
        assets=[stored_before],
        asset_checks=[named("conservation", "simulated_runs")],
        resources={"home": Home(path=str(simulated.root))},
        jobs=[dg.define_asset_job("judge")],
    ).resolve_job_def("judge").execute_in_process(instance=instance, partition_key=key)  # fmt: skip
    assert result.success, "a failed check of a simulation must not stop a run"
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.passed == passed
    assert evaluation.metadata["simulations"].value == simulations
