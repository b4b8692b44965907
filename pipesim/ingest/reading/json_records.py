"""JSON lines: one object a line, of which the wanted fields are extracted as text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import duckdb
import pyarrow as pa

from pipesim.catalog import quote, quote_name
from pipesim.errors import FileError
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.lines import RAW_CHARACTERS, STREAM_BYTES, BadLine, LineBatch, read_files
from pipesim.ingest.reading.places import FILE_NO, per_file
from pipesim.ingest.reading.plain import PlainRows, PlainStream
from pipesim.ingest.reading.plain_json import numbered, plain_fields
from pipesim.ingest.reading.records import FIRST, LINE_END, Records, Unused, ahead, first_records, in_pieces

_BLANK = "trim(text, chr(13) || chr(10) || chr(9) || ' ') = ''"


def stream_json(
    con: duckdb.DuckDBPyConnection,
    files: Mapping[int, LogFile],
    wanted: Sequence[str],
    failed: dict[int, FileError] | None = None,
) -> tuple[PlainStream, Records] | None:
    """Return the plain lines that JSON files begin with as one batch of records, of any size; None if there are none.

    Its SELECT can be carried out only once. What the stream did not cover must be read by `read_json`.
    """
    fields: list[tuple[str, ...]] = []  # those of the first batch, once it has been seen

    def convert(batch: LineBatch) -> PlainRows | None:
        found = plain_fields(batch)
        if found is None or found != (fields or [found])[0]:
            return None
        fields[:] = [found]
        return pa.Table.from_batches([numbered(batch)]), Counter()

    lines = PlainStream(read_files(files, STREAM_BYTES, failed), convert)
    if lines.first is None:
        return None
    con.register("first_lines", lines.first)
    con.register("plain_lines", lines.stream())
    select = partial(_plain_json_select, "plain_lines", fields[0])
    head = partial(_json_select, first_records("first_lines"))
    return lines, Records(select, head, wanted, Counter(), unused=lambda: _unused_of(lines.lines, fields[0], wanted))


def read_json(con: duckdb.DuckDBPyConnection, lines: Iterator[LineBatch], wanted: Sequence[str]) -> Iterator[Records]:
    """Yield the records of JSON lines; a batch's relation is replaced by the next one."""
    for batch, plain in ahead((batch, plain_fields(batch)) for batch in lines):
        con.register("raw_lines", in_pieces(pa.Table.from_batches([numbered(batch)])))
        unread = [("read", line) for line in batch.bad]
        select = partial(_plain_json_select, "raw_lines", plain) if plain else partial(_json_select, "raw_lines")
        head = partial(_json_select, first_records("raw_lines"))
        counts = per_file(batch.places)
        # Until it is looked at, a plain batch is said to have the fields of its first line throughout.
        unused = (
            partial(_unused_of, counts, plain, wanted) if plain else partial(_unused_keys, con, "raw_lines", counts, wanted)
        )
        whole = Records(select, head, wanted, counts, bad=unread, unused=unused)
        yield replace(whole, sift=partial(_sift, con, whole))
        con.unregister("raw_lines")


def _sift(con: duckdb.DuckDBPyConnection, whole: Records) -> Records:
    """Tell the lines that are JSON from those that are broken or blank."""
    con.execute("CREATE OR REPLACE TEMP TABLE good_lines AS SELECT * FROM raw_lines WHERE json_valid(text)")
    broken = con.execute(
        f'SELECT "#place", left(rtrim(text, {LINE_END}), {RAW_CHARACTERS}) FROM raw_lines '
        f"WHERE NOT json_valid(text) AND NOT {_BLANK}"
    ).fetchall()
    bad = [*whole.bad, *(("parse", BadLine(place, "not_json", raw, "a line holds one JSON object")) for place, raw in broken)]
    blank = Counter(dict(con.execute(f"SELECT {FILE_NO}, count(*) FROM raw_lines WHERE {_BLANK} GROUP BY ALL").fetchall()))
    blank -= per_file([line.place for _, line in whole.bad])  # which stand there as blank lines
    unused = partial(_unused_keys, con, "good_lines", whole.lines, whole.fields)
    select, head = partial(_json_select, "good_lines"), partial(_json_select, first_records("good_lines"))
    return Records(select, head, whole.fields, whole.lines, blank, bad, unused)


def _unused_of(files: Mapping[int, int], present: Sequence[str] | None, wanted: Sequence[str]) -> Unused:
    return dict.fromkeys(files, frozenset(present or ()) - set(wanted))


def _unused_keys(con: duckdb.DuckDBPyConnection, source: str, files: Mapping[int, int], wanted: Sequence[str]) -> Unused:
    first = first_records(source)
    if len(files) > 1:
        first = f"(SELECT * FROM {source} QUALIFY row_number() OVER (PARTITION BY {FILE_NO}) <= {FIRST})"
    keys = con.sql(f"SELECT DISTINCT {FILE_NO}, unnest(json_keys(text)) FROM {first}").fetchall()
    found: dict[int, set[str]] = {}
    for number, key in keys:
        found.setdefault(number, set()).add(str(key))
    return {number: frozenset(names) - set(wanted) for number, names in found.items()}


def _json_select(source: str, fields: Sequence[str], numbers: frozenset[str] = frozenset()) -> str:
    if not fields:
        return f'SELECT "#place", text AS "#text" FROM {source}'
    shape = quote(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    return f'SELECT "#place", text AS "#text", unnest(json_transform(text, {shape})) FROM {source}'


def _plain_json_select(
    source: str, present: Sequence[str], fields: Sequence[str], numbers: frozenset[str] = frozenset()
) -> str:
    """Return a SELECT over lines that should all have the fields `present`; it fails where one of them lacks any."""
    shape = {name: "DOUBLE" if name in numbers else "VARCHAR" for name in present if name in fields}
    absent = "".join(f", NULL::VARCHAR AS {quote_name(name)}" for name in fields if name not in shape)
    if not shape:
        return f'SELECT "#place", text AS "#text"{absent} FROM {source}'
    values = f"unnest(json_transform_strict(text, {quote(json.dumps(shape))}))"
    return f'SELECT "#place", text AS "#text", {values}{absent} FROM {source}'
