"""Mean numbers of intervals, hour by hour, against counting second by second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.experiments.calibration.waiting import HOUR_US, hours_between, mean_number

SECOND = 1_000_000
spans = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 9_000), st.integers(1, 4)), min_size=1, max_size=8)


@given(spans)
def test_means_are_those_of_counting(spans: list[tuple[int, int, int]]) -> None:
    begin, length, weight = (np.array(column, np.int64) for column in zip(*spans, strict=True))
    first = 1_772_000_000 * SECOND
    edges = hours_between(first, first + int((begin + length).max()) * SECOND)
    instant = np.arange(len(edges[:-1]) * 3600)
    there = ((begin[:, None] <= instant) & (instant < (begin + length)[:, None])) * weight[:, None]
    expected = there.sum(axis=0).reshape(-1, 3600).mean(axis=1)
    found = mean_number(first + begin * SECOND, first + (begin + length) * SECOND, edges, weight.astype(np.float64))
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("last", "hours"), [(0, 1), (1, 1), (HOUR_US, 1), (HOUR_US + 1, 2)])
def test_hours_cover_the_last_instant(last: int, hours: int) -> None:
    assert hours_between(7, 7 + last).tolist() == [7 + HOUR_US * n for n in range(hours + 1)]
