"""The workload follows the laws that `truth.py` and `pipelines.py` state."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipesim.sample import build_workload, truth
from pipesim.sample.arrivals import submission_times_ms
from pipesim.sample.pipelines import FRAMEWORK_SHARES, PIPELINES, SHAPES, TRIGGER_SHARES
from pipesim.trace import Trace


def test_shares_of_pipelines_add_up_and_names_are_unique() -> None:
    assert sum(p.share for p in PIPELINES) == pytest.approx(1)
    assert sum(shape.share for shape in SHAPES) == pytest.approx(1)
    assert len({p.name for p in PIPELINES}) == len(PIPELINES)


def test_frameworks_shapes_and_triggers_have_their_shares(workload: Trace) -> None:
    of = {p.name: p for p in PIPELINES}
    runs = [of[name] for name in workload.pipeline_runs["pipeline_name"]]
    drawn = [
        ([p.framework for p in runs], FRAMEWORK_SHARES),
        ([p.shape.name for p in runs], {shape.name: shape.share for shape in SHAPES}),
        (workload.pipeline_runs["trigger"].to_list(), TRIGGER_SHARES),
    ]
    for words, shares in drawn:
        for word, share in shares.items():
            assert stats.binomtest(words.count(word), len(words), share).pvalue > 0.001, word


def test_tasks_of_a_run_are_those_of_its_pipeline(workload: Trace) -> None:
    of = {p.name: p for p in PIPELINES}
    named = workload.pipeline_runs.select("run_id", "pipeline_name")
    tasks = workload.task_runs.filter(pl.col("attempt") == 1).join(named, on="run_id").group_by("run_id", "pipeline_name")
    for name, types in tasks.agg("task_type").select("pipeline_name", "task_type").iter_rows():
        assert sorted(types) == sorted(task.type for task in of[name].shape.tasks)


def test_graphs_are_acyclic_and_complete(workload: Trace) -> None:
    edges = workload.task_edges
    number = {side: edges[side].str.slice(1).cast(pl.Int64) for side in ("task_id", "parent_task_id")}
    assert (number["parent_task_id"] < number["task_id"]).all()
    tasks = workload.task_runs.select("run_id", "task_id")
    for side in number:
        assert edges.join(tasks, left_on=["run_id", side], right_on=["run_id", "task_id"], how="anti").is_empty()
    fan_in = edges.group_by("run_id", "task_id").len()["len"]
    fan_out = edges.group_by("run_id", "parent_task_id").len()["len"]
    assert fan_in.max() == 2
    assert fan_out.max() == 2


@pytest.mark.parametrize(
    ("task_type", "framework", "law"),
    [("train", f, law) for f, law in truth.TRAIN_SECONDS.items()] + [(t, None, law) for t, law in truth.TASK_SECONDS.items()],
)
def test_natural_seconds_follow_their_law_under_censoring(
    workload: Trace, task_type: str, framework: str | None, law: truth.Law
) -> None:
    """The number of completions minus the summed cumulative hazards is a martingale with variance equal to the sum."""
    rows = workload.task_runs.filter(pl.col("task_type") == task_type, pl.col("duration_s").is_not_null())
    rows = rows if framework is None else rows.filter(pl.col("framework") == framework)
    done = (rows["status"] == "SUCCEEDED") | (rows["error"] == truth.GATE_ERROR).fill_null(False)
    distribution = law.distribution()
    expected = -distribution.logsf(rows["duration_s"].to_numpy()).sum()
    assert abs(done.sum() - expected) < 3.5 * np.sqrt(expected)
    if rows.height > 200:
        # Few attempts are censored, so the others' law is close to the natural one.
        assert stats.kstest(rows["duration_s"].to_numpy(), distribution.cdf).statistic < 1.63 / np.sqrt(rows.height) + 0.05


def test_preprocessing_time_grows_with_the_data_by_its_law(workload: Trace) -> None:
    io = workload["task_io"].select("run_id", "task_id", "attempt", "asset_id", "version")
    data = workload["data_assets"].select("asset_id", "version", cells=pl.col("row_count") * pl.col("column_count"))
    rows = workload.task_runs.filter(pl.col("status") == "SUCCEEDED").join(io, on=["run_id", "task_id", "attempt"])
    rows = rows.join(data, on=["asset_id", "version"])
    law = truth.PREPROCESS_SECONDS
    residual = np.log(rows["duration_s"] / law.median(rows["cells"].cast(pl.Float64).to_numpy())) / law.s
    assert abs(residual.mean()) < 4 / np.sqrt(rows.height)
    assert residual.std() == pytest.approx(1, abs=0.07)
    assert stats.spearmanr(rows["cells"], rows["duration_s"]).statistic > 0.5


def test_extents_of_data_have_their_moments(workload: Trace) -> None:
    logs = np.log(workload["data_assets"].select("row_count", "column_count").to_numpy())
    assert logs.mean(axis=0) == pytest.approx(truth.ASSET_LOG_MEAN, abs=0.15)
    assert logs.std(axis=0) == pytest.approx(truth.ASSET_LOG_SD, rel=0.06)
    assert np.corrcoef(logs.T)[0, 1] == pytest.approx(truth.ASSET_CORRELATION, abs=0.08)


def test_attempts_follow_each_other_until_one_is_final(workload: Trace) -> None:
    rows = workload.task_runs.sort("run_id", "task_id", "attempt")
    final = pl.struct("run_id", "task_id").is_last_distinct()
    assert rows.filter(~final)["status"].is_in(["FAILED", "NODE_FAIL"]).all()
    assert rows["attempt"].max() == truth.MAX_ATTEMPTS
    blocked = rows.filter(final, pl.col("status") == "SKIPPED")
    good = rows.filter(final, pl.col("status") == "SUCCEEDED").select("run_id", "task_id")
    parents = blocked.join(workload.task_edges, on=["run_id", "task_id"])
    unmet = parents.join(good, left_on=["run_id", "parent_task_id"], right_on=["run_id", "task_id"], how="anti")
    assert unmet.select("run_id", "task_id").n_unique() == blocked.height > 0


def test_the_week_has_a_rhythm_and_the_minute_bursts(workload: Trace) -> None:
    at = workload.pipeline_runs.select(pl.col("submitted_at"))
    working = at.filter(pl.col("submitted_at").dt.weekday() <= 5)["submitted_at"].dt.hour()
    assert working.is_between(9, 15).mean() > 3 * working.is_between(0, 6).mean()  # type: ignore[operator]
    ms = submission_times_ms(3, 200)
    assert (np.diff(ms) >= 0).all()
    days = np.bincount(ms // 86_400_000, minlength=200)
    assert days.sum() == pytest.approx(truth.RUNS_PER_HOUR * 24 * 200, rel=0.15)
    minutes = np.bincount(ms // 60_000)
    assert minutes.var() / minutes.mean() > 1.5


def test_a_workload_is_a_function_of_its_seed(workload: Trace) -> None:
    again, other = build_workload(), build_workload(seed=1)
    for table in workload:
        assert workload[table].equals(again[table])
    assert not workload.task_runs["duration_s"].head(50).equals(other.task_runs["duration_s"].head(50))


def test_any_length_makes_a_valid_trace() -> None:
    short = build_workload(seed=4, days=2)
    assert short.violations() == []
    assert short.pipeline_runs["submitted_at"].is_between(truth.START, truth.START + timedelta(days=2)).all()
