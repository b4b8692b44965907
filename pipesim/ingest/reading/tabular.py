"""Reading tables: JSON lines, CSV and Parquet become records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from pipesim.errors import FileError
from pipesim.ingest.reading.csv_records import Layout, csv_form, read_csv, stream_csv
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.json_records import read_json, stream_json
from pipesim.ingest.reading.lines import LineBatch, read_files
from pipesim.ingest.reading.parquet_records import parquet_form, read_parquet
from pipesim.ingest.reading.plain import PlainStream
from pipesim.ingest.reading.records import Form, Records

#: The layout of a file that says itself how it is written.
AS_WRITTEN = Layout()
#: How many bytes of CSV a batch has: fields take several times the memory of their lines.
_CSV_BYTES = 48 << 20


def find_form(con: duckdb.DuckDBPyConnection, file: LogFile, wanted: Sequence[str] | None, layout: Layout = AS_WRITTEN) -> Form:
    """Return how a file's records are written.

    Args:
        con: A connection.
        file: The file.
        wanted: For JSON, the fields to extract; the header decides for the other formats.
        layout: For CSV, what the file does not say of itself.

    Raises:
        FileError: If it has no header, one that cannot be, or is damaged.
    """
    if file.format == "json":
        return Form("json", tuple(wanted or ()))
    return csv_form(file, layout) if file.format == "csv" else parquet_form(con, file)


def stream_records(
    con: duckdb.DuckDBPyConnection,
    files: Mapping[int, LogFile],
    forms: Mapping[int, Form],
    failed: dict[int, FileError] | None = None,
) -> tuple[PlainStream, Records] | None:
    """Return the plain lines that files of one form begin with as one batch of records, of any size; None if there are none.

    Its SELECT can be carried out only once. What the stream did not cover must be read by `read_records`.
    """
    form = forms[next(iter(files))]
    if form.format == "json":
        return stream_json(con, files, form.names, failed)
    return stream_csv(con, files, forms, failed) if form.format == "csv" else None


def read_records(
    con: duckdb.DuckDBPyConnection,
    files: Mapping[int, LogFile],
    forms: Mapping[int, Form],
    *,
    rest: Iterator[LineBatch] | None = None,
    rows: int | None = None,
    failed: dict[int, FileError] | None = None,
) -> Iterator[Records]:
    """Yield the records of files of one form batch by batch; a batch's relation is replaced by the next one.

    Args:
        con: The connection in which the relations are made.
        files: The files by their numbers.
        forms: The form of each; they are alike.
        rest: For JSON and CSV, the lines that are left, if not all are.
        rows: For Parquet, how many rows a batch has at most; by default all of the file.
        failed: See `pipesim.ingest.reading.lines.each_file`.
    """
    form = forms[next(iter(files))]
    if form.format == "json":
        yield from read_json(con, read_files(files, failed=failed) if rest is None else rest, form.names)
    elif form.format == "csv":
        yield from read_csv(con, read_files(files, _CSV_BYTES, failed) if rest is None else rest, forms)
    else:
        yield from read_parquet(con, files, form, rows)
