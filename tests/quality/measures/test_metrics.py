"""The metrics: each sees what was changed, and nothing else; equal excerpts are perfect."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from pipesim.quality.excerpt import Excerpt
from pipesim.quality.measures import METRICS, CannotTellError, Metric
from pipesim.streams import stream
from tests.quality.conftest import jobs_of, poisson

BY_NAME = {metric.name: metric for metric in METRICS}
JUDGED = [metric for metric in METRICS if metric.goal.words]


def value(name: str, real: Excerpt, other: Excerpt) -> float:
    found = BY_NAME[name].compute(real, other)
    assert set(found) == {""}
    return found[""]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_equal_excerpts_are_perfect(metric: Metric, real: Excerpt) -> None:
    assert list(metric.compute(real, real).values()) == pytest.approx(
        [metric.perfect] * len(metric.compute(real, real)), abs=0.05 if metric.name == "classifier_auc" else 1e-9
    )


@pytest.mark.parametrize("metric", JUDGED, ids=lambda metric: metric.name)
def test_each_has_goals_within_each_other_and_words(metric: Metric) -> None:
    goal, best = metric.goal.at(0.5), metric.stretch.at(0.5)
    for at in (metric.perfect, best.low, best.high):
        assert at is None or goal.met(at)
    sentence = metric.words(0.4, 0.3, 0.1)
    assert sentence.endswith(".")
    assert ";" in sentence
    assert ";" not in metric.words(0.4, None, None)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_the_floor_is_finite_and_comes_from_the_generator(metric: Metric, real: Excerpt) -> None:
    one, again, other = (metric.floor(real, stream(seed, "test")) for seed in (0, 0, 1))
    assert one == again
    assert all(np.isfinite(v) for v in one.values())
    assert one != other or metric.name == "category_mix"


def with_jobs(one: Excerpt, *columns: pl.Expr, **named: pl.Expr) -> Excerpt:
    """The excerpt with other jobs, a new one, as an excerpt remembers what was computed of it."""
    jobs = one.jobs.with_columns(*columns, **named)
    return Excerpt(one.days, one.stretch, one.gpus, one.runs, jobs)


LATER = pl.col("seconds").sort()
CHANGES: dict[str, tuple[Callable[[Excerpt], Excerpt], set[str]]] = {
    "half of the runs": (
        lambda one: Excerpt(one.days, one.stretch, one.gpus, one.runs[::2], one.jobs[::2]),
        {"count_ratio", "interarrival_ks", "work_ratio"},
    ),
    "durations doubled": (
        lambda one: with_jobs(one, seconds=pl.col("seconds") * 2),
        {"duration_ks", "duration_wasserstein", "duration_q99_ratio", "work_ratio", "wfe_p95", "wfe_p95_bias"},
    ),
    "durations sorted": (lambda one: with_jobs(one, seconds=LATER), {"duration_memory_error", "classifier_auc"}),
    "narrow jobs": (lambda one: with_jobs(one, pl.lit(1.0).alias("width")), {"work_ratio", "wfe_p95", "classifier_auc"}),
    "another task type": (lambda one: with_jobs(one, task_type=pl.lit("deploy")), {"category_mix", "duration_ks"}),
    "long jobs are wide": (lambda one: with_jobs(one, gpus=pl.col("seconds").rank()), {"correlation_similarity"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_seen_by_its_metrics(real: Excerpt, change: str) -> None:
    make, expected = CHANGES[change]
    other = make(real)
    missed = {
        metric.name for metric in JUDGED if not all(metric.goal.at(None).met(v) for v in metric.compute(real, other).values())
    }
    assert expected <= missed
    untouched = {"count_ratio", "interarrival_ks", "dispersion_error"} if change != "half of the runs" else {"category_mix"}
    assert not missed & untouched - expected


def test_bursts_are_seen_by_dispersion_and_memory(real: Excerpt) -> None:
    day = 86_400
    bunched = jobs_of(np.sort(np.floor(real.submitted_us / 1e6 / day * 4) * day / 4 + np.arange(len(real.submitted_us)) % 60))
    assert value("dispersion_error", real, bunched) > 1
    assert BY_NAME["dispersion_log_ratio"].compute(real, bunched)["1 min"] > 1
    assert value("hourly_memory_error", real, bunched) > 0.1


def test_another_draw_of_the_same_law_is_hard_to_tell_apart(real: Excerpt) -> None:
    assert value("classifier_auc", real, poisson(2)) < 0.6
    assert value("classifier_auc", real, poisson(2, per_hour=12.0)) > 0.9


def test_days_that_lent_their_rows_to_the_other_trace_are_no_help(real: Excerpt) -> None:
    """Each day has its own durations, and the other trace has them a week later: there is nothing to tell them apart by."""
    own = np.random.default_rng(0).lognormal(0, 2, 28)
    mine = with_jobs(real, seconds=pl.col("seconds") * pl.Series(own)[real.jobs["day"]])
    assert value("classifier_auc", mine, mine.reordered(np.roll(np.arange(28), 7))) < 0.6


def test_jobs_that_come_after_the_last_day_belong_to_the_day_of_their_run(real: Excerpt) -> None:
    late = with_jobs(real, at_us=pl.col("at_us") + 2 * 86_400_000_000)
    assert value("classifier_auc", late, late) == pytest.approx(0.5, abs=0.05)


def test_durations_that_are_nearly_all_lower_bounds_or_zero_cannot_be_compared() -> None:
    at, one_in = np.arange(4000) * 600.0, np.arange(4000) == 7
    running = jobs_of(at, 60.0, is_censored=~one_in, status=np.where(one_in, "SUCCEEDED", "RUNNING"))
    for one, name, why in (
        (running, "duration_wasserstein", "all real durations are equal"),
        (jobs_of(at, np.where(one_in, 60.0, 0.0)), "duration_q99_ratio", "are zero"),
    ):
        with pytest.raises(CannotTellError, match=why):
            value(name, one, one)
    few = np.arange(8000) % 4000 == 7
    bounds = jobs_of(np.arange(8000) * 200.0, np.arange(8000.0), is_censored=~few, status=np.where(few, "SUCCEEDED", "RUNNING"))
    with pytest.raises(CannotTellError, match="only known to be larger"):
        value("duration_wasserstein", bounds, bounds)


def test_twice_the_wait_is_a_log_ratio_of_ln_2_but_seconds_do_not_count() -> None:
    at = np.arange(2000) * 600.0
    slow, fast = (jobs_of(at, seconds) for seconds in (1.0, 30.0))
    assert value("wfe_p95", slow, fast) == 0.0, "one server is enough for both"
    real = poisson(1)
    longer = with_jobs(real, seconds=pl.col("seconds") * 3)
    ratios = BY_NAME["wait_log_ratio"].compute(real, longer)
    assert value("wfe_p95_bias", real, longer) == pytest.approx(np.mean([ratios[f"p95 at load {x}"] for x in (0.7, 0.8, 0.9)]))
    assert value("wfe_p95", real, longer) == pytest.approx(value("wfe_p95_bias", real, longer))
    assert value("wfe_p95_bias", longer, real) < -1


def test_the_worst_categories_and_cells_have_names(real: Excerpt) -> None:
    assert set(BY_NAME["category_mix"].compute(real, real)) == {"pipeline", "size", "status", "task type"}
    assert set(BY_NAME["duration_ks"].compute(real, real)) == {"train, 1 GPU", "train, 2 GPUs", "train, 8 GPUs"}


def test_the_noise_of_durations_is_that_of_two_samples_of_the_cells_size(real: Excerpt) -> None:
    """Known from Kolmogorov: .8687 sqrt(2/n)."""
    noise = [BY_NAME["duration_ks"].floor(real, stream(seed, "test"))["train, 8 GPUs"] for seed in range(30)]
    rows = real.jobs.filter(pl.col("gpus") == 8).height
    assert np.mean(noise) == pytest.approx(0.8687 * np.sqrt(2 / rows), rel=0.15)


UNTOLD = {
    "nothing": (jobs_of([]), {metric.name for metric in METRICS}),
    "one job": (
        jobs_of([5.0]),
        {m.name for m in METRICS} - {"count_ratio", "category_mix", "duration_q99_ratio", "work_ratio"},
    ),
    "no durations": (
        jobs_of(np.arange(2000) * 900.0, None, task_type=pl.lit(None, dtype=pl.String)),
        {"duration_ks", "duration_q99_ratio", "duration_wasserstein", "duration_memory_error", "work_ratio", "wfe_p95"},
    ),
    "one day": (poisson(3, days=1, per_hour=60.0), {"classifier_auc", "dispersion_error"}),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_a_log_cannot_tell_has_a_reason_and_no_value(name: str) -> None:
    one, expected = UNTOLD[name]
    reasons = {}
    for metric in METRICS:
        for ask in (lambda m: m.compute(one, one), lambda m: m.floor(one, stream(0, "test"))):
            try:
                assert all(np.isfinite(v) for v in ask(metric).values()), metric.name
            except CannotTellError as error:
                reasons[metric.name] = str(error)
    assert expected <= set(reasons)
    assert all(reasons.values())
