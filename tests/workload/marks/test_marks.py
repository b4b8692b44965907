from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from scipy import stats

from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize
from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, Submissions, microseconds
from pipesim.workload.marks.combinations import Combinations, fit_combinations
from pipesim.workload.marks.fitting import MarksKind
from pipesim.workload.marks.hour_octave import HourOctaveMarks, octaves
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.marks.same_day import SameDayMarks
from pipesim.workload.marks.source_runs import BLOCK, MOST_RUNS, UNKNOWN, SourceRuns, fit_source_runs, scores_near

MONDAY = datetime(2024, 1, 1)
FIRST = microseconds(MONDAY) // DAY_US
KINDS: tuple[MarksKind, ...] = get_args(MarksKind)


@pytest.fixture(scope="module")
def coupled() -> Trace:
    """Twelve weeks of two-task runs: on busy days jobs are ten times as long, and users come in sessions of ten runs."""
    rng = np.random.default_rng(5)
    rows = []
    for day in range(84):
        busy = day % 7 == 1 or rng.random() < 0.2
        times = np.sort(rng.integers(0, 86_400, 120 if busy else 30))
        for k, second in enumerate(times.tolist()):
            user = f"user{(day * 7 + k // 10) % 9}"
            rows.append((f"r{day:02d}-{k:03d}", user, day * 86_400.0 + second, (10.0 if busy else 1.0) * rng.lognormal(4, 0.5)))
    runs = pl.DataFrame(rows, schema=["run_id", "user", "at", "seconds"], orient="row")
    base = runs.select(
        "run_id",
        "user",
        pipeline_name=pl.format("of-{}", "user"),
        tenant=pl.lit("team"),
        status=pl.lit("SUCCEEDED"),
        raw_status=pl.lit("ok"),
        submitted_at=pl.lit(MONDAY) + pl.duration(microseconds=(pl.col("at") * 1e6).cast(pl.Int64)),
        observed_until=pl.lit(MONDAY + timedelta(days=84)),
        time_basis=pl.lit("utc"),
    )
    tasks = [
        runs.select(
            "run_id",
            task_id=pl.lit(name),
            attempt=1,
            task_name=pl.lit(name),
            task_type=pl.lit(name),
            status=pl.lit("SUCCEEDED"),
            raw_status=pl.lit("ok"),
            duration_s=pl.col("seconds") * factor,
            is_censored=False,
            gpus=pl.lit(gpus),
        )
        for name, factor, gpus in (("preprocess", 0.1, 0.0), ("train", 1.0, 2.0))
    ]
    edges = runs.select("run_id", task_id=pl.lit("train"), parent_task_id=pl.lit("preprocess"))
    return Trace({"pipeline_runs": base, "task_runs": pl.concat(tasks), "task_edges": edges})


def work_of_days(trace: Trace) -> np.ndarray:
    """Each day's runs and its mean log duration of training."""
    rows = trace.task_runs.filter(pl.col("task_type") == "train").join(
        trace.pipeline_runs.select("run_id", day=pl.col("submitted_at").dt.date()), on="run_id"
    )
    return (
        rows.group_by("day").agg(pl.len(), pl.col("duration_s").log().mean()).sort("day").select("len", "duration_s").to_numpy()
    )


@pytest.fixture(scope="module")
def models(coupled: Trace) -> dict[str, WorkloadModel]:
    return {kind: fit(coupled, FitConfig(marks=kind)) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_coupled_marks_keep_the_work_of_busy_days_and_durations_their_law(
    kind: MarksKind, coupled: Trace, models: dict[str, WorkloadModel]
) -> None:
    drawn = synthesize(models[kind], SynthesisConfig(days=84, seed=3))
    real, synthetic = (work_of_days(trace) for trace in (coupled, drawn))
    correlation = np.corrcoef(synthetic.T)[0, 1]
    assert np.corrcoef(real.T)[0, 1] > 0.9
    assert correlation > 0.7 if kind != "independent" else abs(correlation) < 0.3
    for task_type in ("preprocess", "train"):
        a, b = (t.task_runs.filter(pl.col("task_type") == task_type)["duration_s"].to_numpy() for t in (coupled, drawn))
        assert stats.ks_2samp(a, b).statistic < 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_users_come_in_sessions_and_as_often_as_in_the_log(
    kind: MarksKind, coupled: Trace, models: dict[str, WorkloadModel]
) -> None:
    def sessions(trace: Trace) -> float:
        users = trace.pipeline_runs.sort("submitted_at")["user"].to_numpy()
        return float(np.mean(users[1:] == users[:-1]))

    def shares(trace: Trace) -> dict[str, float]:
        counts = trace.pipeline_runs["user"].value_counts(normalize=True)
        return dict(counts.iter_rows())

    drawn = synthesize(models[kind], SynthesisConfig(days=336, seed=4))
    assert sessions(coupled) == pytest.approx(0.9, abs=0.02)
    # Blocks of hour-octave marks end where the octave changes, which in a log of a run an hour is often.
    assert sessions(drawn) == pytest.approx(0.9, abs=0.05) if kind != "hour-octave" else sessions(drawn) > 0.6
    assert shares(drawn) == pytest.approx(shares(coupled), abs=0.035)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "independent"])
def test_tasks_of_one_run_keep_their_work_together_but_are_no_copies(
    kind: MarksKind, coupled: Trace, models: dict[str, WorkloadModel]
) -> None:
    drawn = synthesize(models[kind], SynthesisConfig(days=84, seed=6)).task_runs
    pairs = drawn.pivot("task_type", index="run_id", values="duration_s").select("preprocess", "train").to_numpy()
    assert np.corrcoef(np.log(pairs).T)[0, 1] > 0.95
    known = set(coupled.task_runs["duration_s"].to_list())
    assert np.mean([value in known for value in drawn["duration_s"].to_list()]) < 0.01


def test_scores_near_the_stored_ones_are_standard_normal() -> None:
    work = np.round(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000) * 1000).astype(np.int64)
    near = scores_near(work, np.random.default_rng(1))
    assert np.corrcoef(near, work)[0, 1] == pytest.approx(0.99, abs=0.001)
    assert (near.mean(), near.std()) == pytest.approx((0, 1), abs=0.02)
    fresh = scores_near(np.full(20_000, UNKNOWN), np.random.default_rng(2))
    assert (fresh.mean(), fresh.std()) == pytest.approx((0, 1), abs=0.02)


def source(hours: list[int]) -> SourceRuns:
    n = len(hours)
    return SourceRuns(hour=tuple(hours), combination=tuple(range(n)), shape=(0,) * n, demand=(0,) * n, work=(0,) * n)


ONE = Combinations(pipeline=(0,), tenant=(None,), user=(None,), trigger=(None,), priority=(None,), runs=(1,))


def submitted(offsets_h: Any, lent: Any = None, scale: float = 1.0) -> Submissions:
    instants = FIRST * DAY_US + (np.asarray(offsets_h) * HOUR_US).astype(np.int64)
    return Submissions(instants, FIRST, None if lent is None else np.asarray(lent), scale)


def test_same_day_marks_are_those_of_about_the_same_hour_of_the_lent_day() -> None:
    hours = [FIRST * 24 + d * 24 + h for d in range(20) for h in range(24) for _ in range(40)]
    marks = SameDayMarks(runs=source(hours))
    at = np.concatenate([24 * d + np.arange(0, 24, 0.05) for d in range(5)])
    lent = FIRST + np.array([7, 3, 19, 3, 0])
    drawn = marks.sample(stream(1, "m"), submitted(at, lent), ONE)
    assert drawn.source is not None
    assert np.array_equal(drawn.combination, drawn.source)
    chosen = np.asarray(hours)[drawn.source]
    assert np.array_equal(chosen // 24, lent[(at // 24).astype(int)])
    assert np.abs(chosen % 24 - at % 24).max() <= 2.0
    assert np.mean(np.diff(drawn.source) == 1) > 0.9


def test_same_day_marks_without_lent_days_come_from_days_as_busy() -> None:
    busy = [FIRST * 24 + d * 24 + h for d in range(28) for h in range(24) for _ in range(1 if d % 2 else 10)]
    marks = SameDayMarks(runs=source(busy))
    at = np.concatenate([24 * d + np.arange(0, 24, 1.0 if d % 3 else 0.1) for d in range(9)])
    for scale in (1.0, 10.0):
        drawn = marks.sample(stream(1, "m"), submitted(np.repeat(at, int(scale)), scale=scale), ONE).source
        assert drawn is not None
        quiet = (np.asarray(busy)[drawn] // 24 - FIRST) % 2 == 1
        assert np.array_equal(quiet, np.repeat((at // 24).astype(int) % 3 != 0, int(scale)))


@pytest.mark.parametrize("scale", [0.5, 1.0, 8.0])
def test_hour_octave_marks_come_from_hours_as_busy(scale: float) -> None:
    sizes = [1, 3, 20, 21, 150]
    hours = [FIRST * 24 + h for h, n in enumerate(sizes * 30) for _ in range(n)]
    marks = HourOctaveMarks(runs=source(hours), octave=tuple(octaves(np.asarray(hours), 1.0).tolist()))
    counts = {0: 2, 1: 40, 2: 300, 3: 3_000}
    at = np.concatenate([h + np.linspace(0, 0.999, int(n * scale)) for h, n in counts.items()])
    drawn = marks.sample(stream(2, "m"), submitted(at, scale=scale), ONE).source
    assert drawn is not None
    lenders = np.array(sizes * 30)[np.asarray(hours)[drawn] - FIRST * 24]
    of_hour = {h: set(lenders[at.astype(int) == h].tolist()) for h in counts}
    assert of_hour[1] <= {20, 21}
    assert of_hour[0] <= {1, 3}
    assert (of_hour[2], of_hour[3]) == ({150}, {150})


def test_hour_octave_marks_of_a_log_of_few_runs_an_hour_are_neighbours_of_the_log() -> None:
    rng = np.random.default_rng(3)
    at = np.sort(rng.random(3_000)) * 2_000
    hours = (FIRST * 24 + at.astype(int)).tolist()
    marks = HourOctaveMarks(runs=source(hours), octave=tuple(octaves(np.asarray(hours), 1.0).tolist()))
    drawn = marks.sample(stream(2, "m"), submitted(np.sort(rng.random(3_000)) * 2_000), ONE).source
    assert drawn is not None
    assert np.mean(np.diff(drawn) == 1) > 0.85  # nine in ten, and what busier hours interrupt


def repeats(runs: pl.DataFrame) -> tuple[float, ...]:
    missing = {"trigger": pl.lit(None, pl.String), "priority": pl.lit(None, pl.Int64), "run_id": pl.int_range(pl.len())}
    return fit_combinations(runs.with_columns(**missing), ("p",)).repeat


def test_repeats_are_what_chance_does_not_explain() -> None:
    rng = np.random.default_rng(9)
    users = rng.integers(0, 4, 40_000)
    gaps = np.where(rng.random(40_000) < 0.5, 5.0, 5_000.0)
    again = (rng.random(40_000) < np.where(gaps < 10, 0.7, 0.1)).tolist()
    for i in range(1, len(users)):
        if again[i]:
            users[i] = users[i - 1]
    frame = pl.DataFrame({"pipeline_name": "p", "tenant": "t", "user": users.astype(str), "at": np.cumsum(gaps)}).with_columns(
        submitted_at=pl.lit(MONDAY) + pl.duration(microseconds=(pl.col("at") * 1e6).cast(pl.Int64))
    )
    repeat = repeats(frame)
    assert repeat[1] == pytest.approx(0.7, abs=0.02)
    assert repeat[5] == pytest.approx(0.1, abs=0.02)
    assert repeat[0] == pytest.approx(0.4, abs=0.02)  # no gap is as short: all gaps together
    combinations = Combinations(
        pipeline=(0,) * 4,
        tenant=(None,) * 4,
        user=tuple("abcd"),
        trigger=(None,) * 4,
        priority=(None,) * 4,
        runs=(1, 2, 3, 4),
        repeat=repeat,
    )
    instants = microseconds(MONDAY) + (np.cumsum(gaps) * 1e6).astype(np.int64)
    drawn = IndependentMarks().sample(stream(0, "m"), Submissions(instants, FIRST, None, 1.0), combinations).combination
    assert np.bincount(drawn) / len(drawn) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)


@pytest.mark.parametrize("users", [[], ["a"], ["a", "a", "a"]])
def test_too_few_runs_have_no_sessions(users: list[str]) -> None:
    frame = pl.DataFrame(
        {
            "pipeline_name": ["p"] * len(users),
            "tenant": ["t"] * len(users),
            "user": users,
            "submitted_at": [MONDAY] * len(users),
        },
        schema={"pipeline_name": pl.String, "tenant": pl.String, "user": pl.String, "submitted_at": pl.Datetime("us")},
        orient="row",
    )
    assert repeats(frame) == (0.0,) * 6


def test_of_very_many_runs_blocks_of_neighbours_are_kept() -> None:
    n = 3 * MOST_RUNS
    runs = pl.DataFrame({"run_id": np.arange(n), "at": np.arange(n)}).select(
        "run_id", submitted_at=pl.lit(MONDAY) + pl.duration(minutes="at"), combination="run_id", shape=pl.lit(-1)
    )
    tasks = pl.DataFrame(schema={"run_id": pl.Int64, "position": pl.Int64, "demand": pl.Int64, "work": pl.Float64})
    kept = np.asarray(fit_source_runs(runs, tasks).combination)
    assert len(kept) == MOST_RUNS
    assert np.array_equal(kept % BLOCK, np.arange(len(kept)) % BLOCK)
    assert np.diff(kept[::BLOCK]).max() <= 4 * BLOCK
