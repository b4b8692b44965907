"""Which days are compared: whole ones, and weekdays with their like."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.quality.stretch import MOST_JOBS, real_stretch, synthetic_stretch
from pipesim.workload import FitConfig, SynthesisConfig, WorkloadModel, fit, synthesize
from tests.quality.conftest import MONDAY, jobs_trace

HOUR = timedelta(hours=1)


def model(begin: datetime, end: datetime, window: str = "", rows: int = 1000) -> WorkloadModel:
    told = SimpleNamespace(window=window, task_runs=rows)
    return cast(WorkloadModel, SimpleNamespace(window=SimpleNamespace(start=begin, end=end), provenance=told))


@pytest.mark.parametrize(
    ("begin_h", "end_h", "first_h", "hours"),
    [
        (0, 28 * 24, 0, 28 * 24),
        (0.9, 28 * 24 - 0.9, 0, 28 * 24),
        (1.5, 28 * 24 - 1.5, 24, 26 * 24),
        (14, 14 + 72, 24, 48),
        (14, 24, 14, 10),
        (2, 46, 2, 44),
        (5.5, 5.5, 5, 1),
    ],
)
def test_whole_days_count_and_a_window_without_one_is_taken_by_the_hour(
    begin_h: float, end_h: float, first_h: int, hours: int
) -> None:
    found = real_stretch(model(MONDAY + begin_h * HOUR, MONDAY + end_h * HOUR))
    assert (found.begin, found.hours) == (MONDAY + first_h * HOUR, hours)
    assert found.days == tuple(range(-(-hours // 24)))


def test_a_window_that_was_given_in_days_has_those_days() -> None:
    told = model(MONDAY + 9 * HOUR, MONDAY + 65 * HOUR, "2026-03-02..2026-03-04")
    assert (real_stretch(told).begin, real_stretch(told).hours) == (MONDAY, 72)
    short = model(MONDAY + 9 * HOUR, MONDAY + 65 * HOUR, "2026-02-01..2026-03-31")
    assert (real_stretch(short).begin, real_stretch(short).hours) == (MONDAY + 24 * HOUR, 24)


@pytest.mark.parametrize(("days", "rows", "weeks"), [(84, 10, 12), (365, 10, 12), (28, 10 * MOST_JOBS, 1), (365, 10**7, 5)])
def test_long_and_large_windows_are_thinned_by_whole_weeks_spread_evenly(days: int, rows: int, weeks: int) -> None:
    found = real_stretch(model(MONDAY, MONDAY + timedelta(days=days), rows=rows))
    chosen = np.array(found.days).reshape(-1, 7)
    assert len(chosen) == weeks
    assert (chosen % 7 == np.arange(7)).all()
    assert abs(chosen.mean() - (days - 1) / 2) <= 3.5


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 24 * 14), st.integers(1, 24 * 40))
def test_a_synthetic_stretch_begins_at_the_same_hour_of_the_week_and_is_drawn_whole(begin: int, length: int) -> None:
    told = model(MONDAY + begin * HOUR, MONDAY + (begin + length) * HOUR)
    real = real_stretch(told)
    stretch, days = synthetic_stretch(real, told)
    start = told.window.end.replace(hour=0) + timedelta(days=1 if told.window.end.hour else 0)
    assert (stretch.begin - real.begin) % timedelta(days=7) == timedelta()
    assert start <= stretch.begin < start + timedelta(days=7)
    assert stretch.begin + stretch.hours * HOUR <= start + timedelta(days=days)
    assert stretch.hours == real.hours


def test_synthetic_traces_begin_where_the_stretch_believes() -> None:
    rng = np.random.default_rng(0)
    at = np.sort(rng.random(400) * 10 * 86_400)
    fitted = fit(
        jobs_trace(at, 60.0, observed_until=[MONDAY + timedelta(days=10, hours=5)] * 400), FitConfig(arrivals="poisson")
    )
    stretch, days = synthetic_stretch(real_stretch(fitted), fitted)
    drawn: Any = synthesize(fitted, SynthesisConfig(days=days)).pipeline_runs
    end = drawn["observed_until"][0]
    assert end - timedelta(days=days) == MONDAY + timedelta(days=11)
    assert stretch.begin == MONDAY + timedelta(days=14)
    assert stretch.begin + stretch.hours * HOUR == end
