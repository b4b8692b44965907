"""The `wfformat` source: executions of scientific workflows as WfCommons publishes them.

The shape is that of WfFormat 1.4, 1.5 and 1.6 (github.com/wfcommons/WfFormat: wfcommons-schema.json, README.md and, for what
1.4 called its fields, tools/wfcommons-migrate-instance.py). Run on four instances of WfInstances, of Pegasus 4.9, Pegasus 5.0
and Makeflow, all published as 1.5; not run on instances published as 1.4 or 1.6, nor on ones of Nextflow.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from pipesim.errors import FileError
from pipesim.identity import content_hash
from pipesim.ingest.reading.document import load_documents
from pipesim.ingest.reading.fields import (
    Entry,
    UnfitError,
    as_mapping,
    mapping,
    number,
    sequence,
    text,
    texts,
    unfit_unit,
    written,
)
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.unit import Record, Unit, Value
from pipesim.ingest.sources.translated import Translated
from pipesim.ingest.sources.wfformat.tasks import Task, old_files, old_tasks, tasks_and_orphans

_VERSIONS = ("1.4", "1.5", "1.6")
_REMEDY = "name the format that it is with --source; older instances: wfcommons-migrate-instance.py of WfFormat"
_VERSION_SEEN = re.compile(r'"schemaVersion"\s*:\s*"(1\.\d)"')
_PARTS_SEEN = re.compile(r'"(specification|makespanInSeconds|runtimeInSeconds|sizeInBytes)"\s*:')
#: The writer of Pegasus 5 puts a Z behind what is the local time of the machine it runs on.
_PEGASUS = "%m-%d-%yT%H:%M:%SZ"

#: The fields that are read, and those that are deliberately not.
_KNOWN_TASK = frozenset({
    "name", "id", "category", "type", "parents", "children", "inputFiles", "outputFiles", "files", "execution",
    "runtimeInSeconds", "runtime", "executedAt", "command", "coreCount", "cores", "avgCPU", "readBytes", "writtenBytes",
    "memoryInBytes", "energyInKWh", "energy", "avgPowerInW", "avgPower", "priority", "machines", "machine",
})  # fmt: skip
#: What the library of WfCommons writes for a file whose name it did not find in a log.
_NAMELESS = frozenset({"None", ""})
#: No execution takes a thousand years.
_LONGEST = 1000 * 366 * 86_400
_KNOWN_FILE = frozenset({"id", "sizeInBytes"})
_KNOWN_MACHINE = frozenset({"nodeName", "system", "architecture", "release", "memoryInBytes", "memory", "cpu"})


class WfFormat(Translated):
    """Executions of workflows, one a file."""

    name = "wfformat"
    description = "WfCommons WfFormat 1.4 to 1.6: one executed workflow a JSON file, its tasks, files and machines"
    suffixes = frozenset({".json"})

    def recognise(self, head: Head) -> Recognised | None:
        """A schema version, and a part that WfFormat calls as it does."""
        if head.text.lstrip()[:1] != "{":
            return None
        version, part = _VERSION_SEEN.search(head.text), _PARTS_SEEN.search(head.text)
        if version is None or part is None:
            return None
        return Recognised(3, f"the schemaVersion {version[1]} and {part[1]} of WfFormat")

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield the workflow, then its tasks, its files and its machines.

        Raises:
            FileError: If the file is no instance of WfFormat 1.4 to 1.6.
        """
        documents = load_documents(file)
        if len(documents) != 1 or not isinstance(documents[0], dict):
            raise FileError("this is no single JSON object, as a WfFormat instance is", where=file.name, remedy=_REMEDY)
        document: Entry = documents[0]
        if (version := document.get("schemaVersion")) not in _VERSIONS:
            found = "no schemaVersion" if version is None else f"the schemaVersion {str(version)[:40]!r}"
            raise FileError(f"it has {found}, not one of {', '.join(_VERSIONS)}", where=file.name, remedy=_REMEDY)
        try:
            instance = _Instance(document)
        except UnfitError as error:
            raise FileError(f"this is no WfFormat instance: {error.detail}", where=file.name, remedy=_REMEDY) from error
        return instance.units()


def _instant(entry: Entry) -> Value:
    """Return when something was executed, as it stands where it cannot be read."""
    said = text(entry, "executedAt")
    for read in (datetime.fromisoformat, lambda t: datetime.strptime(t, _PEGASUS)):
        try:
            found = read(said or "")
            return found if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return said


def _earliest(executions: Sequence[Entry]) -> Value:
    """Return the first instant at which a task was executed, if that is known of every task and on one clock."""
    try:
        begun = [instant for entry in executions if isinstance(instant := _instant(entry), datetime)]
    except UnfitError:
        return None
    return min(begun) if len(begun) == len(executions) and len({i.tzinfo for i in begun}) == 1 else None


def _later(instant: Value, seconds: Value) -> Value:
    if not isinstance(instant, datetime) or not isinstance(seconds, (int, float)):
        return None
    try:
        return instant + timedelta(seconds=seconds)
    except (OverflowError, ValueError):  # beyond the calendar, or no number
        return None


def _first(entry: Entry, *keys: str) -> Value:
    """Return the number under the first of several names that versions gave it."""
    return next((found for key in keys if (found := number(entry, key)) is not None), None)


def _bytes(entry: Entry, key: str) -> Value:
    """Return a number of bytes, whole, as it may have been calculated from another unit."""
    found = number(entry, key)
    return round(found) if isinstance(found, float) and abs(found) < 1 << 53 else found


class _Instance:
    """One instance, whichever version it is of."""

    def __init__(self, document: Entry) -> None:
        workflow = mapping(document, "workflow")
        self._name = text(document, "name")
        self._run_id = f"{self._name or 'wfformat'}-{content_hash(json.dumps(document, sort_keys=True))}"
        if document["schemaVersion"] == "1.4":
            self._execution: Entry = workflow
            self._tasks, self._orphans = old_tasks(sequence(workflow, "tasks")), list[object]()
            self._files = old_files(self._tasks)
        else:
            specification = mapping(workflow, "specification")
            self._execution = mapping(workflow, "execution")
            self._files = sequence(specification, "files")
            self._tasks, self._orphans = tasks_and_orphans(
                sequence(specification, "tasks"), sequence(self._execution, "tasks"), self._files
            )
        if not self._tasks:
            raise UnfitError("no_tasks", "it has no tasks")
        self._machines = sequence(self._execution, "machines")
        parts = {"specification", "execution", "tasks", "machines"}
        summary = {k: v for k, v in self._execution.items() if k not in parts}
        self._head = {**document, "workflow": {"execution": summary}}

    def units(self) -> Iterator[Unit]:
        """Yield the units: the workflow, tasks, executions of no task, files, machines."""
        numbers = itertools.count(1)
        yield _unit(next(numbers), self._head, self._run)
        for task in self._tasks:
            yield _unit(next(numbers), task.raw, partial(self._task, task), _unread(task))
        for orphan in self._orphans:
            yield unfit_unit(next(numbers), orphan, UnfitError("no_such_task", "no task of the specification has its id"))
        for entries, records, known in (
            (self._files, self._file, _KNOWN_FILE),
            (self._machines, self._machine, _KNOWN_MACHINE),
        ):
            first: dict[object, object] = {}
            for entry in entries:
                yield _unit(next(numbers), entry, partial(records, entry, first), _keys(entry) - known)

    def _run(self) -> list[Record]:
        submitted = _instant(self._execution)
        makespan = _first(self._execution, "makespanInSeconds", "makespan")
        if isinstance(makespan, str) or (isinstance(makespan, (int, float)) and not 0 <= makespan < _LONGEST):
            raise UnfitError("makespan_not_a_duration", f"the makespan is {makespan!r}")
        executions = [{} if task.execution is None or task.problem else task.execution for task in self._tasks]
        executed = all(entry.get("runtimeInSeconds", entry.get("runtime")) is not None for entry in executions)
        record: dict[str, Value] = {
            "table": "pipeline_runs",
            "run_id": self._run_id,
            "pipeline_name": self._name,
            "status": "SUCCEEDED" if executed else "UNKNOWN",
            "submitted_at": submitted,
            "started_at": _earliest(executions),
            "ended_at": _later(submitted, makespan),
        }
        return [record]

    def _task(self, task: Task) -> list[Record]:
        if task.problem:
            raise task.problem
        entry, done = as_mapping(task.raw, "tasks[]"), task.execution
        common: dict[str, Value] = {"run_id": self._run_id, "task_id": task.task_id}
        record: dict[str, Value] = {
            "table": "task_runs",
            **common,
            "task_name": text(entry, "name"),
            "status": "UNKNOWN",
            **({} if done is None else _executed(done)),
        }
        edges: list[Record] = [
            {"table": "task_edges", "run_id": self._run_id, "task_id": child, "parent_task_id": parent}
            for child, parent in task.edges
        ]
        moved: list[Record] = [
            {
                "table": "task_io",
                **common,
                "direction": direction,
                "asset_id": name,
                "version": self._run_id,
                "size_bytes": size,
            }
            for direction, files in (("read", task.reads), ("write", task.writes))
            for name, size in files
            if name not in _NAMELESS
        ]
        return [record, *edges, *moved]

    def _file(self, entry: object, first: dict[object, object]) -> list[Record]:
        file = as_mapping(entry, "files[]")
        name = text(file, "id")
        _insist_alone(name, entry, first)
        size = number(file, "sizeInBytes")
        return [{"table": "data_assets", "asset_id": name, "version": self._run_id, "size_bytes": size}]

    def _machine(self, entry: object, first: dict[object, object]) -> list[Record]:
        machine = as_mapping(entry, "machines[]")
        name = text(machine, "nodeName")
        _insist_alone(name, entry, first)
        record: dict[str, Value] = {
            "table": "pools",
            "pool": name,
            "valid_from": _instant(self._execution),
            "kind": "cpu",
            "node_count": 1,
            "cpu_cores": _first(mapping(machine, "cpu"), "coreCount", "count"),
            "memory_bytes": _bytes(machine, "memoryInBytes"),
        }
        return [record]


def _executed(done: Entry) -> dict[str, Value]:
    """Return what the execution of a task says of it."""
    started, seconds = _instant(done), _first(done, "runtimeInSeconds", "runtime")
    ended = _later(started, seconds)
    machine = text(done, "machine")
    machines = texts(done, "machines") if machine is None else [machine]
    program = text(mapping(done, "command"), "program")
    return {
        "status": "UNKNOWN" if seconds is None else "SUCCEEDED",
        "task_type": program,
        "raw_type": program,
        "started_at": started,
        "ended_at": ended,
        "duration_s": seconds if ended is None else None,  # else it follows from the two
        # Which of several machines did the work, or how much of it, is not said.
        "pool": machines[0] if len(machines) == 1 else None,
        "node_id": machines[0] if len(machines) == 1 else None,
        "cpu_cores": _first(done, "coreCount", "cores"),
        "memory_bytes": _bytes(done, "memoryInBytes"),
        "read_bytes": _bytes(done, "readBytes"),
        "written_bytes": _bytes(done, "writtenBytes"),
    }


def _insist_alone(name: str | None, entry: object, first: dict[object, object]) -> None:
    """Refuse a second, different entry of one name, as the two would be taken for one."""
    if first.setdefault(name, entry) != entry:
        raise UnfitError("name_twice", f"an earlier entry is called {name!r}, too, and says something else")


def _keys(entry: object) -> frozenset[str]:
    return frozenset(entry) if isinstance(entry, dict) else frozenset()


def _unread(task: Task) -> frozenset[str]:
    return (_keys(task.raw) | _keys(task.execution)) - _KNOWN_TASK


def _unit(number: int, raw: object, records: Callable[[], list[Record]], unused: Iterable[str] = ()) -> Unit:
    try:
        return Unit(number, written(raw), records(), unused=sorted(unused))
    except UnfitError as error:
        return unfit_unit(number, raw, error)
