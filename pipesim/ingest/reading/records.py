"""From lines to records: JSON objects and CSV rows become an Arrow or DuckDB table of named text fields, a row a line.

Each reader gives `Records`: the table to read fields from, and the lines that hold no record, with the reason. Lines that
are blank or a header are counted, not hidden.
"""

from __future__ import annotations

import csv
import glob
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol, TypeVar

import duckdb
import polars as pl
import pyarrow as pa

from pipesim.catalog import quote, quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import RAW_CHARACTERS, STREAM_BYTES, BadLine, LineBatch, read_lines
from pipesim.ingest.reading.plain import PlainLines, numbered, plain_fields
from pipesim.ingest.sources.base import Layout
from pipesim.ingest.statements import LINE_END

Batch = TypeVar("Batch")

#: The layout of a file that says itself how it is written.
AS_WRITTEN = Layout()
_DELIMITERS = ",;\t|"
#: How many lines of a batch are looked at to learn what is in it.
_SAMPLE = 1000
_SCAN_PIECES = 8


class Select(Protocol):
    """See `Records`."""

    def __call__(self, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
        """Return the SELECT."""


@dataclass(frozen=True)
class Records:
    """A batch of records.

    Args:
        select: Given names of fields, and which of them hold numbers, returns a SELECT of `"#line"` (BIGINT), `"#text"` (the
            record as it stands in the file) and those fields under their own names; a field that holds anything else than what
            it is said to makes the SELECT fail, or is given as text.
        head: The same, for the first records only.
        fields: The fields' names as they stand in the file.
        lines: How many physical lines the batch covers.
        blank_or_header: How many of them hold no record by intention.
        bad: The lines that should hold a record and do not, each with the stage at which it failed.
        unused: Returns the names of fields in the first records of the batch that were not asked for.
        sift: Where lines have not been looked at yet, looks at them, and returns the batch without those that hold no record.
    """

    select: Select
    head: Select
    fields: Sequence[str]
    lines: int
    blank_or_header: int = 0
    bad: list[tuple[str, BadLine]] = field(default_factory=list)
    unused: Callable[[], frozenset[str]] = frozenset
    sift: Callable[[], Records] | None = None


def stream_records(
    con: duckdb.DuckDBPyConnection, file: LogFile, wanted: Sequence[str] | None
) -> tuple[PlainLines, Records] | None:
    """Return the plain lines at the beginning of a JSON file as one batch of records, of any size; None if there are none.

    Its SELECT can be carried out only once. What the stream did not cover must be read by `read_records`.
    """
    lines = PlainLines(read_lines(file, STREAM_BYTES)) if file.format == "json" else None
    if lines is None or lines.first is None or lines.fields is None:
        return None
    con.register("first_lines", pa.Table.from_batches([numbered(lines.first)]))
    con.register("plain_lines", lines.stream())
    select = partial(_plain_json_select, "plain_lines", lines.fields)
    head = partial(_json_select, _head("first_lines"))
    return lines, Records(select, head, wanted or [], 0, unused=partial(frozenset(lines.fields).difference, wanted or []))


def read_records(
    con: duckdb.DuckDBPyConnection,
    file: LogFile,
    wanted: Sequence[str] | None,
    rest: Iterator[LineBatch] | None = None,
    layout: Layout = AS_WRITTEN,
    rows: int | None = None,
) -> Iterator[Records]:
    """Yield a file's records batch by batch; a batch's relation is replaced by the next one.

    Args:
        con: The connection in which the relations are made.
        file: The file.
        wanted: For JSON, the fields to extract; the header decides for the other formats.
        rest: For JSON, the lines that are left, if not all are.
        layout: For CSV, what the file does not say of itself.
        rows: For Parquet, how many rows a batch has at most; by default all of the file.
    """
    if file.format == "json":
        yield from _read_json(con, read_lines(file) if rest is None else rest, wanted or [])
    elif file.format == "csv":
        yield from _read_csv(con, file, layout)
    else:
        yield from _read_parquet(con, file, rows)


def field_names(
    con: duckdb.DuckDBPyConnection, file: LogFile, wanted: Sequence[str] | None, layout: Layout = AS_WRITTEN
) -> list[str]:
    """Return the fields that a file's records have; for JSON these are the wanted ones, since each line may differ."""
    if file.format == "json":
        return list(wanted or [])
    if file.format == "csv":
        return _Header.read(file, layout).names
    try:
        described = con.sql(
            f"DESCRIBE SELECT * FROM read_parquet({quote(glob.escape(str(file.path)))}, hive_partitioning = false)"
        ).fetchall()
    except duckdb.Error as error:
        raise FileError(f"the Parquet file is damaged ({error})", where=file.name, remedy="write it again") from error
    return [str(row[0]) for row in described]


def _read_json(con: duckdb.DuckDBPyConnection, lines: Iterator[LineBatch], wanted: Sequence[str]) -> Iterator[Records]:
    for batch, plain in _ahead((batch, plain_fields(batch)) for batch in lines):
        con.register("raw_lines", _in_pieces(batch))
        unread = [("read", line) for line in batch.bad]
        select = partial(_plain_json_select, "raw_lines", plain) if plain else partial(_json_select, "raw_lines")
        whole = Records(select, partial(_json_select, _head("raw_lines")), wanted, len(batch), bad=unread)
        yield replace(whole, unused=partial(_unused_keys, con, "raw_lines", wanted), sift=partial(_sift_json, con, whole))
        con.unregister("raw_lines")


def _sift_json(con: duckdb.DuckDBPyConnection, whole: Records) -> Records:
    """Tell the lines that are JSON from those that are broken or blank."""
    con.execute("CREATE OR REPLACE TEMP TABLE good_lines AS SELECT * FROM raw_lines WHERE json_valid(text)")
    broken = con.execute(
        f"SELECT line, left(rtrim(text, {LINE_END}), {RAW_CHARACTERS}) FROM raw_lines "
        "WHERE NOT json_valid(text) AND trim(text, chr(13) || chr(10) || chr(9) || ' ') <> ''"
    ).fetchall()
    bad = [*whole.bad, *(("parse", BadLine(line, "not_json", raw, "a line holds one JSON object")) for line, raw in broken)]
    blank = whole.lines - len(bad) - _count(con, "SELECT count(*) FROM good_lines")
    unused = partial(_unused_keys, con, "good_lines", whole.fields)
    select, head = partial(_json_select, "good_lines"), partial(_json_select, _head("good_lines"))
    return Records(select, head, whole.fields, whole.lines, blank, bad, unused)


def _head(source: str) -> str:
    return f"(SELECT * FROM {source} LIMIT {_SAMPLE})"


def _unused_keys(con: duckdb.DuckDBPyConnection, source: str, wanted: Sequence[str]) -> frozenset[str]:
    keys = con.sql(f"SELECT DISTINCT unnest(json_keys(text)) FROM (SELECT text FROM {source} LIMIT {_SAMPLE})").fetchall()
    return frozenset(str(key) for (key,) in keys) - set(wanted)


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Read one batch ahead in a thread: reading, decompressing and the database all run outside Python's lock."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _json_select(source: str, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
    if not fields:
        return f'SELECT line AS "#line", text AS "#text" FROM {source}'
    shape = quote(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    return f'SELECT line AS "#line", text AS "#text", unnest(json_transform(text, {shape})) FROM {source}'


def _plain_json_select(
    source: str, present: Sequence[str], fields: Sequence[str], numbers: frozenset[str] = frozenset()
) -> str:
    """Return a SELECT over lines that should all have the fields `present`; it fails where one of them lacks any."""
    shape = {name: "DOUBLE" if name in numbers else "VARCHAR" for name in present if name in fields}
    absent = "".join(f", NULL::VARCHAR AS {quote_name(name)}" for name in fields if name not in shape)
    if not shape:
        return f'SELECT line AS "#line", text AS "#text"{absent} FROM {source}'
    values = f"unnest(json_transform_strict(text, {quote(json.dumps(shape))}))"
    return f'SELECT line AS "#line", text AS "#text", {values}{absent} FROM {source}'


def _in_pieces(batch: LineBatch) -> pa.Table:
    """Return the lines with their numbers, in as many pieces as let several threads scan them."""
    whole = pa.Table.from_batches([numbered(batch)])
    step = max(1, -(-len(whole) // _SCAN_PIECES))
    return pa.concat_tables([whole.slice(start, step) for start in range(0, len(whole), step)])


@dataclass(frozen=True)
class _Header:
    names: list[str]
    delimiter: str
    line: int

    @classmethod
    def read(cls, file: LogFile, layout: Layout) -> _Header:
        """Find the header: the first line that is not blank, unless the columns are known and no line names them."""
        for batch in read_lines(file, batch_bytes=1 << 16):
            if batch.bad:
                first = batch.bad[0]
                raise FileError(
                    f"the file's beginning cannot be read ({first.rule}: {first.detail})",
                    where=f"{file.name}:{first.line}",
                    remedy="convert the file to UTF-8",
                )
            for offset, text in enumerate(batch.text.to_pylist()):
                if text.strip():
                    return cls._parse(file, text.rstrip("\r\n"), batch.first + offset, layout)
        raise FileError("the file has no header", where=file.name, remedy="its first line must name the columns")

    @classmethod
    def _parse(cls, file: LogFile, text: str, line: int, layout: Layout) -> _Header:
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
            return cls(list(layout.header), delimiter, 0)
        folded = [name.lower() for name in names]  # SQL does not tell upper case from lower
        repeated = sorted({name for name in names if folded.count(name.lower()) > 1})
        if repeated or not all(names):
            what = f"the column {', '.join(repeated)} twice" if repeated else "a column without a name"
            raise FileError(f"the header has {what}", where=f"{file.name}:{line}", remedy="give every column its own name")
        return cls(names, delimiter, line)


def _read_csv(con: duckdb.DuckDBPyConnection, file: LogFile, layout: Layout) -> Iterator[Records]:
    header = _Header.read(file, layout)
    for batch in _ahead(read_lines(file)):
        frame = pl.DataFrame({"text": pl.Series(pl.from_arrow(batch.text)).str.strip_chars_end("\r\n")})
        frame = frame.with_row_index("line", batch.first).with_columns(pl.col("line").cast(pl.Int64))
        content = frame.filter(pl.col("text").str.strip_chars() != "", pl.col("line") != header.line)
        blank = len(batch) - content.height - len(batch.bad)
        records, bad = _parse_csv(content, header)
        bad += [("read", line) for line in batch.bad]
        con.register("csv_records", records.to_arrow())
        select, head = partial(column_select, "csv_records"), partial(column_select, _head("csv_records"))
        yield Records(select, head, header.names, len(batch), blank, bad)
        con.unregister("csv_records")


def column_select(source: str, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
    """Return the SELECT of `Records` over a relation that has a column for each field."""
    names = "".join(f", {quote_name(name)}" for name in fields)
    return f'SELECT "#line", "#text"{names} FROM {source}'


def _parse_csv(content: pl.DataFrame, header: _Header) -> tuple[pl.DataFrame, list[tuple[str, BadLine]]]:
    """Split lines into fields, all of them text; returns the records in the order of their lines, and the lines that are none.

    Lines without a quote are split at the delimiter by Polars, the others one by one by Python's csv module.
    """
    width = len(header.names)
    found = content.with_columns(
        pl.col("text").str.count_matches(header.delimiter, literal=True).cast(pl.Int64).alias("found") + 1
    )
    quoted = pl.col("text").str.contains('"', literal=True)
    bare = found.filter(~quoted)
    bad = [_field_count(line, text, n, width) for line, text, n in bare.filter(pl.col("found") != width).iter_rows()]
    bare = bare.filter(pl.col("found") == width)
    rows: list[list[str]] = []
    lines: list[tuple[int, str]] = []
    for line, text, _ in found.filter(quoted).iter_rows():
        try:
            fields = next(csv.reader([text], delimiter=header.delimiter, strict=True))
        except csv.Error as error:
            bad.append(BadLine(line, "unbalanced_quote", text[:RAW_CHARACTERS], str(error)))
            continue
        if len(fields) == width:
            rows.append(fields)
            lines.append((line, text))
        else:
            bad.append(_field_count(line, text, len(fields), width))
    parts = [_split(bare, header), pl.DataFrame(rows, schema=dict.fromkeys(header.names, pl.String), orient="row")]
    places = [bare.select("line", "text"), pl.DataFrame(lines, schema={"line": pl.Int64, "text": pl.String}, orient="row")]
    records = pl.concat(parts).with_columns(pl.all().str.strip_chars())
    numbered = records.with_columns(
        pl.concat([p["line"] for p in places]).alias("#line"), pl.concat([p["text"] for p in places]).alias("#text")
    )
    return (numbered.sort("#line") if rows else numbered), [("parse", b) for b in bad]


def _field_count(line: int, text: str, found: int, width: int) -> BadLine:
    return BadLine(line, "field_count", text[:RAW_CHARACTERS], f"{found} fields, the header has {width}")


def _split(bare: pl.DataFrame, header: _Header) -> pl.DataFrame:
    """Split lines without quotes that are known to have the right number of fields."""
    if bare.is_empty():
        return pl.DataFrame(schema=dict.fromkeys(header.names, pl.String))
    parsed = pl.read_csv(
        "\n".join(bare["text"].to_list()).encode(),
        has_header=False,
        new_columns=header.names,
        separator=header.delimiter,
        quote_char=None,
        infer_schema=False,
    )
    if parsed.height != bare.height:
        raise AssertionError(f"{bare.height} CSV lines became {parsed.height} records")
    return parsed


def _read_parquet(con: duckdb.DuckDBPyConnection, file: LogFile, rows: int | None) -> Iterator[Records]:
    source = f"read_parquet({quote(glob.escape(str(file.path)))}, file_row_number = true, hive_partitioning = false)"
    names = field_names(con, file, None)
    lines = _count(con, f"SELECT count(*) FROM {source}")
    fields = ", ".join(quote_name(name) for name in names)
    struct = ", ".join(f"{name} := {name}" for name in map(quote_name, names))
    con.execute(
        f'CREATE OR REPLACE TEMP VIEW parquet_records AS SELECT file_row_number + 1 AS "#line", '
        f'CAST(to_json(struct_pack({struct})) AS VARCHAR) AS "#text", {fields} FROM {source}'
    )
    step = rows or max(lines, 1)
    for first in range(1, lines + 1, step):
        last = min(first + step - 1, lines)
        part = f'(SELECT * FROM parquet_records WHERE "#line" BETWEEN {first} AND {last})' if rows else "parquet_records"
        select, head = partial(column_select, part), partial(column_select, _head(part))
        yield Records(select, head, names, last - first + 1, 0)


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(con.execute(query).fetchall()[0][0])
