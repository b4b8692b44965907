"""The answer of a search in one sentence, and the curve or the staircase around it."""

from __future__ import annotations

from typing import Any

import pytest

from pipesim.lake import Lake
from pipesim.report.decision import Evidence
from pipesim.report.decision.capacity import capacity_part
from tests.report.decision.simulated import figures, keep, run, scenario, searched, trial

ANSWER = {"is_answer": True, "is_least": True}


def _keep(lake: Lake, *trials: dict[str, Any], orders: dict[str, str]) -> Evidence:
    for one in trials:
        if one.get("simulated_as"):
            name = one["simulated_as"]
            keep(lake, scenario(name, gpus=one["capacity"], order=orders[one["scenario"]]), [run(name, 0, 1.0)])
    return Evidence.at_hand(lake, searches=[searched(*trials)])


def test_the_answer_names_number_pool_scheduler_figure_and_confidence(lake: Lake) -> None:
    trials = [
        trial("s", "orders-fifo", 1, None), trial("s", "orders-fifo", 18, 900.0),
        trial("s", "orders-fifo", 24, 540.0, **ANSWER),
        trial("s", "orders-sjf", 12, 800.0), trial("s", "orders-sjf", 18, 542.0, **ANSWER), trial("s", "orders-sjf", 24, 200.0),
    ]  # fmt: skip
    part = capacity_part(_keep(lake, *trials, orders={"orders-fifo": "fifo", "orders-sjf": "sjf"}), "s")
    assert part.lead == (
        "With sjf, 18 GPUs in the pool gpu keep p95_wait_s < 600 with 95 % confidence (9.0 min, 95 % interval 8.1 min to "
        "9.9 min, over 10 replications of 7 days); fifo needs 24."
    )
    assert [(card.title, [c.key for c in card.changes]) for card in part.cards] == [
        ("fifo", []),
        ("sjf", ["policy.order", "platform.pools.gpu.gpus"]),
    ]
    figure = figures(part)["capacity_1"]
    assert [one.label for one in figure.series] == ["fifo", "sjf"]
    assert part.notes[0].text == "1 GPU and fewer are less than the largest task needs."
    chart = figure.panels[0].chart.to_dict()
    rules = [layer for layer in chart["layer"] if layer["mark"]["type"] == "rule"]
    assert [chart["datasets"][layer["data"]["name"]] for layer in rules] == [[{"mean": 600.0}]]
    assert figure.rows.height == 6
    assert "sjf needs 18." in figure.caption.alt


def test_where_costs_are_known_the_cheapest_is_the_answer(lake: Lake) -> None:
    cheap = {"price_per_h": 1.0, "cost_per_h": 24.0, **ANSWER}
    dear = {"price_per_h": 2.5, "cost_per_h": 45.0, **ANSWER}
    trials = [trial("s", "spot", 24, 540.0, **cheap), trial("s", "owned", 18, 500.0, **dear)]
    part = capacity_part(_keep(lake, *trials, orders={"spot": "fifo", "owned": "fifo"}), "s")
    assert part.lead.startswith("With spot (order fifo), 24 GPUs in the pool gpu keep ")
    assert part.lead.endswith("; that costs 24 an hour; owned needs 18 (45 an hour).")


def test_one_scenario_alone_is_told_with_its_order(lake: Lake) -> None:
    part = capacity_part(_keep(lake, trial("s", "as-is", 1, 30.0, **ANSWER), orders={"as-is": "fifo"}), "s")
    assert part.lead.startswith("With as-is (order fifo), 1 GPU in the pool gpu keeps p95_wait_s < 600 with 95 % confidence")
    assert part.cards == ()
    assert figures(part)["capacity_1"].panels


@pytest.mark.parametrize("number", [6, 9])
def test_a_chart_has_room_for_so_many_scenarios(lake: Lake, number: int) -> None:
    trials = [trial("s", f"x{i}", 30 - i, 500.0, **ANSWER) for i in range(number)]
    part = capacity_part(_keep(lake, *trials, orders={f"x{i}": f"depth + {i}" for i in range(number)}), "s")
    figure = figures(part)["capacity_1"]
    assert len(figure.series) == 6
    assert part.lead.startswith(f"With depth + {number - 1}, {31 - number} GPUs ")
    assert f"{number - 5} others are in the table" in part.lead
    assert len(part.sections[0]["grid"].rows) == number
    assert any("left out: depth + 0, " in note.text for note in part.notes) == (number > 6)


def test_mixes_are_a_staircase_with_the_cheapest_marked(lake: Lake) -> None:
    second = {"second_pool": "cpu", "second_resource": "cpu_cores", "price_per_h": 2.0, "second_price_per_h": 0.5}

    def mix(gpus: int, cores: int, mean: float, **more: Any) -> dict[str, Any]:
        cost = 2.0 * gpus + 0.5 * cores
        found = trial("s", "as-is", gpus, mean, **second, second_capacity=cores, cost_per_h=cost, **more)
        return {**found, "trial": 100 * gpus + cores, "simulated_as": f"as-is-{gpus}-{cores}"}

    trials = [
        mix(8, 40, 500.0, is_least=True), mix(8, 20, 900.0), mix(10, 24, 500.0, **ANSWER), mix(10, 20, 700.0),
        mix(16, 20, 500.0, is_least=True), mix(64, 400, 1.0),
    ]  # fmt: skip
    part = capacity_part(_keep(lake, *trials, orders={"as-is": "sjf"}), "s")
    assert "10 GPUs in the pool gpu and 24 CPU cores in the pool cpu keep p95_wait_s < 600" in part.lead
    assert "that costs 32 an hour" in part.lead
    chart = figures(part)["capacity_1"].panels[0].chart.to_dict()
    drawn = chart["datasets"][chart["data"]["name"]]
    assert [(row["capacity"], row["second_capacity"]) for row in drawn if row["is_least"]] == [(8, 40), (10, 24), (16, 20)]
    assert max(row["capacity"] for row in drawn) == 16, "what was tried far beyond tells nothing more"
    line = chart["datasets"][chart["layer"][0]["data"]["name"]]
    assert all(2.0 * row["capacity"] + 0.5 * row["second_capacity"] == pytest.approx(32) for row in line)
