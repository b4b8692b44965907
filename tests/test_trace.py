"""A trace as a value: completion, validation, saving and loading."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipesim.trace import Trace

ROW = {
    "run_id": "r",
    "task_id": "t",
    "attempt": 1,
    "task_name": "train",
    "status": "SUCCEEDED",
    "raw_status": "ok",
    "is_censored": False,
    "duration_s": 1.0,
}


def _violations(**changes: object) -> set[str]:
    return {v.rule for v in Trace({"task_runs": pl.DataFrame([{**ROW, **changes}])}).violations()}


def test_a_good_row_breaks_no_rule() -> None:
    assert _violations() == set()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"status": "DONE"}, "unmapped_status"),
        ({"attempt": 0}, "attempt_below_1"),
        ({"gpus": -0.5}, "negative_gpus"),
        ({"duration_s": float("nan")}, "nonfinite_duration_s"),
        ({"duration_s": None}, "succeeded_without_end_or_duration"),
        ({"task_name": None}, "missing_task_name"),
        ({"run_id": None}, "no_run_id"),
        ({"started_at": datetime(2026, 1, 2), "ended_at": datetime(2026, 1, 1)}, "started_at_after_ended_at"),
        ({"queued_at": datetime(2026, 1, 2), "ended_at": datetime(2026, 1, 1)}, "queued_at_after_ended_at"),
    ],
)
def test_each_rule_finds_its_row(changes: dict[str, object], rule: str) -> None:
    assert _violations(**changes) == {rule}


def test_zero_duration_is_legal_and_twins_are_not() -> None:
    assert _violations(duration_s=0.0) == set()
    twins = Trace({"task_runs": pl.DataFrame([ROW, ROW])}).violations()
    assert [(v.rule, v.rows) for v in twins] == [("duplicate_key", 1)]


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(KeyError, match="tasks"):
        Trace({"tasks": pl.DataFrame()})


def test_saving_and_loading_gives_the_same_trace(tmp_path: Path) -> None:
    trace = Trace({"task_runs": pl.DataFrame([ROW])}, "synthetic", "one")
    trace.save(tmp_path)
    again = Trace.load(tmp_path, "synthetic", "one")
    assert all(again[table].equals(trace[table]) for table in trace)
    assert [p.name for p in tmp_path.iterdir()] == ["task_runs.parquet"]
