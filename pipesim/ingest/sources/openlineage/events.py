"""One OpenLineage event, checked part by part: what it says that the canonical tables have a place for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

#: The canonical word for each `eventType`; OTHER only carries facets.
STATUSES: Mapping[str, str | None] = {
    "START": "RUNNING", "RUNNING": "RUNNING", "COMPLETE": "SUCCEEDED", "ABORT": "CANCELLED", "FAIL": "FAILED", "OTHER": None,
}  # fmt: skip
#: The version of a data set of which the log names none.
UNVERSIONED = "unversioned"
#: Rules that a thing breaks which is no OpenLineage event at all.
FOREIGN = frozenset({"not_json", "not_an_object", "not_an_event"})

#: The job types whose runs only start others.
_GROUPS = frozenset({"DAG", "WORKFLOW", "PIPELINE"})
#: Words for a version by which a writer says that it knows none.
_UNSAID = frozenset({"", "-", "na", "n/a", "nan", "nil", "null", "none", "unknown"})
#: The standard's facets, read or deliberately not; of any other one the user is told that nothing reads it.
_RUN_FACETS = frozenset({
    "parent", "parentRun", "nominalTime", "errorMessage", "processing_engine", "environmentVariables", "executionParameters",
    "externalQuery", "extractionError", "jobDependencies", "tags", "test",
})  # fmt: skip
_JOB_FACETS = frozenset({
    "jobType", "ownership", "documentation", "sourceCode", "sourceCodeLocation", "sql", "tags", "lineage",
})  # fmt: skip

Json = Mapping[str, object]
Number = int | float | str | None
_NOTHING: Json = {}


class UnreadableError(Exception):
    """An event has a part that cannot be what it says.

    Args:
        rule: The name of the rule that it breaks.
        detail: What exactly is wrong.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


class Link(NamedTuple):
    """A run above another one, as a parent facet names it."""

    run_id: str
    job: str | None


class DataSet(NamedTuple):
    """A data set that an event names.

    Args:
        asset_id: Namespace and name, which is how the standard identifies it.
        namespace: Where it lives.
        version: Its version, or `UNVERSIONED`.
        rows_moved: Rows that the run read or wrote.
        bytes_moved: Bytes that the run read or wrote.
        row_count: Rows of the data set.
        size_bytes: Bytes of the data set.
        column_count: Columns of the data set.
    """

    asset_id: str
    namespace: str
    version: str
    rows_moved: Number
    bytes_moved: Number
    row_count: Number
    size_bytes: Number
    column_count: int | None

    @property
    def described(self) -> bool:
        """Whether the event says more of it than that it exists."""
        counts = (self.row_count, self.size_bytes, self.column_count)
        return self.version != UNVERSIONED or any(count is not None for count in counts)


class Event(NamedTuple):
    """What an event says; `run_id` and `job` are None for events of data sets and of jobs, which are of no run.

    Args:
        at: `eventTime`, with UTC as its zone or, where it names none, without one.
        word: `eventType`.
        parent: The run that started this one.
        root: The topmost run above this one.
        groups: Whether the job's type says that its runs only start others.
        raw_type: The job's type.
        engine: The name of the processing engine.
        owner: The job's owner, where it has exactly one.
        due: From when to when the run was nominally to start.
        unused: The names of facets that nothing reads.
    """

    at: datetime
    run_id: str | None = None
    job: str | None = None
    word: str | None = None
    parent: Link | None = None
    root: Link | None = None
    groups: bool = False
    raw_type: str | None = None
    engine: str | None = None
    owner: str | None = None
    error: str | None = None
    due: tuple[datetime, datetime] | None = None
    inputs: Sequence[DataSet] = ()
    outputs: Sequence[DataSet] = ()
    unused: Sequence[str] = ()

    @property
    def status(self) -> str | None:
        """The canonical state that it reports; None where it only carries facets."""
        return STATUSES[self.word.upper()] if self.word else None

    @property
    def starts(self) -> bool:
        """Whether it reports the start of the run."""
        return self.word is not None and self.word.upper() == "START"

    @property
    def ends(self) -> bool:
        """Whether it reports the end of the run."""
        return self.status not in (None, "RUNNING")


def read_event(value: object) -> Event:
    """Return what a JSON value says as an OpenLineage event.

    Raises:
        UnreadableError: If it is none, or a part that is read is missing or of another type than the standard says.
    """
    if not isinstance(value, dict):
        raise UnreadableError("not_an_object", f"{_kind(value)} is no event")
    event: Json = value
    kind = next((part for part in ("run", "dataset", "job") if event.get(part) is not None), None)
    if kind is None or not any(part in event for part in ("eventTime", "eventType", "schemaURL")):
        raise UnreadableError("not_an_event", "an event has an eventTime, and a run, a job or a dataset")
    at = _instant(event.get("eventTime"), "eventTime")
    if kind == "dataset":
        return Event(at, outputs=[_data_set(event["dataset"], "dataset", "outputFacets", "outputStatistics")])
    inputs = [_data_set(d, "inputs[]", "inputFacets", "inputStatistics") for d in _array(event.get("inputs"), "inputs")]
    outputs = [_data_set(d, "outputs[]", "outputFacets", "outputStatistics") for d in _array(event.get("outputs"), "outputs")]
    if kind == "job":
        return Event(at, inputs=inputs, outputs=outputs)
    return _run_event(event, at, inputs, outputs)


def _run_event(event: Json, at: datetime, inputs: Sequence[DataSet], outputs: Sequence[DataSet]) -> Event:
    run, job = _object(event["run"], "run"), _object(event.get("job"), "job")
    word = _text(event.get("eventType"), "eventType")
    if word and word.upper() not in STATUSES:
        raise UnreadableError("unmapped_status", f"eventType: {word[:200]}")
    facets, job_facets = _object(run.get("facets"), "run", "facets"), _object(job.get("facets"), "job", "facets")
    run_id = _needed(run.get("runId"), "no_run_id", "run", "runId")
    parent, root = _links(facets, run_id)
    raw_type = _text(_facet(job_facets, "jobType", "job").get("jobType"), "job", "facets", "jobType", "jobType")
    engine, error = _facet(facets, "processing_engine", "run"), _facet(facets, "errorMessage", "run")
    unused = [f"run.facets.{name}" for name in facets.keys() - _RUN_FACETS]
    unused += [f"job.facets.{name}" for name in job_facets.keys() - _JOB_FACETS]
    return Event(
        at,
        run_id,
        _needed(job.get("name"), "no_job_name", "job", "name"),
        word or None,
        parent,
        root,
        raw_type is not None and raw_type.upper() in _GROUPS,
        raw_type,
        _text(engine.get("name"), "run", "facets", "processing_engine", "name"),
        _owner(_facet(job_facets, "ownership", "job")),
        _text(error.get("message"), "run", "facets", "errorMessage", "message"),
        _due(_facet(facets, "nominalTime", "run")),
        inputs,
        outputs,
        unused,
    )


def _links(facets: Json, run_id: str) -> tuple[Link | None, Link | None]:
    """Return the parent and the root; a run that names itself names none."""
    name = "parent" if facets.get("parent") is not None else "parentRun"  # as it was called once
    facet = _facet(facets, name, "run")
    if not facet:
        return None, None
    root = _object(facet.get("root"), "run", "facets", name, "root")
    parent = _link(facet, run_id, "run", "facets", name)
    return parent, _link(root, run_id, "run", "facets", name, "root") if root else None


def _link(facet: Json, run_id: str, *path: str) -> Link | None:
    run, job = _object(facet.get("run"), *path, "run"), _object(facet.get("job"), *path, "job")
    above = _needed(run.get("runId"), "no_parent_run_id", *path, "run", "runId")
    return Link(above, _text(job.get("name"), *path, "job", "name")) if above != run_id else None


def _owner(facet: Json) -> str | None:
    """Return the owner; of several, none can be told to be the one."""
    path = ("job", "facets", "ownership", "owners[]")
    owners = _array(facet.get("owners"), "job", "facets", "ownership", "owners")
    names = {_text(_object(owner, *path).get("name"), *path, "name") for owner in owners}
    return names.pop() if len(names) == 1 else None


def _due(facet: Json) -> tuple[datetime, datetime] | None:
    begin, end = facet.get("nominalStartTime"), facet.get("nominalEndTime")
    if begin is None or end is None:
        return None
    path = ("run", "facets", "nominalTime")
    return _instant(begin, *path, "nominalStartTime"), _instant(end, *path, "nominalEndTime")


def _data_set(value: object, path: str, side: str, statistics: str) -> DataSet:
    """Return a data set, with what its facets and those of its `side`, input or output, say."""
    item = _object(value, path)
    name = _needed(item.get("name"), "no_data_set_name", path, "name")
    namespace = _text(item.get("namespace"), path, "namespace")
    if namespace is None:
        raise UnreadableError("no_data_set_name", f"{path}.namespace is missing")
    facets, moved = _object(item.get("facets"), path, "facets"), _object(item.get(side), path, side)
    version = _facet(facets, "version", path).get("datasetVersion")
    said = str(version) if type(version) is int else _text(version, path, "facets", "version", "datasetVersion")
    columns = _facet(facets, "schema", path).get("fields")
    counts = _facet(moved, statistics, path, side)
    quality = _facet(moved, "dataQualityMetrics", path, side) or _facet(facets, "dataQualityMetrics", path)
    return DataSet(
        f"{namespace}/{name}",
        namespace,
        UNVERSIONED if said is None or said.lower() in _UNSAID else said,
        _number(counts.get("rowCount"), path, side, statistics, "rowCount"),
        _number(counts.get("size"), path, side, statistics, "size"),
        _number(quality.get("rowCount"), path, "dataQualityMetrics", "rowCount"),
        _number(quality.get("bytes"), path, "dataQualityMetrics", "bytes"),
        None if columns is None else len(_array(columns, path, "facets", "schema", "fields")),
    )


def _instant(value: object, *path: str) -> datetime:
    """Return an instant in UTC, or of no zone where it names none."""
    text = _needed(value, "no_instant", *path)
    try:
        if ":" not in text:
            raise ValueError  # a day is no instant
        at = datetime.fromisoformat(text.upper())
        return at.astimezone(UTC) if at.tzinfo else at
    except (ValueError, OverflowError) as error:
        raise UnreadableError("not_an_instant", f"{'.'.join(path)}: {text[:200]}") from error


def _facet(facets: Json, name: str, path: str, side: str = "facets") -> Json:
    """Return a facet, empty where there is none or where it says that it is no more."""
    if (value := facets.get(name)) is None:
        return _NOTHING
    facet = _object(value, path, side, name)
    return _NOTHING if facet.get("_deleted") is True else facet


def _needed(value: object, rule: str, *path: str) -> str:
    if not (text := _text(value, *path)):
        raise UnreadableError(rule, f"{'.'.join(path)} is missing")
    return text


def _object(value: object, *path: str) -> Json:
    if value is None:
        return _NOTHING
    if not isinstance(value, dict):
        raise _wrong(value, path, "object")
    return value


def _array(value: object, *path: str) -> Sequence[object]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong(value, path, "array")
    return value


def _text(value: object, *path: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(value, path, "text")
    return value


def _number(value: object, *path: str) -> Number:
    """Return a number as it stands: whether it can be one of its kind is checked with those of every log."""
    if isinstance(value, bool) or not (value is None or isinstance(value, (int, float, str))):
        raise _wrong(value, path, "number")
    return value


def _wrong(value: object, path: Sequence[str], wanted: str) -> UnreadableError:
    return UnreadableError("wrong_type", f"{'.'.join(path)} is {_kind(value)} and no {wanted}")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
