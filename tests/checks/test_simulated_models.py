"""What was submitted is known of simulations with a lifecycle too: nothing that was replaced is missed, nothing invented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from pipesim.checks import simulated
from pipesim.checks.verdict import Verdict
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from pipesim.verbs import fit_workload
from pipesim.workload import FitConfig
from tests.simulation.conftest import START
from tests.simulation.models.handmade import DAY, TASKS, run_of, together

RUNS = [("strategy", 0)]
STRATEGY = Scenario(
    name="strategy",
    platform={"pools": [{"name": "all", "slots": 3}]},
    lifecycle={
        "trigger": {"drift": {"drop": 0.02}},
        "decay": {"gradual_per_day": 0.01},
        "replaces": ["schedule"],
        "gate": 0.6,
    },
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a log of three models that are deployed now and then, half of the runs scheduled, and its simulation."""
    lake = Lake(tmp_path / "home")
    runs = [
        run_of(
            f"m{i % 3}", f"r{i:02}", START + i * DAY / 3, TASKS, trigger="schedule" if i % 2 else "manual",
            observed_until=START + 20 * DAY,
        )
        for i in range(40)
    ]  # fmt: skip
    log = together(*runs)
    tasks = log.task_runs.join(log.pipeline_runs.select("run_id", at="submitted_at"), on="run_id").with_columns(
        queued_at="at", started_at="at", ended_at=pl.col("at") + pl.duration(seconds="duration_s")
    )
    log = Trace({**log.frames, "task_runs": tasks.drop("at")})
    with lake.transaction() as tx:
        for table in ("pipeline_runs", "task_runs", "task_edges"):
            tx.write_frame(log[table], lake.observed_file(table, "i"))
        tx.write_json({"files": []}, lake.ingest_manifest("i"))
    fit_workload(lake, FitConfig(arrivals="poisson"))
    run_scenarios(lake, [STRATEGY])
    return lake


def tampered(lake: Lake, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Verdict:
    """The verdict on conservation once some rows of retrainings are changed."""
    for table in ("pipeline_runs", "task_runs", "task_edges"):
        file = lake.simulated_folder(table, *RUNS[0]) / f"{table}.parquet"
        change(pl.read_parquet(file)).write_parquet(file)
    return simulated.conservation(lake, RUNS)


def test_a_simulation_with_a_lifecycle_keeps_every_invariant(lake: Lake) -> None:
    trace = lake.load_simulated("strategy")
    retrained = trace.pipeline_runs.filter(pl.col("run_id").str.starts_with("retrain-"))
    assert retrained.height > 5
    assert trace.pipeline_runs.filter(trigger="schedule").is_empty()
    for judge in (simulated.conservation, simulated.causality, simulated.capacity, simulated.hold_times):
        verdict = judge(lake, RUNS)
        assert verdict.passed, verdict.words
        assert "cannot be told" not in verdict.words


def test_a_retraining_that_was_never_drawn_is_invented(lake: Lake) -> None:
    renamed = pl.col("run_id").str.replace("retrain-m0-0", "retrain-m0-9999")
    verdict = tampered(lake, lambda rows: rows.with_columns(renamed))
    assert not verdict.passed
    assert "came out, but was never submitted" in verdict.words


def test_a_task_of_a_retraining_that_is_gone_was_lost(lake: Lake) -> None:
    gone = (pl.col("run_id") == "retrain-m0-0") & (pl.col("task_name") == "train")
    verdict = tampered(lake, lambda rows: rows.filter(~gone) if "task_name" in rows.columns else rows)
    assert not verdict.passed
    assert "was submitted, but never came out" in verdict.words


def test_after_another_fit_it_cannot_be_told_what_was_submitted(lake: Lake) -> None:
    fit_workload(lake, FitConfig(arrivals="poisson", seed=5))
    assert "what 1 of them were submitted cannot be told any more" in simulated.conservation(lake, RUNS).words
