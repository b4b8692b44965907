"""Files that an earlier version stored: canonical tables may have got columns since, which these do not have yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from pipesim.schema import TRACE_TABLES, Column, Table

#: What is written when all files of a lake have the columns of these tables.
COLUMNS = {name: [f"{column.name} {column.type.sql}" for column in table.columns] for name, table in TRACE_TABLES.items()}


def outdated(lake: Path) -> Iterator[tuple[Path, Table]]:
    """Yield the Parquet files of canonical tables under `lake/` that lack a column of their table."""
    for name, table in TRACE_TABLES.items():
        files = [
            *(lake / "observed" / name).glob("*.parquet"),
            *(lake / "synthetic").glob(f"*/{name}.parquet"),
            *(lake / "simulated" / name).glob("*/*/*.parquet"),
        ]
        for file in sorted(files):
            if _missing(file, table):
                yield file, table


def write_upgraded(file: Path, table: Table, target: Path) -> None:
    """Write a file again with the columns that it lacks, which are NULL: what they tell was not asked then."""
    more = ", ".join(f'NULL::{column.type.sql} AS "{column.name}"' for column in _missing(file, table))
    with duckdb.connect() as con:
        con.execute(f"COPY (SELECT *, {more} FROM {_reading(file)}) TO {_quoted(target)} (FORMAT parquet, COMPRESSION zstd)")


def _missing(file: Path, table: Table) -> list[Column]:
    with duckdb.connect() as con:
        there = set(con.sql(f"SELECT * FROM {_reading(file)} LIMIT 0").columns)
    return [column for column in table.columns if column.name not in there]


def _reading(file: Path) -> str:
    return f"read_parquet({_quoted(file)}, hive_partitioning = false)"


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
