"""The age of a log, and files that contradict each other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pipesim.checks.observed import freshness, overlapping_ids
from pipesim.lake import Lake
from tests.checks.conftest import MONDAY, at, pipeline, task

Log = Callable[..., Path]


def test_a_log_is_neither_too_old_nor_of_the_future(lake: Lake, log: Log) -> None:
    log("a.jsonl", task("r1", 2))
    log("pools.jsonl", {"pool": "p", "kind": "gpu", "valid_from": at(99999)})
    newest = MONDAY + timedelta(hours=3)
    for days, limit, passed in [
        (0.5, None, True), (400, None, True), (6.9, 7, True), (7.1, 7, False), (-0.9, None, True), (-1.1, None, False),
    ]:  # fmt: skip
        verdict = freshness(lake, newest + timedelta(days=days), limit)
        assert verdict.figures["age_days"].value == pytest.approx(days)
        assert (verdict.passed, verdict.severity) == (passed, "error")
        assert "2026-03-02 03:00:00 UTC in task_runs.ended_at" in verdict.words


def test_a_log_without_instants_has_no_age(lake: Lake, log: Log) -> None:
    log("a.jsonl", {"run_id": "r", "task_id": "t", "task_name": "t", "status": "SUCCEEDED", "duration_s": 1})
    assert freshness(lake, MONDAY).passed
    assert not freshness(lake, MONDAY, limit_days=7).passed


FAILED = {"status": "FAILED", "error": "disk"}


def test_files_that_tell_two_ends_of_one_attempt_contradict_each_other(lake: Lake, log: Log) -> None:
    log("a.jsonl", task("r1", 0), task("r2", 0))
    log("b.jsonl", task("r1", 0, **FAILED), task("r3", 0))
    verdict = overlapping_ids(lake)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    (row,) = verdict.tables["contradictions"].rows(named=True)
    assert (row["run_id"], row["task_id"], row["attempt"]) == ("r1", "t", 1)
    assert row["problem"] == "ended as FAILED and SUCCEEDED"
    assert [Path(name).name for name in row["files"].split(", ")] == ["a.jsonl", "b.jsonl"]


def test_a_file_that_contradicts_itself_only_loses_the_lines(lake: Lake, log: Log) -> None:
    log("a.jsonl", task("r1", 0), pipeline("r1", 0))
    log("b.jsonl", task("r1", 0, attempt=2), task("r1", 0, attempt=2, **FAILED))
    verdict = overlapping_ids(lake)
    assert verdict.passed
    assert verdict.figures["within_one_file"].value == 1


def test_where_a_line_does_not_show_its_key_it_is_a_warning(lake: Lake, log: Log) -> None:
    log("a.jsonl", task("r1", 0))
    log("task_runs.csv", "run_id,task_id,task_name,status,started_at,ended_at", f"r1,t,t,FAILED,{at(0)},{at(1)}")
    verdict = overlapping_ids(lake)
    assert (verdict.passed, verdict.severity) == (False, "warn")
    assert verdict.tables["contradictions"]["files"][0].endswith("task_runs.csv")


def test_a_run_and_its_task_from_different_files_must_be_of_one_run(lake: Lake, log: Log) -> None:
    cases = [
        (24, {}, None),
        (24 - 59 / 3600, {}, None),
        (23.5, {}, "queued before the run was submitted"),
        (0, {"queued_at": None}, "started before the run was submitted"),
        (26, {}, "started after the run had ended"),
    ]
    log("runs.jsonl", *(pipeline(f"r{i}", 24) for i in range(len(cases))))
    log("tasks.jsonl", *(task(f"r{i}", hours, **fields) for i, (hours, fields, _) in enumerate(cases)))
    log("both.jsonl", pipeline("same file", 24), task("same file", 0))
    verdict = overlapping_ids(lake)
    assert (verdict.passed, verdict.severity) == (False, "error")
    found = dict(verdict.tables["contradictions"].select("run_id", "problem").iter_rows())
    assert found == {f"r{i}": problem for i, (*_, problem) in enumerate(cases) if problem}


def test_a_run_of_several_files_is_no_contradiction(lake: Lake, log: Log) -> None:
    log("runs.jsonl", pipeline("r", 24))
    log("tasks.jsonl", task("r", 24))
    assert overlapping_ids(lake).passed
