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
        "pools": [{"name": "a", "gpus": 8.0, "speed": 1.5, "overhead_s": 7.5}, {"name": "b", "cpu_cores": 64.0}],
        "store": {"read_mb_per_s": 100.0, "write_mb_per_s": 30.0, "latency_s": 0.5},
    },
    policy={"order": "sjf", "backfill": "greedy"},
)
JUDGES = (simulated.conservation, simulated.causality, simulated.capacity, simulated.hold_times)

ROUGH = Scenario(
    name="rough",
    platform={
        "pools": [
            {
                "name": "a",
                "nodes": [{"count": 1, "gpus": 6.0}, {"count": 4, "gpus": 4.0}],
                "placement": "pack",
                "speed": 0.3,
                "failures": {"mtbf_h": 6.0, "repair_h": 1.0},
            },
            {
                "name": "b",
                "cpu_cores": 16.0,
                "speed": 0.3,
                "timetable": {"steps": [{"from_h": 0, "share": 1.0}, {"from_h": 8, "share": 0.5}], "period_h": 24},
            },
        ]
    },
    policy={
        "order": "priority",
        "backfill": "greedy",
        "preemption": True,
        "checkpoint_s": 60.0,
        "restart_s": 5.0,
        "retries": {"limit": 2, "backoff_s": 30.0},
    },
    horizon_days=2.0,
    warmup_days="auto",
)


def submit(lake: Lake) -> None:
    """Store three days of chains of two tasks, the second with a retry, some still running, some of higher priority."""
    trace = workload(1, days=3, duration_s=pl.col("run_id").str.slice(1).cast(pl.Float64) * 7 % 3001 / 7)
    first = trace.task_runs.with_columns(task_id=pl.lit("a"), read_bytes=12_345_678, written_bytes=7_654_321)
    second = first.with_columns(task_id=pl.lit("b"), gpus=None, cpu_cores=8.0)
    end = pl.when(pl.int_range(pl.len()) % 50 == 7).then(pl.lit("RUNNING")).otherwise(pl.lit("SUCCEEDED"))
    runs = trace.pipeline_runs.with_columns(priority=pl.int_range(pl.len()) % 3)
    edges = runs.select("run_id", task_id=pl.lit("b"), parent_task_id=pl.lit("a"))
    tasks = [first, second.with_columns(status=pl.lit("FAILED")), second.with_columns(attempt=2, status=end)]
    frames = {"pipeline_runs": runs, "task_runs": pl.concat(tasks, how="vertical_relaxed"), "task_edges": edges}
    with lake.transaction() as tx:
        for table in frames:
            tx.write_frame(Trace(frames)[table], lake.observed_file(table, "i"))
        tx.write_json({"files": []}, lake.ingest_manifest("i"))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with work, and its simulation on machines that always work."""
    lake = Lake(tmp_path_factory.mktemp("simulated"))
    submit(lake)
    run_scenarios(lake, [SCENARIO])
    return lake.root


@pytest.fixture(scope="module")
def rough_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with the same work, and its simulation where nodes break, attempts are evicted, and time is up."""
    lake = Lake(tmp_path_factory.mktemp("rough"))
    submit(lake)
    run_scenarios(lake, [ROUGH], engine="reference")
    return lake.root


@pytest.fixture
def rough(rough_home: Path, tmp_path: Path) -> Lake:
    return Lake(shutil.copytree(rough_home, tmp_path / "rough"))


@pytest.fixture
def lake(home: Path, tmp_path: Path) -> Lake:
    return Lake(shutil.copytree(home, tmp_path / "home"))


def problems(verdict: Verdict) -> list[str]:
    assert verdict.passed == (verdict.figures["violations"].value == 0)
    return verdict.tables["violations"]["problem"].to_list() if verdict.tables else []


def change(lake: Lake, table: str, edit: Callable[[pl.DataFrame], pl.DataFrame], scenario: str = "slow-store") -> None:
    path = lake.simulated_folder(table, scenario, 0) / f"{table}.parquet"
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


def test_interruptions_and_what_is_left_out_keep_the_invariants(rough: Lake) -> None:
    result = rough.load_simulated("rough")
    ways = set(result.task_runs.select("status", "raw_status").unique().rows())
    assert {("CANCELLED", "PREEMPTED"), ("NODE_FAIL", "NODE_FAIL"), ("RUNNING", "RUNNING"), ("PENDING", "PENDING")} <= ways
    assert result.pipeline_runs.height < rough.load_observed().pipeline_runs.height
    assert result.task_runs["node_id"].str.contains("+", literal=True).any()
    assert result.pools.filter(pl.col("pool") == "b").height > 2
    for judge in JUDGES:
        verdict = judge(rough, [("rough", 0)])
        assert verdict.passed, problems(verdict)
        assert "cannot be told" not in verdict.words


CUT = (pl.col("raw_status") == "PREEMPTED") & (pl.col("duration_s") > 100)
FIRST_CUT = CUT & (CUT.cast(pl.Int32).cum_sum() == 1)
COMES_BACK = CUT.shift(fill_value=False) & (CUT.shift(fill_value=False).cast(pl.Int32).cum_sum() == 1)
LONGER = {"ended_at": pl.col("ended_at") + timedelta(hours=9), "duration_s": pl.col("duration_s") + 9 * 3600}
OVERNIGHT = (pl.col("pool") == "b") & (pl.col("started_at").dt.hour() < 7)


@pytest.mark.parametrize(
    ("judge", "edit", "problem"),
    [
        (simulated.conservation, lambda f: f.filter(~COMES_BACK), "was interrupted, and never came back"),
        (simulated.conservation, lambda f: f.filter(~FIRST_CUT), "came out, but was never submitted"),
        (simulated.conservation, where(pl.col("attempt") == 1, status=pl.lit("FAILED"), error=None), "last failure"),
        (simulated.hold_times, where(FIRST_CUT, **LONGER), "its duration is not what its work takes"),
        (
            simulated.hold_times,
            where(FIRST_CUT, ended_at=pl.col("started_at"), duration_s=0.0),
            "its duration is not what its work takes",
        ),
        (simulated.causality, where(COMES_BACK, queued_at=earlier("queued_at")), "before the attempt before it had ended"),
        (
            simulated.capacity,
            where(OVERNIGHT, started_at=pl.col("started_at") + timedelta(hours=9), **LONGER),
            "something started that adds to more than the scenario gives it",
        ),
        (
            simulated.capacity,
            lambda f: f.with_columns(node_id=pl.col("node_id").str.replace(r"a-[0-2]$", "a-3")),
            "something started that adds to more than the scenario gives it",
        ),
    ],
)
def test_a_broken_invariant_of_interruptions_is_seen(
    rough: Lake,
    judge: Callable[[Lake, list[tuple[str, int]]], Verdict],
    edit: Callable[[pl.DataFrame], pl.DataFrame],
    problem: str,
) -> None:
    change(rough, "task_runs", edit, "rough")
    assert any(problem in found for found in problems(judge(rough, [("rough", 0)])))


def test_a_scenario_that_interrupts_nothing_has_no_interruptions(lake: Lake) -> None:
    change(lake, "task_runs", where(FIRST, error=pl.lit("interrupted: its node broke")))
    assert "was interrupted, though nothing in the scenario does that" in problems(simulated.conservation(lake, RUNS))


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
