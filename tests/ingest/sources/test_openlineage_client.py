"""The real writer: what the file transport of the OpenLineage client writes, in each of its modes, is read."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("openlineage.client")

from openlineage.client import OpenLineageClient
from openlineage.client.event_v2 import (
    DatasetEvent,
    InputDataset,
    Job,
    JobEvent,
    OutputDataset,
    Run,
    RunEvent,
    RunState,
    StaticDataset,
)  # fmt: skip
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    nominal_time_run,
    output_statistics_output_dataset,
    ownership_job,
    parent_run,
    processing_engine_run,
    schema_dataset,
)  # fmt: skip
from openlineage.client.transport.file import FileConfig, FileTransport

from pipesim.ingest import ingest
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources import recognise_source
from pipesim.lake import Lake
from tests.ingest.sources.openlineage_events import all_rows

NIGHT = datetime(2026, 3, 2, 3, tzinfo=UTC)
PRODUCER = "https://example.org/tests"
Event = RunEvent | DatasetEvent | JobEvent


def _id(number: int) -> str:
    return str(UUID(int=(7 << 76) | (1 << 127) | number))


def _at(minutes: float) -> str:
    return (NIGHT + timedelta(minutes=minutes)).isoformat()


def _job(name: str, kind: str) -> Job:
    facets: dict[str, Any] = {"jobType": job_type_job.JobTypeJobFacet("BATCH", "AIRFLOW", kind)}
    if kind == "DAG":
        facets["ownership"] = ownership_job.OwnershipJobFacet([ownership_job.Owner("team:growth")])
    return Job("platform", name, facets)


def _task_run(number: int, error: str | None = None) -> Run:
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            parent_run.Run(_id(1)),
            parent_run.Job("platform", "nightly"),
            parent_run.Root(parent_run.RootRun(_id(1)), parent_run.RootJob("platform", "nightly")),
        ),
        "processing_engine": processing_engine_run.ProcessingEngineRunFacet("2.10.4", "Airflow"),
    }
    if error is not None:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(error, "PYTHON")
    return Run(_id(number), facets)


def _events() -> Iterable[Event]:
    """Yield what a scheduler would emit of one run with two tasks, the second of which fails."""
    interval = nominal_time_run.NominalTimeRunFacet(_at(0), _at(60))
    dag = _job("nightly", "DAG")
    schema = schema_dataset.SchemaDatasetFacet([schema_dataset.SchemaDatasetFacetFields("id", "long")])
    version = dataset_version_dataset.DatasetVersionDatasetFacet("12")
    written = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=10, size=1000, fileCount=1)
    was_read = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=9, size=900, fileCount=1)
    made = OutputDataset(
        "s3://lake", "t", facets={"schema": schema, "version": version}, outputFacets={"outputStatistics": written}
    )
    used = InputDataset("s3://lake", "t", facets={"version": version}, inputFacets={"inputStatistics": was_read})
    first, second = _job("nightly.make", "TASK"), _job("nightly.use", "TASK")

    def of_run(state: RunState, at: float, run: Run, job: Job, **sides: Any) -> RunEvent:
        return RunEvent(eventType=state, eventTime=_at(at), run=run, job=job, producer=PRODUCER, **sides)

    yield of_run(RunState.START, 0.5, Run(_id(1), {"nominalTime": interval}), dag)
    yield of_run(RunState.START, 1, _task_run(2), first)
    yield of_run(RunState.COMPLETE, 5, _task_run(2), first, outputs=[made])
    yield of_run(RunState.START, 6, _task_run(3), second)
    yield of_run(RunState.RUNNING, 7, _task_run(3), second, inputs=[used])
    yield of_run(RunState.FAIL, 8, _task_run(3, "no luck"), second, inputs=[used])
    yield of_run(RunState.FAIL, 9, Run(_id(1)), dag)
    yield DatasetEvent(eventTime=_at(10), dataset=StaticDataset("s3://lake", "u", facets={"schema": schema}), producer=PRODUCER)
    yield JobEvent(eventTime=_at(11), job=first, producer=PRODUCER)


EXPECTED: dict[str, list[dict[str, Any]]] = {
    "pipeline_runs": [
        {
            "run_id": _id(1), "pipeline_name": "nightly", "tenant": "team:growth", "status": "FAILED", "raw_status": "FAIL",
            "submitted_at": datetime(2026, 3, 2, 3), "started_at": datetime(2026, 3, 2, 3, 0, 30),
            "ended_at": datetime(2026, 3, 2, 3, 9), "observed_until": datetime(2026, 3, 2, 3, 10), "time_basis": "utc",
        }
    ],
    "task_runs": [
        {
            "run_id": _id(1), "task_id": _id(2), "attempt": 1, "task_name": "nightly.make", "raw_type": "TASK",
            "framework": "Airflow", "status": "SUCCEEDED", "raw_status": "COMPLETE", "started_at": datetime(2026, 3, 2, 3, 1),
            "ended_at": datetime(2026, 3, 2, 3, 5), "duration_s": 240.0, "is_censored": False, "written_bytes": 1000,
        },
        {
            "run_id": _id(1), "task_id": _id(3), "attempt": 1, "task_name": "nightly.use", "raw_type": "TASK",
            "framework": "Airflow", "status": "FAILED", "raw_status": "FAIL", "started_at": datetime(2026, 3, 2, 3, 6),
            "ended_at": datetime(2026, 3, 2, 3, 8), "duration_s": 120.0, "is_censored": True, "read_bytes": 900,
            "error": "no luck",
        },
    ],
    "task_edges": [{"run_id": _id(1), "task_id": _id(3), "parent_task_id": _id(2)}],
    "task_io": [
        {
            "run_id": _id(1), "task_id": _id(2), "attempt": 1, "direction": "write", "asset_id": "s3://lake/t",
            "version": "12", "row_count": 10, "size_bytes": 1000,
        },
        {
            "run_id": _id(1), "task_id": _id(3), "attempt": 1, "direction": "read", "asset_id": "s3://lake/t",
            "version": "12", "row_count": 9, "size_bytes": 900,
        },
    ],
    "data_assets": [
        {"asset_id": "s3://lake/t", "version": "12", "namespace": "s3://lake", "column_count": 1},
        {"asset_id": "s3://lake/u", "version": "unversioned", "namespace": "s3://lake", "column_count": 1},
    ],
}  # fmt: skip


def _write(folder: Path, **options: Any) -> list[Path]:
    """Have the client emit the events through its file transport; returns the files that it wrote."""
    folder.mkdir()
    path = folder / ("events.jsonl" if options.get("append") else "events")
    client = OpenLineageClient(transport=FileTransport(FileConfig(log_file_path=str(path), **options)))
    for event in _events():
        client.emit(event)
    client.close()
    return sorted(folder.iterdir())


def _one_file(files: list[Path]) -> None:
    (file,) = files
    assert len(file.read_text().splitlines()) == 9


def _packed(files: list[Path]) -> None:
    (file,) = files
    file.with_name("events.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


def _put_together(files: list[Path]) -> None:
    text = "".join(file.read_text() for file in files)
    for file in files:
        file.unlink()
    files[0].with_name("all.json").write_text(text)


@pytest.mark.parametrize(
    ("options", "then"),
    [
        ({"append": True}, _one_file),
        ({"append": True}, _packed),
        ({}, _put_together),
        ({"debug_mode": True}, _put_together),
    ],
    ids=["appended", "appended and packed", "a file an event, put together", "indented, put together"],
)
def test_all_events_in_one_file(options: dict[str, Any], then: Callable[[list[Path]], None], tmp_path: Path) -> None:
    folder = tmp_path / "log"
    then(_write(folder, **options))
    source, _ = recognise_source(find_files([folder]))
    assert source.name == "openlineage"
    lake = Lake(tmp_path / "home")
    (account,) = ingest(lake, [folder], source).accounts
    assert (account.lines, account.valid, account.blank_or_header, account.unused) == (9, 8, 1, [])
    assert all_rows(lake) == EXPECTED


@pytest.mark.parametrize("debug_mode", [False, True])
def test_a_file_an_event_says_all_but_what_waits_for_what(debug_mode: bool, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    assert len(_write(folder, debug_mode=debug_mode)) == 9
    source, _ = recognise_source(find_files([folder]))
    lake = Lake(tmp_path / "home")
    report = ingest(lake, [folder], source).as_dict()
    assert (report["files"], report["lines"], report["valid"], report["blank_or_header"]) == (9, 9, 8, 1)
    assert all_rows(lake) == {**EXPECTED, "task_edges": []}
