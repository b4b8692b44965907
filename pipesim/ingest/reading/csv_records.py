"""CSV files: a header, and lines that are split into as many fields of text."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import duckdb
import polars as pl

from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import RAW_CHARACTERS, BadLine, LineBatch, read_files, read_lines
from pipesim.ingest.reading.places import first_place, per_file
from pipesim.ingest.reading.records import Form, Records, ahead, column_select, first_records

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
    folded = [name.lower() for name in names]  # SQL does not tell upper case from lower
    repeated = sorted({name for name in names if folded.count(name.lower()) > 1})
    if repeated or not all(names):
        what = f"the column {', '.join(repeated)} twice" if repeated else "a column without a name"
        raise FileError(f"the header has {what}", where=f"{file.name}:{line}", remedy="give every column its own name")
    return Form("csv", tuple(names), delimiter=delimiter, header_line=line)


def read_csv(
    con: duckdb.DuckDBPyConnection,
    files: Mapping[int, LogFile],
    forms: Mapping[int, Form],
    failed: dict[int, FileError] | None,
) -> Iterator[Records]:
    """Yield the records of files that are written alike, but for the lines that their headers stand on."""
    form = forms[next(iter(files))]
    headers = [first_place(number) + forms[number].header_line - 1 for number in files if forms[number].header_line]
    for batch in ahead(read_files(files, failed=failed)):
        frame = pl.DataFrame({"text": pl.Series(pl.from_arrow(batch.text)).str.strip_chars_end("\r\n"), "place": batch.places})
        is_record = (pl.col("text").str.strip_chars() != "") & ~pl.col("place").is_in(headers)
        content = frame.filter(is_record)
        records, bad = _parse(content, form)
        bad += [("read", line) for line in batch.bad]
        con.register("csv_records", records.to_arrow())
        select, head = partial(column_select, "csv_records"), partial(column_select, first_records("csv_records"))
        yield Records(select, head, form.names, per_file(batch.places), _aside(frame.filter(~is_record), batch), bad)
        con.unregister("csv_records")


def _aside(others: pl.DataFrame, batch: LineBatch) -> Counter[int]:
    """Return how many lines of each file are blank or a header; unreadable ones stand there as blank and are not."""
    return per_file(others["place"]) - per_file([line.place for line in batch.bad])


def _parse(content: pl.DataFrame, form: Form) -> tuple[pl.DataFrame, list[tuple[str, BadLine]]]:
    """Split lines into fields, all of them text; returns the records in their order, and the lines that are none.

    Lines without a quote are split at the delimiter by Polars, the others one by one by Python's csv module.
    """
    width = len(form.names)
    found = content.select("place", "text").with_columns(
        pl.col("text").str.count_matches(form.delimiter, literal=True).cast(pl.Int64).alias("found") + 1
    )
    quoted = pl.col("text").str.contains('"', literal=True)
    bare = found.filter(~quoted)
    bad = [_field_count(line, text, n, width) for line, text, n in bare.filter(pl.col("found") != width).iter_rows()]
    bare = bare.filter(pl.col("found") == width)
    rows: list[list[str]] = []
    lines: list[tuple[int, str]] = []
    for line, text, _ in found.filter(quoted).iter_rows():
        try:
            fields = next(csv.reader([text], delimiter=form.delimiter, strict=True))
        except csv.Error as error:
            bad.append(BadLine(line, "unbalanced_quote", text[:RAW_CHARACTERS], str(error)))
            continue
        if len(fields) == width:
            rows.append(fields)
            lines.append((line, text))
        else:
            bad.append(_field_count(line, text, len(fields), width))
    parts = [_split(bare, form), pl.DataFrame(rows, schema=dict.fromkeys(form.names, pl.String), orient="row")]
    places = [bare.select("place", "text"), pl.DataFrame(lines, schema={"place": pl.Int64, "text": pl.String}, orient="row")]
    records = pl.concat(parts).with_columns(pl.all().str.strip_chars())
    numbered = records.with_columns(
        pl.concat([p["place"] for p in places]).alias("#place"), pl.concat([p["text"] for p in places]).alias("#text")
    )
    return (numbered.sort("#place") if rows else numbered), [("parse", b) for b in bad]


def _field_count(line: int, text: str, found: int, width: int) -> BadLine:
    return BadLine(line, "field_count", text[:RAW_CHARACTERS], f"{found} fields, the header has {width}")


def _split(bare: pl.DataFrame, form: Form) -> pl.DataFrame:
    """Split lines without quotes that are known to have the right number of fields."""
    if bare.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(form.names, pl.String))
    parsed = pl.read_csv(
        "\n".join(bare["text"].to_list()).encode(),
        has_header=False,
        new_columns=list(form.names),
        separator=form.delimiter,
        quote_char=None,
        infer_schema=False,
    )
    if parsed.height != bare.height:
        raise AssertionError(f"{bare.height} CSV lines became {parsed.height} records")
    return parsed
