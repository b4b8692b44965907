"""The `native` source: records whose fields are the canonical columns, as JSON lines, CSV or Parquet.

The table of a record is its `table` field, else the one that the file's name begins with (`task_runs-2026-03.csv`), else the
one that its fields identify. Records of one key are partial rows: they are folded in the order of `event_at`, so that a log
may write one record when a task starts and another when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.head import Head, Recognised
from pipesim.ingest.sources.base import Projection, Source
from pipesim.ingest.typing import Field, time_basis
from pipesim.ingest.words import STATUS_WORDS, TASK_TYPE_WORDS, TRIGGER_WORDS
from pipesim.schema import TRACE_TABLES

#: A table is recognised by a field that no table below it in this list has.
_MARKS = (
    ("task_edges", "parent_task_id"),
    ("task_io", "direction"),
    ("model_metrics", "metric"),
    ("task_runs", "task_id"),
    ("models", "model_id"),
    ("data_assets", "asset_id"),
    ("pools", "valid_from"),
    ("pipeline_runs", "run_id"),
)
_CONTROL = ("table", "event_at")
_WORDS = {"status": STATUS_WORDS, "task_type": TASK_TYPE_WORDS, "trigger": TRIGGER_WORDS}
_DEFAULTED = frozenset({"attempt"})
#: All that a record may have.
NATIVE_FIELDS = tuple(dict.fromkeys([*_CONTROL, *(c.name for t in TRACE_TABLES.values() for c in t.columns)]))


class Native(Source):
    """Records with the canonical columns."""

    name = "native"
    description = "JSON lines, CSV or Parquet with pipesim's own column names"

    def __init__(self, time_zone: str | None = None) -> None:
        self.time_zone = time_zone or "UTC"

    def fingerprint(self) -> str:
        """Return the name and the zone."""
        return f"{self.name} {self.time_zone}"

    def wanted_fields(self, file: LogFile) -> Sequence[str] | None:
        """Return every canonical column, for JSON."""
        if file.format != "json":
            return None
        return NATIVE_FIELDS

    def recognise(self, head: Head) -> Recognised | None:
        """A record that names its table, or has the columns by which one is told."""
        fields = frozenset(head.first_object or head.columns)
        named = (head.first_object or {}).get("table")
        if named in TRACE_TABLES:
            return Recognised(3, f"records of the canonical table {named}")
        table = _table_by_name(head.file) or next((t for t, mark in _MARKS if mark in fields), None)
        canonical = TRACE_TABLES[table].by_name if table else {}
        known = [name for name in canonical if name in fields]
        if (
            table is None
            or not {k for k in TRACE_TABLES[table].key if k not in _DEFAULTED} <= fields
            or 2 * len(known) < len(fields)
        ):
            return None
        return Recognised(2, f"the columns of the canonical table {table}: {', '.join(known)}")

    def projections(self, file: LogFile, present: Sequence[str]) -> Sequence[Projection]:
        """Return one projection a table that the fields allow, or the one that the file's name says."""
        fields = frozenset(present)
        by_name = _table_by_name(file)
        if file.format != "json" and "table" not in fields:
            table = by_name or next((t for t, mark in _MARKS if mark in fields), None)
            if table is None:
                raise FileError(
                    f"these columns identify no canonical table: {', '.join(present)}",
                    where=file.name,
                    remedy="name the columns as docs/data-model.md does, or map them: --source job-table --mapping FILE.yaml",
                )
            missing = [k for k in TRACE_TABLES[table].key if k not in fields and k not in _DEFAULTED]
            if missing:
                raise FileError(
                    f"the column {', '.join(missing)} is missing, which is part of the key of {table}",
                    where=f"{file.name}:1",
                    remedy=f"the header has {', '.join(present)}; add the column, or map the file with a mapping",
                )
            return [_projection(table, fields, "true")]
        marks = " ".join(f"WHEN {quote_name(mark)} IS NOT NULL THEN '{table}'" for table, mark in _MARKS if mark in fields)
        named = f"'{by_name}'" if by_name else f"CASE {marks} END" if marks else "NULL"
        chosen = f'coalesce("table", {named})' if "table" in fields else named
        return native_projections(chosen, fields)


def native_projections(chosen: str, present: frozenset[str]) -> list[Projection]:
    """Return a projection for each canonical table, of the records for which the SQL `chosen` gives its name."""
    return [_projection(table, present, f"{chosen} = '{table}'") for table in TRACE_TABLES]


def _projection(table: str, present: frozenset[str], where: str) -> Projection:
    columns = [c.name for c in TRACE_TABLES[table].columns]
    fields = {name: Field(quote_name(name), words=_WORDS.get(name, {})) for name in columns if name in present}
    for own_word, canonical in (("raw_status", "status"), ("raw_type", "task_type")):
        if own_word in columns and own_word not in present and canonical in present:
            fields[own_word] = Field(quote_name(canonical))
        elif own_word in fields and canonical in present:
            fields[own_word] = Field(f"coalesce({quote_name(own_word)}, {quote_name(canonical)})")
    if table == "pipeline_runs" and "submitted_at" in present:
        given = '"time_basis"' if "time_basis" in present else "NULL"
        fields["time_basis"] = Field(f"coalesce({given}, {time_basis(quote_name('submitted_at'))})")
    return Projection(table, fields, where, Field('"event_at"') if "event_at" in present else None)


def _table_by_name(file: LogFile) -> str | None:
    return next((table for table in sorted(TRACE_TABLES, key=len, reverse=True) if file.stem.startswith(table)), None)
