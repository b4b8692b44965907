"""Typed rows on their way into the lake: each record is cast and checked by itself, and either staged or refused with a reason.

The staging tables live in one DuckDB connection that spills to disk, so that a log larger than memory passes through.
`staged_<table>` holds typed, possibly partial rows; `rejected` holds the refused lines. A line is a unit: where one of its rows
is refused, none of its rows stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from pipesim.catalog import quote, quote_name
from pipesim.ingest.reading.lines import RAW_CHARACTERS, BadLine
from pipesim.ingest.reading.places import FILE_NO, LINE
from pipesim.ingest.reading.records import LINE_END, Records
from pipesim.ingest.sources.base import Projection
from pipesim.ingest.statements import statements, used_fields
from pipesim.schema import TRACE_TABLES

_RAW = f'left(rtrim("#text", {LINE_END}), {RAW_CHARACTERS})'
#: What is told of a staged row beside its columns.
_PLACE = 'file_no INTEGER, line BIGINT, line_hash UBIGINT, event_at TIMESTAMP, "#good" BOOLEAN'


class Staging:
    """The rows and refusals of one ingest.

    Args:
        con: A connection whose session zone is the log's own.
        zone: That zone.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection, zone: str) -> None:
        self.con = con
        self._zone = zone
        self._nameless: set[str] = set()
        #: The tables whose staged rows of one key add up.
        self.summed: set[str] = set()
        self._irregular: set[int] = set()
        #: Whether `final_<table>`, which folding makes, is a TABLE or a VIEW.
        self.finals: dict[str, str] = {}
        for table in TRACE_TABLES.values():
            columns = ", ".join(f"{quote_name(c.name)} {c.type.sql}" for c in table.columns)
            con.execute(f"CREATE TEMP TABLE staged_{table.name} ({columns}, {_PLACE})")
        con.execute(
            "CREATE TEMP TABLE rejected "
            "(file_no INTEGER, line BIGINT, stage VARCHAR, rule VARCHAR, detail VARCHAR, raw VARCHAR)"
        )

    def add(self, log: int, records: Records, projections: Sequence[Projection]) -> Records:
        """Type and check a batch of records; returns it with all that was found wrong with its lines.

        Batches of one number `log` are alike. A batch whose records are all good and all alike, as most are, is parsed once
        and never looked at again.
        """
        self.summed |= {p.table for p in projections if p.summed}
        if log not in self._irregular:
            if self.add_at_once(records, projections):
                return records
            self._irregular.add(log)  # what one batch of a log is like, the next ones mostly are as well
        if records.sift:
            records = records.sift()
        self._reject_lines(records.bad)
        # Parsed once for all: DuckDB would else parse for the conditions and for the values of every table.
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE parsed AS {records.select(records.fields)}")
        homeless = f"NOT ({' OR '.join(_holds(p) for p in projections)})"
        before = self.count("rejected")
        self.con.execute(
            f"INSERT INTO rejected SELECT {FILE_NO}, {LINE}, 'parse', 'no_table', "
            f"'the record belongs to no canonical table', {_RAW} FROM parsed WHERE {homeless}"
        )
        counts = ", ".join(f"count(*) FILTER ({_holds(p)})" for p in projections)
        present = self.con.execute(f"SELECT {counts} FROM parsed").fetchall()[0]
        for projection, rows in zip(projections, present, strict=True):
            if rows:
                self._project(projection, records.fields)
        if len(projections) > 1 and self.count("rejected") > before:
            self.drop_rejected_lines()
        return records

    def add_at_once(self, records: Records, projections: Sequence[Projection], *, once: bool = False) -> bool:
        """Stage a batch whose first records say that it is uniform; returns False, and leaves no row, if it is not.

        With `once`, the records can be read only once, so that they can be staged only in one table.
        """
        if records.bad:
            return False
        staged: list[str] = []
        good = True
        try:
            uniform = self._uniform(records, projections)
            if once and len(uniform) > 1:
                return False
            for projection in uniform:
                how = statements(projection, records.fields, self._zone)
                place = f"staged_{projection.table}"
                first = self.con.execute(f"SELECT coalesce(max(rowid) + 1, 0) FROM {place}").fetchall()[0][0]
                staged.append(f"{place} WHERE rowid >= {first}")
                source = f"({records.select(how.fields, how.numbers)})"
                self.con.execute(f"INSERT INTO {place} {how.rows(source, quick=True)}")
                good = good and self.count(f'{place} WHERE rowid >= {first} AND NOT "#good"') == 0
        except (duckdb.InvalidInputException, duckdb.ConversionException):  # a line is no JSON, or not like the first ones
            good = False
        if good and staged:
            self._nameless |= {p.table for p in projections if p.identify}
            return True
        for rows in staged:
            self.con.execute(f"DELETE FROM {rows}")
        return False

    def _uniform(self, records: Records, projections: Sequence[Projection]) -> Sequence[Projection]:
        """Return the projections that hold for all of the first records of a batch, or none where some hold for a part."""
        if all(p.where == "true" for p in projections):
            return projections
        fields = used_fields(records.fields, [p.where for p in projections])
        counts = ", ".join(f"count(*) FILTER ({_holds(p)})" for p in projections)
        *present, total = self.con.execute(f"SELECT {counts}, count(*) FROM ({records.head(fields)})").fetchall()[0]
        whole = [p for p, rows in zip(projections, present, strict=True) if rows == total]
        return whole if sum(present) == total * len(whole) else []

    def count(self, table: str) -> int:
        """Return a staging table's number of rows."""
        return int(self.con.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])

    def drop_rejected_lines(self) -> list[str]:
        """Remove all rows of refused lines; returns the tables that lost any."""
        changed = []
        for name in TRACE_TABLES:
            gone = self.con.execute(
                f"DELETE FROM staged_{name} WHERE (file_no, line) IN (SELECT (file_no, line) FROM rejected)"
            ).fetchall()[0][0]
            if gone:
                changed.append(name)
        return changed

    def forget_raw(self, files: Iterable[int]) -> None:
        """Forget how the refused lines of files stand there, but for those that could not be read or parsed."""
        self.con.register("forgotten", pa.table({"file_no": pa.array(list(files), pa.int32())}))
        self.con.execute(
            "UPDATE rejected SET raw = NULL WHERE stage NOT IN ('read', 'parse') AND file_no IN (SELECT file_no FROM forgotten)"
        )
        self.con.unregister("forgotten")

    def identify(self, prefix: str) -> None:
        """Name the runs of a log without identifiers by their content, identical twins by their order.

        Two rows with the same bytes in one file are two runs. The same rows in another file are the same runs, so that a log
        that grew, or was exported twice, adds only what is new.
        """
        twin = "row_number() OVER (PARTITION BY file_no, line_hash ORDER BY line)"
        run_id = f"{quote(prefix)} || lpad(lower(to_hex(line_hash)), 16, '0') || '-' || {twin}"
        for name in sorted(self._nameless):
            self.con.execute(
                f"CREATE OR REPLACE TEMP TABLE staged_{name} AS SELECT * REPLACE ({run_id} AS run_id) FROM staged_{name}"
            )

    def _reject_lines(self, bad: list[tuple[str, BadLine]]) -> None:
        if not bad:
            return
        self.con.register(
            "bad_lines",
            pa.table(
                {
                    "#place": [b.place for _, b in bad],
                    "stage": [stage for stage, _ in bad],
                    "rule": [b.rule for _, b in bad],
                    "detail": [b.detail for _, b in bad],
                    "raw": [b.raw for _, b in bad],
                }
            ),
        )
        self.con.execute(f"INSERT INTO rejected SELECT {FILE_NO}, {LINE}, stage, rule, detail, raw FROM bad_lines")
        self.con.unregister("bad_lines")

    def _project(self, projection: Projection, fields: Sequence[str]) -> None:
        """Stage the rows of one table that the parsed records hold, and refuse the broken ones with their reasons."""
        if projection.identify:
            self._nameless.add(projection.table)
        how = statements(projection, fields, self._zone)
        source = f"(SELECT * FROM parsed WHERE {how.where})"
        staged = f"staged_{projection.table}"
        self.con.execute(f"INSERT INTO {staged} {how.rows(source)}")
        bad = f'{staged} WHERE NOT "#good"'
        if self.count(bad) == 0:
            return
        self.con.execute(
            f"INSERT INTO rejected SELECT file_no, line, reason.stage, reason.rule, reason.detail, {_RAW} "
            f'FROM (SELECT file_no, line, "#text", unnest([{how.reasons}]) AS reason FROM (SELECT * FROM {bad}) '
            f'JOIN (SELECT {how.identity}, "#text"{how.raws} FROM {source}) USING (file_no, line, line_hash)) '
            "WHERE reason IS NOT NULL"
        )
        self.con.execute(f"DELETE FROM {bad}")


def _holds(projection: Projection) -> str:
    return f"coalesce({projection.where}, false)"
