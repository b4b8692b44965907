"""Scenarios beside a baseline: the statistics are those of the comparison, what is missing is told, many are chosen from."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from pipesim.catalog import snapshot_views
from pipesim.experiments.comparison import compare
from pipesim.lake import Lake
from pipesim.report.decision import Evidence
from pipesim.report.decision.groups import Group, groups_of
from pipesim.report.decision.which_scenario import MOST_SHOWN, which_scenario
from pipesim.simulation.models.figures import LifecycleFigures
from tests.report.decision.simulated import figures, keep, run, scenario, swept

WAITS = {"base": (100, 120, 110, 105), "half": (52, 58, 57, 51), "same": (101, 118, 112, 104)}


def _three(lake: Lake) -> Evidence:
    runs = [run(name, n, wait, cost=cost) for (name, waits), cost in zip(WAITS.items(), (10, 15, 12), strict=True)
            for n, wait in enumerate(waits)]  # fmt: skip
    keep(lake, scenario("base"), [one for one in runs if one.scenario == "base"])
    keep(lake, scenario("half", gpus=12), [one for one in runs if one.scenario == "half"])
    keep(lake, scenario("same", order="sjf"), [one for one in runs if one.scenario == "same"])
    return Evidence.at_hand(lake, runs)


def test_differences_are_those_of_the_comparison(lake: Lake) -> None:
    evidence = _three(lake)
    part = which_scenario(evidence, Group(("base", "half", "same"), "base"))
    rows = figures(part)["scenario_differences"].rows
    runs = [run(name, n, wait, cost=cost) for (name, waits), cost in zip(WAITS.items(), (10, 15, 12), strict=True)
            for n, wait in enumerate(waits)]  # fmt: skip
    expected = compare(runs, "base").differences
    told = rows.select("scenario", "figure", "difference", "difference_low", "relative_high", "p_value", "series").rows()
    assert told == [(d.scenario, d.metric, d.difference, d.low, d.relative_high, d.p_value, d.finding) for d in expected]
    assert part.lead.startswith(
        "Of 3 scenarios, half lets tasks wait least: 95 % of waits are under 2.7 min on average, against 5.4 min with base: "
    )
    assert "50 % lower (95 % interval" in part.lead
    assert "chance" not in part.lead
    assert [card.title for card in part.cards] == ["base", "half", "same"]
    assert [(c.key, c.old, c.new) for c in part.cards[1].changes] == [("platform.pools.gpu.gpus", "8", "12")]
    assert part.cards[1].text.startswith("mean wait 50 % lower (95 % interval ")
    assert "no difference found: mean wait, 95 % of waits" in part.cards[2].text
    assert part.notes == ()


def test_the_table_has_means_with_their_intervals(lake: Lake) -> None:
    grid = which_scenario(_three(lake), Group(("base", "half", "same"), "base")).sections[0]["grid"]
    cells = {row[0]: dict(zip(grid.heads, row, strict=True)) for row in grid.rows}
    assert list(cells) == ["base", "half", "same"]
    assert cells["base"]["Mean wait"].startswith("108.8 s (95.")
    assert cells["half"]["Cost"] == "15 (15 to 15)"
    assert cells["half"]["gpu in use"] == "50.0 % (50.0 % to 50.0 %)"
    assert "Energy" not in grid.heads


def test_costs_are_weighed_against_waits(lake: Lake) -> None:
    part = which_scenario(_three(lake), Group(("base", "half", "same"), "base"))
    figure = figures(part)["scenario_frontier"]
    rows = {row["scenario"]: row for row in figure.rows.iter_rows(named=True)}
    assert {name: row["is_efficient"] for name, row in rows.items()} == {"half": True, "base": True, "same": False}
    assert rows["half"]["spent"] == 15
    assert figure.caption.title == "What waiting less costs"
    chart = figure.panels[0].chart.to_dict()
    drawn = chart["datasets"][chart["data"]["name"]]
    assert {row["name2"] for row in drawn} == {"base", "half", "same"}


def test_without_costs_what_pools_offer_is_weighed_and_equal_offers_are_not(lake: Lake) -> None:
    runs = [run(name, n, wait) for name, waits in WAITS.items() for n, wait in enumerate(waits)]
    for name, gpus in (("base", 8), ("half", 12), ("same", 8)):
        keep(lake, scenario(name, gpus=gpus), [one for one in runs if one.scenario == name])
    evidence = Evidence.at_hand(lake, runs)
    figure = figures(which_scenario(evidence, Group(("base", "half", "same"), "base")))["scenario_frontier"]
    assert dict(figure.rows.select("scenario", "spent").iter_rows()) == {"base": 8 * 168, "same": 8 * 168, "half": 12 * 168}
    assert figure.caption.title == "What waiting less takes"
    alike = which_scenario(evidence, Group(("base", "same"), "base"))
    assert list(figures(alike)) == ["scenario_differences"]
    assert [note.text for note in alike.notes] == [
        "All scenarios offer the same capacity and not all tell a cost, so no cost can be held against waits."
    ]


def test_what_is_missing_is_told_with_how_to_get_it(lake: Lake) -> None:
    runs = [run("a", 0, 100, cost=4), run("b", 0, 50)]
    for name, gpus in (("a", 8), ("b", 12)):
        keep(lake, scenario(name, gpus=gpus, horizon_days=gpus), [one for one in runs if one.scenario == name])
    part = which_scenario(Evidence.at_hand(lake, runs), Group(("a", "b"), "a"))
    notes = [note.text for note in part.notes]
    assert notes[0].startswith("Only one replication in common with the baseline, so without intervals: b.")
    assert "--replications 10" in part.notes[0].command
    assert notes[1] == "Cost: not told of b, because no pool of theirs has a cost."
    assert notes[2].startswith("The scenarios differ in horizon days")
    assert notes[3] == "As the scenarios run different work, no cost is held against waits."
    assert part.lead.endswith("so how sure that is is not known.")
    assert "(" not in part.sections[0]["grid"].rows[0][2]
    assert [one.label for one in figures(part)["scenario_differences"].series] == ["simulated once"]
    alone = which_scenario(Evidence.at_hand(lake, runs[:1]), Group(("a",), "a"))
    assert (alone.lead, alone.sections) == ("", [])
    assert alone.notes[0].command == "pipesim compare A.yaml B.yaml"


def test_where_the_baseline_is_hardly_known_differences_are_told_in_their_unit(lake: Lake) -> None:
    runs = [run(name, n, wait) for name, waits in (("a", (10, 9000, 20)), ("b", (5, 8, 6))) for n, wait in enumerate(waits)]
    part = which_scenario(Evidence.at_hand(lake, runs), Group(("a", "b"), "a"))
    figure = figures(part)["scenario_differences"]
    chart = figure.panels[0].chart.to_dict()
    (row,) = chart["datasets"][chart["data"]["name"]]
    assert row["difference"] == pytest.approx((-5 - 8992 - 14) / 3)
    assert row["low"] < row["difference"] < row["high"]
    assert "99.8 % lower (95 % interval of the difference -" in part.lead


def test_a_figure_that_is_zero_everywhere_is_not_compared(lake: Lake) -> None:
    runs = [run(name, n, 0.0, cost=0.0) for name in "ab" for n in range(3)]
    rows = figures(which_scenario(Evidence.at_hand(lake, runs), Group(("a", "b"), "a")))["scenario_differences"].rows
    assert set(rows["figure"]) == {"mean_jct_s", "p95_jct_s"}


def test_scenarios_that_run_other_work_are_not_compared(lake: Lake) -> None:
    longer = {"kind": "synthetic", "days": 28.0, "scale": 1.0, "seed": 42}
    for name, work in (("x", {}), ("as-is", {}), ("long-a", {"workload": longer}), ("s-2", {}), ("s-1", {}), ("alone", {})):
        model = "m-2" if name == "alone" else "m-1"
        keep(lake, scenario(name, **work), [run(name, n, 50) for n in range(2)], model)
    runs = [run(name, n, 50) for name in ("alone", "as-is", "long-a", "s-1", "s-2", "x") for n in range(2)]
    rows = swept("s", {"s-2": {"policy.order": "fifo"}, "s-1": {"policy.order": "sjf"}})
    evidence = Evidence.at_hand(lake, runs, [rows])
    assert groups_of(evidence, evidence.names) == [
        Group(("as-is", "x"), "as-is"),
        Group(("alone",), "alone"),
        Group(("long-a",), "long-a"),
        Group(("s-2", "s-1"), "s-2", "s"),
    ]


@pytest.mark.parametrize("number", [5, 60])
def test_of_many_scenarios_those_that_tell_most_are_shown(lake: Lake, number: int) -> None:
    names = [f"s-{i:03}" for i in range(number)]
    runs = [run(name, n, 200 - i + n, cost=100 + i) for i, name in enumerate(names) for n in range(2)]
    part = which_scenario(Evidence.at_hand(lake, runs), Group(tuple(names), "s-000", "s"))
    shown = [row[0] for row in part.sections[0]["grid"].rows]
    assert shown[0] == "000"
    assert len(shown) == min(number, MOST_SHOWN + 1)
    assert len(part.cards) <= 11
    figure = figures(part)["scenario_differences"]
    assert figure.rows["scenario"].n_unique() == number - 1, "the CSV file has all"
    told = any(note.text.startswith(f"Shown are {MOST_SHOWN} of {number - 1} scenarios") for note in part.notes)
    assert told == (number > MOST_SHOWN)


def test_the_lake_tells_the_same_as_what_is_at_hand(lake: Lake) -> None:
    evidence = _three(lake)
    with snapshot_views(lake) as con:
        stored = Evidence.of_lake(lake, con)
    # What a run does not tell by pool is an empty list at hand, and NULL in the lake.
    assert stored.runs.drop("provisioned").equals(evidence.runs.drop("provisioned"))
    assert stored.runs["provisioned"].explode().drop_nulls().is_empty()


def test_strategies_are_set_out_by_what_they_spend_and_told_first(lake: Lake) -> None:
    models = {"mean_performance": (0.78, 0.8, 0.82), "retraining_cost": (0.0, 500.0, 300.0)}
    runs = []
    for place, name in enumerate(("never", "weekly", "drift")):
        for n in range(2):
            told = {metric: values[place] + n / 100 for metric, values in models.items()}
            figures_of = {field.name: 0 for field in fields(LifecycleFigures)} | told
            runs.append(replace(run(name, n, 10.0 + n), lifecycle=LifecycleFigures(**figures_of)))
    part = which_scenario(Evidence.at_hand(lake, runs), Group(("never", "weekly", "drift"), "never"), retraining=True)
    assert part.lead.startswith(
        "Of 3 strategies of retraining, 2 are worth considering, by the means: never (78.5 points, 0.005 money) and drift "
        "(82.5 points, 300 money, each further point for 75 money). Of 3 scenarios, "
    )
    figure = figures(part)["strategy_frontier"]
    assert dict(figure.rows.select("strategy", "is_efficient").iter_rows()) == {"never": True, "drift": True, "weekly": False}
    without = which_scenario(Evidence.at_hand(lake, runs), Group(("never", "weekly", "drift"), "never"))
    assert "strategy_frontier" not in figures(without)
