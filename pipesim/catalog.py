"""`warehouse.duckdb`: a catalogue of views over the lake's Parquet files, rebuilt aside and swapped in atomically.

Schemas: `observed`, `synthetic`, `simulated` (one view a canonical table), `traces` (the three of them under one roof, told
apart by `origin`, `trace` and `replication`), `quarantine` and `analytics`. The catalogue holds no rows, so a client that
keeps it open sees new rows as they land, except in a table that had none when it was opened.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipesim.lake import Lake, connect, flush
from pipesim.schema import QUARANTINE, TRACE_TABLES, Table, with_provenance

#: The columns that tell the traces apart wherever the three origins stand in one table.
IDENTITY = {"origin": "VARCHAR", "trace": "VARCHAR", "replication": "BIGINT"}


def publish(lake: Lake) -> Path:
    """Build the catalogue beside the old one and swap it in; clients that hold the old one go on undisturbed.

    Returns:
        The path of the catalogue.
    """
    with lake.transaction() as tx, lake.lock():
        fresh = tx.scratch / "catalogue.duckdb"
        con = connect()
        try:
            # The storage version is the oldest that all clients in use can read; 2.0's default is refused by 1.x.
            con.execute(f"ATTACH {quote(str(fresh))} AS warehouse (STORAGE_VERSION 'v1.0.0')")
            con.execute("USE warehouse")
            create_views(con, lake)
            con.execute("USE memory")
            con.execute("DETACH warehouse")
        finally:
            con.close()
        flush(fresh)
        fresh.replace(lake.warehouse)
        # A write-ahead log that another client left belongs to the file that is gone now.
        Path(f"{lake.warehouse}.wal").unlink(missing_ok=True)
    return lake.warehouse


def open_views(lake: Lake, memory_limit: str | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory connection with the catalogue's views, for a step that must not hold the catalogue's lock."""
    con = connect(memory_limit)
    create_views(con, lake)
    return con


def create_views(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Create all schemas and views in the connection's current database."""
    for schema in ("observed", "synthetic", "simulated", "traces", "quarantine", "analytics"):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    for name, table in TRACE_TABLES.items():
        _create(con, f"observed.{name}", _observed(lake, table), table)
        _create(con, f"synthetic.{name}", _synthetic(lake, table), table)
        _create(con, f"simulated.{name}", _simulated(lake, table), table)
        _create(con, f"traces.{name}", _all_origins(table), table)
    summaries = lake.lake / "simulated" / "summaries"
    if any(summaries.glob("*/*/*.parquet")):
        _create(con, "simulated.summaries", f"SELECT * FROM {_partitions(summaries)}", None)
    folder = lake.lake / "quarantine"
    source = f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"
    _create(con, "quarantine.quarantine", source if any(folder.glob("*.parquet")) else QUARANTINE.empty_select(), QUARANTINE)
    for file in sorted((lake.lake / "analytics").glob("*.parquet")):
        _create(con, f'analytics."{file.stem}"', f"SELECT * FROM read_parquet({quote(str(file))})", None)


def quote(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _columns(table: Table) -> str:
    return ", ".join(f'"{c.name}"' for c in table.columns)


def _observed(lake: Lake, table: Table) -> str:
    full = with_provenance(table)
    folder = lake.lake / "observed" / table.name
    if not any(folder.glob("*.parquet")):
        return full.empty_select()
    return f"SELECT {_columns(full)} FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"


def _synthetic(lake: Lake, table: Table) -> str:
    folder = lake.lake / "synthetic"
    if not any(folder.glob(f"*/{table.name}.parquet")):
        return table.empty_select({"trace": "VARCHAR"})
    files = quote(f"{folder}/*/{table.name}.parquet")
    return (
        f"SELECT parse_path(filename)[-2] AS trace, {_columns(table)} "
        f"FROM read_parquet({files}, union_by_name = true, filename = true)"
    )


def _simulated(lake: Lake, table: Table) -> str:
    folder = lake.lake / "simulated" / table.name
    if not any(folder.glob("*/*/*.parquet")):
        return table.empty_select({"scenario": "VARCHAR", "replication": "BIGINT"})
    return f"SELECT scenario, replication, {_columns(table)} FROM {_partitions(folder)}"


def _partitions(folder: Path) -> str:
    return (
        f"read_parquet({quote(f'{folder}/*/*/*.parquet')}, union_by_name = true, hive_partitioning = true, "
        "hive_types = {'scenario': VARCHAR, 'replication': BIGINT})"
    )


def _all_origins(table: Table) -> str:
    columns = _columns(table)
    return (
        f"SELECT 'observed' AS origin, 'observed' AS trace, 0::BIGINT AS replication, {columns} FROM observed.{table.name} "
        f"UNION ALL SELECT 'synthetic', trace, 0, {columns} FROM synthetic.{table.name} "
        f"UNION ALL SELECT 'simulated', scenario, replication, {columns} FROM simulated.{table.name}"
    )


def _create(con: duckdb.DuckDBPyConnection, name: str, select: str, table: Table | None) -> None:
    con.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
    if table is not None:
        con.execute(f"COMMENT ON VIEW {name} IS {quote(table.doc)}")
        for column in table.columns:
            con.execute(f'COMMENT ON COLUMN {name}."{column.name}" IS {quote(column.doc)}')
