"""OpenLineage: a log of run events, as JSON lines or documents.

Follows the specification 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json) and the facets of
https://openlineage.io/spec/facets: ParentRunFacet 1-2-0, JobTypeJobFacet 2-0-4, NominalTimeRunFacet 1-0-1,
ErrorMessageRunFacet 1-0-1, ProcessingEngineRunFacet 1-1-1, OwnershipJobFacet 1-0-1, InputStatisticsInputDatasetFacet 1-0-0,
OutputStatisticsOutputDatasetFacet 1-0-2, DataQualityMetrics(Input)DatasetFacet 1-0-1 and 1-0-3, SchemaDatasetFacet 1-2-0 and
DatasetVersionDatasetFacet 1-0-1.

It was run on what the file transport of openlineage-python 1.54.0 writes: one file that is appended to, a file an event, and an
indented file an event. It was not run on logs of the integrations for Airflow, Spark, Flink and dbt, nor on those of the Java
client; what is special to their events is as their documentation says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.unit import Record, Unit, Value
from pipesim.ingest.sources.openlineage.entries import REPEATED_KEY, Entry, read_entries
from pipesim.ingest.sources.openlineage.events import FOREIGN, DataSet, Event
from pipesim.ingest.sources.openlineage.runs import Runs
from pipesim.ingest.sources.translated import Translated

#: What an event has wherever it stands, however it is indented.
_MARKS = (r'"eventTime"\s*:\s*"', r'"(runId|dataset|job)"\s*:', r'"(schemaURL|producer|eventType)"\s*:\s*"')
#: Why a run's row has no state of the log's own.
_UNKNOWN = "UNKNOWN"


class OpenLineage(Translated):
    """Run events of OpenLineage, with their data sets."""

    name = "openlineage"
    description = "OpenLineage run events, as a file transport writes them: JSON lines, a file an event, or an array"

    def recognise(self, head: Head) -> Recognised | None:
        """An event's time beside its run, job or data set, and who produced it."""
        if not head.text.lstrip().startswith(("{", "[")) or not all(re.search(mark, head.text) for mark in _MARKS):
            return None
        return Recognised(3, "OpenLineage events: eventTime, a run, job or dataset, and a schemaURL, producer or eventType")

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield every event of a file, which is read twice: what a run is, others say.

        Raises:
            FileError: If it is no text, holds too large a document, or holds no OpenLineage event.
        """
        ambiguous: set[int] = set()
        runs = Runs(_events(file, ambiguous))
        for entry in read_entries(file, ambiguous):
            if not isinstance(entry, Entry) or entry.event is None:
                yield entry
            elif entry.event.run_id is not None and runs.top(entry.event.run_id) is None:
                yield Unit(entry.number, entry.raw, problem=("parent_cycle", "the runs above it form a circle"))
            else:
                yield Unit(entry.number, entry.raw, _records(entry.number, entry.event, runs), unused=entry.event.unused)


def _events(file: LogFile, ambiguous: set[int]) -> Iterator[tuple[int, Event]]:
    """Yield the events of a file with the numbers of their entries, and put those that have a key twice into `ambiguous`."""
    known = False
    why = "it is blank"
    for entry in read_entries(file):
        if isinstance(entry, Entry) and entry.event is not None:
            known = True
            yield entry.number, entry.event
        elif entry.problem:
            if entry.problem[0] == REPEATED_KEY:
                ambiguous.add(entry.number)
            known = known or (entry.problem[0] not in FOREIGN and entry.stage != "read")
            why = f"entry {entry.number}: {entry.problem[1]}"
    if not known:
        raise FileError(
            f"it holds no OpenLineage event ({why})",
            where=file.name,
            remedy="name the format that it is of with --source (see `pipesim sources`)",
        )


def _records(number: int, event: Event, runs: Runs) -> Sequence[Record]:
    records: list[Record] = []
    if event.run_id is not None:
        records += _run_records(number, event.run_id, event, runs)
    at = _written(event.at)
    told = dict.fromkeys(data for data in (*event.inputs, *event.outputs) if event.run_id is not None or data.described)
    records += [
        {
            "table": "data_assets",
            "event_at": at,
            "asset_id": data.asset_id,
            "version": data.version,
            "namespace": data.namespace,
            "row_count": data.row_count,
            "column_count": data.column_count,
            "size_bytes": data.size_bytes,
        }
        for data in told
    ]
    return records


def _run_records(number: int, run_id: str, event: Event, runs: Runs) -> Iterator[Record]:
    """Yield what an event says of its run: of the pipeline run, if it is one, and of the task, if it is one."""
    top = runs.top(run_id)
    state = _state(run_id, event, runs)
    due = _due(event, runs) if top == run_id and "started_at" in state else None
    unknown = {"status": _UNKNOWN, "raw_status": event.word or _UNKNOWN}
    # What no event says is told without an instant, so that whatever another file says counts before it.
    whole: dict[str, Value] = {
        "table": "pipeline_runs",
        "run_id": top,
        "time_basis": "utc" if event.at.tzinfo else "assumed_zone",
    }
    if top == run_id:
        whole["pipeline_name"] = event.job
        yield {**whole, **state, "submitted_at": due or state.get("started_at"), "tenant": event.owner}
        if not runs.stated(run_id):
            yield {**whole, **unknown}
    elif not runs.knows(str(top)):
        yield {**whole, "pipeline_name": runs.name(str(top)), "status": _UNKNOWN, "raw_status": _UNKNOWN}
    if runs.groups(run_id):
        return
    key: dict[str, Value] = {"run_id": top, "task_id": run_id, "attempt": 1}
    yield {**_task(event), **key, **state, "queued_at": due}
    if not runs.stated(run_id):
        yield {"table": "task_runs", **key, "task_name": event.job, **unknown}
    yield from _moved(event, key, state["event_at"])
    for parent in runs.parents(number, run_id):
        yield {"table": "task_edges", "run_id": top, "task_id": run_id, "parent_task_id": parent}


def _task(event: Event) -> dict[str, Value]:
    return {
        "table": "task_runs",
        "task_name": event.job,
        "raw_type": event.raw_type,
        "framework": event.engine,
        "read_bytes": _sum(event.inputs),
        "written_bytes": _sum(event.outputs),
        "error": event.error,
    }


def _moved(event: Event, key: Record, at: Value) -> Iterator[Record]:
    for direction, moved in (("read", event.inputs), ("write", event.outputs)):
        for data in dict.fromkeys(moved):
            yield {
                "table": "task_io",
                "event_at": at,
                **key,
                "direction": direction,
                "asset_id": data.asset_id,
                "version": data.version,
                "row_count": data.rows_moved,
                "size_bytes": data.bytes_moved,
            }


def _state(run_id: str, event: Event, runs: Runs) -> dict[str, Value]:
    """Return the state that an event reports, and when it was entered."""
    state: dict[str, Value] = {"event_at": _written(event.at)}
    if event.status is None:
        return state
    state |= {"status": event.status, "raw_status": event.word}
    if (started := runs.started(run_id)) is not None and event.starts:
        state["started_at"] = _written(started)
    elif event.ends:
        state["ended_at"] = state["event_at"]
    return state


def _due(event: Event, runs: Runs) -> str | None:
    """Return when a pipeline run was nominally to start, if it started within its nominal interval.

    Schedulers of data intervals start a run once its nominal interval is over, whose begin is no instant of submission then.
    """
    started = runs.started(str(event.run_id))
    if event.due is None or started is None or {at.tzinfo for at in event.due} != {started.tzinfo}:
        return None
    begin, end = event.due
    return _written(begin) if begin <= started < end else None


def _sum(moved: Sequence[DataSet]) -> int | None:
    """Return the bytes of all data sets, if each one's are told."""
    known = [data.bytes_moved for data in moved if isinstance(data.bytes_moved, int) and data.bytes_moved >= 0]
    return sum(known) if known and len(known) == len(moved) else None


def _written(at: datetime) -> str:
    return at.replace(tzinfo=None).isoformat() + ("Z" if at.tzinfo else "")
