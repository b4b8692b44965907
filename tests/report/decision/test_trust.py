"""What a page says of how far the simulation can be trusted."""

from __future__ import annotations

import dataclasses
from typing import Any

import polars as pl

from pipesim.catalog import snapshot_views
from pipesim.experiments.calibration.names import Names
from pipesim.experiments_schema import CALIBRATED_POOLS, CALIBRATION_ERRORS
from pipesim.lake import Lake
from pipesim.report.data import open_data
from pipesim.report.decision import Evidence, decision_parts, write_decision
from pipesim.report.decision.trust import trust_parts
from pipesim.report.figure import Figure
from pipesim.schema import Table
from pipesim.trace import Trace
from tests.report.decision.simulated import figures, keep, run, scenario

POOL: dict[str, Any] = {
    "scenario": "as-is", "simulated_as": "as-is-calibrated-replay", "pool": "gpu", "resource": "gpus", "given": 9,
    "capacity": 7, "low": 7, "high": 8, "overhead_s": 60.0, "held": "before", "waiting": 3.5, "error_as_given": 0.5,
    "error": 0.02, "error_elsewhere": 0.04, "note": "",
}  # fmt: skip
ERROR: dict[str, Any] = {
    "scenario": "as-is", "simulated_as": "as-is-calibrated-replay", "figure": "mean_wait_s", "pool": None, "unit": "seconds",
    "observed": 100.0, "as_given": 60.0, "replayed": 102.0, "drawn": 91.8, "platform_error": 0.02, "workload_error": -0.1,
    "workload_low": -0.2, "workload_high": 0.01, "total_error": -0.082,
}  # fmt: skip
IDLE = {
    **POOL,
    "pool": "cpu",
    "capacity": 9,
    "low": None,
    "high": None,
    "overhead_s": 0.0,
    "held": None,
    "note": "nobody waited",
}


def _rows(table: Table, *rows: dict[str, Any]) -> dict[str, pl.DataFrame]:
    return {table.name: table.conform(pl.DataFrame(rows, infer_schema_length=None))}


def _drawn(figure: Figure) -> list[dict[str, Any]]:
    return next(rows for rows in figure.panels[0].chart.to_dict()["datasets"].values() if "series" in rows[0])


def _calibrated(lake: Lake, *errors: dict[str, Any]) -> None:
    lake.save_experiment("as-is", _rows(CALIBRATED_POOLS, POOL, IDLE) | _rows(CALIBRATION_ERRORS, *errors))


def test_errors_are_told_by_whose_they_are(lake: Lake) -> None:
    _calibrated(lake, ERROR, {**ERROR, "figure": "utilization", "pool": "gpu", "observed": 0.5, "as_given": 0.4})
    (part,) = trust_parts(Evidence.at_hand(lake))
    assert part.lead == (
        "as-is: Replayed on the calibrated platform, tasks wait 2.0 % longer than in the log; drawn work waits 10.0 % shorter "
        "than that replay (95 % interval -20 to +1 %)."
    )
    gpu, cpu = part.cards
    assert [dataclasses.astuple(change) for change in gpu.changes] == [("gpus", "9", "7"), ("overhead_s", "", "60.0")]
    assert "7 to 8 fit as well" in gpu.text
    assert (cpu.changes, cpu.text) == ((), "nobody waited")
    figure = figures(part)["calibration"]
    assert figure.rows.height == 2
    drawn = [(row["figure"], row["series"], row["error"], row["low"]) for row in _drawn(figure)]
    assert drawn[:3] == [
        ("mean wait", "platform as given", -0.4, None),
        ("mean wait", "platform calibrated", 0.02, None),
        ("mean wait", "drawn work", -0.1, -0.2),
    ]
    assert ("utilisation of gpu", "platform as given", -0.2, None) in drawn


def test_without_drawn_work_only_the_platform_is_judged(lake: Lake) -> None:
    unknown = dict.fromkeys(("drawn", "workload_error", "workload_low", "workload_high", "total_error"))
    _calibrated(lake, {**ERROR, **unknown})
    (part,) = trust_parts(Evidence.at_hand(lake))
    assert "nothing was drawn" in part.lead
    assert {row["series"] for row in _drawn(figures(part)["calibration"])} == {"platform as given", "platform calibrated"}


def test_a_page_has_the_part_where_there_is_a_calibration(lake: Lake) -> None:
    runs = [run("as-is", n, 10.0 + n) for n in range(2)]
    keep(lake, scenario("as-is"), runs)
    without = write_decision(lake, "a", Evidence.at_hand(lake, runs)).read_text(encoding="utf-8")
    _calibrated(lake, ERROR)
    page = write_decision(lake, "a", Evidence.at_hand(lake, runs)).read_text(encoding="utf-8")
    title = "How far can the simulation be trusted?"
    assert title not in without
    assert page.count(title) == 2, "in the contents and as a heading"


def test_what_a_calibration_simulates_is_compared_with_nothing_else(lake: Lake) -> None:
    names = Names.of("as-is")
    assert (names.given, names.drawn) == ("as-is-replay", "as-is-calibrated-drawn")
    for name in ("as-is", "other", *names.compared):
        keep(lake, scenario(name), [run(name, n, 10.0 + n) for n in range(2)])
    _calibrated(lake, ERROR)
    with snapshot_views(lake) as con:
        parts = decision_parts(Evidence.of_lake(lake, con), [])
    assert [part.name for part in parts] == ["scenarios", "capacity", "trust"]
    assert [card.title for card in parts[0].cards] == ["as-is", "other"]
    pipeline_run = pl.DataFrame(
        {"run_id": ["r"], "pipeline_name": ["p"], "status": ["SUCCEEDED"], "raw_status": ["ok"], "time_basis": ["utc"]}
    )
    for name in ("as-is", "other", *names.compared):
        lake.save_simulated(Trace({"pipeline_runs": pipeline_run}, "simulated", name), 0, pl.DataFrame({"x": [1]}), {})
    with open_data(lake) as data:
        assert {one.trace for one in data.series if one.origin == "simulated"} == {"as-is", "other"}
