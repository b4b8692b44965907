from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES
from pipesim.trace import Trace
from pipesim.verbs import fit_workload, load_model
from pipesim.workload import FitConfig, fit
from pipesim.workload.fitting import within
from pipesim.workload.sampling import Whole, sample_of
from pipesim.workload.tasks.attempts import prepare
from pipesim.workload.tasks.cells import arrange
from pipesim.workload.tasks.told import tell

START = datetime(2024, 1, 1)
RUNS = 3_000


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MOST_ATTEMPTS": 900, "_KEPT_ATTEMPTS": 600, "_BLOCK": 10, "_BATCH_ROWS": 700}.items():
        monkeypatch.setattr(f"pipesim.workload.sampling.{name}", value)


@pytest.fixture(scope="module")
def log() -> Trace:
    """Runs of two tasks over two weeks, many of one minute; every tenth belongs to a pipeline that never begins a task."""
    rng = np.random.default_rng(1)
    minute = np.sort(rng.integers(0, 14 * 24 * 60, RUNS))
    minute[500:540] = minute[500]
    number = pl.int_range(RUNS, eager=True)
    runs = pl.DataFrame(
        {
            "run_id": [f"r{i}" for i in rng.permutation(RUNS)],
            "pipeline_name": np.where(number % 10 == 3, "silent", "busy"),
            "tenant": np.where(number % 3 == 0, "a", "b"),
            "submitted_at": [START + timedelta(minutes=int(m)) for m in minute],
            "status": "SUCCEEDED",
            "raw_status": "ok",
            "observed_until": START + timedelta(days=14),
            "time_basis": "utc",
        }
    )
    tasks = runs.filter(pl.col("pipeline_name") == "busy").select("run_id", "tenant")
    tasks = tasks.join(pl.DataFrame({"task_id": ["t1", "t2"], "task_type": ["preprocess", "train"]}), how="cross")
    slow = np.where((tasks["task_type"] == "train").to_numpy(), 1_000.0, 10.0)
    tasks = tasks.with_columns(
        attempt=1, task_name="task_id", status=pl.lit("SUCCEEDED"), raw_status=pl.lit("ok"), is_censored=False,
        duration_s=pl.Series(slow * rng.lognormal(0, 1, tasks.height)),
    )  # fmt: skip
    first = tasks.filter(pl.col("task_id") == "t1")
    old = pl.DataFrame({"model_id": ["busy"], "version": ["old"]}).with_columns(produced_by_run_id=pl.lit(None, pl.String))
    made = first.select(pl.lit("busy").alias("model_id"), pl.col("run_id").alias("version"), produced_by_run_id="run_id")
    asset = {"asset_id": pl.format("a-{}", "run_id"), "version": pl.lit("1")}
    frames = {
        "pipeline_runs": runs,
        "task_runs": tasks.drop("tenant"),
        "task_edges": first.select("run_id", task_id=pl.lit("t2"), parent_task_id=pl.lit("t1")),
        "task_io": first.select("run_id", "task_id", "attempt", direction=pl.lit("read"), **asset),
        "data_assets": first.select(**asset, size_bytes=10),
        "models": pl.concat([made, old]),
    }
    return Trace(frames)


@pytest.fixture
def con(log: Trace) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA observed")
        for name in TRACE_TABLES:
            con.register(f"rows_of_{name}", log[name].to_arrow())
            con.execute(f"CREATE VIEW observed.{name} AS SELECT * FROM rows_of_{name}")
        yield con


def sampled(con: duckdb.DuckDBPyConnection, folder: Path) -> tuple[Trace, Whole]:
    found = sample_of(con, None, str(folder))
    assert found is not None
    trace, whole = found
    assert whole is not None
    return trace, whole


def test_a_log_of_which_no_run_says_when_it_came_is_left_to_be_read_whole(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert sample_of(con, (START - timedelta(days=9), START), str(tmp_path)) is None


def test_runs_come_in_whole_blocks_that_are_evenly_spread(log: Trace, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    trace, _ = sampled(con, tmp_path)
    order = log.pipeline_runs.sort("submitted_at", "run_id")["run_id"].to_list()
    place = np.array([order.index(run) for run in trace.pipeline_runs["run_id"]])
    blocks, sizes = np.unique(place // 10, return_counts=True)
    assert set(sizes) == {10}
    assert len(blocks) == round(RUNS / 10 * 600 / log.task_runs.height)
    assert blocks[0] == 0
    assert blocks[-1] == RUNS / 10 - 1
    assert np.ptp(np.diff(blocks)) <= 1


def test_what_belongs_to_the_runs_comes_with_them(log: Trace, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    trace, _ = sampled(con, tmp_path)
    assert trace.violations() == []
    kept = trace.pipeline_runs["run_id"].implode()
    for name in ("pipeline_runs", "task_runs", "task_edges", "task_io"):
        mine = log[name].filter(pl.col("run_id").is_in(kept)).sort(TRACE_TABLES[name].key)
        assert trace[name].sort(TRACE_TABLES[name].key).equals(mine)
    assert set(trace["data_assets"]["asset_id"]) == set(trace["task_io"]["asset_id"])
    runs = set(trace["task_runs"]["run_id"])
    assert set(trace["models"]["version"]) == {*runs, "old"}


def test_arrivals_and_durations_are_those_of_all_runs(log: Trace, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    trace, whole = sampled(con, tmp_path)
    assert (whole.runs, whole.attempts) == (RUNS, log.task_runs.height)
    busy = log.pipeline_runs.filter(pl.col("pipeline_name") == "busy")["submitted_at"].sort()
    assert np.array_equal(whole.submitted, busy.dt.epoch("us").to_numpy())
    (cells, rows), (all_cells, all_rows) = arrange(whole.told), arrange(tell([prepare(log)]))
    assert cells == all_cells
    assert np.array_equal(rows.seconds, all_rows.seconds)
    part, complete = fit(trace, whole=whole), fit(log)
    assert part.durations == complete.durations
    assert part.arrivals == complete.arrivals
    assert part.window == complete.window
    assert (part.provenance.pipeline_runs, part.provenance.task_runs) == (RUNS, log.task_runs.height)
    assert any(note.startswith(f"sample: arrivals and durations are learnt from all {RUNS:,} runs") for note in part.notes)


def test_hours_are_as_busy_as_with_all_runs(log: Trace, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    trace, whole = sampled(con, tmp_path)
    octaves = [
        np.mean(model.marks.octave)  # type: ignore[union-attr]
        for model in (fit(trace, FitConfig(marks="hour-octave"), whole=whole), fit(log, FitConfig(marks="hour-octave")))
    ]
    assert octaves[0] == pytest.approx(octaves[1], abs=0.3)


def test_a_window_of_few_runs_is_there_as_a_whole(log: Trace, con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    begin, end = START + timedelta(days=3), START + timedelta(days=4)
    found = sample_of(con, (begin, end), str(tmp_path))
    assert found is not None
    trace, whole = found
    expected = within(log, begin, end)
    assert whole is None
    for name in ("pipeline_runs", "task_runs", "task_io", "models"):
        key = TRACE_TABLES[name].key
        assert trace[name].sort(key).equals(expected[name].sort(key))


def lake_of(log: Trace, folder: Path, parts: int) -> Lake:
    """Return a lake that holds the log as so many ingests, whose rows alternate."""
    lake = Lake(folder)
    provenance = {"source": "x", "source_file": "x", "source_line": 1, "ingest_id": "i"}
    for table in log:
        for part in range(parts):
            file = lake.observed_file(table, f"i{part}")
            file.parent.mkdir(parents=True, exist_ok=True)
            log[table][part::parts].with_columns(pl.lit(v).alias(name) for name, v in provenance.items()).write_parquet(file)
    return lake


def test_a_small_log_is_read_whole(log: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipesim.workload.sampling.MOST_ATTEMPTS", log.task_runs.height)
    lake = lake_of(log, tmp_path, 2)
    assert lake.count_observed("task_runs") == log.task_runs.height
    assert fit_workload(lake, FitConfig()).model == fit(log).id


def test_fitting_a_lake_does_not_depend_on_how_its_rows_lie(log: Trace, tmp_path: Path) -> None:
    names = []
    for parts in (1, 3):
        lake = lake_of(log, tmp_path / str(parts), parts)
        fitted = fit_workload(lake, FitConfig())
        assert fitted.rows == log.task_runs.height
        assert any(note.startswith("sample: ") for note in load_model(lake).notes)
        names.append(fitted.model)
    assert names[0] == names[1]
