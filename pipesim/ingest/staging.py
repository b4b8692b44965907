"""Typed rows on their way into the lake: each record is cast and checked by itself, and either staged or refused with a reason.

The staging tables live in one DuckDB connection that spills to disk, so that a log larger than memory passes through.
`staged_<table>` holds typed, possibly partial rows; `rejected` holds the refused lines. A line is a unit: where one of its rows
is refused, none of its rows stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from pipesim.catalog import quote
from pipesim.ingest.lines import RAW_CHARACTERS, BadLine
from pipesim.ingest.records import LINE_END, Records
from pipesim.ingest.sources.base import Projection, quote_name
from pipesim.ingest.typing import Typed, instant, typed
from pipesim.schema import TRACE_TABLES, Column, Rule, Table, Type

#: What is told of a staged row beside its columns.
_RAW = f'left(rtrim("#text", {LINE_END}), {RAW_CHARACTERS})'
_PLACE = "file_no INTEGER, line BIGINT, line_hash UBIGINT, event_at TIMESTAMP"


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
        for table in TRACE_TABLES.values():
            columns = ", ".join(f"{quote_name(c.name)} {c.type.sql}" for c in table.columns)
            con.execute(f"CREATE TEMP TABLE staged_{table.name} ({columns}, {_PLACE})")
        con.execute(
            "CREATE TEMP TABLE rejected "
            "(file_no INTEGER, line BIGINT, stage VARCHAR, rule VARCHAR, detail VARCHAR, raw VARCHAR)"
        )

    def add(self, file_no: int, records: Records, projections: Sequence[Projection]) -> None:
        """Type and check a batch of records of one file."""
        self._reject_lines(file_no, records.bad)
        wheres = [f"coalesce({p.where}, false)" for p in projections]
        source = f"({records.select(used_fields(records.fields, wheres))})"
        counts = ", ".join(f"count(*) FILTER ({w})" for w in [*wheres, f"NOT ({' OR '.join(wheres)})"])
        *present, homeless = self.con.execute(f"SELECT {counts} FROM {source}").fetchall()[0]
        if homeless:
            self.con.execute(
                f"INSERT INTO rejected SELECT {file_no}, \"#line\", 'parse', 'no_table', "
                f"'the record belongs to no canonical table', {_RAW} FROM {source} WHERE NOT ({' OR '.join(wheres)})"
            )
        before = self.count("rejected")
        total = sum(present) + homeless
        for projection, rows in zip(projections, present, strict=True):
            if rows:
                self._project(file_no, records, projection if rows < total else replace(projection, where="true"))
        if len(projections) > 1 and self.count("rejected") > before:
            self.drop_rejected_lines()

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

    def _reject_lines(self, file_no: int, bad: list[tuple[str, BadLine]]) -> None:
        if not bad:
            return
        self.con.register(
            "bad_lines",
            pa.table(
                {
                    "line": [b.line for _, b in bad],
                    "stage": [stage for stage, _ in bad],
                    "rule": [b.rule for _, b in bad],
                    "detail": [b.detail for _, b in bad],
                    "raw": [b.raw for _, b in bad],
                }
            ),
        )
        self.con.execute(f"INSERT INTO rejected SELECT {file_no}, line, stage, rule, detail, raw FROM bad_lines")
        self.con.unregister("bad_lines")

    def _project(self, file_no: int, records: Records, projection: Projection) -> None:
        table = TRACE_TABLES[projection.table]
        if projection.identify:
            self._nameless.add(table.name)
        given = {name: typed(table.by_name[name], field, self._zone) for name, field in projection.fields.items()}
        at = projection.event_at
        event = instant(at.sql, at.time_format, self._zone) if at else "NULL"
        # Rows that cannot be told apart by an identifier are named by their bytes: that hash must never change.
        line_hash = f'md5_number_lower(rtrim("#text", {LINE_END}))' if projection.identify else 'hash("#text")'
        raws = "".join(f", {t.raw} AS {quote_name('raw ' + name)}" for name, t in given.items())
        values = ", ".join(f"{_value(table, c.name, given)} AS {quote_name(c.name)}" for c in table.columns)
        rules = _early_rules(table, given, projection)
        columns = ", ".join([quote_name(c.name) for c in table.columns] + ["file_no", "line", "line_hash", "event_at"])
        good = " AND ".join([*(f"NOT ({t.damaged})" for t in given.values()), *(f"(({r.sql}) IS NOT FALSE)" for r in rules)])
        used = used_fields(records.fields, [projection.where, event, *(t.raw for t in given.values())])
        # Parsed once into a table of its own: DuckDB would else parse again for every column that is looked at twice.
        self.con.execute(
            f"CREATE OR REPLACE TEMP TABLE parsed AS SELECT * FROM ({records.select(used)}) WHERE {projection.where}"
        )
        self.con.execute(
            f'CREATE OR REPLACE TEMP TABLE typed AS SELECT {columns}, {good} AS "#good" '
            f"FROM (SELECT {values}, {file_no} AS file_no, "
            f'"#line" AS line, {line_hash} AS line_hash, {event} AS event_at, * FROM (SELECT *{raws} FROM parsed))'
        )
        self.con.execute(f'INSERT INTO staged_{table.name} SELECT {columns} FROM typed WHERE "#good"')
        if self.count('typed WHERE NOT "#good"') == 0:
            return
        reasons = ", ".join([*(_type_reason(t) for t in given.values()), *(rule_reason(table, r) for r in rules)])
        self.con.execute(
            f"INSERT INTO rejected SELECT file_no, line, reason.stage, reason.rule, reason.detail, {_RAW} "
            f'FROM (SELECT file_no, line, "#text", unnest([{reasons}]) AS reason FROM (SELECT * FROM typed WHERE NOT "#good") '
            f'JOIN (SELECT "#line" AS line, "#text"{raws} FROM parsed) USING (line)) WHERE reason IS NOT NULL'
        )


def _early_rules(table: Table, given: Mapping[str, Typed], projection: Projection) -> list[Rule]:
    """Return the rules that a record can be held to before it is folded with others of its key."""
    closed = {_unknown_word(c) for c in table.columns if c.values}  # their typed values are legal by construction
    rules = [r for r in table.rules if not r.whole and r.name not in closed]
    if projection.identify:
        rules = [r for r in rules if r.name != "no_run_id"]
    keys = {f"no_{k}": given[k] for k in table.key if k in given}
    # What cannot be read is told as such, not as missing.
    return [replace(r, sql=f"({r.sql} OR {keys[r.name].damaged})") if r.name in keys else r for r in rules]


def used_fields(fields: Sequence[str], expressions: Sequence[str]) -> list[str]:
    """Return the fields that SQL expressions name."""
    text = " ".join(expressions)
    return [name for name in fields if quote_name(name) in text]


def _value(table: Table, name: str, given: Mapping[str, Typed]) -> str:
    if name in given:
        value = given[name].value
        return f"CASE WHEN {quote_name('raw ' + name)} IS NULL THEN 1 ELSE {value} END" if name == "attempt" else value
    return "1" if name == "attempt" else f"NULL::{table.by_name[name].type.sql}"


def _type_reason(t: Typed) -> str:
    raw = quote_name("raw " + t.column.name)
    rule = f"{t.column.name}_not_{_TYPE_NAMES[t.column.type]}"
    stage, rule = ("rule", _unknown_word(t.column)) if t.column.values else ("type", rule)
    detail = f"{quote(t.column.name + ': ')} || left({raw}, 200)"
    return f"CASE WHEN {t.damaged} THEN {{'stage': '{stage}', 'rule': '{rule}', 'detail': {detail}}} END"


def rule_reason(table: Table, rule: Rule) -> str:
    """Return SQL for why a row breaks a rule: a struct of stage, rule and detail, or NULL where it keeps it."""
    names = [n for n in dict.fromkeys(re.findall(r'"(\w+)"', rule.sql)) if n in table.by_name]
    values = " || ', ' || ".join(f"'{n} ' || coalesce(left(CAST({quote_name(n)} AS VARCHAR), 200), 'NULL')" for n in names)
    detail = f"{quote(rule.doc + ': ')} || {values}"
    return f"CASE WHEN ({rule.sql}) IS FALSE THEN {{'stage': 'rule', 'rule': {quote(rule.name)}, 'detail': {detail}}} END"


def _unknown_word(column: Column) -> str:
    return "unmapped_status" if column.name == "status" else f"unknown_{column.name}"


_TYPE_NAMES = {
    Type.STRING: "text",
    Type.INTEGER: "an_integer",
    Type.NUMBER: "a_number",
    Type.BOOLEAN: "a_boolean",
    Type.INSTANT: "an_instant",
}
