"""What an ingest leaves in the lake: its rows, its refusals, and earlier files without the rows that gave way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from pipesim.catalog import quote, quote_name
from pipesim.ingest.reading.places import STEP
from pipesim.lake import Lake
from pipesim.schema import QUARANTINE, TRACE_TABLES, Table
from pipesim.store import Transaction

_PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


@dataclass(frozen=True)
class Batch:
    """An ingest that is ready to be stored.

    Args:
        ingest_id: Its identifier.
        source: The log format's name.
        files: The names of its files, in the order of their numbers.
        superseded: How many rows of the lake each table replaces.
        reread: Earlier ingests' identifiers, each with the name of a file whose very bytes were read again now.
    """

    ingest_id: str
    source: str
    files: list[str]
    superseded: dict[str, int]
    reread: list[tuple[str, str]]


def store(tx: Transaction, lake: Lake, con: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Stage all files of an ingest for the transaction's commit.

    Args:
        tx: The transaction.
        lake: The store.
        con: The staging connection with `final_<table>`, `superseded_<table>` and `rejected`.
        batch: What is being stored.
    """
    con.register("files", pl.DataFrame({"source_file": batch.files}).with_row_index("file_no").to_arrow())
    ingest_id = quote(batch.ingest_id)
    single = len(batch.files) == 1
    one_name = f"{_word(batch.files[0])} AS " if single else ""
    for name, table in TRACE_TABLES.items():
        columns = ", ".join(quote_name(c.name) for c in table.columns)
        if _any(con, f"final_{name}"):
            order = _sorting(con, table) if single else f"JOIN files USING (file_no){_order(table)}"
            con.execute(
                f"COPY (SELECT {columns}, {_word(batch.source)} AS source, {one_name}source_file, "
                f"line AS source_line, {_word(batch.ingest_id)} AS ingest_id "
                f"FROM final_{name} {order}) "
                f"TO {quote(str(tx.stage(lake.observed_file(name, batch.ingest_id))))} {_PARQUET}"
            ).fetchall()
        if batch.superseded.get(name):
            _give_way(tx, lake, con, name, table.key)
    _replace_refusals(tx, lake, con, batch.reread)
    if _any(con, "rejected"):
        columns = ", ".join(c.name for c in QUARANTINE.columns)
        con.execute(
            f"COPY (SELECT {columns} FROM (SELECT DISTINCT ON (source_file, line, rule) {ingest_id} AS ingest_id, "
            f"source_file, line AS source_line, rule, stage, raw, detail FROM rejected JOIN files USING (file_no)) "
            f"ORDER BY source_file, source_line, rule) "
            f"TO {quote(str(tx.stage(lake.quarantine_file(batch.ingest_id))))} {_PARQUET}"
        ).fetchall()


def _word(text: str) -> str:
    """Return SQL for a text that all rows share, as a type that is not looked at row by row to be compressed."""
    return f"CAST({quote(text)} AS ENUM ({quote(text)}))"


def _sorting(con: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Return the clause that brings rows into the order of their places; none where they stand in it, as most do."""
    places = f"SELECT file_no::BIGINT * {STEP} + line AS place FROM final_{table.name}"
    stand = f"SELECT bool_and(place > before) FROM (SELECT place, lag(place) OVER () AS before FROM ({places}))"
    return "" if con.execute(stand).fetchall()[0][0] in (True, None) else _order(table)


def _order(table: Table) -> str:
    """Return the clause that orders rows by their places, and those of one line by their keys."""
    return f" ORDER BY file_no, line, {', '.join(map(quote_name, table.key))}"


def _any(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(con.execute(f"SELECT EXISTS (FROM {table})").fetchall()[0][0])


def _give_way(tx: Transaction, lake: Lake, con: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...]) -> None:
    """Write the earlier files that hold superseded rows again, without those."""
    keys = ", ".join(quote_name(k) for k in key)
    for file in sorted((lake.lake / "observed" / table).glob("*.parquet")):
        _rewrite(tx, con, file, f"ANTI JOIN superseded_{table} USING ({keys})")


def _replace_refusals(tx: Transaction, lake: Lake, con: duckdb.DuckDBPyConnection, reread: list[tuple[str, str]]) -> None:
    """Drop earlier refusals of what has just been read again: of the same bytes, or of the same line of a file that grew."""
    con.register(
        "reread", pl.DataFrame(reread, schema={"ingest_id": pl.String, "source_file": pl.String}, orient="row").to_arrow()
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE refused_again AS SELECT DISTINCT source_file, line AS source_line, rule, raw "
        "FROM rejected JOIN files USING (file_no)"
    )
    kept = "ANTI JOIN reread USING (ingest_id, source_file) ANTI JOIN refused_again USING (source_file, source_line, rule, raw)"
    for file in sorted((lake.lake / "quarantine").glob("*.parquet")):
        _rewrite(tx, con, file, kept)


def _rewrite(tx: Transaction, con: duckdb.DuckDBPyConnection, file: Path, kept: str) -> None:
    """Write a Parquet file again with the rows that are kept, if these are fewer; remove it if there are none."""
    source = f"read_parquet({quote(str(file))})"
    left = con.execute(f"SELECT count(*) FROM {source} {kept}").fetchall()[0][0]
    held = con.execute(f"SELECT count(*) FROM {source}").fetchall()[0][0]
    if left == 0:
        tx.remove(file)
    elif left < held:
        target = quote(str(tx.stage(file)))
        con.execute(f"COPY (SELECT * FROM {source} {kept} ORDER BY source_file, source_line) TO {target} {_PARQUET}").fetchall()
