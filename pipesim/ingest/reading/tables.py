"""The rows of a database's tables as entries of a log: read in a fixed order, from whatever columns there are.

SQLite keeps any type in any column, and text that is none. What a column should not hold is told as the entry's problem.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.unit import Record, Unit, Value

#: A row by the names of its columns; text that is not UTF-8 is left as bytes.
Row = Mapping[str, str | int | float | bytes | None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The years 1 to 9999, which Python's instants cover.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
_OFFSET = re.compile(r"[zZ]$|[+-]\d\d:?\d\d$")


class BadEntryError(Exception):
    """An entry cannot be translated.

    Args:
        rule: The rule that it breaks, as the quarantine names it.
        detail: What is wrong, as a sentence.
    """

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(rule, detail)
        self.rule = rule
        self.detail = detail


@dataclass(frozen=True)
class Tables:
    """The tables of a database.

    Args:
        con: A connection to it.
        columns: The columns of each table by its name; views, virtual and generated tables are none.
    """

    con: sqlite3.Connection
    columns: Mapping[str, frozenset[str]]

    def rows(self, table: str, wanted: Sequence[str]) -> Iterator[Row]:
        """Yield a table's rows in the order in which they were written; none if there is no such table.

        Args:
            table: The table.
            wanted: The columns to read; those that the table lacks are None.
        """
        if table in self.columns:
            names = ", ".join(self.column(table, name) for name in wanted)
            yield from self.select(wanted, f"SELECT {names} FROM {quote_name(table)} ORDER BY {self._order(table, wanted)}")

    def select(self, names: Sequence[str], query: str) -> Iterator[Row]:
        """Yield the rows that a query gives, whose columns have these names."""
        for row in self.con.execute(query):
            yield dict(zip(names, row, strict=True))

    def column(self, table: str, name: str, of: str = "") -> str:
        """Return SQL for a column of a table, NULL where the table lacks it; `of` is what the query calls the table."""
        return f"{of}{quote_name(name)}" if name in self.columns.get(table, ()) else "NULL"

    def _order(self, table: str, wanted: Sequence[str]) -> str:
        try:
            self.con.execute(f"SELECT rowid FROM {quote_name(table)} LIMIT 0")
        except sqlite3.OperationalError:  # made WITHOUT ROWID
            return ", ".join(self.column(table, name) for name in wanted)
        return "rowid"


@contextmanager
def open_tables(file: LogFile, system: str, needed: frozenset[str]) -> Iterator[Tables]:
    """Open a database.

    Args:
        file: A SQLite database.
        system: The system that it should be of, as users call it.
        needed: The tables that every database of this system has.

    Raises:
        FileError: If it is no database, or another system's, or damaged.
    """
    if file.format != "sqlite":
        raise FileError(
            f"this is no SQLite database, so it is not {system}'s",
            where=file.name,
            remedy="name the database's file, or leave out --source to have the format recognised",
        )
    try:
        with closing(sqlite3.connect(f"{file.path.resolve().as_uri()}?mode=ro", uri=True)) as con:
            con.text_factory = _text_if_it_is
            con.execute("PRAGMA trusted_schema = OFF")
            tables = Tables(con, _columns(con))
            if missing := sorted(needed - tables.columns.keys()):
                shown = ", ".join(sorted(tables.columns)[:20]) or "none"
                raise FileError(
                    f"this database is not {system}'s: it has no table {', '.join(missing)}; its tables are {shown}",
                    where=file.name,
                    remedy="name the system it belongs to, or leave out --source to have it recognised",
                )
            yield tables
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise FileError(
            f"the database cannot be read ({error})", where=file.name, remedy="copy it again, or recover it with sqlite3"
        ) from error


def entry(number: int, table: str, row: Row, translate: Callable[[Row], Sequence[Record]]) -> Unit:
    """Return a row's unit, with the records that `translate` makes of it or the problem that it raises."""
    raw = json.dumps({"table": table, **row}, default=_shown, ensure_ascii=False)
    try:
        return Unit(number, raw, translate(row))
    except BadEntryError as bad:
        return Unit(number, raw, problem=(bad.rule, bad.detail))


def nothing(row: Row) -> Sequence[Record]:
    """Translate a row that holds nothing of the platform's work."""
    return ()


def text(row: Row, name: str) -> str | None:
    """Return a column's text; a number as it is written.

    Raises:
        BadEntryError: If it is a blob, or text that is not UTF-8.
    """
    value = row[name]
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        raise BadEntryError(f"{name}_not_text", f"{name} is no text: {_shown(value)}")
    return repr(value)


def needed_text(row: Row, name: str) -> str:
    """Return a column's text.

    Raises:
        BadEntryError: If there is none.
    """
    if not (value := text(row, name)):
        raise BadEntryError(f"no_{name}", f"{name} is missing")
    return value


def whole(row: Row, name: str, default: int) -> int:
    """Return a column's integer, or the default where there is none.

    Raises:
        BadEntryError: If it is anything else.
    """
    value = row[name]
    if value is None:
        return default
    if not isinstance(value, int):
        raise BadEntryError(f"{name}_not_an_integer", f"{name}: {_shown(value)}")
    return value


def number(row: Row, name: str) -> Value:
    """Return a column's number; what is no number as text, which will be refused where a number is wanted."""
    value = row[name]
    return _shown(value) if isinstance(value, bytes) else value


def milliseconds(row: Row, name: str, unit: int = 1) -> Value:
    """Return the instant that a column gives since 1970; what is no such thing as text, to be refused.

    Args:
        row: The row.
        name: The column.
        unit: How many milliseconds it counts by.
    """
    value = row[name]
    if value is None:
        return None
    if isinstance(value, bytes | str) or not _FIRST_MS <= value * unit <= _LAST_MS:
        return f"{_shown(value)} x {unit} ms"
    return _EPOCH + timedelta(milliseconds=value * unit)


def utc_text(row: Row, name: str) -> str | None:
    """Return the instant that a column gives as text in UTC, with its zone; what is no instant as text, to be refused."""
    value = row[name]
    if value is None:
        return None
    told = value if isinstance(value, str) else _shown(value)
    return told if _OFFSET.search(told, 10) else f"{told}Z"


def json_of(value: str | bytes) -> object:
    """Return what JSON text holds.

    Raises:
        BadEntryError: If it is none, or too deep to read.
    """
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise BadEntryError("not_json", f"JSON cannot be read: {error}") from error


def _columns(con: sqlite3.Connection) -> dict[str, frozenset[str]]:
    found = con.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    names = [
        n for n, sql in found if isinstance(n, str) and isinstance(sql, str) and not sql.upper().startswith("CREATE VIRTUAL")
    ]
    described = {name: con.execute(f"PRAGMA table_info({quote_name(name)})").fetchall() for name in names}
    # Hidden and generated columns are not among them, so nothing is computed by reading.
    return {name: frozenset(str(column[1]) for column in columns) for name, columns in described.items()}


def _text_if_it_is(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _shown(value: object) -> str:
    return f"0x{value[:100].hex()}" if isinstance(value, bytes) else str(value)
