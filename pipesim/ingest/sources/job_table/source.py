"""The `job-table` source: any tables, read through a mapping file.

Unless the mapping says otherwise, a row is a job, which becomes a run with one task. Jobs without an identifier are named by
their content (see `Staging.identify`). A job whose state the table does not tell is UNKNOWN. The shipped profiles in
`pipesim/ingest/mapping/profiles/` say each which real files they were run on.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from pipesim.catalog import quote, quote_name
from pipesim.errors import FileError
from pipesim.ingest.mapping.model import JOB, NODES, UNITS, LogMapping, MappedColumn, MappedTable, canonical
from pipesim.ingest.mapping.shaping import Shape
from pipesim.ingest.reading.csv_records import Layout
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.sources.job_table.beside import Found, find_beside
from pipesim.ingest.typing import Field, time_basis
from pipesim.ingest.words import STATUS_WORDS, TASK_TYPE_WORDS, TRIGGER_WORDS
from pipesim.schema import TRACE_TABLES

_WORDS = {"status": STATUS_WORDS, "task_type": TASK_TYPE_WORDS, "trigger": TRIGGER_WORDS}
_ONLY_TASK = "job"
#: A row that has none of them is no job.
_INSTANTS = ("submitted_at", "queued_at", "started_at", "ended_at")


class JobTable(Source):
    """Tables and the mapping of their columns.

    Args:
        mapping: The mapping.
        time_zone: The zone of instants that name none; by default the mapping's.
        beside: The tables beside the log, as `among` finds them.
    """

    def __init__(self, mapping: LogMapping, time_zone: str | None = None, beside: Found | None = None) -> None:
        self.mapping = mapping
        self.name = mapping.name
        self.description = mapping.description
        self.time_zone = time_zone or mapping.time_zone
        self._beside = beside

    def fingerprint(self) -> str:
        """Return the whole mapping, the zone, and what lies beside the log."""
        beside = f" beside {self._beside.digest}" if self._beside else ""
        return f"job-table {self.time_zone} {self.mapping.model_dump_json(exclude_defaults=True)}{beside}"

    def among(self, files: Sequence[LogFile]) -> tuple[Source, list[LogFile]]:
        """Return the source with the tables that lie beside the files, and the files without those tables."""
        read = [file for file in files if not any(fnmatch(file.path.name, name) for name in self.mapping.unread)]
        joins = [join for table in self.mapping.tables for join in table.join]
        if not joins:
            return self, read
        found = find_beside(joins, read)
        named = [table.files for table in self.mapping.tables if table.files != "*"]
        read = [f for f in read if f.path not in found.paths or any(fnmatch(f.path.name, name) for name in named)]
        return JobTable(self.mapping, self.time_zone, found), read

    def layout(self, file: LogFile) -> Layout:
        """Return the columns and the delimiter that the mapping tells."""
        table = self._table(file)
        return Layout(table.header, table.delimiter)

    def shape(self, file: LogFile) -> Shape | None:
        """Return what the mapping asks for beyond columns as they stand."""
        table = self._table(file)
        if not (table.each or table.join or table.expressions):
            return None
        beside = [self._beside.table(join, file) for join in table.join] if self._beside else []
        expressions = {_expressed(name): sql for name, sql in table.expressions.items()}
        return Shape(table.each, beside, expressions, table.reads)

    def wanted_fields(self, file: LogFile) -> Sequence[str] | None:
        """Return the mapped columns, for JSON, and those that they may lie in."""
        if file.format != "json":
            return None
        table = self._table(file)
        joined = {name for join in table.join for name in join.columns}
        names = sorted(table.reads - joined) + ([table.each] if table.each else [])
        return list(dict.fromkeys([*names, *(_split(name)[0] for name in names)]))

    def known_unused(self) -> frozenset[str]:
        """Return the columns that the mapping sets aside."""
        return frozenset(name for table in self.mapping.tables for name in table.unused)

    def recognise(self, head: Head) -> Recognised | None:
        """All the columns that the mapping reads, and no others than it knows."""
        present = frozenset(head.first_object or head.columns)
        if any(fnmatch(head.file.path.name, name) for name in self.mapping.unread):
            return Recognised(1, "the name of a table that is not read")
        for table in self.mapping.tables:
            wanted = self._own(table)
            named = table.files != "*" and fnmatch(head.file.path.name, table.files)
            if table.header and named and head.lines and len(head.columns) == len(table.header):
                return Recognised(2, f"the name and the {len(table.header)} columns of {table.files}")
            if present and wanted and wanted <= {*present, *(_split(name)[0] for name in present)}:
                certainty = 1 if present - wanted - self.known_unused() and not named else 2
                return Recognised(certainty, f"the columns {', '.join(sorted(wanted))}")
        return None

    def projections(self, file: LogFile, present: Sequence[str]) -> Sequence[Projection]:
        """Return what a row is: by default a run and its only task."""
        table = self._table(file)
        reachable = {*present, *(name for name in table.reads if _split(name)[0] in present)}
        missing = sorted(table.reads - reachable)
        if missing:
            raise FileError(
                f"the mapping {self.name!r} reads {', '.join(missing)}, which this file does not have",
                where=f"{file.name}:1",
                remedy=f"the file has {', '.join(name for name in present if not name.startswith('#'))}; "
                "correct the mapping or the file",
            )
        mapped = {name: self._field(name, column, present, file) for name, column in table.columns.items()}
        for key in ("run_id", "parent_run_id"):
            if key in mapped:  # two clusters may number their jobs alike
                mapped[key] = Field(f"{quote(self.name + '-')} || {mapped[key].sql}")
        if table.is_jobs:
            return self._jobs(mapped)
        holds = f"{quote_name(table.each)} IS NOT NULL" if table.each else "true"
        rows = [(name, canon.name) for name, canon in zip(table.rows, canonical(table.rows), strict=True)]
        return [self._row(name, mapped, holds, summed=own == NODES) for own, name in rows]

    def _table(self, file: LogFile) -> MappedTable:
        for table in self.mapping.tables:
            if fnmatch(file.path.name, table.files):
                return table
        raise FileError(
            f"the mapping {self.name!r} has no table for a file of this name",
            where=file.name,
            remedy=f"rename it, or leave it out; the tables are {', '.join(table.files for table in self.mapping.tables)}",
        )

    def _own(self, table: MappedTable) -> frozenset[str]:
        joined = {name for join in table.join for name in join.columns}
        return frozenset(_split(name)[0] for name in {*table.reads, *([table.each] if table.each else [])} - joined)

    def _field(self, name: str, mapped: MappedColumn, present: Sequence[str], file: LogFile) -> Field:
        if mapped.expr is not None:
            sql = quote_name(_expressed(name))
        else:
            sql = quote(str(mapped.const)) if mapped.column is None else _reached(mapped.column, present, file)
        words = {**_WORDS.get(name, {}), **{_folded(raw): word for raw, word in mapped.words.items()}}
        return Field(sql, UNITS[mapped.unit] if mapped.unit else 1.0, mapped.format, words)

    def _jobs(self, mapped: dict[str, Field]) -> list[Projection]:
        identify = "run_id" not in mapped
        rows = {table: {k: f for k, f in mapped.items() if k in TRACE_TABLES[table].by_name} for table in JOB}
        run, task = rows["pipeline_runs"], rows["task_runs"]
        if identify:
            run["run_id"] = task["run_id"] = Field("NULL")
        run.setdefault("pipeline_name", Field(quote(self.name)))
        task.setdefault("task_name", Field(quote(_ONLY_TASK)))
        task["task_id"] = Field(quote(_ONLY_TASK))
        if "queued_at" not in task and "submitted_at" in run:
            task["queued_at"] = run["submitted_at"]
        for row in (run, task):
            row.setdefault("status", Field("'UNKNOWN'", words=STATUS_WORDS))
            _keep_own_words(row)
        run.setdefault("time_basis", _basis(mapped))
        when = [mapped[name].sql for name in _INSTANTS if name in mapped]
        where = " OR ".join(f"nullif(trim(CAST({sql} AS VARCHAR)), '') IS NOT NULL" for sql in when)
        return [Projection(table, fields, f"({where})", identify=identify) for table, fields in rows.items()]

    def _row(self, name: str, mapped: dict[str, Field], where: str, *, summed: bool) -> Projection:
        row = {column: field for column, field in mapped.items() if column in TRACE_TABLES[name].by_name}
        if name == "pipeline_runs":
            row.setdefault("pipeline_name", Field(quote(self.name)))
            row.setdefault("time_basis", _basis(mapped))
        if name == "task_runs":
            row.setdefault("task_name", row["task_id"])
        if name in ("pipeline_runs", "task_runs"):
            row.setdefault("status", Field("'UNKNOWN'", words=STATUS_WORDS))
            _keep_own_words(row)
        if summed:
            row.setdefault("node_count", Field("1"))
        return Projection(name, row, where, summed=summed)


def _keep_own_words(row: dict[str, Field]) -> None:
    row["raw_status"] = Field(row["status"].sql)
    if "task_type" in row:
        row["raw_type"] = Field(row["task_type"].sql)


def _expressed(name: str) -> str:
    """Return the field that an expression's value stands in, which no file can have: a canonical column with a mark."""
    return f"#= {name}"


def _split(name: str) -> tuple[str, str]:
    """Return the column that `a.b[0]` begins with, and the JSON path from there."""
    at = min((found for sign in ".[" if (found := name.find(sign)) > 0), default=len(name))
    return name[:at], f"${name[at:]}"


def _reached(name: str, present: Sequence[str], file: LogFile) -> str:
    """Return SQL for a column, or for what lies in one."""
    base, path = _split(name)
    if base == name or base not in present:
        return quote_name(name)
    column = quote_name(base)
    if file.format == "parquet":
        inside = f"json_extract_string(to_json({column}), {quote(path)})"
    else:
        inside = f"CASE WHEN json_valid({column}) THEN json_extract_string({column}, {quote(path)}) ELSE {column} END"
    return f"coalesce({quote_name(name)}, {inside})" if name in present else inside


def _folded(word: str) -> str:
    return word.strip().lower().replace(" ", "_").replace("-", "_")


def _basis(mapped: dict[str, Field]) -> Field:
    first = next((mapped[n] for n in _INSTANTS if n in mapped), None)
    if first is None:
        return Field("NULL")
    if first.time_format == "iso":
        return Field(time_basis(first.sql))
    return Field("'utc'" if first.time_format.startswith("epoch") else "'assumed_zone'")
