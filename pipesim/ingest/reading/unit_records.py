"""From units to records: what the entries of a log say becomes a table of named text fields, a row a canonical record."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import duckdb
import pyarrow as pa

from pipesim.ingest.reading.lines import RAW_CHARACTERS, BadLine
from pipesim.ingest.reading.places import STEP, file_and_line, per_file
from pipesim.ingest.reading.records import Records, column_select
from pipesim.ingest.reading.unit import Record, Unit, Value

_BATCH = 20_000
_MOST_RECORDS = 100_000


def unit_records(
    con: duckdb.DuckDBPyConnection, entries: Iterator[tuple[int, Unit]], fields: Sequence[str]
) -> Iterator[Records]:
    """Yield the records of entries batch by batch; a batch's relation is replaced by the next one.

    The `"#text"` of a record is the record itself, so that two that one unit holds are told apart.

    Args:
        con: The connection in which the relations are made.
        entries: The units of each file, in order, each with its file's number.
        fields: The fields that a record may have.
    """
    while batch := [(number * STEP + unit.number, _readable(unit)) for number, unit in _some(entries)]:
        found = [(place, record) for place, unit in batch if unit.problem is None for record in unit.records]
        bad = [(u.stage, BadLine(p, u.problem[0], u.raw[:RAW_CHARACTERS], u.problem[1])) for p, u in batch if u.problem]
        con.register("unit_records", _table(found, fields))
        blank = per_file([place for place, unit in batch if not unit.records and unit.problem is None])
        unused: dict[int, set[str]] = {}
        for place, unit in batch:
            if unit.unused:
                unused.setdefault(file_and_line(place)[0], set()).update(unit.unused)
        select = partial(column_select, "unit_records")
        told = {number: frozenset(names) for number, names in unused.items()}
        lines = per_file([place for place, _ in batch])
        yield Records(select, select, fields, lines, blank, bad, unused=partial(dict, told))
        con.unregister("unit_records")


def _some(entries: Iterator[tuple[int, Unit]]) -> Iterator[tuple[int, Unit]]:
    """Take entries until there are enough, or until they hold enough records: those of a node with many edges are many."""
    records = 0
    for number, unit in islice(entries, _BATCH):
        yield number, unit
        records += len(unit.records)
        if records >= _MOST_RECORDS:
            return


def _readable(unit: Unit) -> Unit:
    """Return the unit, or, if it holds half a character (a lone surrogate), which is no text, one that says so."""
    if all(
        value.isascii() or _is_text(value) for record in unit.records for value in record.values() if isinstance(value, str)
    ):
        return unit if _is_text(unit.raw) else replace(unit, raw=_shown(unit.raw))
    return Unit(unit.number, _shown(unit.raw), problem=("not_text", "it holds half a character"), unused=unit.unused)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def raw_units(units: Iterator[Unit], wanted: Sequence[int]) -> list[str]:
    """Return how the wanted units (numbers, ascending) stand in the file."""
    asked = frozenset(wanted)
    return [_shown(unit.raw[:RAW_CHARACTERS]) for unit in units if unit.number in asked]


def _table(found: Sequence[tuple[int, Record]], fields: Sequence[str]) -> pa.Table:
    columns = {name: pa.array([_text(record.get(name)) for _, record in found], pa.large_string()) for name in fields}
    place = pa.array([place for place, _ in found], pa.int64())
    text = pa.array([json.dumps(record, default=_text, ensure_ascii=False) for _, record in found], pa.large_string())
    return pa.table({"#place": place, "#text": text, **columns})


def _text(value: Value) -> str | None:
    """Return a value as a log would write it; an instant with its zone, if it has one."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    return repr(value)
