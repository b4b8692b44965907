"""Likeness: the metrics against independent computations, and checks that see exactly what was changed."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from pipesim.checks import fidelity
from pipesim.checks.metrics import ARRIVALS, DURATIONS, TASKS, Metric, scores
from pipesim.checks.sample import Sample, sample
from pipesim.checks.verdict import Figure
from pipesim.lake import Lake
from pipesim.trace import Trace
from tests.checks.conftest import MONDAY, workload

DAYS = 28


def sampled(trace: Trace, scale: float = 1.0, days: int = DAYS) -> Sample:
    return sample(trace, MONDAY, MONDAY + timedelta(days=days), scale)


def missed(metrics: tuple[Metric, ...], real: Sample, other: Sample) -> dict[str, Figure]:
    found = scores(metrics, real, [m.compute(real, other) for m in metrics], other.size)
    return {name: figure for name, figure in found.items() if not figure.ok}


@pytest.fixture(scope="module")
def real() -> Sample:
    return sampled(workload(1))


def test_another_draw_of_the_same_law_misses_hardly_a_goal() -> None:
    """By chance alone about one figure in a hundred may: of 6 pairs with 12 figures each, three are far more than that."""
    pairs = [(sampled(workload(seed)), sampled(workload(seed + 100))) for seed in range(10, 16)]
    assert sum(len(missed((*ARRIVALS, *DURATIONS, *TASKS), one, other)) for one, other in pairs) < 3


def test_a_scaled_trace_is_compared_as_if_it_were_not(real: Sample) -> None:
    twice = workload(2).pipeline_runs.vstack(workload(3).pipeline_runs.with_columns(run_id="3" + pl.col("run_id")))
    tasks = pl.concat([workload(2).task_runs, workload(3).task_runs.with_columns(run_id="3" + pl.col("run_id"))])
    assert missed((*ARRIVALS, *TASKS), real, sampled(Trace({"pipeline_runs": twice, "task_runs": tasks}), scale=2.0)) == {}


def test_half_the_days_are_compared_as_if_they_were_all(real: Sample) -> None:
    assert missed((*ARRIVALS, *DURATIONS, *TASKS), real, sampled(workload(2, days=14), days=14)) == {}


half = pl.int_range(pl.len()) % 2 == 0
shifted = pl.col("submitted_at") + pl.when(pl.col("submitted_at").dt.hour() < 12).then(pl.duration(hours=12))
bunched = pl.col("submitted_at").dt.truncate("20m")


@pytest.mark.parametrize(
    ("columns", "broken"),
    [
        ({"submitted_at": pl.when(half).then("submitted_at")}, {"run_rate_ratio", "interarrival_ks"}),
        ({"submitted_at": shifted.fill_null(pl.col("submitted_at"))}, {"hour_of_week_distance"}),
        ({"submitted_at": bunched}, {"interarrival_ks"}),
        ({"task_id": pl.when(half).then(pl.lit("t")), "attempt": pl.when(half).then(1).otherwise(2)}, {"tasks_per_run_ratio"}),
        ({"status": pl.when(half).then(pl.lit("FAILED")).otherwise("status")}, {"failure_rate_difference"}),
        ({"gpus": pl.when(pl.col("gpus") == 8).then(1.0).otherwise("gpus")}, {"demand_mix_distance"}),
        ({"gpus": pl.when(pl.col("gpus") == 8).then(7.5).otherwise("gpus")}, set()),
    ],
)
def test_arrivals_and_tasks_that_differ_are_seen_by_their_metric(
    real: Sample, columns: dict[str, pl.Expr], broken: set[str]
) -> None:
    found = missed((*ARRIVALS, *TASKS), real, sampled(workload(2, **columns)))
    assert broken <= set(found)
    assert broken or not found


def test_durations_that_differ_are_seen_by_type_and_quantile(real: Sample) -> None:
    train = pl.col("task_type") == "train"
    longer = pl.when(train).then(pl.col("duration_s") * 1.6).otherwise("duration_s")
    found = missed(DURATIONS, real, sampled(workload(2, duration_s=longer)))
    assert {"duration_ks", "duration_ks_train", "duration_p50_ratio"} <= set(found)
    assert "duration_ks_evaluate" not in found


def test_an_empty_trace_is_not_like_a_full_one(real: Sample) -> None:
    assert "run_rate_ratio" in missed(ARRIVALS, real, sampled(Trace()))


def test_without_four_days_there_is_no_goal() -> None:
    short = sampled(workload(1, days=3), days=3)
    figures = scores(ARRIVALS, short, [m.compute(short, short) for m in ARRIVALS], 3)
    assert {figure.goal for figure in figures.values()} == {""}


def test_the_floor_is_that_of_two_samples_of_the_sizes_compared() -> None:
    """For the distance of durations the floor is known: about .8687 sqrt(1/n + 1/m) (Kolmogorov)."""
    one, other = sampled(workload(1)), sampled(workload(2, days=112), days=112)
    (ks,) = scores([DURATIONS[3]], one, [0.0], other.size).values()
    expected = 0.8687 * np.sqrt(1 / len(one.durations["all"].value) + 1 / len(other.durations["all"].value))
    assert ks.floor == pytest.approx(expected, rel=0.25)


JUDGES = (fidelity.arrivals_like_observed, fidelity.durations_like_observed, fidelity.tasks_like_observed)


def test_what_was_drawn_from_the_model_passes(fitted: Lake) -> None:
    for judge in JUDGES:
        verdict = judge(fitted)
        assert verdict.passed, verdict.words
        assert all(figure.floor is not None for figure in verdict.figures.values() if figure.goal)
        assert judge(fitted).figures == verdict.figures
    quantiles = fidelity.durations_like_observed(fitted).tables["quantiles"]
    assert set(quantiles["task_type"]) == {"all", "train", "evaluate"}


def test_a_synthetic_trace_that_is_not_like_it_is_a_warning(fitted: Lake) -> None:
    name = fitted.current(fitted.lake / "synthetic")
    assert name is not None
    stored = fitted.load_synthetic(name)
    manifest = json.loads((fitted.synthetic_folder(name) / "manifest.json").read_text())
    worse = Trace(
        {
            "pipeline_runs": stored.pipeline_runs.gather_every(2),
            "task_runs": stored.task_runs.with_columns(pl.col("duration_s") * 3, status=pl.lit("FAILED")),
        },
        "synthetic",
        "worse",
    )
    fitted.save_synthetic(worse, {k: manifest[k] for k in ("model", "config")})
    for judge in JUDGES:
        verdict = judge(fitted)
        assert (verdict.passed, verdict.severity) == (False, "warn"), verdict.words
