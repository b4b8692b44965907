"""`pipesim export`: everything that the catalogue shows, as real tables in one DuckDB file that needs nothing beside it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from pipesim import __version__
from pipesim.aside import aside
from pipesim.catalog import quote, snapshot_views
from pipesim.errors import RequestError, WorkError
from pipesim.lake import Lake
from pipesim.store import flush

#: What DuckDB may keep in memory; beyond it, it spills beside the new file.
MEMORY_LIMIT = "1GB"
#: The table by which a file shows that an export made it, and what the export put there.
_RECORD = "main.pipesim_export"


@dataclass(frozen=True)
class Exported:
    """What an export left: its file, the rows of each table by `schema.table`, its size in bytes, wall-clock seconds."""

    file: str
    tables: dict[str, int]
    bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of the command line."""
        return asdict(self)


def export(lake: Lake, file: Path, memory_limit: str = MEMORY_LIMIT) -> Exported:
    """Write the catalogue's tables into one DuckDB file, all as of one moment between two commits.

    The views under `traces` stay views, over the file's own tables. The file is written aside and swapped in when it is whole.

    Args:
        lake: The store.
        file: The DuckDB file, which storage version 1.0.0 lets any client from 1.0 on read. One that an earlier export made is
            replaced; clients that have it open go on with what they opened.
        memory_limit: What DuckDB may keep in memory.

    Raises:
        RequestError: If the file cannot lie there, or holds what no export put into it.
        WorkError: If it cannot be written, because the disk is full for example; what was there is as it was.
    """
    begun = time.perf_counter()
    target = file.resolve()
    _check_target(lake, target, file)
    with aside(target, file, "exporting") as folder:
        fresh = folder / "export.duckdb"
        try:
            with snapshot_views(lake, memory_limit, documented=True) as con:
                con.execute(f"SET temp_directory = {quote(str(folder / 'spill'))}")
                tables = _copy(con, fresh)
            flush(fresh)
            size = fresh.stat().st_size
            _check_target(lake, target, file)  # whoever wrote there meanwhile shall not lose it
            # A write-ahead log that a client left belongs to the file that goes now.
            target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
            fresh.replace(target)
        except (duckdb.Error, OSError) as error:
            raise WorkError(
                f"the export failed: {error}",
                where=str(file),
                remedy="make room on the disk, or name a file elsewhere; what was there is as it was",
            ) from error
    return Exported(str(file), tables, size, round(time.perf_counter() - begun, 3))


def _copy(con: duckdb.DuckDBPyConnection, fresh: Path) -> dict[str, int]:
    """Copy the views of the connection's database into a new file; return the rows of each table."""
    views = con.execute(
        "SELECT schema_name, view_name, comment, sql FROM duckdb_views() "
        "WHERE database_name = 'memory' AND NOT internal ORDER BY schema_name = 'traces', schema_name, view_name"
    ).fetchall()
    schemas = con.execute("SELECT schema_name FROM duckdb_schemas() WHERE database_name = 'memory' AND NOT internal").fetchall()
    columns = con.execute(
        "SELECT schema_name, table_name, column_name, comment FROM duckdb_columns() "
        "WHERE database_name = 'memory' AND comment IS NOT NULL AND NOT internal"
    ).fetchall()
    con.execute(f"ATTACH {quote(str(fresh))} AS export (STORAGE_VERSION 'v1.0.0')")
    con.execute("USE export")
    con.execute(
        f"CREATE TABLE {_RECORD} (pipesim VARCHAR, kind VARCHAR, schema_name VARCHAR, table_name VARCHAR, row_count BIGINT)"
    )
    con.execute(f"COMMENT ON TABLE {_RECORD} IS 'What `pipesim export` wrote into this file, and its version.'")
    for (schema,) in schemas:
        con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    rows = {}
    for schema, name, comment, sql in views:
        count = None
        if schema == "traces":
            con.execute(sql)
        else:
            created = con.execute(f'CREATE TABLE {schema}."{name}" AS FROM memory.{schema}."{name}"')
            count = rows[f"{schema}.{name}"] = int(created.fetchall()[0][0])
        kind = "TABLE" if count is not None else "VIEW"
        con.execute(f"INSERT INTO {_RECORD} VALUES (?, ?, ?, ?, ?)", [__version__, kind, schema, name, count])
        if comment:
            con.execute(f'COMMENT ON {kind} {schema}."{name}" IS {quote(comment)}')
    for schema, name, column, comment in columns:
        con.execute(f'COMMENT ON COLUMN {schema}."{name}"."{column}" IS {quote(comment)}')
    con.execute("USE memory")
    con.execute("DETACH export")
    return rows


def _check_target(lake: Lake, target: Path, shown: Path) -> None:
    """Refuse a path where an export would lose something or cannot stand."""
    elsewhere = "name a file that does not exist yet, or one that `pipesim export` made"
    if target == lake.warehouse.resolve():
        raise RequestError("this is the home folder's own catalogue", where=str(shown), remedy=elsewhere)
    if target.is_dir():
        raise RequestError("this is a folder", where=str(shown), remedy="name a file in it, for example export.duckdb")
    if not target.exists():
        return
    try:
        with duckdb.connect(str(target), read_only=True) as con:
            found = con.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() UNION ALL "
                "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ).fetchall()
            written = con.execute(f"SELECT schema_name, table_name FROM {_RECORD}").fetchall()
    except duckdb.CatalogException as error:
        raise RequestError("this DuckDB file was not made by `pipesim export`", where=str(shown), remedy=elsewhere) from error
    except duckdb.Error as error:
        raise RequestError(f"this file cannot be replaced: {error}", where=str(shown), remedy=elsewhere) from error
    foreign = sorted(set(found) - set(written) - {("main", "pipesim_export")})
    if foreign:
        names = ", ".join(".".join(name) for name in foreign)
        raise RequestError(f"it holds tables that no export put there: {names}", where=str(shown), remedy=elsewhere)
