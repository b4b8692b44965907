"""Rows as a mapping asks for them: one for each element of a list, with columns of other tables, with expressions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import duckdb
import polars as pl

from pipesim.catalog import quote_name
from pipesim.ingest.mapping.expressions import evaluate
from pipesim.ingest.reading.lines import RAW_CHARACTERS, BadLine
from pipesim.ingest.reading.records import Records, column_select
from pipesim.ingest.typing import MISSING


@dataclass(frozen=True)
class Beside:
    """A table beside a log that says more of its rows.

    Args:
        rows: Its rows, all text: the columns by which they are found, each row once, and those that the log's rows get.
        on: For each column of the log, the column that must equal it.
    """

    rows: pl.DataFrame
    on: Mapping[str, str]


@dataclass(frozen=True)
class Shape:
    """What is done with the rows of a file before they are projected.

    Args:
        each: The column that holds a list; there is a record for each of its elements.
        beside: Tables whose columns the rows get.
        expressions: Polars SQL for each further field, by its name.
        reads: The fields that this takes.
    """

    each: str | None = None
    beside: Sequence[Beside] = ()
    expressions: Mapping[str, str] = field(default_factory=dict)
    reads: frozenset[str] = frozenset()

    @property
    def fields(self) -> list[str]:
        """The fields that rows have beyond those of the file."""
        joined = [name for beside in self.beside for name in beside.rows.columns if name not in beside.on.values()]
        return [*joined, *self.expressions]


def shaped(con: duckdb.DuckDBPyConnection, batches: Iterator[Records], shape: Shape) -> Iterator[Records]:
    """Yield the records that come out of the batches' rows; a batch's relation is replaced by the next one.

    A row whose list is none, or that an expression cannot be worked out for, is one of the bad lines.

    Raises:
        RequestError: If an expression does not suit its fields whatever their values.
    """
    for batch in batches:
        whole = batch.sift() if batch.sift else batch
        frame, bad = _elements(con, whole, shape)
        for beside in shape.beside:
            left, right = list(beside.on), list(beside.on.values())
            frame = frame.join(beside.rows, left_on=left, right_on=right, how="left", maintain_order="left")
        frame, failed = _expressions(frame, shape.expressions)
        con.register("shaped_records", frame.to_arrow())
        names = [name for name in frame.columns if name not in ("#place", "#text")]
        select = partial(column_select, "shaped_records")
        refused = [*whole.bad, *(("parse", line) for line in (*bad, *failed))]
        yield Records(select, select, names, whole.lines, whole.blank_or_header, refused, whole.unused)
        con.unregister("shaped_records")


def _elements(con: duckdb.DuckDBPyConnection, rows: Records, shape: Shape) -> tuple[pl.DataFrame, list[BadLine]]:
    """Return the rows, one for each element of the list that is asked for, and those whose list is none."""
    select = rows.select(rows.fields)
    if shape.each is None:
        return con.sql(select).pl(), []
    listed = quote_name(shape.each)
    is_text = con.sql(f"SELECT {listed} FROM ({select}) LIMIT 0").types[0] == "VARCHAR"
    if not is_text:
        return con.sql(f"SELECT * REPLACE (unnest({_never_empty(listed)}) AS {listed}) FROM ({select})").pl(), []
    is_list = f"coalesce(CASE WHEN json_valid({listed}) THEN json_type({listed}) = 'ARRAY' END, {listed} IS NULL)"
    items = _never_empty(f"json_extract({listed}, '$[*]')")
    found = con.sql(f"SELECT * REPLACE (CAST(unnest({items}) AS VARCHAR) AS {listed}) FROM ({select}) WHERE {is_list}").pl()
    wrong = con.sql(f'SELECT "#place", "#text", {listed} FROM ({select}) WHERE NOT {is_list}').fetchall()
    detail = f"{shape.each}: "
    bad = [
        BadLine(n, "no_list", str(text).rstrip("\r\n")[:RAW_CHARACTERS], detail + str(said)[:200]) for n, text, said in wrong
    ]
    return found, bad


def _never_empty(items: str) -> str:
    """Return SQL for a list with one NULL instead of none, so that its row stays and is accounted for."""
    return f"CASE WHEN coalesce(len({items}), 0) = 0 THEN [NULL] ELSE {items} END"


def _expressions(frame: pl.DataFrame, wanted: Mapping[str, str]) -> tuple[pl.DataFrame, list[BadLine]]:
    if not wanted:
        return frame, []
    # What a log writes for what it does not know is no value to an expression either.
    said = frame.with_columns(
        pl.when(pl.col(name).is_in(list(MISSING))).then(None).otherwise(pl.col(name)).alias(name)
        for name, kind in frame.schema.items()
        if kind == pl.String and not name.startswith("#")
    )
    done, failed = evaluate(said.with_row_index("#index"), wanted)
    kept = frame[done["#index"]].hstack(done.select(list(wanted)))
    bad = [
        BadLine(
            int(frame["#place"][place]),
            "expression_failed",
            str(frame["#text"][place]).rstrip("\r\n")[:RAW_CHARACTERS],
            why[:200],
        )
        for place, why in failed
    ]
    return kept, bad


def _raw(text: object) -> str:
    return str(text).rstrip("\r\n")[:RAW_CHARACTERS]
