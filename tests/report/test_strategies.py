from __future__ import annotations

import polars as pl
import pytest

from pipesim.report.sentence import answer
from pipesim.report.strategies import Spending, Strategies, frontier

MONEY = Spending("cost", weekly=True)


def given(*known: tuple[str, float, float | None], spending: Spending = MONEY, baseline: str = "") -> Strategies:
    """Strategies of (name, points, spent), the best performance first."""
    known = tuple(sorted(known, key=lambda one: (-one[1], one[0])))
    schema = {"scenario": pl.String, "points": pl.Float64, "spent": pl.Float64}
    rows = pl.DataFrame(known, schema=schema, orient="row")
    efficient, prices = frontier([points for _, points, _ in known], [spent for *_, spent in known])
    columns = {"is_efficient": (efficient, pl.Boolean), "next_point": (prices, pl.Float64)}
    found = [pl.Series(name, values, kind) for name, (values, kind) in columns.items()]
    return Strategies(rows.with_columns(*found, baseline=pl.lit(baseline or (known[-1][0] if known else None))), spending)


def test_no_strategy_no_sentence() -> None:
    assert answer(given()) == ""


def test_prices_rise_from_step_to_step() -> None:
    found = answer(given(("never", 77.0, 0.0), ("seldom", 80.0, 126.0), ("often", 81.0, 187.0), ("dear", 79.0, 300.0)))
    assert found == (
        "Of 4 strategies, 3 are worth considering: from never (77.0 points, nothing spent) to seldom one more point costs $42 "
        "a week and on to often (81.0 points, $187 a week) $61; choose the last whose price of a point you would pay."
    )


def test_a_strategy_between_two_that_sell_cheaper_is_efficient_but_no_step() -> None:
    found = answer(given(("a", 70.0, 0.0), ("b", 71.0, 100.0), ("c", 80.0, 110.0)))
    assert found.startswith("Of 3 strategies, 3 are worth considering: from a (70.0 points, nothing spent) to c (80.0 points, ")
    assert "one more point costs $11 a week;" in found
    assert " b " not in found


def test_of_many_steps_the_first_three_and_the_last_are_named() -> None:
    steps = [(f"s{i}", 10.0 + i, i * (i + 1) / 2) for i in range(6)]
    found = answer(given(*steps))
    walk = "on to s2 $2.00, on to s3 $3.00 and at last from s4 to s5 (15.0 points, $15 a week) $5.00;"
    assert f"from s0 (10.0 points, nothing spent) to s1 one more point costs $1.00 a week, {walk}" in found
    four = answer(given(*steps[:5]))
    assert "on to s3 $3.00 and on to s4 (14.0 points, $10 a week) $4.00;" in four


def test_one_strategy_alone_has_no_price() -> None:
    assert answer(given(("only", 77.04, 1234.0))) == (
        "Only one strategy has been simulated, only (77.0 points, $1,234 a week); what a further point costs, a comparison "
        "with others would tell."
    )


def test_where_nothing_is_gained_only_the_cheapest_is_worth_considering() -> None:
    found = answer(given(("never", 77.0, 0.0), ("worse", 76.0, 5.0), ("same", 77.0, 3.0)))
    assert found == (
        "Of 3 strategies, only never is worth considering (77.0 points, nothing spent): no other performs better, and none "
        "spends less."
    )


def test_strategies_that_come_to_the_same_are_named_together() -> None:
    equal = [("b", 77.0, 0.0), ("a", 77.0, 0.0)]
    assert answer(given(*equal)) == (
        "Of 2 strategies, none is better than another: all come to the same (77.0 points, nothing spent)."
    )
    found = answer(given(*equal, ("worse", 76.0, 1.0)))
    assert found.startswith("Of 3 strategies, only a and b, which come to the same, are worth considering (77.0 points, ")
    assert "3 are worth considering: from a or b (77.0 points, nothing spent) to c" in answer(given(*equal, ("c", 78.0, 2.0)))


def test_what_does_not_tell_its_spending_is_not_judged() -> None:
    none = answer(given(("a", 77.0, None), ("b", 78.0, None)))
    assert none == (
        "Of 2 strategies, the best is b (78.0 points); what a further point costs cannot be told, as it is not known what "
        "retraining spends."
    )
    assert answer(given(("a", 77.0, None))).startswith("The only strategy is a (77.0 points);")
    # The better one might cost less: it must not be said that none performs better.
    one = answer(given(("a", 77.0, 1.0), ("b", 78.0, None)))
    assert one.startswith("Of 2 strategies, only one tells its spending, a (77.0 points, $1.00 a week);")
    two = answer(given(("a", 77.0, 1.0), ("b", 78.0, None), ("c", 76.0, 2.0)))
    assert two.startswith("Of 2 strategies that tell their spending, only a is worth considering")


@pytest.mark.parametrize(
    ("spending", "price"),
    [
        (Spending("gpu_hours", weekly=True), "one more point costs 2.5 GPU-hours a week;"),
        (Spending("gpu_hours", weekly=False), "one more point costs 2.5 GPU-hours in all;"),
        (Spending("retrainings", weekly=True), "one more point costs 2.5 retrainings a week;"),
        (Spending("cost", weekly=False), "one more point costs $2.50 in all;"),
    ],
)
def test_what_is_spent_is_named_with_its_unit(spending: Spending, price: str) -> None:
    assert price in answer(given(("a", 70.0, 0.0), ("b", 72.0, 5.0), spending=spending))


def test_performances_that_lie_close_are_told_apart() -> None:
    found = answer(given(("a", 77.01, 0.0), ("b", 77.04, 3.0)))
    assert "a (77.01 points, nothing spent) to b (77.04 points, $3.00 a week) one more point costs $100 a week" in found


def test_efficient_is_what_none_beats_for_less() -> None:
    points, spent = [70.0, 71.0, 71.0, 69.0, 75.0, 90.0], [0.0, 10.0, 10.0, 0.0, 30.0, None]
    efficient, prices = frontier(points, spent)
    assert efficient == [True, True, True, False, True, False]
    assert prices == [None, 10.0, 10.0, None, 5.0, None]


def test_first_of_interest_are_the_baseline_the_best_and_the_compromise() -> None:
    found = given(("base", 70.0, 1.0), ("z", 71.0, 50.0), ("knee", 78.0, 20.0), ("best", 80.0, 100.0), ("low", 71.0, 1.5))
    assert found.by_interest() == ["base", "best", "knee", "low", "z"]
    # A baseline that another beats for less is the first all the same; a straight line has no compromise.
    straight = given(("base", 70.0, 5.0), ("a", 71.0, 1.0), ("b", 72.0, 2.0), ("c", 73.0, 3.0), baseline="base")
    assert straight.by_interest() == ["base", "c", "b", "a"]
    assert given().by_interest() == []
