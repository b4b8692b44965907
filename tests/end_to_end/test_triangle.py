"""A log, its synthetic trace and its replay, each through the engine: waits by SQL are those that `pipesim quality` reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

from pipesim.catalog import publish
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.quality import QualityConfig
from pipesim.quality.jobs import excerpt
from pipesim.quality.measures.waits import servers
from pipesim.quality.stretch import real_stretch
from pipesim.simulation import Scenario
from pipesim.verbs import fit_workload, ingest_logs, load_model, quality, synthesize_trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel
from tests.philly import philly_window

pytestmark = pytest.mark.endurance

Floats = npt.NDArray[np.float64]
LOAD, SEED = 0.8, 5
MOST_S = 5 * 86_400
STATISTICS: dict[str, Callable[[Floats], float]] = {
    "mean": lambda waits: float(np.mean(waits)),
    "p95": lambda waits: float(np.quantile(waits, 0.95)),
    "p99": lambda waits: float(np.quantile(waits, 0.99)),
}


@dataclass(frozen=True)
class Log:
    """A log of whole weeks, from a Monday on, of jobs of one task.

    They hold their GPUs for five days at most, so that no synthetic job exceeds the seven for which `quality` counts it.
    """

    source: str
    days: int
    window: str


def made(folder: Path) -> Log:
    """Four weeks with bursts, busy hours, days of long jobs and jobs that come in the same second."""
    rng = np.random.default_rng(3)
    day = np.arange(28).repeat(rng.poisson(np.where(np.arange(28) % 7 < 5, 150, 60)))
    at = np.sort(day * 86_400 + np.floor(rng.beta(3, 2, len(day)) * 86_400 / 30) * 30).astype(int)
    seconds = np.clip(rng.lognormal(6.5, 1.5, len(at)) * np.where(at // 86_400 % 5 == 1, 5, 1), 1, MOST_S).astype(int)
    names = [f"r{i:05d}" for i in range(len(at))]
    stamps = pl.Series([datetime(2026, 3, 2) + timedelta(seconds=s) for s in at.tolist()]).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    common = {"run_id": names, "status": "ok", "pipeline_name": "p", "submitted_at": stamps}
    tasks = {"task_id": "t", "task_name": "t", "task_type": "train", "queued_at": stamps}
    jobs = pl.DataFrame(common | tasks | {"duration_s": seconds, "gpus": rng.choice([1, 2, 4, 8], len(at))})
    jobs.select(list(common)).write_csv(folder / "pipeline_runs.csv")
    jobs.select("run_id", "status", *tasks, "duration_s", "gpus").write_csv(folder / "task_runs.csv")
    return Log("native", 28, "2026-03-02..2026-03-29")


def real(folder: Path) -> Log:
    """Three weeks of the Philly extract, its longest jobs cut short."""
    philly_window(21).with_columns(pl.col("duration").clip(0, MOST_S)).write_csv(folder / "jobs.csv")
    return Log("philly", 21, "2017-10-02..2017-10-22")


def test_the_engine_and_the_report_feel_the_same_queue(tmp_path: Path) -> None:
    _the_triangle(tmp_path, made)


def test_the_engine_and_the_report_feel_the_same_queue_of_a_real_log(tmp_path: Path) -> None:
    _the_triangle(tmp_path, real)


def _the_triangle(tmp_path: Path, write: Callable[[Path], Log]) -> None:
    (tmp_path / "logs").mkdir()
    log = write(tmp_path / "logs")
    lake = Lake(tmp_path / "home")
    ingest_logs(lake, [tmp_path / "logs"], log.source)
    fit_workload(lake, FitConfig(window=log.window))
    synthetic = synthesize_trace(lake, SynthesisConfig(days=log.days, seed=SEED))
    publish(lake)
    (work,) = _sql(lake, "SELECT sum(gpus * duration_s) FROM observed.task_runs")[0]
    gpus = round(work / (log.days * 86_400 * LOAD))
    drawn = {"kind": "synthetic", "days": log.days, "seed": SEED}
    runs = run_scenarios(lake, [_scenario("replay", {"kind": "replay"}, gpus), _scenario("drawn", drawn, gpus)], workers=1)
    publish(lake)
    assert runs[1].summary.tasks == synthetic.tasks

    replayed, simulated = _waits(lake, "replay"), _waits(lake, "drawn")
    found = quality(lake, QualityConfig(seeds=1, seed=SEED))
    told = dict(found.seeds.filter(series="model", metric="wait_log_ratio").select("cell", "value").rows())
    assert np.quantile(replayed, 0.95) > 600, "nobody waits, so there is nothing to compare"
    for name, of in STATISTICS.items():
        error = np.log((of(simulated) + 60) / (of(replayed) + 60))
        assert told[f"{name} at load {LOAD}"] == pytest.approx(error, abs=1e-9), name
    model = load_model(lake)
    excerpt_of_log = excerpt(lake.load_observed(), real_stretch(model))
    assert servers(excerpt_of_log, LOAD) == gpus
    np.testing.assert_array_equal(excerpt_of_log.waits_s(gpus), replayed, "every single wait, and so the median")

    _same_laws(model, _fitted_again(lake, tmp_path, log))


def _scenario(name: str, workload: dict[str, object], gpus: int) -> Scenario:
    platform = {"pools": [{"name": "training", "gpus": gpus}]}
    return Scenario.model_validate(
        {"name": name, "workload": workload, "platform": platform, "policy": {"order": "fifo", "backfill": "none"}}
    )


def _sql(lake: Lake, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(lake.warehouse), read_only=True) as con:
        return con.sql(query).fetchall()


def _waits(lake: Lake, scenario: str) -> Floats:
    """The waits of a simulated scenario in seconds, in the order of the queue, without the first tenth.

    Nobody passes, so of jobs that come together the first ones start first.
    """
    rows = _sql(
        lake,
        f"""
        SELECT date_diff('microsecond', t.queued_at, t.started_at)
        FROM simulated.task_runs AS t JOIN simulated.pipeline_runs AS r USING (scenario, replication, run_id)
        WHERE scenario = '{scenario}' ORDER BY r.submitted_at, t.started_at
        """,
    )
    waits = np.array(rows, dtype=np.int64).ravel() / 1e6
    return waits[len(waits) // 10 :]


def _fitted_again(lake: Lake, tmp_path: Path, log: Log) -> WorkloadModel:
    """The model of the replay, which is ingested as if it were the log of a platform."""
    (tmp_path / "again").mkdir()
    with duckdb.connect(str(lake.warehouse), read_only=True) as con:
        for table in ("pipeline_runs", "task_runs"):
            rows = f"SELECT * EXCLUDE (scenario, replication) FROM simulated.{table} WHERE scenario = 'replay'"
            con.execute(f"COPY ({rows}) TO '{tmp_path / 'again' / table}.parquet'")
    again = Lake(tmp_path / "second")
    report = ingest_logs(again, [tmp_path / "again"], "native").as_dict()
    assert (report["quarantined"], report["duplicates"]) == (0, 0)
    fit_workload(again, FitConfig(window=log.window))
    return load_model(again)


def _same_laws(first: WorkloadModel, again: WorkloadModel) -> None:
    """Simulated durations are those of the log to the microsecond, so each cell has the same law."""
    for one, other in zip(first.durations, again.durations, strict=True):
        assert (one.name, one.uses, one.rows, one.censored) == (other.name, other.uses, other.rows, other.censored)
        assert one.choice == other.choice
