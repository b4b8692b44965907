"""Replications: what the lake holds already, made from the same, is not made again if that will do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipesim import verbs
from pipesim.experiments import replications
from pipesim.experiments.replications import RunResult, run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario, load_scenario
from pipesim.workload import FitConfig

SAMPLE = Path(__file__).parents[2] / "traces" / "sample"


def _scenario(**changed: Any) -> Scenario:
    platform = {
        "pools": [
            {"name": "gpu", "gpus": 8, "cost": {"per_h": 2.0}, "autoscale": {"min": 4, "max": 12}},
            {"name": "cpu", "nodes": {"count": 3, "cpu_cores": 8}},
        ]
    }
    given = {"name": "s", "workload": {"kind": "replay"}, "platform": platform, "horizon_days": 20, "warmup_days": 1}
    return Scenario.model_validate({**given, **changed})


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(tmp_path_factory.mktemp("home"))
    verbs.ingest_logs(lake, [SAMPLE], "native")
    return lake


def _figures(result: RunResult) -> dict[str, Any]:
    return {**result.summary.as_dict(), "engine_seconds": 0.0, "seconds": 0.0}


def test_what_is_there_is_taken_and_is_the_same(ingested: Lake) -> None:
    scenarios = [_scenario(), _scenario(name="order", policy={"order": "edf", "deadline_s": 60, "preemption": True})]
    first = run_scenarios(ingested, scenarios, reuse=True)
    again = run_scenarios(ingested, scenarios, reuse=True)
    assert [r.kept for r in first] == [False, False]
    assert [r.kept for r in again] == [True, True]
    assert [_figures(r) for r in first] == [_figures(r) for r in again]
    assert [r.warnings for r in first] == [r.warnings for r in again]
    assert [r.kept for r in run_scenarios(ingested, scenarios)] == [False, False]


@pytest.mark.parametrize(
    "changed",
    [{"platform": {"pools": [{"name": "gpu", "gpus": 9}, {"name": "cpu", "cpu_cores": 30}]}}, {"horizon_days": 21}],
)
def test_another_scenario_of_that_name_is_simulated(ingested: Lake, changed: dict[str, Any]) -> None:
    run_scenarios(ingested, [_scenario()], reuse=True)
    (result,) = run_scenarios(ingested, [_scenario(**changed)], reuse=True)
    assert not result.kept


def test_another_engine_version_or_log_is_simulated_anew(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verbs.ingest_logs(lake, [SAMPLE], "native")
    scenario = _scenario()
    run_scenarios(lake, [scenario], reuse=True)
    assert run_scenarios(lake, [scenario], engine="compiled", reuse=True)[0].kept
    assert not run_scenarios(lake, [scenario], engine="reference", reuse=True)[0].kept
    log = tmp_path / "more.jsonl"
    log.write_text(
        '{"run_id": "x", "task_id": "t", "task_name": "t", "status": "ok", "duration_s": 5, '
        '"queued_at": "2026-03-02T00:00:00Z", "table": "task_runs"}\n'
    )
    verbs.ingest_logs(lake, [log], "native")
    assert not run_scenarios(lake, [scenario], reuse=True)[0].kept
    assert run_scenarios(lake, [scenario], reuse=True)[0].kept
    monkeypatch.setattr(replications, "__version__", "0")
    assert not run_scenarios(lake, [scenario], reuse=True)[0].kept


@pytest.mark.endurance
def test_models_and_what_retrains_them_are_taken_too(ingested: Lake) -> None:
    verbs.fit_workload(ingested, FitConfig(arrivals="poisson", marks="independent"))
    (path,) = (Path(__file__).parents[2] / "scenarios" / "retraining").glob("every-week.yaml")
    scenario = load_scenario(path).model_copy(update={"replications": 1})
    (first,) = run_scenarios(ingested, [scenario], reuse=True)
    (again,) = run_scenarios(ingested, [scenario], reuse=True)
    assert again.kept
    assert _figures(first) == _figures(again)
