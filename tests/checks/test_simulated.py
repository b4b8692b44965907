"""The invariants of a simulation hold for what was simulated, and each is seen to be broken where it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim.checks import simulated
from pipesim.checks.verdict import Verdict
from pipesim.errors import RequestError
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.trace import Trace
from tests.checks.conftest import workload

RUNS = [("slow-store", 0)]
SCENARIO = Scenario(
    name="slow-store",
    platform={
        "pools": [{"name": "a", "gpus": 8.0, "speed": 1.5}, {"name": "b", "cpu_cores": 64.0}],
        "store": {"read_mb_per_s": 100.0, "write_mb_per_s": 30.0, "latency_s": 0.5},
    },
    policy={"order": "sjf", "backfill": "greedy"},
)
JUDGES = (simulated.conservation, simulated.causality, simulated.capacity, simulated.hold_times)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with three days of chains of two tasks, the second with a retry, some still running, and their simulation."""
    lake = Lake(tmp_path_factory.mktemp("simulated"))
    trace = workload(1, days=3, duration_s=pl.col("run_id").str.slice(1).cast(pl.Float64) * 7 % 3001 / 7)
    first = trace.task_runs.with_columns(task_id=pl.lit("a"), read_bytes=12_345_678, written_bytes=7_654_321)
    second = first.with_columns(task_id=pl.lit("b"), gpus=None, cpu_cores=8.0)
    end = pl.when(pl.int_range(pl.len()) % 50 == 7).then(pl.lit("RUNNING")).otherwise(pl.lit("SUCCEEDED"))
    edges = trace.pipeline_runs.select("run_id", task_id=pl.lit("b"), parent_task_id=pl.lit("a"))
    tasks = [first, second.with_columns(status=pl.lit("FAILED")), second.with_columns(attempt=2, status=end)]
    frames = {"pipeline_runs": trace.pipeline_runs, "task_runs": pl.concat(tasks, how="vertical_relaxed"), "task_edges": edges}
    with lake.transaction() as tx:
        for table in frames:
            tx.write_frame(Trace(frames)[table], lake.observed_file(table, "i"))
        tx.write_json({"files": []}, lake.ingest_manifest("i"))
    run_scenarios(lake, [SCENARIO])
    return lake.root


@pytest.fixture
def lake(home: Path, tmp_path: Path) -> Lake:
    return Lake(shutil.copytree(home, tmp_path / "home"))


def problems(verdict: Verdict) -> list[str]:
    assert verdict.passed == (verdict.figures["violations"].value == 0)
    return verdict.tables["violations"]["problem"].to_list() if verdict.tables else []


def change(lake: Lake, table: str, edit: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    path = lake.simulated_folder(table, "slow-store", 0) / f"{table}.parquet"
    edit(pl.read_parquet(path)).write_parquet(path)


def test_what_was_simulated_keeps_the_invariants(lake: Lake) -> None:
    states = set(lake.load_simulated("slow-store").task_runs["status"])
    assert {"SUCCEEDED", "FAILED", "SKIPPED", "RUNNING"} <= states
    assert simulated.stored_runs(lake) == RUNS
    for judge in JUDGES:
        verdict = judge(lake, RUNS)
        assert verdict.passed, problems(verdict)
        assert verdict.figures["attempts"].value == lake.load_simulated("slow-store").task_runs.height
        assert "cannot be told" not in verdict.words


STARTED = pl.col("started_at").is_not_null() & pl.col("ended_at").is_not_null()
FIRST = STARTED & (STARTED.cast(pl.Int32).cum_sum() == 1)
CHAIN = (pl.col("task_id") == "b") & (pl.col("attempt") == 1) & pl.col("started_at").is_not_null()


def where(chosen: pl.Expr, **values: Any) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda rows: rows.with_columns(
        **{name: pl.when(chosen).then(value).otherwise(pl.col(name)) for name, value in values.items()}
    )


def earlier(column: str) -> pl.Expr:
    return pl.col(column) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("judge", "table", "edit", "problem"),
    [
        (simulated.conservation, "task_runs", lambda f: f.tail(-1), "was submitted, but never came out"),
        (simulated.conservation, "task_runs", lambda f: pl.concat([f, f.head(1)]), "stands in several rows"),
        (
            simulated.conservation,
            "task_runs",
            lambda f: pl.concat([f, f.head(1).with_columns(attempt=pl.lit(9, pl.Int64))]),
            "came out, but was never submitted",
        ),
        (simulated.conservation, "task_runs", where(FIRST, ended_at=None), "is said to be over, but never ended"),
        (
            simulated.conservation,
            "task_runs",
            where(FIRST, status=pl.lit("SKIPPED")),
            "started, but is said never to have run",
        ),
        (
            simulated.conservation,
            "task_runs",
            where(FIRST, status=pl.lit("RUNNING")),
            "is said to be running, but did not start, or ended",
        ),
        (simulated.conservation, "pipeline_runs", lambda f: f.tail(-1), "belongs to no run"),
        (
            simulated.conservation,
            "pipeline_runs",
            lambda f: f.with_columns(ended_at=None),
            "the run has ended though a task of it has not, or the other way round",
        ),
        (
            simulated.causality,
            "pipeline_runs",
            lambda f: f.with_columns(submitted_at=pl.col("submitted_at") + timedelta(microseconds=1)),
            "was queued before its run was submitted",
        ),
        (simulated.causality, "task_runs", where(FIRST, queued_at=None), "started without being queued"),
        (
            simulated.causality,
            "task_runs",
            where(FIRST, started_at=earlier("queued_at")),
            "started before it was queued",
        ),
        (simulated.causality, "task_runs", where(FIRST, ended_at=earlier("started_at")), "ended before it began"),
        (
            simulated.causality,
            "task_runs",
            where(CHAIN, queued_at=earlier("queued_at")),
            "was queued before its parents had ended",
        ),
        (
            simulated.causality,
            "task_runs",
            where(pl.col("attempt") == 2, queued_at=earlier("queued_at")),
            "was queued before the attempt before it had ended",
        ),
        (simulated.capacity, "pools", where(pl.col("pool") == "a", gpus=7.999), "more was held than there is"),
        (simulated.capacity, "pools", lambda f: f.tail(-1), "the trace does not tell its capacity"),
        (
            simulated.hold_times,
            "task_runs",
            where(FIRST, ended_at=earlier("ended_at")),
            "ended - started is not its duration",
        ),
        (
            simulated.hold_times,
            "task_runs",
            where(FIRST, ended_at=earlier("ended_at"), duration_s=pl.col("duration_s") - 1e-6),
            "its duration is not what its work takes",
        ),
    ],
)
def test_a_broken_invariant_is_seen(
    lake: Lake,
    judge: Callable[[Lake, list[tuple[str, int]]], Verdict],
    table: str,
    edit: Callable[[pl.DataFrame], pl.DataFrame],
    problem: str,
) -> None:
    change(lake, table, edit)
    verdict = judge(lake, RUNS)
    assert (verdict.passed, verdict.severity) == (False, "error")
    assert problem in problems(verdict)
    violation = verdict.tables["violations"].row(0, named=True)
    assert (violation["scenario"], violation["replication"]) == RUNS[0]


def test_a_replay_of_a_log_that_grew_is_not_compared_with_it(lake: Lake) -> None:
    with lake.transaction() as tx:
        tx.write_json({"files": []}, lake.ingest_manifest("j"))
        more = lake.load_observed().task_runs.head(1).with_columns(task_id=pl.lit("new"))
        tx.write_frame(more, lake.observed_file("task_runs", "j"))
    verdict = simulated.conservation(lake, RUNS)
    assert verdict.passed, problems(verdict)
    assert verdict.figures["without_input"].value == 1
    assert "cannot be told" in verdict.words


def test_a_run_that_is_not_stored_is_refused(lake: Lake) -> None:
    with pytest.raises(RequestError, match="replication 7 of scenario 'slow-store' is not stored"):
        simulated.capacity(lake, [("slow-store", 7)])
