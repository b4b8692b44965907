from __future__ import annotations

import numpy as np
import pytest

from pipesim.quality.days import days_drawn, half_of_the_days
from pipesim.quality.excerpt import Excerpt
from pipesim.streams import stream


@pytest.mark.parametrize("days", [5, 14, 28, 31])
def test_half_of_the_days_is_half_and_half_of_each_weekday(days: int) -> None:
    weekday = (np.arange(days) + 3) % 7
    chosen = half_of_the_days(weekday, stream(0, "test"))
    assert abs(2 * chosen.sum() - days) <= 1
    if days % 14 == 0:
        assert (np.bincount(weekday[chosen], minlength=7) == days // 14).all()


def test_working_days_are_drawn_from_working_days_and_weekends_from_weekends() -> None:
    weekday = np.arange(28) % 7
    drawn = days_drawn(weekday, stream(0, "test"))
    assert ((weekday[drawn] >= 5) == (weekday >= 5)).all()
    assert len(set(drawn.tolist())) < 28, "with replacement"
    assert (days_drawn(np.array([0, 1]), stream(0, "test")) < 2).all(), "without a weekend"


def test_days_in_another_order_keep_their_rows_and_times_of_day(real: Excerpt) -> None:
    source = np.roll(np.arange(28), 1)
    moved = real.reordered(source)
    assert moved.reordered(np.roll(np.arange(28), -1)).jobs.equals(real.jobs)
    day = 86_400_000_000
    np.testing.assert_array_equal(np.sort(moved.submitted_us % day), np.sort(real.submitted_us % day))
    np.testing.assert_array_equal(np.bincount(moved.submitted_us // day), np.roll(np.bincount(real.submitted_us // day), 1))
    assert (np.diff(moved.submitted_us) >= 0).all()
    twice = real.reordered(np.zeros(28, dtype=np.int64))
    assert len(twice.submitted_us) == 28 * np.sum(real.submitted_us < day)
