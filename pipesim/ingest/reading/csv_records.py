"""CSV files: a header, and lines that are split into as many fields of text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import RAW_CHARACTERS, STREAM_BYTES, BadLine, LineBatch, read_files, read_lines
from pipesim.ingest.reading.places import first_place, per_file
from pipesim.ingest.reading.plain import PlainRows, PlainStream
from pipesim.ingest.reading.plain_csv import parse_fields, split_plain
from pipesim.ingest.reading.records import Form, Records, ahead, column_select, first_records, in_pieces, refuse_internal

_DELIMITERS = ",;\t|"


@dataclass(frozen=True)
class Layout:
    """How a CSV file is written where it does not say so itself: its columns, and what separates them."""

    header: Sequence[str] = ()
    delimiter: str | None = None


def csv_form(file: LogFile, layout: Layout) -> Form:
    """Find the header: the first line that is not blank, unless the columns are known and no line names them.

    Raises:
        FileError: If there is none, or one that does not name each column by its own name.
    """
    for batch in read_lines(file, batch_bytes=1 << 16):
        if batch.bad:
            first = batch.bad[0]
            raise FileError(
                f"the file's beginning cannot be read ({first.rule}: {first.detail})",
                where=f"{file.name}:{first.place}",
                remedy="convert the file to UTF-8",
            )
        for offset, text in enumerate(batch.text.to_pylist()):
            if text.strip():
                return _parse_header(file, text.rstrip("\r\n"), batch.first + offset, layout)
    raise FileError("the file has no header", where=file.name, remedy="its first line must name the columns")


def _parse_header(file: LogFile, text: str, line: int, layout: Layout) -> Form:
    delimiter = layout.delimiter or max(_DELIMITERS, key=text.count)
    try:
        names = [name.strip() for name in next(csv.reader([text], delimiter=delimiter, strict=True))]
    except csv.Error as error:
        raise FileError(
            f"the header cannot be read ({error})",
            where=f"{file.name}:{line}",
            remedy="write one line of column names, and end lines with a newline",
        ) from error
    if layout.header and names != list(layout.header):
        return Form("csv", tuple(layout.header), delimiter=delimiter)
    refuse_internal(names, f"{file.name}:{line}")
    folded = [name.lower() for name in names]  # SQL does not tell upper case from lower
    repeated = sorted({name for name in names if folded.count(name.lower()) > 1})
    if repeated or not all(names):
        what = f"the column {', '.join(repeated)} twice" if repeated else "a column without a name"
        raise FileError(f"the header has {what}", where=f"{file.name}:{line}", remedy="give every column its own name")
    return Form("csv", tuple(names), delimiter=delimiter, header_line=line)


def stream_csv(
    con: duckdb.DuckDBPyConnection,
    files: Mapping[int, LogFile],
    forms: Mapping[int, Form],
    failed: dict[int, FileError] | None,
) -> tuple[PlainStream, Records] | None:
    """Return the plain lines that files begin with as one batch of records, of any size; None if there are none.

    Its SELECT can be carried out only once. What the stream did not cover must be read by `read_csv`.
    """
    lines = PlainStream(read_files(files, STREAM_BYTES, failed), partial(_plain, forms))
    if lines.first is None:
        return None
    con.register("first_lines", lines.first)
    con.register("plain_lines", lines.stream())
    select, head = partial(_select, "plain_lines"), partial(column_select, first_records("first_lines"))
    return lines, Records(select, head, forms[next(iter(files))].names, Counter())


def read_csv(con: duckdb.DuckDBPyConnection, lines: Iterator[LineBatch], forms: Mapping[int, Form]) -> Iterator[Records]:
    """Yield the records of the lines of files that are written alike, but for where their headers stand."""
    names = next(iter(forms.values())).names
    headers = _headers(forms)
    for batch, (records, aside, bad) in ahead((batch, _split(batch, forms, headers)) for batch in lines):
        con.register("csv_records", in_pieces(records))
        select, head = partial(_select, "csv_records"), partial(column_select, first_records("csv_records"))
        refused = [*(("parse", line) for line in bad), *(("read", line) for line in batch.bad)]
        yield Records(select, head, names, per_file(batch.places), aside, refused)
        con.unregister("csv_records")


def _headers(forms: Mapping[int, Form]) -> list[int]:
    return [first_place(number) + form.header_line - 1 for number, form in forms.items() if form.header_line]


def _select(source: str, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
    """Return the SELECT of `Records` over columns of text; it fails where a field that holds numbers holds any other text."""
    names = "".join(
        f", CAST({name} AS DOUBLE) AS {name}" if f in numbers else f", {name}"
        for f, name in ((f, quote_name(f)) for f in fields)
    )
    return f'SELECT "#place", "#text"{names} FROM {source}'


def _plain(forms: Mapping[int, Form], batch: LineBatch) -> PlainRows | None:
    """Return the records of a plain batch and how many lines of each file are a header; None if it is not plain."""
    is_header = np.isin(batch.places, _headers(forms))
    header_lines = int(is_header[0])
    if batch.bad or np.count_nonzero(is_header) > header_lines:  # in a batch of several files one may stand anywhere
        return None
    records = split_plain(batch, next(iter(forms.values())), header_lines)
    return None if records is None else (records, per_file(batch.places[:header_lines]))


def _split(batch: LineBatch, forms: Mapping[int, Form], headers: list[int]) -> tuple[pa.Table, Counter[int], list[BadLine]]:
    """Split lines into fields, all of them text.

    Lines without a quote are split at the delimiter by Polars, the others one by one by Python's csv module.

    Returns:
        The records in their order; how many lines of each file are blank or a header; and the lines that are no record.
    """
    if plain := _plain(forms, batch):
        return *plain, []
    form = next(iter(forms.values()))
    width = len(form.names)
    lines = pl.DataFrame({"#place": batch.places, "#text": pl.Series(pl.from_arrow(batch.text))}).with_columns(
        pl.col("#text").str.strip_chars_end("\r\n").alias("line")
    )
    is_record = (pl.col("line").str.strip_chars() != "") & ~pl.col("#place").is_in(headers)
    # Unreadable lines stand there as blank ones.
    aside = per_file(lines.filter(~is_record)["#place"]) - per_file([line.place for line in batch.bad])
    delimiters = pl.col("line").str.count_matches(form.delimiter, literal=True).cast(pl.Int64)
    found = lines.filter(is_record).with_columns((delimiters + 1).alias("found"))
    quoted = pl.col("line").str.contains('"', literal=True)
    bare = found.filter(~quoted)
    wrong = bare.filter(pl.col("found") != width)
    rows_of = wrong.select("#place", "line", "found").iter_rows()
    bad = [_field_count(place, line, fields, width) for place, line, fields in rows_of]
    bare = bare.filter(pl.col("found") == width)
    rows: list[list[str]] = []
    places: list[tuple[int, str]] = []
    for place, text, line in found.filter(quoted).select("#place", "#text", "line").iter_rows():
        try:
            fields = next(csv.reader([line], delimiter=form.delimiter, strict=True))
        except csv.Error as error:
            bad.append(BadLine(place, "unbalanced_quote", line[:RAW_CHARACTERS], str(error)))
            continue
        if len(fields) == width:
            rows.append(fields)
            places.append((place, text))
        else:
            bad.append(_field_count(place, line, len(fields), width))
    parts = [_split_bare(bare["line"], form), pl.DataFrame(rows, schema=dict.fromkeys(form.names, pl.String), orient="row")]
    which = pl.DataFrame(places, schema={"#place": pl.Int64, "#text": pl.String}, orient="row")
    records = pl.concat(parts).with_columns(pl.all().str.strip_chars())
    records = records.hstack(pl.concat([bare.select("#place", "#text"), which]))
    return (records.sort("#place") if rows else records).to_arrow(compat_level=pl.CompatLevel.newest()), aside, bad


def _field_count(line: int, text: str, found: int, width: int) -> BadLine:
    return BadLine(line, "field_count", text[:RAW_CHARACTERS], f"{found} fields, the header has {width}")


def _split_bare(lines: pl.Series, form: Form) -> pl.DataFrame:
    """Split lines without quotes that are known to have the right number of fields."""
    if lines.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(form.names, pl.String))
    # Behind a line of its own, as a byte order mark at the very beginning would not be taken for text.
    first = "x" + form.delimiter * (len(form.names) - 1)
    records = parse_fields("\n".join([first, *lines.to_list()]).encode(), form)[1:]
    if records.height != len(lines):
        raise AssertionError(f"{len(lines)} CSV lines became {records.height} records")
    return records
