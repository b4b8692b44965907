from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from pipesim.errors import RequestError
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, fit, synthesize
from pipesim.workload.arrivals.day_ar import DayArArrivals
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.model import WorkloadModel
from pipesim.workload.privacy import private
from pipesim.workload.rare import FEWEST
from tests.workload.conftest import START

SECRETS = ("secret", "alice", "bob", "carol", "vault")


@pytest.fixture(scope="module")
def log(job_trace: Callable[..., Trace]) -> Trace:
    """Four weeks of jobs with telling names; carol has run three of them."""
    rng = np.random.default_rng(3)
    at = np.sort(rng.random(4_000)) * 28 * 86_400
    users = np.where(rng.random(4_000) < 0.3, "alice", "bob")
    users[[100, 200, 300]] = "carol"
    return job_trace(
        rng.lognormal(5, 1, 4_000),
        at_s=at,
        user=users,
        tenant=np.where(users == "alice", "secret-project", "other-secret"),
        pipeline_name=np.where(rng.random(4_000) < 0.6, "secret-churn", "secret-fraud"),
        task_name="secret-task",
        raw_type="secret-operator",
        pool="vault-a",
        gpus=np.where(rng.random(4_000) < 0.999, 1.0, 7.0),
    )


@pytest.fixture(scope="module")
def model(log: Trace) -> WorkloadModel:
    return fit(log)


def text_of(trace: Trace) -> str:
    return "\n".join(
        value for table in trace for column in trace[table].iter_columns() if column.dtype == pl.String
        for value in column.unique().drop_nulls().to_list()
    )  # fmt: skip


def test_no_name_of_the_log_is_left(log: Trace, model: WorkloadModel) -> None:
    open_trace = synthesize(model, SynthesisConfig(days=28))
    trace = synthesize(model, SynthesisConfig(days=28, private=True))
    assert all(secret in text_of(open_trace) for secret in SECRETS if secret != "carol")
    assert not any(secret in text_of(trace) for secret in SECRETS)
    assert trace.name == f"{open_trace.name}-private"
    # The most frequent is the first, whatever its name.
    shares = trace.pipeline_runs["pipeline_name"].value_counts(normalize=True)
    assert dict(shares.iter_rows())["pipeline-1"] == pytest.approx(0.6, abs=0.03)
    assert {"user-1", "user-2"} <= set(trace.pipeline_runs["user"].to_list()) <= {"user-1", "user-2", None}
    assert trace.task_runs["gpus"].unique().to_list() == [1.0]


def test_no_row_and_no_day_is_copied(log: Trace, model: WorkloadModel) -> None:
    for seed in range(3):
        trace = synthesize(model, SynthesisConfig(days=28, seed=seed, private=True))
        known = set(log.task_runs["duration_s"].to_list())
        assert not known & set(trace.task_runs["duration_s"].to_list())
        counts = [
            t.pipeline_runs.group_by(day=pl.col("submitted_at").dt.date(), hour=pl.col("submitted_at").dt.hour()).len()
            .pivot("hour", index="day", values="len").fill_null(0).drop("day").to_numpy()
            for t in (log, trace)
        ]  # fmt: skip
        apart = np.abs(counts[0][:, None] - counts[1][None]).sum(axis=2) / 143
        assert apart.min() > 0.2


def test_what_is_private_is_still_like_the_log(log: Trace, model: WorkloadModel) -> None:
    trace = synthesize(model, SynthesisConfig(days=84, private=True))
    assert trace.pipeline_runs.height == pytest.approx(12_000, rel=0.05)
    assert trace.task_runs["duration_s"].median() == pytest.approx(log.task_runs["duration_s"].median(), rel=0.05)


def test_arrivals_copy_no_day_of_a_short_log_either(job_trace: Callable[..., Trace]) -> None:
    rng = np.random.default_rng(5)
    for days in (1, 5, 30):
        at = np.sort(rng.random(50 * days)) * days * 86_400
        own = fit(job_trace(rng.lognormal(5, 1, len(at)), at_s=at))
        arrivals = private(own).arrivals
        assert isinstance(own.arrivals, DayBlockArrivals)
        if days == 30:
            assert isinstance(arrivals, DayArArrivals)
            continue
        assert isinstance(arrivals, DayBlockArrivals)
        assert not set(own.arrivals.source.intensity) & set(arrivals.source.intensity)
        assert arrivals.expected_runs(7, 1) == pytest.approx(own.arrivals.expected_runs(7, 1), rel=0.01)
        assert synthesize(own, SynthesisConfig(days=21, private=True)).pipeline_runs["submitted_at"].min() >= START + timedelta(
            days=days - 1
        )


def test_demands_of_few_tasks_are_left_out_unless_all_are(model: WorkloadModel) -> None:
    (kind,) = private(model).kinds
    assert min(kind.demands.tasks) >= FEWEST
    few = model.kinds[0].model_copy(update={"demands": model.kinds[0].demands.model_copy(update={"tasks": (1, 3)})})
    (kept,) = private(model.model_copy(update={"kinds": (few,)})).kinds
    assert (kept.demands.tasks, kept.demands.gpus, kept.demands.size) == ((4,), (None,), (None,))


def test_a_shape_of_few_runs_and_its_pipeline_are_left_out(job_trace: Callable[..., Trace]) -> None:
    rng = np.random.default_rng(7)
    n = 400
    jobs = job_trace(
        rng.lognormal(5, 1, n),
        pipeline_name=np.where(np.arange(n) < 4, "strange", "usual"),
        framework=np.where(np.arange(n) < 4, "in-house", np.where(np.arange(n) < 100, "our-own", "PyTorch")),
    )
    trace = synthesize(fit(jobs), SynthesisConfig(days=60, private=True))
    assert set(trace.pipeline_runs["pipeline_name"]) == {"pipeline-1"}
    assert set(trace.task_runs["framework"]) == {"framework-1", "PyTorch"}
    with pytest.raises(RequestError, match="no 5 runs") as error:
        synthesize(fit(job_trace([1.0, 2.0, 3.0, 4.0])), SynthesisConfig(days=1, private=True))
    assert error.value.remedy


def test_combinations_of_few_runs_lose_what_tells_whose_they_are(job_trace: Callable[..., Trace]) -> None:
    n = 600
    users = np.array([f"user {i % 3}" for i in range(n)])
    tenants = np.where(users == "user 0", "x", "y")
    tenants[:2] = "y"
    priorities = np.zeros(n, dtype=np.int64)
    priorities[[4, 40]] = 4_711
    trace = synthesize(
        fit(job_trace(np.full(n, 60.0), user=users, tenant=tenants, priority=priorities)),
        SynthesisConfig(days=400, private=True),
    )
    found = trace.pipeline_runs.select("tenant", "user", "priority").unique()
    assert 4_711 not in found["priority"].to_list()
    # User 0 and y are both frequent, but they came together only once.
    assert {(t, u) for t, u, _ in found.rows() if u is not None} == {
        ("tenant-2", "user-1"),
        ("tenant-1", "user-2"),
        ("tenant-1", "user-3"),
    }


def test_seldom_exact_values_of_a_rounded_log_are_not_repeated(job_trace: Callable[..., Trace]) -> None:
    rng = np.random.default_rng(11)
    n = 150
    seconds = np.floor(rng.lognormal(9, 1.5, n))
    seconds[::3] = 3_600.0
    read = rng.integers(10**6, 10**9, n)
    status = np.where(np.arange(n) == 5, "TIMEOUT", "SUCCEEDED")
    seconds[5] = 77_777.0
    model = fit(job_trace(seconds, read_bytes=read, status=status))
    trace = synthesize(model, SynthesisConfig(days=30, private=True)).task_runs
    values, counts = np.unique(seconds, return_counts=True)
    seldom = set(values[counts < FEWEST].tolist())
    shares = trace.select(
        seconds=pl.col("duration_s").is_in(list(seldom)).mean(), read=pl.col("read_bytes").is_in(read.tolist()).mean()
    ).row(0)
    assert max(shares) < 0.01  # what chance hits, one second among thousands
    assert not (trace["duration_s"] == 77_777.0).any()
    assert trace.select((pl.col("duration_s") == 3_600).mean()).item() == pytest.approx(1 / 3, abs=0.05)
    assert trace["duration_s"].median() == pytest.approx(float(np.median(seconds)), rel=0.2)


def test_the_week_of_a_short_log_is_not_that_of_an_hour_of_week_model(job_trace: Callable[..., Trace]) -> None:
    rng = np.random.default_rng(5)
    model = fit(
        job_trace(rng.lognormal(5, 1, 700), at_s=np.sort(rng.random(700)) * 7 * 86_400), FitConfig(arrivals="hour-of-week")
    )
    before, after = model.arrivals, private(model).arrivals
    assert after.expected_runs(7, 1) == pytest.approx(before.expected_runs(7, 1), rel=1e-6)
    days = before.weekly_rates().reshape(7, 24), after.weekly_rates().reshape(7, 24)
    assert not np.isclose(days[0].sum(axis=1)[:, None], days[1].sum(axis=1)).any()
