"""What an analytics table is computed from, read off its SQL: assets, and the columns of each."""

import dagster as dg

from pipesim.analytics import Query
from pipesim.catalog import IDENTITY
from pipesim.schema import TRACE_TABLES

#: The assets that fill the schemas which have no asset for each of their tables.
_FILLED_BY = {
    "observed": "observed",
    "quarantine": "observed",
    "synthetic": "synthetic_trace",
    "simulated": "simulated_runs",
}


def table_key(schema: str, table: str) -> dg.AssetKey:
    """Return the asset that a table of the catalogue comes from."""
    return dg.AssetKey(_FILLED_BY[schema]) if schema in _FILLED_BY else dg.AssetKey([schema, table])


def upstream_assets(query: Query) -> set[dg.AssetKey]:
    """Return the assets that a query reads."""
    return {table_key(*table.split(".")) for table in query.upstream}


def column_lineage(query: Query) -> dg.TableColumnLineage:
    """Return the columns of the tables that a query reads, by the column that they make."""
    from sqlglot import exp
    from sqlglot.lineage import lineage

    known = {
        "traces": {
            name: {**IDENTITY, **{column.name: column.type.sql for column in table.columns}}
            for name, table in TRACE_TABLES.items()
        }
    }
    made = {}
    for column, root in lineage(None, query.sql, known, dialect="duckdb").items():
        leaves = {
            (leaf.source.db, leaf.source.name, exp.to_column(leaf.name).name)
            for leaf in root.walk()
            if isinstance(leaf.source, exp.Table)
        }
        made[column] = [dg.TableColumnDep(table_key(schema, table), name) for schema, table, name in sorted(leaves)]
    return dg.TableColumnLineage(made)
