"""Replications are added until a figure is known as exactly as is asked for, and no longer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pipesim.errors import RequestError
from pipesim.experiments import precision
from pipesim.experiments.precision import FEWEST, Precision, run_to_precision
from pipesim.experiments.replications import run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario


def _scenario(name: str, slots: int) -> Scenario:
    workload, platform = {"kind": "synthetic", "days": 2, "seed": 3}, {"pools": [{"name": "p", "slots": slots}]}
    return Scenario.model_validate({"name": name, "workload": workload, "platform": platform})


def test_each_scenario_gets_as_many_as_it_needs_and_none_is_run_twice(fitted: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[str, int]] = []

    def counting(lake: Lake, scenarios: Any, **options: Any) -> Any:
        before = {(r.summary.scenario, r.summary.replication) for r in options["done"]}
        found = run_scenarios(lake, scenarios, **options)
        begun.extend({(r.summary.scenario, r.summary.replication) for r in found} - before)
        return found

    monkeypatch.setattr(precision, "run_scenarios", counting)
    scenarios = [_scenario("one", 1), _scenario("two", 2)]
    results, found = run_to_precision(fitted, scenarios, Precision("mean_wait_s", 0.4), workers=1)
    counts = Counter(r.summary.scenario for r in results)
    assert len(begun) == len(set(begun)) == len(results)
    reached = [interval.relative_half_width for interval in found.values()]
    assert all(share is not None and share <= 0.4 for share in reached), reached
    assert counts["two"] > counts["one"] >= FEWEST, "the rarer a wait, the more its mean varies"
    assert {name: len(fitted.replications(name)) for name in counts} == counts


def test_what_cannot_be_reached_is_told(fitted: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "MOST", 7)
    said: list[str] = []
    results, found = run_to_precision(fitted, [_scenario("s", 2)], Precision("mean_wait_s", 0.001), say=said.append, workers=1)
    assert len(results) == 7
    assert (found["s"].relative_half_width or 0) > 0.001
    assert any("after 7 replications, mean_wait_s is known to" in sentence for sentence in said)


def test_a_figure_that_a_scenario_does_not_have_is_refused(fitted: Lake) -> None:
    with pytest.raises(RequestError, match="has no energy_kwh"):
        run_to_precision(fitted, [_scenario("s", 2)], Precision("energy_kwh", 0.1), workers=1)


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), ("12.5%", 0.125)])
def test_a_precision_is_read(text: str, share: float) -> None:
    found = Precision.parse(text, "mean_wait_s")
    assert (found.metric, found.share) == ("mean_wait_s", pytest.approx(share))


@pytest.mark.parametrize(
    ("text", "metric", "says"),
    [
        ("much", "mean_wait_s", "no share"),
        ("0", "mean_wait_s", "cannot"),
        ("500%", "mean_wait_s", "cannot"),
        ("5%", "x", "no figure"),
    ],
)
def test_what_is_no_precision_is_refused(text: str, metric: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        Precision.parse(text, metric)
