"""Every line is accounted for, and a store that was tampered with is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim.checks.accounting import accounting, quarantine_ratio
from pipesim.checks.verdict import Verdict
from pipesim.ingest import find_source, ingest
from pipesim.lake import Lake
from tests.checks.conftest import pipeline, task

Log = Callable[..., Path]
BAD = task("bad", 0, duration_s=-5)


def problems(verdict: Verdict) -> str:
    assert verdict.passed == (not verdict.tables)
    return " / ".join(verdict.tables["problems"]["problem"]) if verdict.tables else ""


def test_nothing_ingested_is_accounted_for(lake: Lake) -> None:
    assert accounting(lake).passed
    assert quarantine_ratio(lake).passed


def test_what_ingest_leaves_is_accounted_for(lake: Lake, log: Log) -> None:
    log("a.jsonl", pipeline("r1", 0), task("r1", 0), task("r1", 0), BAD, "")
    verdict = accounting(lake)
    assert verdict.passed, problems(verdict)
    values = {name: figure.value for name, figure in verdict.figures.items()}
    assert values == {
        "lines": 5, "valid": 2, "duplicates": 1, "quarantined": 1, "blank_or_header": 1,
        "rows_brought": 2, "rows_stored": 2, "rows_replaced": 0, "problems": 0,
    }  # fmt: skip


def test_files_that_grow_change_or_come_again_are_accounted_for(lake: Lake, log: Log) -> None:
    running = task("r1", 0, status="RUNNING", ended_at=None)
    log("a.jsonl", running, BAD)
    log("a.jsonl", running, BAD, task("r1", 0), "no json")  # grew: the row and the refusal give way to new ones
    assert log("b.jsonl", running, BAD).exists()  # the first version again, under another name
    log("a.jsonl", task("r2", 3))  # another log in its place
    log("edges.jsonl", {"run_id": "r9", "task_id": "b", "parent_task_id": "a"})
    log("tasks.jsonl", task("r9", 0, task_id="a"), task("r9", 0, task_id="b"))
    verdict = accounting(lake)
    assert verdict.passed, problems(verdict)
    assert verdict.figures["rows_replaced"].value == 1


def rewrite(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    change(pl.read_parquet(path)).write_parquet(path)


def edit(manifest: Path, **changes: Any) -> None:
    content = json.loads(manifest.read_text())
    content["files"][0] |= changes
    manifest.write_text(json.dumps(content))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder that nobody has touched."""
    folder = tmp_path_factory.mktemp("sound")
    file = folder / "a.jsonl"
    file.write_text("\n".join(json.dumps(record) for record in (pipeline("r1", 0), task("r1", 0), BAD)))
    ingest(Lake(folder / "home"), [file], find_source("native"))
    return folder / "home"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda lake, i: edit(lake.ingest_manifest(i), lines=9), "9 lines read, but 3 accounted for"),
        (lambda lake, i: lake.quarantine_file(i).unlink(), "1 line refused, but 0 in quarantine"),
        (
            lambda lake, i: edit(lake.ingest_manifest(i), quarantined=0, valid=3),
            "1 line in quarantine, but 0 refused",
        ),
        (
            lambda lake, i: rewrite(lake.quarantine_file(i), lambda f: f.with_columns(source_file=pl.lit("x"))),
            "1 line in quarantine of which no account tells",
        ),
        (
            lambda lake, i: rewrite(lake.observed_file("task_runs", i), lambda f: f.head(0)),
            "1 of its 1 row of task_runs gone",
        ),
        (
            lambda lake, i: rewrite(lake.observed_file("task_runs", i), lambda f: pl.concat([f, f])),
            "1 more row of task_runs stored than it brought",
        ),
        (
            lambda lake, i: rewrite(lake.observed_file("task_runs", i), lambda f: f.with_columns(source_file=pl.lit("x"))),
            "1 row of task_runs stored of which no account tells",
        ),
        (
            lambda lake, i: lake.observed_file("task_runs", i).rename(lake.observed_file("task_runs", "0123")),
            "1 row of task_runs in the store of the ingest 0123",
        ),
        (lambda lake, i: lake.ingest_manifest(i).unlink(), "row of task_runs stored of which no account tells"),
    ],
)
def test_a_store_that_was_tampered_with_is_found_out(
    sound: Path, tmp_path: Path, damage: Callable[[Lake, str], object], problem: str
) -> None:
    lake = Lake(shutil.copytree(sound, tmp_path / "copy"))
    (manifest,) = lake.ingest_manifests()
    damage(lake, manifest.stem)
    verdict = accounting(lake)
    assert not verdict.passed
    assert verdict.severity == "error"
    assert problem in problems(verdict)


@pytest.mark.parametrize(("bad", "passed", "severity"), [(1, True, "warn"), (2, False, "warn"), (40, False, "error")])
def test_many_refused_lines_are_a_warning_and_most_an_error(
    lake: Lake, log: Log, bad: int, passed: bool, severity: str
) -> None:
    log("a.jsonl", *(task(f"r{i}", i) for i in range(100)), *[BAD | {"run_id": "b|d"}] * bad)
    verdict = quarantine_ratio(lake)
    # Equal lines are duplicates only once they are valid.
    assert verdict.figures["quarantine_ratio"].value == bad / (100 + bad)
    assert (verdict.passed, verdict.severity) == (passed, severity)
    assert verdict.tables["rules"].row(0) == ("negative_duration_s", "rule", bad)
    first = verdict.tables["first_lines"].row(0, named=True)
    assert first["line"].endswith("a.jsonl:101")
    assert "duration_s -5" in first["detail"]
    assert "b|d" in first["raw"]


def test_a_file_that_grew_counts_once(lake: Lake, log: Log) -> None:
    good = [task(f"r{i}", i) for i in range(20)]
    log("a.jsonl", *good[:10], BAD)
    log("a.jsonl", *good[:10], BAD, *good[10:])
    figures = quarantine_ratio(lake).figures
    assert (figures["quarantined"].value, figures["lines"].value) == (1, 21)
