"""What an ingest leaves in the lake: its rows, its refusals, and earlier files without the rows that gave way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import polars as pl

from pipesim.catalog import quote
from pipesim.ingest.sources.base import quote_name
from pipesim.lake import Lake, Transaction
from pipesim.schema import QUARANTINE, TRACE_TABLES

if TYPE_CHECKING:
    from pipesim.ingest.load import FileAccount

_PARQUET = "(FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"


def store(
    tx: Transaction,
    lake: Lake,
    con: duckdb.DuckDBPyConnection,
    accounts: list[FileAccount],
    source: str,
    ingest_id: str,
    superseded: dict[str, int],
    folded: frozenset[str],
) -> None:
    """Stage all files of an ingest for the transaction's commit.

    Args:
        tx: The transaction.
        lake: The store.
        con: The staging connection with `final_<table>`, `superseded_<table>` and `rejected`.
        accounts: The files, in the order of their numbers.
        source: The log format's name.
        ingest_id: The ingest's identifier.
        superseded: How many rows of the lake each table replaces.
        folded: The tables whose rows are no longer in the order of the lines.
    """
    con.register("files", pl.DataFrame({"source_file": [a.file for a in accounts]}).with_row_index("file_no").to_arrow())
    for name, table in TRACE_TABLES.items():
        columns = ", ".join(quote_name(c.name) for c in table.columns)
        # What was not folded stands in the order of the lines already.
        order = " ORDER BY file_no, line" if name in folded else ""
        if _any(con, f"final_{name}"):
            con.execute(
                f"COPY (SELECT {columns}, {quote(source)} AS source, source_file, line AS source_line, "
                f"{quote(ingest_id)} AS ingest_id "
                f"FROM final_{name} JOIN files USING (file_no){order}) "
                f"TO {quote(str(tx.stage(lake.observed_file(name, ingest_id))))} {_PARQUET}"
            ).fetchall()
        if superseded.get(name):
            _give_way(tx, lake, con, name, table.key)
    _replace_refusals(tx, lake, con)
    if _any(con, "rejected"):
        columns = ", ".join(c.name for c in QUARANTINE.columns)
        con.execute(
            f"COPY (SELECT {columns} FROM (SELECT DISTINCT ON (source_file, line, rule) {quote(ingest_id)} AS ingest_id, "
            f"source_file, line AS source_line, rule, stage, raw, detail FROM rejected JOIN files USING (file_no)) "
            f"ORDER BY source_file, source_line, rule) "
            f"TO {quote(str(tx.stage(lake.quarantine_file(ingest_id))))} {_PARQUET}"
        ).fetchall()


def _any(con: duckdb.DuckDBPyConnection, table: str) -> bool:
    return bool(con.execute(f"SELECT EXISTS (FROM {table})").fetchall()[0][0])


def _give_way(tx: Transaction, lake: Lake, con: duckdb.DuckDBPyConnection, table: str, key: tuple[str, ...]) -> None:
    """Write the earlier files that hold superseded rows again, without those."""
    keys = ", ".join(quote_name(k) for k in key)
    for file in sorted((lake.lake / "observed" / table).glob("*.parquet")):
        source = f"read_parquet({quote(str(file))})"
        kept, held = con.execute(
            f"SELECT count(*) FILTER (s.gone IS NULL), count(*) FROM {source} r "
            f"LEFT JOIN (SELECT *, true AS gone FROM superseded_{table}) s USING ({keys})"
        ).fetchall()[0]
        if kept == 0:
            tx.remove(file)
        elif kept < held:
            con.execute(
                f"COPY (SELECT * FROM {source} ANTI JOIN superseded_{table} USING ({keys})) "
                f"TO {quote(str(tx.stage(file)))} {_PARQUET}"
            ).fetchall()


def _replace_refusals(tx: Transaction, lake: Lake, con: duckdb.DuckDBPyConnection) -> None:
    """Drop what earlier ingests refused of the same files: they have just been read again."""
    for file in sorted((lake.lake / "quarantine").glob("*.parquet")):
        source = f"read_parquet({quote(str(file))})"
        kept, held = con.execute(
            f"SELECT count(*) FILTER (source_file NOT IN (SELECT source_file FROM files)), count(*) FROM {source}"
        ).fetchall()[0]
        if kept == 0:
            tx.remove(file)
        elif kept < held:
            con.execute(
                f"COPY (SELECT * FROM {source} WHERE source_file NOT IN (SELECT source_file FROM files)) "
                f"TO {quote(str(tx.stage(file)))} {_PARQUET}"
            ).fetchall()
