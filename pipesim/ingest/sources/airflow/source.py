"""The `airflow` source: Airflow's metadata database, as a SQLite database.

The shape is that of the tables in `airflow.models`, from Airflow 1.10 to 3.2: columns are looked up by what is there. No
release of Airflow can be installed beside Dagster, so this was run on tables made by hand in the published shapes of 1.10,
2.10 and 3.0; not on a database that Airflow itself wrote, nor on PostgreSQL or MySQL, which are no files.

Instants are UTC, as Airflow writes them. docs/sources/airflow.md says what becomes of what, and why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count, groupby

from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.reading.tables import (
    BadEntryError,
    Row,
    Tables,
    entry,
    needed_text,
    number,
    open_tables,
    text,
    utc_text,
    whole,
)
from pipesim.ingest.reading.unit import Record, Unit
from pipesim.ingest.sources.airflow.dags import Dags, parents_of
from pipesim.ingest.sources.translated import Translated

_NEEDED = frozenset({"dag_run", "task_instance"})
_HISTORY = "task_instance_history"
_RUN = (
    "dag_id", "run_id", "run_type", "external_trigger", "triggered_by", "triggering_user_name", "state", "queued_at",
    "start_date", "end_date",
)  # fmt: skip
_TASK = (
    "dag_id", "task_id", "map_index", "try_number", "state", "scheduled_dttm", "queued_dttm", "start_date", "end_date",
    "pool", "operator", "custom_operator_name", "hostname", "dag_version_id",
)  # fmt: skip
_TRY = ("dag_id", "run_id", "task_id", "map_index", "try_number")
_Translate = Callable[[Row], Sequence[Record]]
#: Where the log says nothing of a pool's past, it has had its capacity always.
_ALWAYS = "1970-01-01T00:00:00Z"

_NO_STATE = "no_status"
#: States of tasks that are not canonical words already. An attempt that gave up its slot to wait has begun and not ended.
_STATES = {
    _NO_STATE: "PENDING", "restarting": "RUNNING", "deferred": "RUNNING", "up_for_reschedule": "RUNNING",
    "sensing": "RUNNING", "shutdown": "RUNNING", "up_for_retry": "FAILED",
}  # fmt: skip
#: States before an attempt; all instants but that of queueing are of the attempt before.
_COMING = frozenset({_NO_STATE, "scheduled", "queued"})
_UNDER_WAY = frozenset({"running", "restarting", "deferred", "up_for_reschedule", "sensing", "shutdown"})
#: States in which Airflow before 2.10 has not counted the attempt yet, or has taken it back.
_NOT_COUNTED = _COMING | {"up_for_reschedule", "deferred"}
#: States that a task comes to without an attempt, so that the number is that of the attempt before.
_WITHOUT_ATTEMPT = frozenset({"skipped", "upstream_failed", "removed", "success"})
_RUN_TYPES = {
    "scheduled": "schedule",
    "manual": "manual",
    "backfill": "manual",
    "dataset_triggered": "data",
    "asset_triggered": "data",
    "asset_materialization": "data",
}
_OPEN_RUNS = frozenset({None, "queued", "running"})
#: Of runs that were asked for by a program.
_BY_PROGRAM = frozenset({"rest_api", "operator"})


class Airflow(Translated):
    """A metadata database."""

    name = "airflow"
    description = "Airflow's metadata database (DAG runs, task instances and their tries, pools), as a SQLite database"
    suffixes = frozenset({".db", ".sqlite", ".sqlite3"})

    def recognise(self, head: Head) -> Recognised | None:
        """The tables that every metadata database has."""
        if head.tables >= _NEEDED:
            return Recognised(3, f"the tables of Airflow's metadata database: {', '.join(sorted(_NEEDED))}")
        return None

    def units(self, file: LogFile) -> Iterator[Unit]:
        """Yield every row of the tables that tell of work, table by table."""
        with open_tables(file, "Airflow", _NEEDED) as tables:
            numbers = count(1)
            for table, row, translate in _Database(tables).entries():
                yield entry(next(numbers), table, row, translate)


class _Database:
    """What the rows of each table become."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.dags = Dags()
        #: By what a task names its run: the run's id, or before Airflow 2.2 its execution date.
        self.run_key = "run_id" if "run_id" in tables.columns["task_instance"] else "execution_date"
        rows = tables.rows("dag_run", ("dag_id", self.run_key, "run_id"))
        self.runs = {(row["dag_id"], row[self.run_key]): row["run_id"] for row in rows}
        self.owners = {row["dag_id"]: row["owners"] for row in tables.rows("dag", ("dag_id", "owners"))}
        self.keeps_history = _HISTORY in tables.columns
        #: The tries that the history tells of.
        self.told = {tuple(row.values()) for row in tables.rows(_HISTORY, _TRY)}

    def entries(self) -> Iterator[tuple[str, Row, _Translate]]:
        """Yield the rows that are entries, each with its table and what makes records of it."""
        for row in self.tables.rows("slot_pool", ("pool", "slots")):
            yield "slot_pool", row, _pool
        for row in self.tables.rows("serialized_dag", ("dag_id", "dag_version_id", "last_updated", "data", "data_compressed")):
            yield "serialized_dag", row, self._dag
        for row in self.tables.rows("dag_run", _RUN):
            yield "dag_run", row, self._run
        for row in self.tables.rows(_HISTORY, ("run_id", *_TASK)):
            yield _HISTORY, row, self._earlier_try
        for _, tasks in groupby(self._tasks(), lambda row: (row["dag_id"], row[self.run_key])):
            yield from self._tasks_of_run(list(tasks))

    def _tasks(self) -> Iterator[Row]:
        """Yield the task instances, those of a run together."""
        names = (self.run_key, *_TASK)
        columns = ", ".join(self.tables.column("task_instance", name) for name in names)
        order = ", ".join(
            self.tables.column("task_instance", name) for name in ("dag_id", self.run_key, "task_id", "map_index", "try_number")
        )
        yield from self.tables.select(names, f"SELECT {columns} FROM task_instance ORDER BY {order}")

    def _dag(self, row: Row) -> Sequence[Record]:
        self.dags.add(row)
        return ()

    def _run(self, row: Row) -> Sequence[Record]:
        dag_id, run_id = needed_text(row, "dag_id"), needed_text(row, "run_id")
        state = text(row, "state")
        started = None if state == "queued" else utc_text(row, "start_date")
        owners = self.owners.get(dag_id)
        return [
            {
                "table": "pipeline_runs",
                "run_id": _run_id(dag_id, run_id),
                "pipeline_name": dag_id,
                "trigger": _trigger(row, run_id),
                "tenant": owners if isinstance(owners, str) else None,
                "user": text(row, "triggering_user_name"),
                "status": state or "UNKNOWN",
                "raw_status": state or _NO_STATE,
                # A run that was made running, as every run was before Airflow 2.1, never was queued.
                "submitted_at": utc_text(row, "queued_at") or started,
                "started_at": started,
                "ended_at": None if state in _OPEN_RUNS else utc_text(row, "end_date"),
            }
        ]

    def _earlier_try(self, row: Row) -> Sequence[Record]:
        return [self._attempt(row, needed_text(row, "run_id"), max(_tries(row), 1))]

    def _tasks_of_run(self, rows: Sequence[Row]) -> Iterator[tuple[str, Row, _Translate]]:
        """Yield the task instances of a run, each with the dependencies on those of the others that can be read."""
        found = [self._last_try(row) for row in rows]
        present: defaultdict[str, list[int]] = defaultdict(list)
        for row, outcome in zip(rows, found, strict=True):
            if not isinstance(outcome, BadEntryError):
                task, index = _instance(row)
                present[task].append(index)
        for row, outcome in zip(rows, found, strict=True):
            yield "task_instance", row, partial(self._with_edges, outcome, present)

    def _last_try(self, row: Row) -> Record | BadEntryError:
        """Return the record of a task instance, or why it cannot be read."""
        try:
            run_id = self.runs.get((row["dag_id"], row[self.run_key]))
            if not isinstance(run_id, str) or not run_id:
                raise BadEntryError(
                    "no_such_run", f"the table dag_run has no readable row for {row[self.run_key]!r} of this DAG"
                )
            return self._attempt(row, run_id, self._number(row, run_id))
        except BadEntryError as error:
            return error

    def _with_edges(self, outcome: Record | BadEntryError, present: Mapping[str, list[int]], row: Row) -> Sequence[Record]:
        if isinstance(outcome, BadEntryError):
            raise outcome
        if (dag := self.dags.find(needed_text(row, "dag_id"), row["dag_version_id"])) is None:
            return [outcome]
        edge = {"table": "task_edges", "run_id": outcome["run_id"], "task_id": outcome["task_id"]}
        parents = parents_of(dag, _instance(row), present)
        return [outcome, *({**edge, "parent_task_id": _task_id(*parent)} for parent in parents)]

    def _number(self, row: Row, run_id: str) -> int:
        """Return which attempt a task instance tells of.

        Before Airflow 2.10, which brought the history, `try_number` is that of the last attempt that was started; since then,
        that of the last one that was scheduled.
        """
        state, tries = text(row, "state") or _NO_STATE, _tries(row)
        if not self.keeps_history:
            return tries + 1 if state in _NOT_COUNTED else max(tries, 1)
        told = (row["dag_id"], run_id, row["task_id"], row["map_index"], tries) in self.told
        return tries + 1 if state == _NO_STATE or (told and state in _WITHOUT_ATTEMPT) else max(tries, 1)

    def _attempt(self, row: Row, run_id: str, attempt: int) -> Record:
        task, index = _instance(row)
        state = text(row, "state") or _NO_STATE
        started = None if state in _COMING else utc_text(row, "start_date")
        ended = None if state in _COMING | _UNDER_WAY else utc_text(row, "end_date")
        return {
            "table": "task_runs",
            "run_id": _run_id(needed_text(row, "dag_id"), run_id),
            "task_id": _task_id(task, index),
            "attempt": attempt,
            "task_name": task,
            "raw_type": text(row, "custom_operator_name") or text(row, "operator"),
            "status": ("UNKNOWN" if started else "SKIPPED") if state == "removed" else _STATES.get(state, state),
            "raw_status": state,
            "queued_at": _queued_at(row, state, started),
            "started_at": started,
            "ended_at": ended,
            "pool": text(row, "pool"),
            "node_id": text(row, "hostname"),
        }


def _queued_at(row: Row, state: str, started: str | None) -> str | None:
    """Return when an attempt became ready to run, as far as its row still tells.

    A task that waits again in the same attempt, for an event or a time, is queued again: that instant is not the first one.
    """
    told = []
    if state not in (_NO_STATE, "upstream_failed"):
        told = [
            utc_text(row, name) for name in (("scheduled_dttm",) if state == "scheduled" else ("scheduled_dttm", "queued_dttm"))
        ]
    return next((at for at in told if at and (started is None or at <= started)), None)


def _instance(row: Row) -> tuple[str, int]:
    return needed_text(row, "task_id"), whole(row, "map_index", -1)


def _tries(row: Row) -> int:
    if (tries := whole(row, "try_number", 0)) < 0:
        raise BadEntryError("negative_try_number", f"try_number: {tries}")
    return tries


def _trigger(row: Row, run_id: str) -> str | None:
    kind = text(row, "run_type")
    if kind is None and row["external_trigger"]:
        return "manual"
    if kind is None:  # before Airflow 2.0 only the run's name tells
        return "schedule" if run_id.startswith("scheduled__") else "manual" if run_id.startswith("backfill_") else None
    if kind == "manual" and (text(row, "triggered_by") or "").lower() in _BY_PROGRAM:
        return "api"
    return _RUN_TYPES.get(kind, kind)


def _run_id(dag_id: str, run_id: str) -> str:
    """Return an identifier that is unique in the database, as `run_id` is only among the runs of a DAG."""
    return f"{dag_id.replace('%', '%25').replace('/', '%2F')}/{run_id}"


def _task_id(task: str, index: int) -> str:
    return task if index < 0 else f"{task}[{index}]"


def _pool(row: Row) -> Sequence[Record]:
    pool = {"table": "pools", "pool": needed_text(row, "pool"), "valid_from": _ALWAYS, "kind": "slots"}
    return [{**pool, "slots": number(row, "slots")}]
