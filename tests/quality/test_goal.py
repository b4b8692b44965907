from __future__ import annotations

import pytest

from pipesim.quality.goal import NO_GOAL, Goal


def test_a_goal_has_the_ends_it_names() -> None:
    assert [Goal(0.9, 1.1).met(v) for v in (0.89, 0.9, 1.1, 1.11)] == [False, True, True, False]
    assert Goal(low=1.0).met(1e9)
    assert Goal(high=1.0).met(-1e9)
    assert NO_GOAL.met(0.0)
    assert [Goal(0.9, 1.1).words, Goal(low=4).words, Goal(high=0.03).words, NO_GOAL.words] == [
        "0.9 to 1.1", "at least 4", "at most 0.03", "",
    ]  # fmt: skip


@pytest.mark.parametrize(("floor", "high"), [(None, 0.03), (0.01, 0.03), (0.1, 0.13)])
def test_a_goal_that_goes_by_the_floor_is_never_tighter_than_its_end(floor: float | None, high: float) -> None:
    assert Goal(high=0.03, floors=1.3).at(floor) == Goal(high=pytest.approx(high))
    assert Goal(0.9, 1.1).at(floor) == Goal(0.9, 1.1)


def test_a_goal_that_is_the_floor_is_none_without_one() -> None:
    assert Goal(floors=2.0).at(0.3) == Goal(high=0.6)
    assert Goal(floors=2.0).at(None) == NO_GOAL
