"""Sums: means over seeds, the worst cell by its own goal, reasons where there is no value."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipesim.quality.measures import METRICS
from pipesim.quality.summary import summarize

SCHEMA = {
    "series": pl.String, "seed": pl.Int64, "metric": pl.String, "cell": pl.String, "value": pl.Float64, "reason": pl.String,
}  # fmt: skip


def summed(*rows: tuple[Any, ...]) -> tuple[dict[str, dict[str, Any]], pl.DataFrame]:
    """Scores by name and cells, of rows (series, seed, metric, cell, value); all other metrics cannot be told."""
    told = {row[2] for row in rows}
    untold = [("model", 0, m.name, "", None, "the log is silent") for m in METRICS if m.name not in told]
    frame = pl.DataFrame([*((*row, None) for row in rows), *untold], schema=SCHEMA, orient="row")
    scores, cells = summarize(METRICS, frame)
    return {row["metric"]: row for row in scores.to_dicts()}, cells


def test_a_score_is_the_mean_over_seeds_beside_floor_and_baseline() -> None:
    values = [("model", 0, 0.9), ("model", 1, 1.0), ("baseline", 0, 0.5), ("floor", 0, 0.99), ("floor", 1, 1.03)]
    scores, cells = summed(*((series, seed, "count_ratio", "", v) for series, seed, v in values))
    row = scores["count_ratio"]
    assert row["value"] == pytest.approx(0.95)
    assert (row["baseline"], row["floor"], row["goal"]) == (0.5, pytest.approx(1.01), "0.95 to 1.05")
    assert (row["ok"], row["stretch_ok"]) == (True, False)
    assert row["words"] == "For every 100 real runs the synthetic trace has 95.0; real weeks differ from each other by 3 %."
    assert cells.height == 1


def test_the_worst_cell_is_the_one_farthest_beyond_its_own_goal() -> None:
    """The cell with the larger distance has so few rows that its noise excuses it."""
    values = [
        ("model", "many rows", 0.04),
        ("model", "few rows", 0.09),
        ("floor", "many rows", 0.01),
        ("floor", "few rows", 0.08),
    ]
    scores, cells = summed(*((series, 0, "duration_ks", cell, v) for series, cell, v in values))
    row = scores["duration_ks"]
    assert (row["cell"], row["value"], row["goal_high"], row["ok"]) == ("many rows", 0.04, 0.03, False)
    assert dict(cells.select("cell", "ok").rows()) == {"many rows": False, "few rows": True}
    assert cells.filter(pl.col("cell") == "few rows")["goal_high"][0] == pytest.approx(1.3 * 0.08)


def test_waits_against_the_baseline_are_a_ratio_of_errors() -> None:
    scores, _ = summed(*((series, 0, "wfe_p95", "", v) for series, v in (("model", 0.5), ("baseline", 3.0), ("floor", 0.4))))
    row = scores["wfe_gain"]
    assert (row["value"], row["floor"], row["baseline"], row["ok"], row["stretch_ok"]) == (
        6.0, pytest.approx(7.5), 1.0, True, False,
    )  # fmt: skip
    assert scores["wfe_p95"]["stretch_high"] == 0.4, "the stretch goal is the floor"
    without_floor = summed(("model", 0, "wfe_p95", "", 0.5))[0]["wfe_p95"]
    assert (without_floor["ok"], without_floor["stretch"], without_floor["stretch_ok"]) == (True, "", None)


def test_what_cannot_be_told_has_a_reason_and_neither_meets_nor_misses_its_goal() -> None:
    scores, cells = summed()
    assert cells.is_empty()
    for row in scores.values():
        assert (row["value"], row["ok"], row["stretch_ok"]) == (None, None, None)
        assert row["words"] == "This cannot be told: the log is silent."
        assert row["goal"]


def test_a_goal_on_both_sides_counts_on_both() -> None:
    for value, ok in ((-0.6, False), (-0.4, True), (0.6, False)):
        assert summed(("model", 0, "wfe_p95_bias", "", value))[0]["wfe_p95_bias"]["ok"] is ok
