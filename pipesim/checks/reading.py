"""What the checks of the observed trace read: its tables with their provenance, and the quarantine, as views of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from pipesim.catalog import quote
from pipesim.lake import Lake, connect
from pipesim.schema import QUARANTINE, TRACE_TABLES, Table, with_provenance
from pipesim.trace import Trace


@contextmanager
def observed_views(lake: Lake, *tables: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a connection with a view of each table that is named, `quarantine` among them, while nobody can commit."""
    with lake.reading(), connect() as con:
        for name in tables:
            table = QUARANTINE if name == QUARANTINE.name else with_provenance(TRACE_TABLES[name])
            con.execute(f"CREATE VIEW {name} AS {_select(lake, table)}")
        yield con


def observed_trace(lake: Lake, *tables: str) -> Trace:
    """Return some tables of the observed trace."""
    with observed_views(lake, *tables) as con:
        return Trace({name: con.sql(f"FROM {name}").pl() for name in tables})


def _select(lake: Lake, table: Table) -> str:
    folder = lake.lake / table.name if table.name == QUARANTINE.name else lake.lake / "observed" / table.name
    if not any(folder.glob("*.parquet")):
        return table.empty_select()
    return f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"
