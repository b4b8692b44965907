"""`warehouse.duckdb`: a catalogue of views over the lake's Parquet files, rebuilt aside and swapped in atomically.

Schemas: `observed`, `synthetic`, `simulated` (one view a canonical table), `traces` (the three of them under one roof, told
apart by `origin`, `trace` and `replication`), `quarantine`, `quality` (every model that was judged) and `analytics`. The
catalogue holds no rows; its views read a snapshot of the files, so a client that keeps it open goes on reading what it opened,
and one that opens it again sees the newest.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipesim.errors import WorkError
from pipesim.experiments_schema import EXPERIMENT_TABLES
from pipesim.lake import Lake, connect, current
from pipesim.quality_schema import JUDGED, QUALITY_TABLES
from pipesim.schema import QUARANTINE, TRACE_TABLES, Table, with_provenance
from pipesim.snapshots import CATALOGUE, Published, pin, snapshot
from pipesim.store import flush

#: The key under which an analytics table's Parquet file keeps its documentation: JSON, {"doc", "columns": {name: text}}.
DOCUMENTATION = "pipesim:documentation"
#: The columns that tell the traces apart wherever the three origins stand in one table.
IDENTITY = {"origin": "VARCHAR", "trace": "VARCHAR", "replication": "BIGINT"}


def publish(lake: Lake) -> Path:
    """Build the catalogue over a snapshot of the lake and swap it in; clients that hold the old one go on undisturbed.

    Returns:
        The path of the catalogue.

    Raises:
        WorkError: If it cannot be written, because the disk is full for example; the last one stands then.
    """
    with lake.lock("publish"):
        published = Published(lake)
        files = published.new_folder()
        try:
            pin(lake, files)
            _build(files)
            published.swap_in(files)
        except (duckdb.Error, OSError) as error:
            shutil.rmtree(files, ignore_errors=True)  # an interrupt leaves it to be pruned: it may be in use already
            raise WorkError(
                f"the catalogue could not be built anew: {error}",
                where=str(lake.warehouse),
                remedy="make room on the disk and run the command again; what it stored is kept, and the last catalogue stands",
            ) from error
        published.prune()
    return lake.warehouse


def _build(files: Path) -> None:
    """Write the catalogue of a snapshot into it."""
    con = connect()
    try:
        # The storage version is the oldest that all clients in use can read; 2.0's default is refused by 1.x.
        con.execute(f"ATTACH {quote(str(files / CATALOGUE))} AS warehouse (STORAGE_VERSION 'v1.0.0')")
        con.execute("USE warehouse")
        _fill(con, files, documented=True)
        con.execute("USE memory")
        con.execute("DETACH warehouse")
    finally:
        con.close()
    flush(files / CATALOGUE)


@contextmanager
def snapshot_views(
    lake: Lake, memory_limit: str | None = None, *, documented: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory connection with the catalogue's views over a snapshot, which commits meanwhile do not change.

    Args:
        lake: The store.
        memory_limit: What DuckDB may take, as it writes it; the rest is spilled.
        documented: Whether views and columns have their comments, which take longer to make than the views.
    """
    with snapshot(lake) as files, connect(memory_limit) as con:
        _fill(con, files, documented=documented)
        yield con


def _fill(con: duckdb.DuckDBPyConnection, files: Path, *, documented: bool) -> None:
    """Create the views in one transaction: a thousand statements by themselves take twice as long."""
    con.execute("BEGIN")
    tables = create_views(con, files)
    if documented:
        for name, table in tables.items():
            con.execute(f"COMMENT ON VIEW {name} IS {quote(table.doc)}")
            for column in table.columns:
                con.execute(f'COMMENT ON COLUMN {name}."{column.name}" IS {quote(column.doc)}')
        _document_analytics(con, files)
    con.execute("COMMIT")


def create_views(con: duckdb.DuckDBPyConnection, files: Path) -> dict[str, Table]:
    """Create all schemas and views in the connection's current database, over a folder laid out as `lake/`.

    Returns:
        The declaration of each view that has one.
    """
    for schema in ("observed", "synthetic", "simulated", "traces", "quarantine", "quality", "analytics"):
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    declared: dict[str, tuple[Table, str]] = {}
    for name, table in TRACE_TABLES.items():
        declared[f"observed.{name}"] = table, _observed(files, table)
        declared[f"synthetic.{name}"] = table, _synthetic(files, table)
        declared[f"simulated.{name}"] = table, _simulated(files, table)
        declared[f"traces.{name}"] = table, _all_origins(table)
    folder = files / "quarantine"
    source = f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"
    refused = source if any(folder.glob("*.parquet")) else QUARANTINE.empty_select()
    declared["quarantine.quarantine"] = QUARANTINE, refused
    for table in EXPERIMENT_TABLES.values():
        folder = files / "simulated" / table.name
        source = f"SELECT {_columns(table)} FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"
        declared[f"simulated.{table.name}"] = table, source if any(folder.glob("*.parquet")) else table.empty_select()
    for name, table in QUALITY_TABLES.items():
        declared[f"quality.{name}"] = table, _quality(files / "quality", table)
    views = {name: select for name, (_, select) in declared.items()}
    summaries = files / "simulated" / "summaries"
    if any(summaries.glob("*/*/*.parquet")):
        views["simulated.summaries"] = f"SELECT * FROM {_partitions(summaries)}"
    for file in sorted((files / "analytics").glob("*.parquet")):
        views[f'analytics."{file.stem}"'] = f"SELECT * FROM read_parquet({quote(str(file))})"
    for name, select in views.items():
        con.execute(f"CREATE OR REPLACE VIEW {name} AS {select}")
    return {name: table for name, (table, _) in declared.items()}


def quote(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return the name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _columns(table: Table) -> str:
    return ", ".join(f'"{c.name}"' for c in table.columns)


def _observed(files: Path, table: Table) -> str:
    full = with_provenance(table)
    folder = files / "observed" / table.name
    if not any(folder.glob("*.parquet")):
        return full.empty_select()
    return f"SELECT {_columns(full)} FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"


def _synthetic(files: Path, table: Table) -> str:
    folder = files / "synthetic"
    if not any(folder.glob(f"*/{table.name}.parquet")):
        return table.empty_select({"trace": "VARCHAR"})
    wanted = quote(f"{folder}/*/{table.name}.parquet")
    return (
        f"SELECT parse_path(filename)[-2] AS trace, {_columns(table)} "
        f"FROM read_parquet({wanted}, union_by_name = true, filename = true)"
    )


def _simulated(files: Path, table: Table) -> str:
    folder = files / "simulated" / table.name
    if not any(folder.glob("*/*/*.parquet")):
        return table.empty_select({"scenario": "VARCHAR", "replication": "BIGINT"})
    return f"SELECT scenario, replication, {_columns(table)} FROM {_partitions(folder)}"


def _quality(folder: Path, table: Table) -> str:
    if not any(folder.glob(f"*/{table.name}.parquet")):
        return table.empty_select(JUDGED)
    wanted = quote(f"{folder}/*/{table.name}.parquet")
    model = "parse_path(filename)[-2]"
    return (
        f"SELECT {model} AS model, {model} = {quote(current(folder) or '')} AS is_current, {_columns(table)} "
        f"FROM read_parquet({wanted}, union_by_name = true, filename = true)"
    )


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


def _document_analytics(con: duckdb.DuckDBPyConnection, files: Path) -> None:
    """Say of each analytics table what the SQL file that made it says, which stands in the metadata of the Parquet file."""
    for file in sorted((files / "analytics").glob("*.parquet")):
        found = con.execute(
            f"SELECT decode(value) FROM parquet_kv_metadata({quote(str(file))}) WHERE decode(key) = {quote(DOCUMENTATION)}"
        ).fetchall()
        for (text,) in found:
            said = json.loads(text)
            view = f'analytics."{file.stem}"'
            con.execute(f"COMMENT ON VIEW {view} IS {quote(said['doc'])}")
            for column, doc in said["columns"].items():
                con.execute(f'COMMENT ON COLUMN {view}."{column}" IS {quote(doc)}')
