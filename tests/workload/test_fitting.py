from __future__ import annotations

import json
import math
from datetime import datetime, time, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from pipesim.errors import EmptyTraceError, FileError, RequestError
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize


def test_nothing_to_fit_is_refused(job_trace: Any) -> None:
    with pytest.raises(EmptyTraceError):
        fit(Trace())
    with pytest.raises(EmptyTraceError):
        fit(Trace({"pipeline_runs": job_trace([1.0]).pipeline_runs}))
    with pytest.raises(RequestError, match="submitted"):
        fit(job_trace([1.0], submitted_at=pl.lit(None, pl.Datetime("us")).alias("submitted_at")))
    with pytest.raises(RequestError, match="ended with a duration"):
        fit(job_trace([5.0] * 80, status="RUNNING", is_censored=pl.lit(True).alias("is_censored")))


@pytest.mark.parametrize(
    "columns",
    [{}, {"status": "FAILED"}, {"status": "UNKNOWN"}, {"task_type": pl.lit(None, pl.String).alias("task_type")}],
    ids=["one row", "all failed", "no status", "no task type"],
)
def test_degenerate_logs_have_a_model(job_trace: Any, columns: dict[str, Any]) -> None:
    drawn = synthesize(fit(job_trace([42.0], **columns)), SynthesisConfig(days=1))
    assert drawn.violations() == []
    assert set(drawn.task_runs["duration_s"]) == {42.0}
    assert set(drawn.task_runs["status"]) == {columns.get("status", "SUCCEEDED")} if "status" in columns else {"SUCCEEDED"}


def test_a_log_of_failures_says_where_durations_come_from(job_trace: Any) -> None:
    model = fit(job_trace([4.0, 5.0], status="FAILED"))
    assert any(note.startswith("durations: no attempt succeeded") for note in model.notes)


def test_running_attempts_count_as_at_least_their_time_so_far(job_trace: Any) -> None:
    rng = np.random.default_rng(2)
    n = 3_000
    truth, until = rng.exponential(1_000.0, n), rng.exponential(1_000.0, n)
    trace = job_trace(np.minimum(truth, until), status=np.where(truth > until, "RUNNING", "SUCCEEDED"))
    start = trace.pipeline_runs["observed_until"][0]
    # The log gives no duration of what still runs: only when it started, and when the log ended.
    running = pl.col("status") == "RUNNING"
    tasks = trace.task_runs.with_columns(
        started_at=pl.when(running).then(start - pl.duration(microseconds=pl.col("duration_s") * 1e6)),
        duration_s=pl.when(~running).then("duration_s"),
        is_censored=running,
    )
    model = fit(Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": tasks}))
    cell = model.durations[model.durations[0].uses]
    assert (cell.rows, cell.censored) == (np.sum(truth <= until), np.sum(truth > until))
    assert cell.choice is not None
    assert cell.choice.law.quantile(np.array([0.5]))[0] == pytest.approx(1_000 * np.log(2), rel=0.1)
    assert set(synthesize(model, SynthesisConfig(days=5)).task_runs["status"]) == {"SUCCEEDED"}


def test_thin_cells_use_their_parents(job_trace: Any) -> None:
    n = 200
    framework = np.where(np.arange(n) < 20, "Caffe", np.where(np.arange(n) < 100, "PyTorch", "SparkML"))
    types = np.where(np.arange(n) < 10, "deploy", "train")
    seconds = np.linspace(1, 50, n)
    seconds[:20] = np.random.default_rng(1).permutation(np.linspace(1, 50, 20))
    model = fit(job_trace(seconds, framework=framework, task_type=types))
    cells = {c.name: c for c in model.durations}
    levels = {name: model.durations[c.uses].level for name, c in cells.items() if c.level == "size"}
    assert levels == {
        "train/Caffe/-": "type",
        "train/PyTorch/-": "framework",
        "train/SparkML/-": "framework",
        "deploy/Caffe/-": "all",
    }
    assert all(
        (c.choice is not None) == (i in {c.uses for c in model.durations if c.level == "size"})
        for i, c in enumerate(model.durations)
    )


def test_a_pool_is_kept_only_where_the_kind_always_ran_there(job_trace: Any) -> None:
    tied = fit(job_trace([1.0, 2.0], pool="gpu"))
    loose = fit(job_trace([1.0, 2.0], pool=np.array(["gpu", "cpu"])))
    assert [m.kinds[0].demands.pool for m in (tied, loose)] == [("gpu",), (None,)]


def test_model_is_plain_json_with_a_content_address(job_trace: Any) -> None:
    trace = job_trace([1.0, 2.0, 3.0])
    model = fit(trace, FitConfig(seed=3))
    assert model.id == WorkloadModel.from_json(model.to_json()).id != fit(trace, FitConfig(seed=4)).id
    assert model.id.startswith("m-")
    assert set(json.loads(model.to_json())) == set(WorkloadModel.model_fields)
    # The order in which a log's rows come does not matter.
    turned = Trace({name: trace[name].reverse() for name in trace})
    assert fit(turned, FitConfig(seed=3)).id == model.id
    for broken in ("", "{}", '{"version": 99}', "[1]"):
        with pytest.raises(FileError, match="no workload model"):
            WorkloadModel.from_json(broken)


def test_unknown_options_are_refused() -> None:
    for options in ({"arrivals": "none"}, {"seed": -1}, {"marks": "x"}):
        with pytest.raises(ValidationError):
            FitConfig.model_validate(options)


def test_window_is_from_the_first_submission_to_the_end_of_the_log(job_trace: Any) -> None:
    trace = job_trace([1.0, 2.0], [0, 7_200])
    model = fit(trace)
    assert model.window.end - model.window.start == timedelta(hours=2)
    assert model.provenance.pipeline_runs == 2


def test_a_window_is_fitted_as_if_nothing_else_had_been_submitted(job_trace: Any) -> None:
    trace = job_trace([5.0] * 400, np.arange(400) * 3_600.0)
    begin = trace.pipeline_runs["submitted_at"].min()
    assert isinstance(begin, datetime)
    first = begin.date() + timedelta(days=2)
    last = begin.date() + timedelta(days=9)
    model = fit(trace, FitConfig(window=f"{first}..{last}"))
    assert model.provenance.pipeline_runs == 8 * 24
    assert model.window.start >= datetime.combine(first, time())
    assert model.window.end <= datetime.combine(last + timedelta(days=1), time())
    with pytest.raises(EmptyTraceError, match="between 2030"):
        fit(trace, FitConfig(window="2030-01-01..2030-01-02"))
    for wrong in ("yesterday", "2026-01-05..2026-01-01", "2026-01-01", "2026-01-01T10:00..2026-01-02",
                  "2026-01-01T00:00+00:00..2026-01-02", "9999-12-30..9999-12-31"):  # fmt: skip
        with pytest.raises(ValidationError, match="two days in order such as"):
            FitConfig(window=wrong)


def test_laws_of_durations_that_are_taken_over_give_the_same_model(job_trace: Any) -> None:
    for status in ("SUCCEEDED", "FAILED"):
        trace = job_trace(np.geomspace(10, 1e4, 300), status=status)
        first = WorkloadModel.from_json(fit(trace).to_json())
        config = FitConfig(arrivals="hour-of-week", marks="independent")
        assert fit(trace, config, durations_of=first).to_json() == fit(trace, config).to_json()


def test_a_window_beside_the_log_names_the_days_that_it_has(job_trace: Any) -> None:
    with pytest.raises(EmptyTraceError, match="between 2031-01-01") as error:
        fit(job_trace([60.0] * 200), FitConfig(window="2031-01-01..2031-01-05"))
    assert "2024-01-01..2024-01-02" in str(error.value.remedy)


@pytest.mark.parametrize("column", ["gpus", "duration_s"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_quantity_is_refused_with_its_place(job_trace: Any, column: str, value: float) -> None:
    trace = job_trace([60.0] * 50, gpus=[1.0] * 50)
    rows = trace.task_runs.with_columns(pl.when(pl.col("run_id") == "r7").then(value).otherwise(column).alias(column))
    with pytest.raises(RequestError, match=f"{column} is NaN or infinite") as caught:
        fit(Trace({"pipeline_runs": trace.pipeline_runs, "task_runs": rows}))
    assert caught.value.where == f"task_runs.{column}"
