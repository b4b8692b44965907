from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.streams import stream
from pipesim.workload.arrivals.cascade import LEVELS, Cascade, fit_cascade
from pipesim.workload.arrivals.clock import DAY_US, HOUR_US, SECOND_US, Instants, microseconds, resolution, weekday
from pipesim.workload.arrivals.day_ar import fit_day_ar
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.arrivals.days import SourceDays, fit_source_days
from pipesim.workload.arrivals.fitting import ArrivalKind, fit_arrivals

MONDAY = datetime(2024, 1, 1)
FIRST = microseconds(MONDAY) // DAY_US
STREAMS = partial(stream, 0)
EVEN = Cascade(alphas=((200.0,) * 7,) * LEVELS, resolution_us=1)


def log(days: int, seed: int = 1, rate: float = 20.0, bursty: float = 1.0, idle: tuple[int, ...] = ()) -> Instants:
    """Days of gamma rates with quiet nights; `bursty` is the shape of the days' gamma law, the less the burstier."""
    rng = np.random.default_rng(seed)
    of_day = rng.gamma(bursty, 1 / bursty, days)
    of_day[np.isin(weekday(np.arange(FIRST, FIRST + days)), idle)] = 0.0
    hours = np.where((np.arange(24) >= 8) & (np.arange(24) < 20), 1.6, 0.4)
    counts = rng.poisson(rate * of_day[:, None] * hours).ravel()
    starts = (FIRST * 24 + np.arange(days * 24)) * HOUR_US
    return np.sort(np.repeat(starts, counts) + rng.integers(0, HOUR_US, counts.sum()) // SECOND_US * SECOND_US)


def block(instants: Instants, days: int) -> DayBlockArrivals:
    source, _ = fit_source_days(instants, FIRST * DAY_US, (FIRST + days) * DAY_US)
    return DayBlockArrivals(source=source, cascade=fit_cascade(instants))


def dispersion(instants: Instants, days: int, window_us: int) -> float:
    """The index of dispersion of counts."""
    counts = np.bincount((instants - FIRST * DAY_US) // window_us, minlength=days * DAY_US // window_us)
    return float(counts.var() / counts.mean())


def test_resolution_is_that_of_the_log() -> None:
    at = microseconds(MONDAY)
    cases = {60 * SECOND_US: [0, 120 * SECOND_US], SECOND_US: [0, 61 * SECOND_US], 1_000: [0, 5_000], 1: [0, 7]}
    for expected, offsets in cases.items():
        assert resolution(at + np.array(offsets)) == expected


@given(st.lists(st.integers(0, 200), min_size=1, max_size=30), st.integers(0, 2**31), st.floats(0.02, 200))
@settings(max_examples=40, deadline=None)
def test_a_cascade_keeps_every_submission_in_its_hour(counts: list[int], seed: int, alpha: float) -> None:
    cascade = Cascade(alphas=((alpha,) * 7,) * LEVELS, resolution_us=SECOND_US)
    hours = FIRST * 24 + 2 * np.arange(len(counts))
    drawn = cascade.spread(np.random.default_rng(seed), hours, np.array(counts), 1.0)
    assert np.all(np.diff(drawn) >= 0)
    assert not np.any(drawn % SECOND_US)
    found, times = np.unique(drawn // HOUR_US, return_counts=True)
    assert dict(zip(found.tolist(), times.tolist(), strict=True)) == {
        h: n for h, n in zip(hours.tolist(), counts, strict=True) if n
    }


def test_a_cascade_is_recovered_from_what_it_drew() -> None:
    truth = Cascade(alphas=tuple((0.3 + 0.4 * level,) * 7 for level in range(LEVELS)), resolution_us=1)
    drawn = truth.spread(np.random.default_rng(3), FIRST * 24 + np.arange(4_000), np.full(4_000, 100), 1.0)
    found = fit_cascade(drawn)
    # The grid has a step of a fifth; deep levels have few cells of many submissions.
    assert [found.alphas[level][6] for level in range(3)] == pytest.approx([0.3, 0.7, 1.1], rel=0.25)
    assert found.alphas[5][0] == pytest.approx(2.3, rel=0.25)
    poisson = np.sort(FIRST * DAY_US + np.random.default_rng(4).integers(0, 400 * DAY_US, 400_000))
    assert min(min(level) for level in fit_cascade(poisson).alphas) > 15


@given(
    days=st.integers(14, 60),
    horizon=st.integers(1, 80),
    start=st.integers(0, 6),
    seed=st.integers(0, 2**31),
    jump=st.floats(0, 1),
)
@settings(max_examples=50, deadline=None)
def test_every_day_of_the_log_is_used_as_often_as_any_other_of_its_weekday(
    days: int, horizon: int, start: int, seed: int, jump: float
) -> None:
    source = SourceDays(day=tuple(range(FIRST, FIRST + days)), intensity=((1.0,) * 24,) * days)
    model = DayBlockArrivals(source=source, cascade=EVEN, jump=jump)
    begin = MONDAY + timedelta(days=364 + start)
    lent = model.sample(np.random.default_rng(seed), begin, float(horizon), 1.0).source_days
    assert lent is not None
    assert len(lent) == horizon
    own = weekday(microseconds(begin) // DAY_US + np.arange(horizon))
    assert np.array_equal(weekday(lent), own)
    for day_of_week in range(7):
        used = [int(np.sum(lent == day)) for day in source.day if weekday(np.array(day)) == day_of_week]
        assert max(used) - min(used) <= 1
    if jump == 0 and horizon > 1:
        follows = np.flatnonzero(np.diff(lent) == 1)
        assert len(follows) >= (horizon - 1) // 2


def test_counts_of_a_sparse_log_vary_as_they_did_and_no_more() -> None:
    for shape, seed in ((1e6, 2), (3.0, 5)):
        instants = log(84, seed=seed, rate=3.0, bursty=shape)
        model = block(instants, 84)
        for window in (HOUR_US, DAY_US):
            real = dispersion(instants, 84, window)
            shift = 364 * DAY_US
            drawn = [
                dispersion(model.sample(stream(s, "a"), MONDAY + timedelta(days=364), 84.0, 1.0).instants - shift, 84, window)
                for s in range(12)
            ]
            assert np.mean(drawn) == pytest.approx(real, rel=0.15), (shape, window)


@pytest.mark.parametrize("kind", ["day-block", "day-ar"])
def test_scale_keeps_rhythm_and_burstiness_in_proportion(kind: ArrivalKind) -> None:
    instants = log(56, rate=40.0, bursty=2.0)
    model, _, notes = fit_arrivals(kind, instants, FIRST * DAY_US, (FIRST + 56) * DAY_US, STREAMS)
    assert not notes
    shift = 364 * DAY_US
    excess, shares = {}, {}
    for scale in (0.1, 1.0, 10.0, 100.0):
        drawn = model.sample(stream(4, "arrivals"), MONDAY + timedelta(days=364), 56.0, scale).instants - shift
        assert len(drawn) == pytest.approx(model.expected_runs(56.0, scale), rel=0.05)
        excess[scale] = (dispersion(drawn, 56, HOUR_US) - 1) / scale
        shares[scale] = float(np.mean((drawn % DAY_US // HOUR_US >= 8) & (drawn % DAY_US // HOUR_US < 20)))
    assert list(excess.values()) == pytest.approx([excess[1.0]] * 4, rel=0.25)
    assert list(shares.values()) == pytest.approx([0.8] * 4, abs=0.02)


def test_an_autoregression_of_days_is_recovered_and_copies_no_day() -> None:
    rng = np.random.default_rng(6)
    logs = np.zeros(400)
    for i in range(1, 400):
        logs[i] = 0.6 * logs[i - 1] + 0.5 * rng.standard_normal()
    totals = 2_000 * np.exp(logs)
    profiles = rng.dirichlet(np.ones(24), 400)
    source = SourceDays(
        day=tuple(range(FIRST, FIRST + 400)), intensity=tuple(map(tuple, (totals[:, None] * profiles).tolist()))
    )
    model = fit_day_ar(source, EVEN)
    assert model.correlation == pytest.approx(0.6, abs=0.12)
    drawn = model.sample(stream(1, "arrivals"), MONDAY + timedelta(days=700), 400.0, 1.0)
    assert drawn.source_days is None
    counts = np.bincount(drawn.instants // HOUR_US - (FIRST + 700) * 24, minlength=9_600).reshape(-1, 24)
    assert counts.sum() / totals.sum() == pytest.approx(1, abs=0.05)
    assert np.std(np.log(counts.sum(axis=1))) == pytest.approx(np.std(np.log(totals)), rel=0.1)
    again = np.log(counts.sum(axis=1))
    assert np.corrcoef(again[1:], again[:-1])[0, 1] == pytest.approx(0.6, abs=0.15)
    shares = counts / counts.sum(axis=1, keepdims=True)
    nearest = np.abs(shares[:, None] - profiles[None]).sum(axis=2).min(axis=1) / 2
    assert np.quantile(nearest, 0.05) > 0.1


@pytest.mark.parametrize(
    ("hours", "words", "rates"),
    [(1, "no whole day", 1), (23, "without a rhythm", 1), (34, "own rate", 15), (6 * 24, "6 whole days", 15)],
)
@pytest.mark.parametrize("kind", ["day-block", "day-ar"])
def test_short_logs_fall_back_and_say_so(kind: ArrivalKind, hours: int, words: str, rates: int) -> None:
    begin = microseconds(MONDAY + timedelta(hours=0 if hours == 144 else 12))
    instants = np.sort(begin + np.random.default_rng(2).integers(0, hours * HOUR_US, 60 * hours))
    model, _, notes = fit_arrivals(kind, instants, int(instants[0]), begin + hours * HOUR_US, STREAMS)
    assert any(words in note for note in notes), notes
    assert isinstance(model, DayBlockArrivals)
    assert len({rate for day in model.source.intensity for rate in day}) >= rates
    drawn = model.sample(stream(0, "arrivals"), MONDAY, 70.0, 1.0).instants
    assert len(drawn) == pytest.approx(60 * 24 * 70, rel=0.1)


def test_runs_on_part_days_alone_are_not_lost() -> None:
    """All whole days are empty, and the ends are no whole days: the runs must not be left out with them."""
    begin = FIRST * DAY_US + 22 * HOUR_US
    instants = begin + np.array([0, 30, 60, (15 * 24 + 3) * 60]) * (HOUR_US // 60)
    for kind in ("day-block", "day-ar"):
        model, _, notes = fit_arrivals(kind, instants, begin, int(instants[-1]), STREAMS)  # type: ignore[arg-type]
        assert model.expected_runs(15.0, 1.0) == pytest.approx(4, rel=0.1)
        assert "no whole day with runs" in notes[0]


def test_weekdays_without_runs_stay_without() -> None:
    instants = log(42, idle=(6, 2))
    for kind in ("day-block", "day-ar"):
        model, _, _ = fit_arrivals(kind, instants, FIRST * DAY_US, (FIRST + 42) * DAY_US, STREAMS)  # type: ignore[arg-type]
        drawn = model.sample(stream(0, "arrivals"), MONDAY, 140.0, 1.0).instants
        assert set(weekday(drawn // DAY_US).tolist()) == {0, 1, 3, 4, 5}


def test_a_clock_that_jumped_is_refused_with_both_sides_named() -> None:
    instants = np.concatenate([np.arange(100) * SECOND_US, log(10)])
    with pytest.raises(RequestError, match=r"from 1970-01-01T00:01:39 to 2024-01-01.*clock jumped") as error:
        fit_arrivals("day-block", instants, 0, int(instants[-1]), STREAMS)
    assert "--window 2024-01-01..2024-01-1" in str(error.value.remedy)


def test_a_log_that_ends_long_after_its_last_run_is_refused_too() -> None:
    instants = log(10)
    with pytest.raises(RequestError, match=r"from 2024-01-10T.* to 2055-01-01.*clock jumped") as error:
        fit_arrivals("day-block", instants, FIRST * DAY_US, microseconds(datetime(2055, 1, 1)), STREAMS)
    assert "--window 2024-01-01..2024-01-10" in str(error.value.remedy)


@pytest.mark.endurance
def test_one_active_weekend_lends_no_weekend_all_its_hours() -> None:
    """Of two weekends only one day had runs: alone it would be copied."""
    days = tuple(range(FIRST, FIRST + 14))
    intensity = [[2.0] * 24 for _ in days]
    for i in (5, 6, 12, 13):
        intensity[i] = [0.0] * 24
    intensity[5] = [float(h) for h in range(24)]
    model = fit_day_ar(SourceDays(day=days, intensity=tuple(map(tuple, intensity))), EVEN)
    drawn = model.sample(stream(0, "arrivals"), MONDAY, 700.0, 100.0).instants
    counts = np.bincount(drawn // HOUR_US - FIRST * 24, minlength=16_800).reshape(-1, 24)
    weekends = counts[(weekday(FIRST + np.arange(700)) >= 5) & (counts.sum(axis=1) > 500)]
    shares = weekends / weekends.sum(axis=1, keepdims=True)
    apart = np.abs(shares - np.arange(24) / np.arange(24).sum()).sum(axis=1) / 2
    assert np.mean(apart < 0.08) < 0.5


def test_part_days_at_the_ends_lend_no_intensities() -> None:
    instants = log(30)
    begin, end = (FIRST * 24 + 15) * HOUR_US, (FIRST * 24 + 29 * 24 + 3) * HOUR_US
    inside = instants[(instants >= begin) & (instants < end)]
    source, notes = fit_source_days(inside, begin, end)
    assert source.day == tuple(range(FIRST + 1, FIRST + 29))
    assert notes == ["arrivals: no intensities from 2 days that the log covers in part"]
