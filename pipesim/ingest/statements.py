"""The SQL that turns the records of a source into typed, checked rows of a canonical table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipesim.catalog import quote, quote_name
from pipesim.ingest.reading.places import FILE_NO, LINE
from pipesim.ingest.reading.plain_json import EXACT_INTEGER
from pipesim.ingest.reading.records import LINE_END
from pipesim.ingest.sources.base import Projection
from pipesim.ingest.typing import FIRST_INSTANT, LAST_INSTANT, Typed, instant, typed
from pipesim.schema import TRACE_TABLES, Column, Rule, Table, Type


@dataclass(frozen=True)
class Statements:
    """How one projection is carried out.

    Args:
        table: The canonical table.
        where: Which records hold a row.
        fields: The fields of a record that are read.
        numbers: Those of them that only numbers are read from.
        reasons: SQL for the reasons why a row is refused, a list over a staged row joined with `raws`.
        identity: Select items for what a record is known by in a batch.
        raws: Select items, each led by a comma, for the raw values that `reasons` shows.
    """

    table: Table
    where: str
    fields: tuple[str, ...]
    numbers: frozenset[str]
    identity: str
    raws: str
    reasons: str
    _values: str
    _event: str
    _good: str
    _quick: str

    def rows(self, source: str, *, quick: bool = False) -> str:
        """Return the SELECT of the staged rows of the records in `source`, each marked as good or not.

        With `quick`, a row is no good either if a closer look at it might find it good after all: a word for a missing value,
        an integer that a DOUBLE may have changed, a record of another table.
        """
        columns = ", ".join(quote_name(c.name) for c in self.table.columns)
        good = f"coalesce({self.where}, false) AND {self._quick}" if quick else self._good
        return (
            f'SELECT {columns}, file_no, line, line_hash, event_at, {good} AS "#good" '
            f"FROM (SELECT {self._values}, {self.identity}, {self._event} AS event_at, * "
            f"FROM (SELECT *{self.raws} FROM {source}))"
        )


def statements(projection: Projection, fields: Sequence[str], zone: str) -> Statements:
    """Return the SQL of a projection over records with some fields, whose instants without a zone are of `zone`."""
    table = TRACE_TABLES[projection.table]
    given = {name: typed(table.by_name[name], field, zone) for name, field in projection.fields.items()}
    at = projection.event_at
    event = instant(at.sql, at.time_format, zone) if at else "NULL"
    # Rows that cannot be told apart by an identifier are named by their bytes: that hash must never change.
    line_hash = f'md5_number_lower(rtrim("#text", {LINE_END}))' if projection.identify else 'hash("#text")'
    rules = _early_rules(table, given, projection)
    kept = [f"(({r.sql}) IS NOT FALSE)" for r in rules]
    return Statements(
        table,
        projection.where,
        tuple(used_fields(fields, [projection.where, event, *(t.raw for t in given.values())])),
        _numbers(fields, given, [projection.where, event]),
        f"{FILE_NO} AS file_no, {LINE} AS line, {line_hash} AS line_hash",
        "".join(f", {t.raw} AS {quote_name('#raw ' + name)}" for name, t in given.items()),
        ", ".join([*(_type_reason(t) for t in given.values()), *(rule_reason(table, r) for r in rules)]),
        ", ".join(f"{_value(table, c.name, given)} AS {quote_name(c.name)}" for c in table.columns),
        event,
        " AND ".join([*(f"NOT ({t.damaged})" for t in given.values()), *kept]),
        " AND ".join([*(_undoubted(t) for t in given.values()), *kept]),
    )


def _undoubted(t: Typed) -> str:
    name, raw = quote_name(t.column.name), quote_name("#raw " + t.column.name)
    if t.column.type is Type.STRING and not t.column.values:
        return "true"
    same = f"({name} IS NULL) = ({raw} IS NULL)" if t.column.name != "attempt" else f"{raw} IS NULL OR {name} IS NOT NULL"
    if t.column.type is Type.INTEGER:
        same = f"{same} AND coalesce(abs({name}) <= {EXACT_INTEGER}, true)"
    if t.column.type is Type.INSTANT:
        same = f"{same} AND coalesce({name} BETWEEN {FIRST_INSTANT} AND {LAST_INSTANT}, true)"
    return f"({same})"


def used_fields(fields: Sequence[str], expressions: Sequence[str]) -> list[str]:
    """Return the fields that SQL expressions name."""
    text = " ".join(expressions)
    return [name for name in fields if quote_name(name) in text]


def _numbers(fields: Sequence[str], given: Mapping[str, Typed], others: Sequence[str]) -> frozenset[str]:
    kinds = (Type.INTEGER, Type.NUMBER)
    elsewhere = used_fields(fields, [*others, *(t.raw for t in given.values() if t.column.type not in kinds)])
    numeric = {t.raw for t in given.values() if t.column.type in kinds}
    return frozenset(name for name in fields if quote_name(name) in numeric and name not in elsewhere)


def rule_reason(table: Table, rule: Rule) -> str:
    """Return SQL for why a row breaks a rule: a struct of stage, rule and detail, or NULL where it keeps it."""
    names = [n for n in dict.fromkeys(re.findall(r'"(\w+)"', rule.sql)) if n in table.by_name]
    values = " || ', ' || ".join(f"'{n} ' || coalesce(left(CAST({quote_name(n)} AS VARCHAR), 200), 'NULL')" for n in names)
    detail = f"{quote(rule.doc + ': ')} || {values}"
    return f"CASE WHEN ({rule.sql}) IS FALSE THEN {{'stage': 'rule', 'rule': {quote(rule.name)}, 'detail': {detail}}} END"


def _early_rules(table: Table, given: Mapping[str, Typed], projection: Projection) -> list[Rule]:
    """Return the rules that a record can be held to before it is folded with others of its key."""
    closed = {_unknown_word(c) for c in table.columns if c.values}  # their typed values are legal by construction
    rules = [r for r in table.rules if not r.whole and r.name not in closed]
    if projection.identify:
        rules = [r for r in rules if r.name != "no_run_id"]
    keys = {f"no_{k}": given[k] for k in table.key if k in given}
    # What cannot be read is told as such, not as missing.
    return [replace(r, sql=f"({r.sql} OR {keys[r.name].damaged})") if r.name in keys else r for r in rules]


def _value(table: Table, name: str, given: Mapping[str, Typed]) -> str:
    if name in given:
        value = given[name].value
        return f"CASE WHEN {quote_name('#raw ' + name)} IS NULL THEN 1 ELSE {value} END" if name == "attempt" else value
    return "1" if name == "attempt" else f"NULL::{table.by_name[name].type.sql}"


def _type_reason(t: Typed) -> str:
    raw = quote_name("#raw " + t.column.name)
    rule = f"{t.column.name}_not_{_TYPE_NAMES[t.column.type]}"
    stage, rule = ("rule", _unknown_word(t.column)) if t.column.values else ("type", rule)
    detail = f"{quote(t.column.name + ': ')} || left(CAST({raw} AS VARCHAR), 200)"
    return f"CASE WHEN {t.damaged} THEN {{'stage': '{stage}', 'rule': '{rule}', 'detail': {detail}}} END"


def _unknown_word(column: Column) -> str:
    return "unmapped_status" if column.name == "status" else f"unknown_{column.name}"


_TYPE_NAMES = {
    Type.STRING: "text",
    Type.INTEGER: "an_integer",
    Type.NUMBER: "a_number",
    Type.BOOLEAN: "a_boolean",
    Type.INSTANT: "an_instant",
}
