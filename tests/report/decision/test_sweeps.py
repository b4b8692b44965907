"""The figures of sweeps: what lies across, what tells lines and panels apart, and how much room a thousand scenarios take."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from pipesim.lake import Lake
from pipesim.report.decision import Evidence
from pipesim.report.decision.sweeps import sweep_part
from pipesim.report.parts import Part
from tests.report.decision.simulated import figures, run, swept


def _part(lake: Lake, at: dict[str, dict[str, Any]], replications: int = 3) -> Part:
    runs = []
    for name, values in at.items():
        wait = 1000.0 / float(values.get("platform.pools.gpu.gpus", 10))
        runs += [run(name, n, wait * (1 + n / 10), cost=5.0) for n in range(replications)]
    part = sweep_part(Evidence.at_hand(lake, runs, [swept("s", at)]), "s")
    assert part is not None
    return part


def _drawn(figure: Any, panel: int = 0) -> list[dict[str, Any]]:
    chart = figure.panels[panel].chart.to_dict(validate=False)  # which `figures` has done
    return [dict(row) for row in chart["datasets"][chart["data"]["name"]]]


def test_one_key_is_a_line_with_its_band(lake: Lake) -> None:
    part = _part(lake, {f"s-{n}": {"platform.pools.gpu.gpus": n} for n in (8, 10, 20)})
    figure = figures(part)["sweep_1_1"]
    assert [panel.title for panel in figure.panels] == [
        "95 % of waits", "Mean wait", "Mean completion time", "gpu in use", "Cost",
    ]  # fmt: skip
    waits = {row["value"]: row for row in _drawn(figure, 1)}
    assert waits[10]["mean"] == pytest.approx(110)
    # Student's t with two degrees of freedom: 4.3027 times 10 over the root of 3.
    assert waits[10]["high"] == pytest.approx(110 + 24.84, abs=0.01)
    assert part.lead == (
        "3 scenarios over gpu.gpus (8, 10 and 20): 95 % of waits from 2.8 min at gpu.gpus 20, to 6.9 min at gpu.gpus 8, "
        "in the mean."
    )
    assert part.notes == ()
    assert figure.rows.columns == ["metric", "platform.pools.gpu.gpus", "replications", "mean", "low", "high"]


def test_a_second_key_tells_lines_apart(lake: Lake) -> None:
    values = [{"platform.pools.gpu.gpus": n, "policy.order": order} for n, order in product((8, 10), ("fifo", "sjf"))]
    figure = figures(_part(lake, {f"s-{i}": one for i, one in enumerate(values)}))["sweep_1_1"]
    assert [one.label for one in figure.series] == ["fifo", "sjf"]
    assert {row["series"] for row in _drawn(figure)} == {"fifo", "sjf"}
    assert figure.caption.title.endswith("over gpu.gpus, by policy.order")


def test_words_lie_below_each_other(lake: Lake) -> None:
    figure = figures(_part(lake, {f"s-{order}": {"policy.order": order} for order in ("sjf", "fifo", "ljf")}))["sweep_1_1"]
    chart = figure.panels[0].chart.to_dict()
    assert [row["value"] for row in _drawn(figure)] == ["sjf", "fifo", "ljf"]
    assert {layer["mark"]["type"] for layer in chart["layer"]} == {"rule", "point"}


def test_keys_that_go_side_by_side_are_one(lake: Lake) -> None:
    at = {f"s-{n}": {"platform.pools.gpu.gpus": n, "platform.pools.cpu.cpu_cores": 6 * n} for n in (8, 10)}
    part = _part(lake, at)
    assert part.lead.startswith("2 scenarios over gpu.gpus (and with it cpu.cpu_cores) (8 and 10)")
    assert figures(part)["sweep_1_1"].series == ()


def test_a_thousand_scenarios_take_as_much_room_as_few(lake: Lake) -> None:
    values = product(range(8, 18), (0.5, 1, 1.5, 2, 2.5), ("fifo", "sjf", "ljf", "edf"), range(5))
    keys = ("platform.pools.gpu.gpus", "workload.scale", "policy.order", "policy.depth")
    part = _part(lake, {f"s-{i}": dict(zip(keys, one, strict=True)) for i, one in enumerate(values)}, 2)
    shown = figures(part)
    assert len(shown) == 3
    assert all(2 <= len(figure.panels) <= 6 and len(figure.series) <= 6 for figure in shown.values())
    assert sum(len(json.dumps(p.chart.to_dict(validate=False))) for figure in shown.values() for p in figure.panels) < 300_000
    assert part.notes[0].text.startswith("Averaged over ")
    # Each point is the mean over the scenarios that fall together, replication by replication.
    assert {row["replications"] for row in _drawn(shown["sweep_1_1"])} == {2}
    assert shown["sweep_1_1"].rows.height == 1000


def test_what_is_not_simulated_or_only_once_is_told(lake: Lake) -> None:
    at = {f"s-{n}": {"platform.pools.gpu.gpus": n} for n in (8, 10, 20)}
    runs = [run("s-8", 0, 5.0), run("s-10", 0, 4.0)]
    evidence = Evidence.at_hand(lake, runs, [swept("s", at)])
    part = sweep_part(evidence, "s")
    assert part is not None
    assert [note.text.split(",")[0] for note in part.notes] == ["Of 3 scenarios of the sweep", "Simulated only once"]
    assert [row["low"] for row in _drawn(figures(part)["sweep_1_1"])] == [None, None]
    assert sweep_part(Evidence.at_hand(lake, [], [swept("s", at)]), "s") is None


def test_hostile_and_long_values_are_drawn(lake: Lake) -> None:
    orders = ["it's </script>", 'a "quoted" one', "x" * 200]
    at = {f"s-{n}-{i}": {"platform.pools.gpu.gpus": n, "policy.order": o} for n in (8, 9) for i, o in enumerate(orders)}
    figure = figures(_part(lake, at))["sweep_1_1"]
    assert [one.label for one in figure.series] == [*orders[:2], "x" * 39 + "\u2026"]
