from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipesim.sample import build_workload
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.retraining import draw_retraining

ROUNDS = 120


@pytest.fixture(scope="module")
def platform() -> WorkloadModel:
    return fit(build_workload(days=3), FitConfig(arrivals="poisson"))


def model_of(job_trace: Any, runs: list[tuple[str, tuple[str, ...]]], **columns: Any) -> WorkloadModel:
    """A model of runs, each of a pipeline with a chain of task types."""
    trace = job_trace(np.full(len(runs), 60.0), pipeline_name=np.array([name for name, _ in runs]), **columns)
    tasks, edges = [], []
    for row, (_, types) in zip(trace.task_runs.iter_rows(named=True), runs, strict=True):
        tasks += [{**row, "task_id": kind, "task_name": kind, "task_type": kind} for kind in types]
        edges += [{"run_id": row["run_id"], "task_id": kind, "parent_task_id": parent} for parent, kind in pairwise(types)]
    frames = {"task_runs": pl.DataFrame(tasks, infer_schema_length=None), "task_edges": pl.DataFrame(edges)}
    return fit(Trace({"pipeline_runs": trace.pipeline_runs, **frames}))


def shapes(rounds: list[Trace], name: str) -> list[tuple[str, ...]]:
    """The task types of a pipeline's run in each round."""
    wanted = [
        trace.task_runs.filter(pl.col("run_id").str.starts_with(f"retrain-{name}-"), pl.col("attempt") == 1) for trace in rounds
    ]
    return [tuple(rows["task_type"].to_list()) for rows in wanted]


def test_every_pipeline_that_trains_is_retrained_once_a_round(platform: WorkloadModel) -> None:
    for number in (0, 7):
        drawn = draw_retraining(platform, number, seed=3)
        runs = drawn.pipeline_runs
        assert drawn.violations() == []
        assert drawn.origin == "synthetic"
        assert runs["pipeline_name"].to_list() == list(platform.structure.pipelines)
        assert runs["run_id"].to_list() == [f"retrain-{name}-{number}" for name in platform.structure.pipelines]
        assert runs["trigger"].null_count() == runs["submitted_at"].null_count() == runs.height
        assert set(runs["observed_until"]) == {platform.window.end}
        trains = drawn.task_runs.filter(pl.col("task_type") == "train")
        assert set(trains["run_id"]) == set(runs["run_id"])
        assert set(drawn.task_runs["run_id"]) == set(runs["run_id"])
        assert drawn["task_io"].join(drawn["data_assets"], on=["asset_id", "version"]).height == drawn["task_io"].height > 0


def test_a_round_depends_on_nothing_but_model_number_and_seed(platform: WorkloadModel) -> None:
    first, other, reseeded = (draw_retraining(platform, *which) for which in ((5, 1), (6, 1), (5, 2)))
    again = draw_retraining(WorkloadModel.from_json(platform.to_json()), 5, 1)
    for table in first:
        assert first[table].equals(again[table])
    numbers = ["duration_s", "read_bytes"]
    for different in (other, reseeded):
        assert not first.task_runs[numbers].equals(different.task_runs[numbers])
    assert len({trace.name for trace in (first, other, reseeded)}) == 3
    assert first.name == again.name


def test_shapes_are_those_that_train_and_of_these_those_that_deploy(job_trace: Any) -> None:
    live, long, bare, old = ("train", "deploy"), ("preprocess", "train", "deploy"), ("train", "evaluate"), ("evaluate",)
    runs = [("goes-live", live)] * 3 + [("goes-live", long)] + [("goes-live", bare)] * 20 + [("goes-live", old)] * 20
    runs += (
        [("trains", bare)] * 2 + [("trains", ("train",))] * 2 + [("trains", old)] * 9 + [("never", old), ("never", ("deploy",))]
    )
    model = model_of(job_trace, runs)
    rounds = [draw_retraining(model, number, 0) for number in range(ROUNDS)]
    assert {tuple(trace.pipeline_runs["pipeline_name"]) for trace in rounds} == {("goes-live", "trains")}
    drawn = shapes(rounds, "goes-live")
    assert set(drawn) == {live, long}
    assert stats.binomtest(drawn.count(live), ROUNDS, 0.75).pvalue > 0.001
    drawn = shapes(rounds, "trains")
    assert set(drawn) == {bare, ("train",)}
    assert stats.binomtest(drawn.count(bare), ROUNDS, 0.5).pvalue > 0.001


def test_marks_are_the_most_frequent_whatever_triggered(job_trace: Any) -> None:
    marks = [("x", "u", 1, "manual")] * 2 + [("x", "u", 1, "api")] * 2 + [("y", "v", 0, "schedule")] * 3
    tied = [("b", "u", 0, "api"), ("a", "w", 2, "api"), ("a", "v", None, "api")]
    columns = {
        name: list(values)
        for name, values in zip(("tenant", "user", "priority", "trigger"), zip(*marks, *tied, strict=True), strict=True)
    }
    model = model_of(job_trace, [("p", ("train",))] * 7 + [("q", ("train",))] * 3, **columns)
    runs = draw_retraining(model, 0, 0).pipeline_runs
    assert runs.select("tenant", "user", "priority", "trigger").rows() == [("x", "u", 1, None), ("a", "v", None, None)]


def test_a_log_that_never_trains_has_no_retraining(job_trace: Any) -> None:
    drawn = draw_retraining(model_of(job_trace, [("p", ("evaluate",)), ("q", ("deploy", "other"))]), 0, 0)
    assert all(drawn[table].is_empty() for table in drawn)


def test_tasks_are_drawn_as_those_of_a_synthetic_trace(platform: WorkloadModel) -> None:
    """The same laws: of what a pipeline's training takes, asks for and reads, and how it ends."""
    alone = platform.model_copy(update={"marks": IndependentMarks()})  # else runs share the work of one run of the log
    synthetic = synthesize(alone, SynthesisConfig(days=60, seed=2))
    rounds = [draw_retraining(platform, number, 9) for number in range(60)]
    retrained = pl.concat([trace.task_runs for trace in rounds])
    for kind, framework in (("train", "SparkML"), ("train", "TensorFlow"), ("preprocess", None)):
        ours, theirs = (
            rows.filter(pl.col("task_type") == kind, pl.col("framework").eq_missing(pl.lit(framework)), pl.col("attempt") == 1)
            for rows in (retrained, synthetic.task_runs)
        )
        for column in ("duration_s", "read_bytes"):
            assert stats.ks_2samp(ours[column].drop_nulls(), theirs[column].drop_nulls()).pvalue > 0.001, (kind, column)
        for column, value in (("status", "SUCCEEDED"), ("gpus", 1.0), ("cpu_cores", 4.0)):
            counts = [(rows[column] == value).sum() for rows in (ours, theirs)]
            table = [[counts[0], ours.height - counts[0]], [counts[1], theirs.height - counts[1]]]
            assert stats.fisher_exact(table).pvalue > 0.001, (kind, column)
    attempts = retrained.select("run_id", "task_id", "attempt")
    assert attempts.n_unique() == attempts.height  # 60 rounds can go into one trace
    done = pl.concat([trace.pipeline_runs for trace in rounds])
    failed = retrained.filter(~pl.col("status").is_in(["SUCCEEDED", "UNKNOWN"])).select("run_id").unique()
    assert done.filter(pl.col("status") != "SUCCEEDED").join(failed, on="run_id", how="anti").is_empty()
    assert 0.05 < (done["status"] != "SUCCEEDED").mean() < 0.6  # type: ignore[operator]


def test_recombined_shapes_do_not_decide_that_a_pipeline_goes_live(job_trace: Any) -> None:
    """Training runs and deploying runs are never the same ones; recombined shapes that are both stay as rare as they are."""
    runs = [("p", ("train", "evaluate"))] * 60 + [("p", ("preprocess", "evaluate", "deploy"))]
    model = model_of(job_trace, runs)
    structure = model.structure
    unseen = {tuple(task.task_type for task in shape.tasks) for shape in structure.shapes[-structure.recombined :]}
    assert unseen == {("train", "evaluate", "deploy"), ("preprocess", "evaluate")}
    drawn = shapes([draw_retraining(model, number, 0) for number in range(ROUNDS)], "p")
    assert set(drawn) <= {("train", "evaluate"), ("train", "evaluate", "deploy")}
    assert drawn.count(("train", "evaluate")) > 0.9 * ROUNDS
