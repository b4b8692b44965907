"""What OpenLineage events say: every row of a log with its awkward cases, whatever the order of the events."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.ingest import find_source, ingest
from pipesim.ingest.accounts import FileAccount
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources.openlineage.events import UNVERSIONED
from pipesim.ingest.sources.openlineage.source import OpenLineage
from pipesim.lake import Lake
from tests.ingest.sources.openlineage_events import GOOD, LINES, all_rows, at, data, event, read, refused, rows, run_id, run_of


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, FileAccount]:
    """The fixture, ingested."""
    return read(tmp_path_factory.mktemp("whole"), LINES)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, FileAccount]:
    """The good events of the fixture, ingested."""
    return read(tmp_path_factory.mktemp("good"), GOOD)


def test_the_runs_of_the_fixture(whole: tuple[Lake, FileAccount]) -> None:
    lake, account = whole
    assert (account.lines, account.valid, account.duplicates, account.quarantined, account.blank_or_header) == (
        39,
        21,
        1,
        11,
        6,
    )
    assert account.unused == ["run.facets.spark_properties"]
    common = {"observed_until": at(13, 11), "time_basis": "utc"}
    assert rows(lake, "pipeline_runs") == [
        # Its nominal interval holds its start: it was due when that began.
        {
            "run_id": run_id(1), "pipeline_name": "churn", "tenant": "team:growth", "status": "SUCCEEDED",
            "raw_status": "COMPLETE", "submitted_at": at(9), "started_at": at(9, 0, 2), "ended_at": at(9, 40), **common,
        },
        # Its nominal interval was over when it started; it has two owners.
        {
            "run_id": run_id(9), "pipeline_name": "import", "status": "SUCCEEDED", "raw_status": "COMPLETE",
            "submitted_at": at(0, 0, 30), "started_at": at(0, 0, 30), "ended_at": at(0, 8), **common,
        },
        {"run_id": run_id(10), "pipeline_name": "heartbeat", "status": "UNKNOWN", "raw_status": "OTHER", **common},
        # Only a run below it is in the log.
        {"run_id": run_id(12), "pipeline_name": "hourly", "status": "UNKNOWN", "raw_status": "UNKNOWN", **common},
    ]  # fmt: skip


def test_the_tasks_of_the_fixture(whole: tuple[Lake, FileAccount]) -> None:
    lake, _ = whole
    churn = {"run_id": run_id(1), "attempt": 1}
    assert rows(lake, "task_runs") == [
        {
            **churn, "task_id": run_id(2), "task_name": "churn.extract", "raw_type": "TASK", "framework": "Airflow",
            "status": "SUCCEEDED", "raw_status": "COMPLETE", "started_at": at(9, 0, 5, 250000),
            "ended_at": at(9, 5, 0, 123456), "duration_s": 294.873456, "is_censored": False, "written_bytes": 200000,
        },
        # Runs 3 and 4, which start it one through the other, only group. It starts twice; the first one counts.
        {
            **churn, "task_id": run_id(5), "task_name": "train_app.execute_insert", "raw_type": "SQL_JOB", "framework": "spark",
            "status": "SUCCEEDED", "raw_status": "COMPLETE", "started_at": at(9, 6, 30), "ended_at": at(9, 20),
            "duration_s": 810.0, "is_censored": False, "read_bytes": 180000, "written_bytes": 64000,
        },
        {
            **churn, "task_id": run_id(6), "task_name": "churn.evaluate\n\"<b>'; DROP TABLE x;--../", "raw_type": "TASK",
            "status": "FAILED", "raw_status": "FAIL", "ended_at": at(9, 30), "is_censored": True,
            "error": "AUC 0.41 < 0.5\n  at <eval>",
        },
        {
            **churn, "task_id": run_id(7), "task_name": "churn.stream", "raw_type": "JOB", "status": "RUNNING",
            "raw_status": "RUNNING", "started_at": at(9, 2), "is_censored": True, "written_bytes": 250,
        },
        {
            **churn, "task_id": run_id(8), "task_name": "churn.score", "raw_type": "JOB", "status": "CANCELLED",
            "raw_status": "ABORT", "started_at": at(9, 3), "ended_at": at(9, 33), "duration_s": 1800.0, "is_censored": True,
        },
        # What only has facets comes after the end, and its event of the start is in lower case.
        {
            "run_id": run_id(9), "task_id": run_id(9), "attempt": 1, "task_name": "import", "raw_type": "JOB",
            "status": "SUCCEEDED", "raw_status": "COMPLETE", "started_at": at(0, 0, 30), "ended_at": at(0, 8),
            "duration_s": 450.0, "is_censored": False, "error": "one row was skipped",
        },
        {
            "run_id": run_id(10), "task_id": run_id(10), "attempt": 1, "task_name": "heartbeat", "status": "UNKNOWN",
            "raw_status": "OTHER", "is_censored": False,
        },
        {
            "run_id": run_id(12), "task_id": run_id(11), "attempt": 1, "task_name": "hourly.copy", "status": "SUCCEEDED",
            "raw_status": "COMPLETE", "ended_at": at(12), "is_censored": False,
        },
    ]  # fmt: skip
    # The two that stream into each other ran side by side: neither waited for the other.
    assert rows(lake, "task_edges") == [
        {"run_id": run_id(1), "task_id": run_id(5), "parent_task_id": run_id(2)},
        {"run_id": run_id(1), "task_id": run_id(6), "parent_task_id": run_id(5)},
    ]


def test_the_data_of_the_fixture(whole: tuple[Lake, FileAccount]) -> None:
    lake, _ = whole
    moved = [
        (1, 2, "postgres://db:5432/crm.customers", UNVERSIONED, "read", None, None),
        (1, 2, "s3://lake/raw", "7", "write", 1000, 200000),
        (1, 5, "s3://lake/features", UNVERSIONED, "write", 800, 64000),
        (1, 5, "s3://lake/raw", "7", "read", 900, 180000),
        (1, 6, "s3://lake/features", UNVERSIONED, "read", None, None),
        (1, 7, "s3://lake/clicks", UNVERSIONED, "write", 25, 250),
        (1, 7, "s3://lake/scores", UNVERSIONED, "read", None, None),
        (1, 8, "s3://lake/clicks", UNVERSIONED, "read", None, None),
        (1, 8, "s3://lake/scores", UNVERSIONED, "write", None, None),
        (9, 9, "s3://lake/audit", UNVERSIONED, "write", None, None),
        (9, 9, "s3://lake/imported", "4", "write", 5, 50),
        (12, 11, "s3://lake/raw", UNVERSIONED, "read", 3, None),
    ]
    names = ("asset_id", "version", "direction", "row_count", "size_bytes")
    assert rows(lake, "task_io") == [
        {"run_id": run_id(run), "task_id": run_id(task), "attempt": 1}
        | {name: value for name, value in zip(names, rest, strict=True) if value is not None}
        for run, task, *rest in moved
    ]
    described = {"row_count": 5000, "column_count": 3, "size_bytes": 900000}
    lies: Mapping[str, str] = {"namespace": "s3://lake"}
    assert rows(lake, "data_assets") == [
        {"asset_id": "postgres://db:5432/crm.customers", "version": UNVERSIONED, "namespace": "postgres://db:5432"},
        {"asset_id": "s3://lake/audit", "version": UNVERSIONED, **lies},
        {"asset_id": "s3://lake/clicks", "version": UNVERSIONED, **lies},
        {"asset_id": "s3://lake/copies", "version": UNVERSIONED, "column_count": 3, **lies},
        {"asset_id": "s3://lake/features", "version": UNVERSIONED, **lies},
        {"asset_id": "s3://lake/imported", "version": "4", **lies},
        {"asset_id": "s3://lake/raw", "version": "7", **described, **lies},
        {"asset_id": "s3://lake/raw", "version": "8", **described, **lies},
        {"asset_id": "s3://lake/raw", "version": UNVERSIONED, **lies},
        {"asset_id": "s3://lake/scores", "version": UNVERSIONED, **lies},
    ]


def test_what_is_refused_of_the_fixture(whole: tuple[Lake, FileAccount]) -> None:
    lake, _ = whole
    assert refused(lake) == [
        (29, "parse", "not_json"),
        (30, "rule", "unmapped_status"),
        (31, "parse", "parent_cycle"),
        (32, "parse", "parent_cycle"),
        (33, "rule", "conflicting_terminal_states"),
        (34, "rule", "conflicting_terminal_states"),
        (35, "parse", "wrong_type"),
        (36, "parse", "not_an_instant"),
        (37, "rule", "negative_row_count"),
        (38, "parse", "repeated_key"),
        (39, "parse", "not_an_event"),
    ]
    quarantine = pl.read_parquet(lake.lake / "quarantine")
    assert dict(quarantine.select("source_line", "raw").iter_rows()) == {n: LINES[n - 1] for n, _, _ in refused(lake)}


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(GOOD))
def test_the_order_of_the_events_does_not_matter(good: tuple[Lake, FileAccount], order: list[str]) -> None:
    straight, account = good
    with tempfile.TemporaryDirectory() as folder:
        shuffled, other = read(Path(folder), order)
        assert all_rows(shuffled) == all_rows(straight)
        assert (other.valid, other.duplicates, other.rows) == (account.valid, account.duplicates, account.rows)


def test_a_null_and_a_deleted_facet_are_as_good_as_none(tmp_path: Path) -> None:
    bare = {"namespace": "n", "name": "d", "facets": None, "inputFacets": None}
    gone = {"version": {"_deleted": True}, "schema": None}
    job = {"namespace": "n", "name": "j", "facets": {"ownership": {"_deleted": True}, "jobType": None}}
    run = {"runId": run_id(50), "facets": {"parent": None, "nominalTime": {"nominalStartTime": "2026-03-02T08:00:00Z"}}}
    line = json.dumps({**event(None), "run": run, "job": job, "inputs": [bare], "outputs": [data("o", facets=gone)]})
    lake, account = read(tmp_path, [line, json.dumps({**event("COMPLETE"), "inputs": None, "outputs": None})])
    assert account.valid == 2
    (task,) = rows(lake, "task_runs")
    assert (task["status"], "queued_at" in task, "started_at" in task) == ("SUCCEEDED", False, False)
    assert [row["version"] for row in rows(lake, "task_io")] == [UNVERSIONED, UNVERSIONED]


def test_an_event_without_a_type_leaves_the_state_unknown(tmp_path: Path) -> None:
    lake, _ = read(tmp_path, [json.dumps(event(None))])
    (task,), (run,) = rows(lake, "task_runs"), rows(lake, "pipeline_runs")
    assert (task["status"], task["raw_status"], run["status"], run["raw_status"]) == ("UNKNOWN",) * 4


def test_a_run_of_its_own_that_started_in_its_interval_was_queued_when_that_began(tmp_path: Path) -> None:
    times = {"nominalStartTime": "2026-03-02T08:00:00Z", "nominalEndTime": "2026-03-02T10:00:00Z"}
    naive = {"nominalStartTime": "2026-03-02T08:00:00", "nominalEndTime": "2026-03-02T10:00:00"}
    lines = [event(run=run_of(1, nominalTime=times)), event(run=run_of(2, nominalTime=naive))]
    lake, _ = read(tmp_path, [json.dumps(line) for line in lines])
    assert [row.get("queued_at") for row in rows(lake, "task_runs")] == [at(8), None]
    assert [row["submitted_at"] for row in rows(lake, "pipeline_runs")] == [at(8), at(9)]


def test_instants_that_name_no_zone_are_of_the_log(tmp_path: Path) -> None:
    lines = [event(eventTime="2026-03-02T09:00:00"), event("COMPLETE", eventTime="2026-03-02T10:00:00")]
    lake, _ = read(tmp_path, [json.dumps(line) for line in lines], zone="Europe/Vienna")
    (run,) = rows(lake, "pipeline_runs")
    assert (run["submitted_at"], run["ended_at"], run["time_basis"]) == (at(8), at(9), "assumed_zone")


def _type(word: str) -> dict[str, Any]:
    return {"namespace": "n", "name": "j", "facets": {"jobType": {"jobType": word, "integration": "X"}}}


@pytest.mark.parametrize(
    ("events", "tasks"),
    [
        # By the type of its job alone, though nothing names it as its parent.
        ([event(run=run_of(1), job=_type("dag"))], []),
        ([event(run=run_of(1), job=_type("JOB"))], [(1, 1)]),
        # Without a root facet, the levels are climbed one by one, in whatever order they come.
        ([event(run=run_of(3, 2)), event(run=run_of(2, 1)), event(run=run_of(1))], [(1, 3)]),
        ([event(run=run_of(3, 2, 1)), event(run=run_of(2, 1))], [(1, 3)]),
        # An event that leaves the parent out is still of a run that has one.
        ([event("COMPLETE", run=run_of(2)), event(run=run_of(2, 1))], [(1, 2)]),
        # A run that names itself as its parent or root names none.
        ([event(run=run_of(1, 1)), event(run=run_of(2, 2, 2))], [(1, 1), (2, 2)]),
        # A root that has a parent itself is not the topmost run.
        ([event(run=run_of(4, 3, 2)), event(run=run_of(2, 1)), event(run=run_of(1))], [(1, 4)]),
    ],
)
def test_the_topmost_run_is_the_pipeline_run_and_those_that_start_no_others_are_its_tasks(
    events: list[dict[str, Any]], tasks: list[tuple[int, int]], tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(e) for e in events), encoding="utf-8")
    (file,) = find_files([log])
    units = list(OpenLineage().units(file))
    assert [unit.problem for unit in units] == [None] * len(events)
    records = [record for unit in units for record in unit.records]
    found = {(r["run_id"], r["task_id"]) for r in records if r["table"] == "task_runs"}
    assert found == {(run_id(a), run_id(b)) for a, b in tasks}
    assert {run for run, _ in found} <= {r["run_id"] for r in records if r["table"] == "pipeline_runs"}


def test_a_hierarchy_may_be_deep(tmp_path: Path) -> None:
    def line(number: int) -> str:
        above = {"parent": {"run": {"runId": f"r{number - 1}"}, "job": {"namespace": "n", "name": "p"}}} if number else {}
        return json.dumps(event(run={"runId": f"r{number}", "facets": above}))

    lake, account = read(tmp_path, [line(number) for number in range(3_000)])
    assert (account.valid, account.blank_or_header) == (2, 2_998)
    assert [(row["run_id"], row["task_id"]) for row in rows(lake, "task_runs")] == [("r0", "r2999")]


def test_a_log_that_grows_completes_its_rows(good: tuple[Lake, FileAccount], tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lake = Lake(tmp_path / "home")
    for count in (17, 27):
        log.write_text("\n".join(GOOD[:count]) + "\n", encoding="utf-8")
        ingest(lake, [log], OpenLineage())
    assert ingest(lake, [log], OpenLineage()).unchanged == [str(log)]
    # A row that was complete keeps what the log had covered by then.
    grown, at_once = ({**all_rows(each), "pipeline_runs": _without_end(each)} for each in (lake, good[0]))
    assert grown == at_once


def _without_end(lake: Lake) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != "observed_until"} for row in rows(lake, "pipeline_runs")]


def test_it_is_a_source_by_its_name() -> None:
    source = find_source("openlineage", time_zone="Asia/Tokyo")
    assert isinstance(source, OpenLineage)
    assert source.fingerprint() == "openlineage Asia/Tokyo"
