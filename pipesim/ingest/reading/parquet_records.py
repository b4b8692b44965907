"""Parquet files: their rows are records, whose values keep their types."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

import duckdb
import pyarrow as pa

from pipesim.catalog import quote, quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.places import FILE_NO, first_place
from pipesim.ingest.reading.records import Form, Records, column_select, first_records, refuse_internal

#: What DuckDB calls the number of a row in its file, from 0.
_ROW = "file_row_number"
#: What it is told to call the file that a row is of.
_PATH = "#path"


def parquet_form(con: duckdb.DuckDBPyConnection, file: LogFile) -> Form:
    """Return the columns of a Parquet file, with their types.

    Raises:
        FileError: If it is damaged.
    """
    if "\\" in str(file.path):
        raise FileError("a Parquet file's path must not hold a backslash", where=file.name, remedy="rename the file or folder")
    try:
        described = con.sql(f"DESCRIBE SELECT * FROM {_scan([file], 'hive_partitioning = false')}").fetchall()
    except duckdb.Error as error:
        raise FileError(f"the Parquet file is damaged ({error})", where=file.name, remedy="write it again") from error
    refuse_internal([str(row[0]) for row in described], file.name)
    return Form("parquet", tuple(str(row[0]) for row in described), tuple(str(row[1]) for row in described))


def read_parquet(
    con: duckdb.DuckDBPyConnection, files: Mapping[int, LogFile], form: Form, rows: int | None
) -> Iterator[Records]:
    """Yield the records of files that have the same columns.

    Args:
        con: The connection in which the relations are made.
        files: The files by their numbers.
        form: Their form.
        rows: How many rows a batch has at most; by default all of them.
    """
    fields = ", ".join(quote_name(name) for name in form.names)
    struct = ", ".join(f"{name} := {name}" for name in map(quote_name, form.names))
    listed = list(files.values())
    options = "file_row_number = true, hive_partitioning = false"
    first_row, source = str(first_place(next(iter(files)))), _scan(listed, options)
    if len(files) > 1:
        source = _scan(listed, f"{options}, filename = {quote(_PATH)}")
        firsts = [first_place(number) for number in files]
        con.register("parquet_files", pa.table({_PATH: [str(file.path) for file in listed], "#first": firsts}))
        first_row, source = '"#first"', f"{source} JOIN parquet_files USING ({quote_name(_PATH)})"
    con.execute(
        f'CREATE OR REPLACE TEMP VIEW parquet_records AS SELECT {first_row} + {_ROW} AS "#place", '
        f'CAST(to_json(struct_pack({struct})) AS VARCHAR) AS "#text", {fields} FROM {source}'
    )
    counts = Counter(dict(con.execute(f"SELECT {FILE_NO}, count(*) FROM parquet_records GROUP BY ALL").fetchall()))
    if rows is None or len(files) > 1:
        yield _records("parquet_records", form, counts)
        return
    number = next(iter(files))
    lines = counts[number]
    for start in range(0, lines, rows):
        first = first_place(number) + start
        part = f'(SELECT * FROM parquet_records WHERE "#place" BETWEEN {first} AND {first + rows - 1})'
        yield _records(part, form, Counter({number: min(rows, lines - start)}))


def _records(source: str, form: Form, counts: Counter[int]) -> Records:
    return Records(partial(column_select, source), partial(column_select, first_records(source)), form.names, counts)


def _scan(files: list[LogFile], options: str) -> str:
    paths = ", ".join(quote(glob.escape(str(file.path))) for file in files)
    return f"read_parquet([{paths}], {options})"


def damaged_files(con: duckdb.DuckDBPyConnection, files: Mapping[int, LogFile]) -> dict[int, FileError]:
    """Read every value of some files, and return the errors of those of which some cannot be read, by their numbers."""
    found: dict[int, FileError] = {}
    for number, file in files.items():
        try:
            con.execute(f"SELECT sum(hash(t)::HUGEINT) FROM {_scan([file], 'hive_partitioning = false')} t").fetchall()
        except duckdb.Error as error:
            found[number] = FileError(f"the Parquet file is damaged ({error})", where=file.name, remedy="write it again")
    return found
