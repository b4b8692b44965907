"""Job tables: mappings, units, identities, and the real Philly trace."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from pipesim.errors import ConfigError, FileError, RequestError
from pipesim.ingest import find_source, ingest
from pipesim.ingest.mapping.model import load_mapping
from pipesim.lake import Lake
from tests.conftest import philly_file

MAPPING = """
name: ours
columns:
  run_id: id
  submitted_at: {column: t, format: epoch_ms}
  duration_s: {column: took, unit: min}
  memory_bytes: {column: mem, unit: GiB}
  gpus: {column: share, unit: percent}
  status: {column: state, words: {Great: SUCCEEDED, Meh: FAILED}}
unused: [note]
"""


def _mapping(tmp_path: Path, text: str = MAPPING) -> Path:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_job_becomes_a_run_with_one_task_in_canonical_units(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "jobs.csv"
    log.write_text(
        "id,t,took,mem,share,state,note\nj1,1767225600000,1.5,2,50,Great,x\nj2,1767225601000,2,-1,100,meh,x\nj3,0,1,1,1,Odd,x\n"
    )
    report = ingest(lake, [log], find_source("job-table", _mapping(tmp_path)))
    counts = report.as_dict()
    assert (counts["valid"], counts["quarantined"], counts["blank_or_header"]) == (2, 1, 1)
    assert counts["rows"] == {"pipeline_runs": 2, "task_runs": 2}
    assert report.accounts[0].unused == []
    trace = lake.load_observed()
    assert trace.violations() == []
    rows = (
        trace.task_runs.sort("run_id").select("queued_at", "duration_s", "memory_bytes", "gpus", "status", "raw_status").rows()
    )
    assert rows == [
        (datetime(2026, 1, 1), 90.0, 2 << 30, 0.5, "SUCCEEDED", "Great"),
        (datetime(2026, 1, 1, 0, 0, 1), 120.0, None, 1.0, "FAILED", "meh"),
    ]
    assert trace.pipeline_runs["pipeline_name"].unique().to_list() == ["ours"]


def test_twins_without_an_identifier_are_two_jobs_and_overlapping_exports_are_one(lake: Lake, tmp_path: Path) -> None:
    mapping = _mapping(tmp_path, "name: anon\ncolumns: {submitted_at: t, duration_s: d}\n")
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    first.write_text("t,d\n2026-01-01,1\n2026-01-01,1\n2026-01-02,2\n")
    second.write_text("t,d\n2026-01-02,2\n2026-01-03,3\n")
    source = find_source("job-table", mapping)
    one = ingest(lake, [first], source).as_dict()
    assert (one["valid"], one["duplicates"]) == (3, 0)
    two = ingest(lake, [second], source).as_dict()
    assert (two["valid"], two["duplicates"]) == (1, 1)
    assert lake.load_observed().task_runs["duration_s"].sort().to_list() == [1.0, 1.0, 2.0, 3.0]


def test_a_row_without_any_instant_is_no_job_and_clusters_may_number_alike(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "jobs.csv"
    log.write_text("i,t,d\n1,2026-01-01,1\n,,\n2,,5\n")
    for name in ("alpha", "beta"):
        mapping = _mapping(tmp_path, f"name: {name}\ncolumns: {{run_id: i, submitted_at: t, duration_s: d}}\n")
        counts = ingest(lake, [log], find_source("job-table", mapping)).as_dict()
        assert (counts["valid"], counts["quarantined"]) == (1, 2)
    assert sorted(lake.load_observed().task_runs["run_id"].to_list()) == ["alpha-1", "beta-1"]


def test_philly_is_accounted_for_line_by_line(lake: Lake) -> None:
    philly = philly_file()
    source = find_source("philly")
    counts = ingest(lake, [philly], source).as_dict()
    assert {k: counts[k] for k in ("lines", "valid", "duplicates", "quarantined", "blank_or_header")} == {
        "lines": 82249, "valid": 82247, "duplicates": 0, "quarantined": 0, "blank_or_header": 2,
    }  # fmt: skip
    before = {p: p.stat().st_mtime_ns for p in lake.lake.rglob("*.parquet")}
    assert ingest(lake, [philly], source).unchanged == [str(philly)]
    assert before == {p: p.stat().st_mtime_ns for p in lake.lake.rglob("*.parquet")}
    trace = lake.load_observed()
    raw = pl.read_csv(philly)
    assert trace.task_runs["duration_s"].sum() == raw["duration"].sum()
    assert trace.task_runs["gpus"].sum() == raw["num_gpus"].sum()
    assert str(trace.pipeline_runs["submitted_at"].min()) == raw["timestamp"].min()
    assert trace.task_runs["run_id"].n_unique() == 82247
    assert trace.violations() == []


def test_every_mistake_of_a_mapping_is_reported_with_its_place(tmp_path: Path) -> None:
    path = _mapping(
        tmp_path,
        "name: Bad Name\nextra: 1\n"
        "columns:\n  submitted_at: t\n  gpus: {column: g, const: 1}\n  duration_s: {column: d, unit: weeks}\n",
    )
    with pytest.raises(ConfigError) as caught:
        load_mapping(path)
    places = {place for place, _ in caught.value.problems}
    assert places == {"name", "extra", "columns.gpus", "columns.duration_s"}
    with pytest.raises(ConfigError) as caught:
        load_mapping(_mapping(tmp_path, "name: x\ncolumns:\n  colour: c\n  status: {column: s, words: {a: GOOD}}\n"))
    assert {place for place, _ in caught.value.problems} == {"columns.colour", "columns.status.words", "columns"}
    with pytest.raises(ConfigError, match=r"mapping\.yaml:2"):
        load_mapping(_mapping(tmp_path, "name: x\ncolumns: ]"))
    with pytest.raises(FileError, match="cannot be read"):
        load_mapping(tmp_path / "none.yaml")


def test_a_column_that_the_file_does_not_have_is_named(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "jobs.csv"
    log.write_text("id,t,took\nj,1,2\n")
    with pytest.raises(FileError, match="reads mem, share, state") as caught:
        ingest(lake, [log], find_source("job-table", _mapping(tmp_path)))
    assert "id, t, took" in str(caught.value)


def test_sources_and_zones_are_checked(lake: Lake, tmp_path: Path) -> None:
    for bad in (
        lambda: find_source("excel"),
        lambda: find_source("job-table"),
        lambda: find_source("philly", tmp_path / "m.yaml"),
    ):
        with pytest.raises(RequestError):
            bad()
    log = tmp_path / "log.jsonl"
    log.write_text('{"run_id": "r"}\n')
    with pytest.raises(RequestError, match="time zone"):
        ingest(lake, [log], find_source("native", time_zone="Mars/Olympus"))
