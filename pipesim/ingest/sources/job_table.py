"""The `job-table` source: any table with one job a row, read through a mapping file.

A job becomes a run with one task. Jobs without an identifier are named by their content (see `Staging.identify`). A job whose
state the table does not tell is UNKNOWN. Run on the Philly extract; the shipped profiles in `pipesim/ingest/profiles/` say each
which real files they were run on.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipesim.catalog import quote
from pipesim.errors import FileError
from pipesim.ingest.files import LogFile
from pipesim.ingest.mapping import UNITS, MappedColumn, Mapping
from pipesim.ingest.sources.base import Field, Projection, Source, quote_name
from pipesim.ingest.sources.head import Head, Recognised
from pipesim.ingest.typing import time_basis
from pipesim.ingest.words import STATUS_WORDS, TASK_TYPE_WORDS, TRIGGER_WORDS
from pipesim.schema import PIPELINE_RUNS, TASK_RUNS

_WORDS = {"status": STATUS_WORDS, "task_type": TASK_TYPE_WORDS, "trigger": TRIGGER_WORDS}
_ONLY_TASK = "job"
#: A row that has none of them is no job.
_INSTANTS = ("submitted_at", "queued_at", "started_at", "ended_at")


class JobTable(Source):
    """A table of jobs and the mapping of its columns."""

    def __init__(self, mapping: Mapping, time_zone: str | None = None) -> None:
        self.mapping = mapping
        self.name = mapping.name
        self.description = mapping.description
        self.time_zone = time_zone or mapping.time_zone

    def fingerprint(self) -> str:
        """Return the whole mapping and the zone."""
        return f"job-table {self.time_zone} {self.mapping.model_dump_json()}"

    def wanted_fields(self, file: LogFile) -> Sequence[str] | None:
        """Return the mapped columns, for JSON."""
        return [m.column for m in self.mapping.columns.values() if m.column] if file.format == "json" else None

    def known_unused(self) -> frozenset[str]:
        """Return the columns that the mapping sets aside."""
        return frozenset(self.mapping.unused)

    def recognise(self, head: Head) -> Recognised | None:
        """All the columns that the mapping reads, and no others than it knows."""
        wanted = {m.column for m in self.mapping.columns.values() if m.column}
        present = frozenset(head.first_object or head.columns)
        if not present or wanted - present:
            return None
        certainty = 1 if present - wanted - self.known_unused() else 2
        return Recognised(certainty, f"the columns {', '.join(sorted(wanted))}")

    def projections(self, file: LogFile, present: Sequence[str]) -> Sequence[Projection]:
        """Return a run and its only task for each row."""
        wanted = {m.column for m in self.mapping.columns.values() if m.column}
        missing = sorted(wanted - set(present))
        if missing:
            raise FileError(
                f"the mapping {self.name!r} reads {', '.join(missing)}, which this file does not have",
                where=f"{file.name}:1",
                remedy=f"the file has {', '.join(present)}; correct the mapping or the file",
            )
        mapped = {name: _field(name, column) for name, column in self.mapping.columns.items()}
        identify = "run_id" not in mapped
        if not identify:  # two clusters may number their jobs alike
            mapped["run_id"] = Field(f"{quote(self.name + '-')} || {mapped['run_id'].sql}")
        run = {name: field for name, field in mapped.items() if name in PIPELINE_RUNS.by_name}
        task = {name: field for name, field in mapped.items() if name in TASK_RUNS.by_name}
        if identify:
            run["run_id"] = task["run_id"] = Field("NULL")
        run.setdefault("pipeline_name", Field(quote(self.name)))
        task.setdefault("task_name", Field(quote(_ONLY_TASK)))
        task["task_id"] = Field(quote(_ONLY_TASK))
        if "queued_at" not in task and "submitted_at" in run:
            task["queued_at"] = run["submitted_at"]
        if "task_type" in task:
            task["raw_type"] = Field(task["task_type"].sql)
        for row in (run, task):
            row.setdefault("status", Field("'UNKNOWN'", words=STATUS_WORDS))
            row["raw_status"] = Field(row["status"].sql)
        run["time_basis"] = _basis(mapped)
        when = [mapped[name].sql for name in _INSTANTS if name in mapped]
        where = " OR ".join(f"nullif(trim(CAST({sql} AS VARCHAR)), '') IS NOT NULL" for sql in when)
        rows = {"pipeline_runs": run, "task_runs": task}
        return [Projection(table, fields, f"({where})", identify=identify) for table, fields in rows.items()]


def _field(name: str, mapped: MappedColumn) -> Field:
    sql = quote(str(mapped.const)) if mapped.column is None else quote_name(mapped.column)
    words = {**_WORDS.get(name, {}), **{_folded(raw): word for raw, word in mapped.words.items()}}
    return Field(sql, UNITS[mapped.unit] if mapped.unit else 1.0, mapped.format, words)


def _folded(word: str) -> str:
    return word.strip().lower().replace(" ", "_").replace("-", "_")


def _basis(mapped: dict[str, Field]) -> Field:
    first = next(mapped[n] for n in _INSTANTS if n in mapped)
    return Field(
        time_basis(first.sql)
        if first.time_format == "iso"
        else "'utc'"
        if first.time_format.startswith("epoch")
        else "'assumed_zone'"
    )
