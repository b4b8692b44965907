from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest

from pipesim.streams import stream
from pipesim.workload.arrivals.clock import HOUR_US, hour_of_week, microseconds
from pipesim.workload.arrivals.hour_of_week import HourOfWeekArrivals
from pipesim.workload.arrivals.hour_of_week_fit import exposure_hours, fit_hour_of_week, fit_poisson
from pipesim.workload.arrivals.poisson import PoissonArrivals
from pipesim.workload.laws.law import FamilyLaw

MONDAY = datetime(2024, 1, 1)
STREAMS = partial(stream, 0)


def law(family: str, *shapes: float, zero: float = 0.0) -> FamilyLaw:
    return FamilyLaw(family=family, shapes=shapes, scale=1.0, zero=zero, maximum=1e4, below_maximum=0.999)


def test_hour_of_week_starts_on_monday() -> None:
    instants = np.array([microseconds(MONDAY), microseconds(MONDAY + timedelta(days=6, hours=23, minutes=59))])
    assert hour_of_week(instants).tolist() == [0, 167]


def test_exposure_counts_fractions_at_both_ends() -> None:
    exposure = exposure_hours(
        microseconds(MONDAY + timedelta(minutes=45)), microseconds(MONDAY + timedelta(days=7, minutes=30))
    )
    assert exposure[0] == pytest.approx(0.25 + 0.5)
    assert exposure[1:] == pytest.approx(np.ones(167))


def test_each_hour_expects_its_rate_whatever_the_shapes() -> None:
    # Every second hour has gaps with a tail so heavy that the fitted mean is far from what short windows show.
    rates = np.where(np.arange(168) % 2, 30.0, 6.0)
    rates[160:] = 0.0
    model = HourOfWeekArrivals(
        runs_per_hour=tuple(rates),
        gap_laws=(law("lomax", 0.7, zero=0.2), law("gamma", 3.0)),
        law_of_hour=tuple(int(h % 2) for h in range(168)),
    )
    counts = np.zeros(168)
    weeks = 200
    instants = model.sample(stream(1, "arrivals"), MONDAY, 7.0 * weeks, 1.0).instants
    counts = np.bincount(hour_of_week(instants), minlength=168) / weeks
    assert counts[1:160:2] == pytest.approx(30.0, rel=0.05)
    assert np.mean(counts[0:160:2]) == pytest.approx(6.0, rel=0.05)
    assert not counts[160:].any()
    assert np.all(np.diff(instants) >= 0)


@pytest.mark.parametrize("kind", ["poisson", "hour-of-week"])
def test_scale_multiplies_the_count(kind: str) -> None:
    model = (
        PoissonArrivals(runs_per_hour=20.0)
        if kind == "poisson"
        else HourOfWeekArrivals(runs_per_hour=(20.0,) * 168, gap_laws=(law("lognorm", 1.0),), law_of_hour=(0,) * 168)
    )
    start = MONDAY + timedelta(hours=5)
    for scale in (0.5, 1.0, 2.0):
        instants = model.sample(stream(3, "arrivals"), start, 100.5, scale).instants
        assert len(instants) == pytest.approx(model.expected_runs(100.5, scale), rel=0.05)
        assert microseconds(start) <= instants[0]
        assert instants[-1] < microseconds(start) + 100.5 * 24 * HOUR_US


def bursty_log(weeks: int) -> np.ndarray:
    """Busy days, quiet nights, half of all submissions at the instant of the one before."""
    rng = np.random.default_rng(8)
    hours = np.arange(weeks * 168)
    counts = rng.poisson(np.where((hours % 24 >= 8) & (hours % 24 < 18), 20.0, 2.0))
    at = np.sort(np.repeat(hours, counts) * HOUR_US + rng.integers(0, HOUR_US, counts.sum()))
    return microseconds(MONDAY) + np.sort(np.concatenate([at, at]))


@pytest.mark.parametrize("kind", ["poisson", pytest.param("hour-of-week", marks=pytest.mark.endurance)])
def test_fitted_counts_match_the_log(kind: str) -> None:
    log = bursty_log(6)
    if kind == "poisson":
        model, notes = fit_poisson(log, int(log[-1]))
    else:
        model, _, notes = fit_hour_of_week(log, int(log[-1]), STREAMS)
        gaps = np.diff(model.sample(stream(0, "arrivals"), MONDAY, 42.0, 1.0).instants)
        assert np.mean(gaps == 0) == pytest.approx(0.5, abs=0.03)
    counts = [len(model.sample(stream(seed, "arrivals"), MONDAY, 42.0, 1.0).instants) for seed in range(16)]
    assert np.mean(counts) / len(log) == pytest.approx(1.0, abs=0.02)
    assert not [n for n in notes if "covers" in n]


def test_rhythm_survives() -> None:
    log = bursty_log(6)
    model, _, _ = fit_hour_of_week(log, int(log[-1]), STREAMS)
    drawn = np.bincount(hour_of_week(model.sample(stream(0, "arrivals"), MONDAY, 420.0, 1.0).instants), minlength=168) / 10
    real = np.bincount(hour_of_week(log), minlength=168)
    assert np.corrcoef(drawn, real)[0, 1] > 0.98


@pytest.mark.parametrize(
    ("offsets_s", "expected_per_day"),
    [
        ([0], 24.0),  # one arrival: as if over one hour
        ([0] * 5, 120.0),  # all at one instant
        ([60 * i for i in range(31)], 31 * 24.0),  # half an hour
        ([1800 * i for i in range(11)], 48.0),  # five hours
        ([3600 * i for i in range(24 * 3)], 24.0),  # three days
    ],
)
def test_short_logs_have_a_rate_and_a_note(offsets_s: list[int], expected_per_day: float) -> None:
    log = microseconds(MONDAY) + np.array(offsets_s, dtype=np.int64) * 1_000_000
    model, _, notes = fit_hour_of_week(log, int(log[-1]), STREAMS)
    assert notes
    assert model.expected_runs(1.0, 1.0) == pytest.approx(expected_per_day, rel=0.05)
    assert len(model.sample(stream(0, "arrivals"), MONDAY, 50.0, 1.0).instants) == pytest.approx(50 * expected_per_day, rel=0.1)


def test_a_log_without_weekends_has_none() -> None:
    log = bursty_log(3)
    log = log[hour_of_week(log) < 120]
    model, _, _ = fit_hour_of_week(log, int(log[-1]), STREAMS)
    drawn = model.sample(stream(0, "arrivals"), MONDAY, 70.0, 1.0).instants
    assert hour_of_week(drawn).max() < 120
