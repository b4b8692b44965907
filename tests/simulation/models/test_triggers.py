"""When models are trained again: each condition, their combinations, and what holds them back, by hand in both engines."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from tests.simulation.conftest import START
from tests.simulation.models.handmade import DAY, HOUR, TASKS, by_both, fired, idle, law, run_of, scenario, source, together

#: START is a Monday, 0:00, so looks are at midnights. A loss of .01 a day crosses .8 ten days after a deployment.
AGING = law("m", 0.9, gradual_per_day=0.01)


def days(*numbers: float) -> list[timedelta]:
    return [number * DAY for number in numbers]


def test_a_linear_loss_gives_a_known_period() -> None:
    """The threshold is crossed ten days and a half after deployment, and seen at the next midnight."""
    result = by_both(idle(60), scenario({"trigger": {"drift": {"below": 0.795}}}), source(AGING))
    assert fired(result) == days(11, 22, 33, 44, 55)
    assert result.summary.lifecycle is not None
    assert result.summary.lifecycle.retrainings == 5
    assert set(result.trace.pipeline_runs.filter(result.trace.pipeline_runs["trigger"] == "drift")["priority"]) == {0}


@pytest.mark.parametrize(
    ("lifecycle", "expected"),
    [
        ({"trigger": "none"}, []),
        ({"trigger": {"drift": {"drop": 0.045}}}, days(5, 10, 15, 20, 25, 30)),
        ({"trigger": {"drift": {"below": 0.5}}}, []),
        # Both must hold: below .89 after a day, .045 lost after four and a half.
        ({"trigger": {"drift": {"below": 0.89, "drop": 0.045}}}, days(5, 10, 15, 20, 25, 30)),
        # Trained at 1:00, ten days old at 1:00.
        ({"trigger": {"staleness": {"days": 10}}}, days(10, 21)),
        ({"trigger": {"schedule": {"every_h": 168, "at_h": 26}}}, [1 * DAY + 2 * HOUR + i * 7 * DAY for i in range(5)]),
        # 14 have come in after exactly 7 days; then after 7 more from 1:00 on, when it was trained.
        ({"trigger": {"data": {"gb": 14}}}, days(7, 15, 23)),
        ({"trigger": {"data": {"gb": 14}}, "data": {"gb_per_day": 4}}, days(4, 8, 12, 16, 20, 24, 28)),
        # The rate is 2 (1 + d / 10) a day: 14 come in until 10 (sqrt(2.4) - 1) = 5.49; and from 6.04 in 3.7 days.
        ({"trigger": {"data": {"gb": 14}}, "data": {"growth_per_day": 0.1}}, days(6, 10, 14, 17, 20, 23, 26, 28, 30)),
        ({"trigger": {"any": [{"staleness": {"days": 20}}, {"drift": {"drop": 0.07}}]}}, days(8, 16, 24)),
        ({"trigger": {"all": [{"staleness": {"days": 12}}, {"drift": {"drop": 0.07}}]}}, days(12, 25)),
        # On Mondays, if it has lost .1 by then.
        ({"trigger": {"all": [{"schedule": {"every_h": 168}}, {"drift": {"drop": 0.1}}]}}, days(14, 28)),
        ({"trigger": {"drift": {"drop": 0.001}}, "cooldown_h": 96}, days(1, 5, 9, 13, 17, 21, 25, 29)),
        ({"trigger": {"drift": {"drop": 0.001}}, "cooldown_h": 0, "monitor_h": 240}, days(6, 16, 26)),
        # What is due at midnight waits for six.
        (
            {"trigger": {"drift": {"drop": 0.0949}}, "hours": {"from_h": 6, "until_h": 8}},
            [10 * DAY + 6 * HOUR, 20 * DAY + 6 * HOUR, 30 * DAY + 6 * HOUR],
        ),
        ({"trigger": {"drift": {"drop": 0.0949}}, "hours": {"from_h": 22, "until_h": 2}}, days(10, 20, 30)),
        ({"trigger": {"drift": {"below": 0.8}}, "starts_live": False}, []),
    ],
)
def test_triggers_fire_when_they_should(lifecycle: dict[str, Any], expected: list[timedelta]) -> None:
    known = source(law("m", 0.9, gradual_per_day=0.01, gb=2.0))
    assert fired(by_both(idle(30.5), scenario(lifecycle), known)) == expected


def test_a_run_of_the_workload_puts_a_retraining_off() -> None:
    """A version that somebody else has put into production on day 8 starts the ten days anew."""
    work = together(idle(30), run_of("m", "own", START + 8 * DAY))
    result = by_both(work, scenario({"trigger": {"drift": {"drop": 0.1}}}), source(AGING))
    assert fired(result) == days(19, 30)
    runs = result.trace.pipeline_runs
    assert runs.filter(runs["trigger"] == "drift").sort("submitted_at")["parent_run_id"].to_list() == ["own", "retrain-m-0"]


def test_there_is_one_retraining_at_a_time_and_one_that_fails_is_followed_by_the_next() -> None:
    """The first takes 60 hours; the second fails in its evaluation, so the look after it is the next to fire."""

    def tasks(name: str, number: int) -> Any:
        return (("train", 216_000.0), *TASKS[1:]) if number == 0 else TASKS

    known = source(law("m", 0.9, gradual_per_day=0.01), tasks=tasks)
    quick = scenario({"trigger": {"drift": {"drop": 0.0149}}, "cooldown_h": 0})
    # The first version goes live at day 4.5, and has lost enough just before day 6.
    assert fired(by_both(idle(9), quick, known)) == days(2, 6, 8)
    failing = source(AGING, outcomes={"evaluate": "FAILED"})
    result = by_both(idle(5.5), quick, failing)
    assert fired(result) == days(2, 3, 4, 5)
    assert result.trace["models"].filter(result.trace["models"]["version"] == "0")["retired_at"].to_list() == [None]


def test_a_shock_is_seen_by_the_next_look_and_not_felt_by_a_later_version() -> None:
    known = source(law("m", 0.9, jumps_per_day=0.2, jump_size=0.3))
    result = by_both(idle(40), scenario({"trigger": {"drift": {"drop": 0.2}}}), known)
    never = by_both(idle(40), scenario({}), known)
    live = never.trace["model_metrics"].filter(never.trace["model_metrics"]["metric"] == "performance")
    seen = live.filter(live["phase"] == "live").select("measured_at", "value").rows()
    struck = [at - START for at, value in seen if value < 0.85]
    assert len(struck) >= 2
    assert fired(result)[0] == struck[0]
    # Each shock costs one retraining at most: a version that is trained after it does not feel it.
    counted = result.summary.lifecycle
    assert counted is not None
    assert 2 <= counted.retrainings <= 0.2 * 40 * 3


def test_the_season_brings_performance_back() -> None:
    """A swing of .2 in 20 days: .1 is lost from day 5 to 15, and again from 25 to 35."""
    known = source(law("m", 0.9, season_swing=0.2, season_days=20.0))
    stale = {"all": [{"drift": {"drop": 0.1}}, {"staleness": {"days": 16}}]}
    # At 16 days performance is back, so both hold first on day 26, a day after the loss is exactly .1 again.
    assert fired(by_both(idle(30), scenario({"trigger": stale}), known)) == days(26)
    assert fired(by_both(idle(30), scenario({"trigger": {"drift": {"drop": 0.1}}}), known)) == days(6, 12, 18, 24, 30)


def test_what_a_budget_put_off_is_done_later_though_the_condition_has_passed() -> None:
    """Half a swing of .2 is lost on day 2 and, for the model that is postponed, won back when its turn comes on day 7."""
    laws = [law(name, 0.9, season_swing=0.2, season_days=7.0) for name in ("a", "b")]
    strategy = {"trigger": {"any": [{"staleness": {"days": 300}}, {"drift": {"drop": 0.1}}]}, "budgets": [{"runs": 1}]}
    result = by_both(idle(10), scenario(strategy), source(*laws))
    # Model a is due again on day 4, but has then not waited as long as b.
    assert (fired(result, "a"), fired(result, "b")) == (days(2), days(7))
    assert set(result.trace.pipeline_runs.filter(pl.col("run_id").str.starts_with("retrain-"))["trigger"]) == {"drift"}


def test_what_a_budget_put_off_is_not_done_once_another_version_is_live() -> None:
    laws = [law(name, 0.9, gradual_per_day=0.02) for name in ("a", "b")]
    work = together(idle(10), run_of("b", "own", START + 6 * DAY + 12 * HOUR))
    result = by_both(work, scenario({"trigger": {"drift": {"drop": 0.099}}, "budgets": [{"runs": 1}]}), source(*laws))
    assert (fired(result, "a"), fired(result, "b")) == (days(5, 10), [])
