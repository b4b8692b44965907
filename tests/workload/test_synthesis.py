from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.identity import safe_name
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesis, synthesize
from pipesim.workload.draws import expand, grouped_choice, whole_numbers

STATUSES = ["SUCCEEDED", "FAILED", "CANCELLED", "TIMEOUT", "UNKNOWN", "RUNNING", "SKIPPED", "PENDING"]
START = datetime(2024, 1, 1)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any small observed trace of acyclic runs with at least one attempt that ended with a duration."""
    runs: list[dict[str, Any]] = []
    tasks: list[dict[str, Any]] = []
    edges: list[dict[str, Any]] = []
    for r in range(draw(st.integers(1, 6))):
        at = START + timedelta(seconds=draw(st.integers(0, 400_000)))
        runs.append(
            {
                "run_id": f"r{r}",
                "pipeline_name": draw(st.sampled_from(["p", "q"])),
                "tenant": draw(maybe(st.sampled_from(["x", "y"]))),
                "priority": draw(maybe(st.integers(-1, 1))),
                "status": draw(st.sampled_from(STATUSES)),
                "raw_status": "",
                "submitted_at": at if r == 0 else draw(maybe(st.just(at))),
                "observed_until": START + timedelta(days=7),
                "time_basis": "utc",
            }
        )
        size = draw(st.integers(1, 4))
        for t in range(size):
            kind = {
                "task_name": draw(st.sampled_from(["a", "b"])),
                "task_type": draw(maybe(st.sampled_from(["train", "deploy"]))),
                "framework": draw(maybe(st.sampled_from(["TensorFlow", "PyTorch"]))),
                "gpus": draw(maybe(st.sampled_from([0.0, 0.5, 1.0, 3.0]))),
            }
            for attempt in range(1, draw(st.integers(1, 3)) + 1):
                first = r == t == 0 and attempt == 1
                seconds = draw(st.floats(0, 1e6)) if first else draw(maybe(st.floats(0, 1e6)))
                status = "FAILED" if first else draw(st.sampled_from(STATUSES))
                if status == "SUCCEEDED" and seconds is None:
                    status = "UNKNOWN"
                tasks.append(
                    {
                        "run_id": f"r{r}",
                        "task_id": f"t{t}",
                        "attempt": attempt,
                        "status": status,
                        "raw_status": "",
                        "duration_s": seconds,
                        "is_censored": status == "RUNNING",
                        "read_bytes": draw(maybe(st.integers(0, 10**15))),
                        **kind,
                    }
                )
            parents = draw(st.sets(st.integers(0, t - 1))) if t else set()
            edges += [{"run_id": f"r{r}", "task_id": f"t{t}", "parent_task_id": f"t{p}"} for p in sorted(parents)]
    frames = {"pipeline_runs": runs, "task_runs": tasks, "task_edges": edges}
    return Trace({name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in frames.items() if rows})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(traces(), st.integers(0, 3))
def test_any_fitted_trace_synthesizes_a_valid_one(trace: Trace, seed: int) -> None:
    model = fit(trace)
    again = WorkloadModel.from_json(model.to_json())
    assert again.id == model.id
    drawn = synthesize(again, SynthesisConfig(days=2.0, scale=5.0, seed=seed))
    assert drawn.violations() == []
    assert drawn.origin == "synthetic"
    tasks, edges = drawn.task_runs, drawn.task_edges
    assert set(tasks["run_id"]) == set(drawn.pipeline_runs["run_id"])
    assert tasks["duration_s"].is_finite().all()
    assert tasks["duration_s"].null_count() == 0
    attempts = tasks.group_by("run_id", "task_id").agg(pl.col("attempt").sort(), most=pl.col("attempt").max())
    assert attempts.select((pl.col("attempt").list.len() == pl.col("most")).all()).item()  # numbered 1, 2, ... without gaps
    known = tasks.select("run_id", "task_id")
    for end in ("task_id", "parent_task_id"):
        assert edges.join(known, left_on=["run_id", end], right_on=["run_id", "task_id"], how="anti").is_empty()
    left = edges
    while left.height:  # peel off edges from tasks that wait for nothing
        fewer = left.join(left, left_on=["run_id", "parent_task_id"], right_on=["run_id", "task_id"], how="semi")
        assert fewer.height < left.height, "a cycle"
        left = fewer


def test_same_seed_same_frames_and_other_seeds_differ(job_trace: Any) -> None:
    rng = np.random.default_rng(0)
    trace = job_trace(rng.lognormal(5, 1, 400), np.sort(rng.uniform(0, 1e6, 400)))
    model = fit(trace)
    assert fit(trace).to_json() == model.to_json()
    first, twin, other = (synthesize(model, SynthesisConfig(days=5, seed=s)) for s in (1, 1, 2))
    reloaded = synthesize(WorkloadModel.from_json(model.to_json()), SynthesisConfig(days=5, seed=1))
    for table in first:
        assert first[table].equals(twin[table])
        assert first[table].equals(reloaded[table])
    assert not first.task_runs.equals(other.task_runs)
    assert first.name == twin.name != other.name
    assert first.task_runs["run_id"].is_sorted()
    assert first.pipeline_runs["run_id"][0] == "s0000001"
    assert first.pipeline_runs["submitted_at"].min() >= datetime.combine(model.window.end.date(), datetime.min.time())


def test_scale_multiplies_arrivals_and_leaves_durations(job_trace: Any) -> None:
    rng = np.random.default_rng(4)
    model = fit(job_trace(rng.lognormal(5, 1, 3_000), np.sort(rng.uniform(0, 2e6, 3_000))), FitConfig(arrivals="poisson"))
    one, four = (synthesize(model, SynthesisConfig(days=40, scale=s)) for s in (1.0, 4.0))
    assert four.pipeline_runs.height / one.pipeline_runs.height == pytest.approx(4.0, rel=0.08)
    quantiles = [[t.task_runs["duration_s"].quantile(q) for q in (0.1, 0.5, 0.9)] for t in (one, four)]
    assert quantiles[1] == pytest.approx(quantiles[0], rel=0.08)


def test_marks_and_shapes_keep_their_shares(job_trace: Any) -> None:
    n = 2_000
    kinds = np.where(np.arange(n) % 4 == 0, "rare", "common")
    trace = job_trace(
        np.full(n, 60.0),
        pipeline_name=kinds,
        tenant=np.where(kinds == "rare", "t1", "t2"),
        task_name=np.where(np.arange(n) % 8 == 0, "x", "y"),
        gpus=np.where(np.arange(n) % 2 == 0, 1.0, 4.0),
        gpu_type=np.where(np.arange(n) % 2 == 0, "small", "big"),
    )
    drawn = synthesize(fit(trace), SynthesisConfig(days=100))
    rows = drawn.pipeline_runs.join(drawn.task_runs, on="run_id")
    assert rows.select((pl.col("pipeline_name") == "rare").mean()).item() == pytest.approx(0.25, abs=0.015)
    assert rows.filter((pl.col("pipeline_name") == "rare") != (pl.col("tenant") == "t1")).is_empty()
    assert rows.filter((pl.col("pipeline_name") == "common") & (pl.col("task_name") == "x")).is_empty()
    assert rows.filter(pl.col("pipeline_name") == "rare").select((pl.col("task_name") == "x").mean()).item() == pytest.approx(
        0.5, abs=0.03
    )
    assert rows.filter((pl.col("gpus") == 1) != (pl.col("gpu_type") == "small")).is_empty()
    assert set(rows["duration_s"]) == {60.0}


def test_size_classes_keep_their_durations(job_trace: Any) -> None:
    rng = np.random.default_rng(9)
    gpus = np.where(np.arange(1_000) % 2 == 0, 1.0, 8.0)
    drawn = synthesize(fit(job_trace(rng.lognormal(3, 0.5, 1_000) * gpus**3, gpus=gpus)), SynthesisConfig(days=30))
    medians = drawn.task_runs.group_by("gpus").agg(pl.col("duration_s").median()).sort("gpus")["duration_s"].to_list()
    assert medians == pytest.approx([math.exp(3), math.exp(3) * 512], rel=0.1)


def test_failures_retries_and_time_held_are_as_fitted(job_trace: Any) -> None:
    rng = np.random.default_rng(6)
    n = 4_000
    fails = rng.random(n) < 0.3
    trace = job_trace(np.where(fails, rng.uniform(1, 9, n), 1_000.0), status=np.where(fails, "FAILED", "SUCCEEDED"))
    second = trace.task_runs.filter(pl.col("status") == "FAILED").head(int(fails.sum() // 2))  # half of them are retried
    second = second.with_columns(attempt=pl.lit(2, pl.Int64), status=pl.lit("SUCCEEDED"), duration_s=1_000.0)
    trace = Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": pl.concat([trace.task_runs, second])})
    drawn = synthesize(fit(trace), SynthesisConfig(days=60)).task_runs
    failed = drawn.filter(pl.col("status") == "FAILED")
    assert failed.height / drawn.height == pytest.approx(1_200 / 4_600, abs=0.02)
    assert failed["duration_s"].max() <= 9.0
    assert drawn.filter(pl.col("status") == "SUCCEEDED")["duration_s"].unique().to_list() == [1_000.0]
    first = failed.filter(pl.col("attempt") == 1).height
    assert drawn.filter(pl.col("attempt") == 2).height / first == pytest.approx(0.5, abs=0.05)
    assert drawn["run_id"].is_sorted()
    runs = synthesize(fit(trace), SynthesisConfig(days=60)).pipeline_runs
    final = drawn.sort("attempt").group_by("run_id").agg(pl.col("status").last().alias("final"))
    assert runs.join(final, on="run_id").filter(pl.col("status") != pl.col("final")).is_empty()


def test_a_run_ends_as_the_first_task_that_fails_for_good(job_trace: Any) -> None:
    first = job_trace(np.full(100, 5.0), status=np.where(np.arange(100) % 2 == 0, "CANCELLED", "SUCCEEDED"))
    second = first.task_runs.with_columns(task_id=pl.lit("a"), task_type=pl.lit("deploy"), status=pl.lit("TIMEOUT"))
    edges = first.task_runs.select("run_id", pl.lit("a").alias("task_id"), parent_task_id="task_id")
    frames = {"task_runs": pl.concat([first.task_runs, second]), "task_edges": edges}
    runs = synthesize(fit(Trace({"pipeline_runs": first.pipeline_runs, **frames})), SynthesisConfig(days=3)).pipeline_runs
    assert set(runs["status"]) == {"CANCELLED", "TIMEOUT"}


def test_bytes_follow_durations_and_assets_follow_bytes(job_trace: Any) -> None:
    rng = np.random.default_rng(12)
    n = 1_500
    rows = np.round(rng.lognormal(9, 1, n))
    trace = job_trace(rows / 50 * rng.lognormal(0, 0.2, n), read_bytes=(rows * 80).astype(np.int64))
    ids = [f"r{i}" for i in range(n)]
    assets = pl.DataFrame(
        {"asset_id": ids, "version": "1", "row_count": rows, "column_count": rng.integers(2, 40, n), "size_bytes": rows * 80}
    )
    io = pl.DataFrame({"run_id": ids, "task_id": "job", "attempt": 1, "direction": "read", "asset_id": ids, "version": "1"})
    trace = Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": trace.task_runs, "data_assets": assets, "task_io": io})
    drawn = synthesize(fit(trace), SynthesisConfig(days=20))
    assert drawn.violations() == []
    read = drawn.task_runs.join(drawn["task_io"], on=["run_id", "task_id", "attempt"]).join(
        drawn["data_assets"], on=["asset_id", "version"], suffix="_asset"
    )
    assert read.height == drawn.task_runs.height
    assert read.filter(pl.col("read_bytes") != pl.col("size_bytes")).is_empty()
    assert read.select(pl.corr("read_bytes", "duration_s", method="spearman")).item() > 0.95
    assert read.select(((pl.col("row_count") * 80 / pl.col("read_bytes")).log().abs() < 0.25).mean()).item() > 0.95


def test_a_horizon_too_short_for_an_arrival_is_an_empty_valid_trace(job_trace: Any) -> None:
    model = fit(job_trace([5.0, 6.0, 7.0]))
    drawn = synthesize(model, SynthesisConfig(days=1e-6, scale=1e-3))
    assert drawn.pipeline_runs.is_empty()
    assert drawn.task_runs.is_empty()
    assert drawn.violations() == []
    assert safe_name(drawn.name, "trace") == drawn.name


@pytest.mark.parametrize(
    ("days", "scale", "message"),
    [
        (0.0, 1.0, "days must be"),
        (-1.0, 1.0, "days must be"),
        (math.nan, 1.0, "days must be"),
        (1.0, 0.0, "scale must be"),
        (1.0, math.inf, "scale must be"),
        (1e9, 1.0, "hundred years"),
        (30.0, 1e12, "50,000,000 is the most"),
    ],
)
def test_impossible_requests_are_refused(job_trace: Any, days: float, scale: float, message: str) -> None:
    model = fit(job_trace([5.0, 6.0, 7.0]), FitConfig(arrivals="poisson"))
    with pytest.raises(RequestError, match=message):
        synthesize(model, SynthesisConfig(days=days, scale=scale))


def test_more_than_the_memory_holds_is_refused(job_trace: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit(job_trace(np.full(400, 5.0)), FitConfig(arrivals="poisson"))
    fits = synthesize(model, SynthesisConfig(days=10.0)).task_runs.height
    monkeypatch.setattr(synthesis, "_memory", lambda: fits * synthesis.BYTES_PER_ATTEMPT * 1.5)
    with pytest.raises(RequestError, match=r"GB of memory.*this machine has") as error:
        synthesize(model, SynthesisConfig(days=20.0))
    assert "days x scale up to 15" in str(error.value.remedy)
    assert synthesize(model, SynthesisConfig(days=10.0)).task_runs.height == fits


def test_identifiers_of_runs_are_in_order_however_many_there_are() -> None:
    for count in (0, 12, 10_000_001):
        assert synthesis._run_ids(count).is_sorted()
    assert synthesis._run_ids(12)[11] == "s0000012"


def test_numbers_that_no_integer_holds_are_cut_off() -> None:
    assert whole_numbers(np.array([1.5, np.nan, 1e30])).to_list() == [2, None, 2**63 - 1024]


@given(st.lists(st.lists(st.integers(0, 5), min_size=1).filter(any), min_size=1, max_size=8), st.integers(0, 99))
def test_grouped_choice_stays_in_its_group_and_avoids_weight_zero(tables: list[list[int]], seed: int) -> None:
    owner = np.repeat(np.arange(len(tables)), [len(t) for t in tables])
    weights = 0.1 * np.concatenate([np.array(t) for t in tables])  # sums that do not come out even
    rows = np.repeat(np.arange(len(tables)), 50)
    u = np.random.default_rng(seed).random(len(rows))
    u[::7] = np.nextafter(1.0, 0.0)
    u[::11] = 0.0
    entry = grouped_choice(owner, weights, len(tables))(rows, u)
    assert np.array_equal(owner[entry], rows)
    assert np.all(weights[entry] > 0)


def test_expand_numbers_rows_within_each() -> None:
    owner, place = expand(np.array([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert place.tolist() == [0, 1, 0, 1, 2]
