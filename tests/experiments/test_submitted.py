"""What scenarios submit: the same work for the same seed and replication, drawn once."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipesim.errors import RequestError, WorkError
from pipesim.experiments import submitted
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from pipesim.verbs import fit_workload
from pipesim.workload import FitConfig, WorkloadModel


def scenario_of(name: str, seed: int) -> Scenario:
    workload, platform = {"kind": "synthetic", "days": 2, "seed": seed}, {"pools": [{"name": "p", "slots": 9}]}
    return Scenario.model_validate({"name": name, "workload": workload, "platform": platform})


def test_scenarios_of_one_seed_share_what_is_drawn_and_no_others(fitted: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = submitted.synthesize

    def counting(model: WorkloadModel, config: Any) -> Trace:
        drawn.append(config.seed)
        return draw(model, config)

    monkeypatch.setattr(submitted, "synthesize", counting)
    scenarios = [scenario_of(name, seed) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    results = run_scenarios(fitted, scenarios, replications=2, workers=1)
    assert [(r.summary.scenario, r.summary.replication) for r in results] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1), ("c", 0), ("c", 1),
    ]  # fmt: skip
    assert len(drawn) == len(set(drawn)) == 4
    tasks = {(r.summary.scenario, r.summary.replication): r.summary.tasks for r in results}
    assert tasks["a", 0] == tasks["b", 0]
    assert tasks["a", 1] == tasks["b", 1]


def test_a_new_model_is_drawn_from_at_once(fitted: Lake) -> None:
    scenario = scenario_of("a", 3)
    told = submitted.made_from(fitted, scenario, 0)
    before = submitted.workload(fitted, scenario, 0, told)
    other = fit_workload(fitted, FitConfig(arrivals="hour-of-week", marks="independent"))
    told_after = submitted.made_from(fitted, scenario, 0)
    after = submitted.workload(fitted, scenario, 0, told_after)
    assert told["workload"]["model"] != told_after["workload"]["model"] == other.model
    again = submitted.workload(fitted, scenario, 0, told)
    assert again.pipeline_runs.equals(before.pipeline_runs), "what is said to come from a model does"
    assert not before.pipeline_runs["submitted_at"].equals(after.pipeline_runs["submitted_at"])


def test_without_a_model_there_is_nothing_to_draw_from(lake: Lake) -> None:
    with pytest.raises(RequestError, match="no workload model yet"):
        submitted.made_from(lake, scenario_of("a", 3), 0)


def test_a_log_is_read_once_until_it_grows(fitted: Lake) -> None:
    replay = Scenario.model_validate({"name": "r", "platform": {"pools": [{"name": "p", "slots": 9}]}})
    told = submitted.made_from(fitted, replay, 0)
    first = submitted.workload(fitted, replay, 0, told)
    assert submitted.workload(fitted, replay, 1, told) is first
    with fitted.transaction() as tx:
        more = pl.read_parquet(fitted.observed_file("task_runs", "i")).head(1).with_columns(run_id=pl.lit("new"))
        tx.write_frame(more, fitted.observed_file("task_runs", "later"))
        tx.write_json({}, fitted.ingest_manifest("later"))
    grown = submitted.workload(fitted, replay, 0, submitted.made_from(fitted, replay, 0))
    assert grown.task_runs.height == first.task_runs.height + 1


def test_how_many_attempts_are_to_be_expected(fitted: Lake) -> None:
    replay = Scenario.model_validate({"name": "r", "platform": {"pools": [{"name": "p", "slots": 9}]}})
    assert submitted.expected_attempts(fitted, replay) == 500
    drawn = scenario_of("a", 3)  # of two days, where the log has seven
    assert submitted.expected_attempts(fitted, drawn) == pytest.approx(500 * 2 / 7, rel=0.05)


def test_a_log_that_changed_meanwhile_does_not_pass_for_what_it_was(fitted: Lake) -> None:
    platform = {"pools": [{"name": "p", "slots": 9}]}
    replay = Scenario.model_validate({"name": "r", "platform": platform})
    estimated = Scenario.model_validate(
        {**scenario_of("e", 3).model_dump(mode="json", exclude_none=True), "policy": {"order": "sjf", "estimates": "history"}}
    )
    told = submitted.made_from(fitted, replay, 0)
    told_of_history = submitted.made_from(fitted, estimated, 0)
    with fitted.transaction() as tx:
        tx.write_json({}, fitted.ingest_manifest("another"))
    with pytest.raises(WorkError, match="just when it was to be read"):
        submitted.workload(fitted, replay, 0, told)
    with pytest.raises(WorkError, match="just when it was to be read"):
        submitted.history_of(fitted, told_of_history)
    assert submitted.workload(fitted, replay, 0, submitted.made_from(fitted, replay, 0)).task_runs.height == 500
