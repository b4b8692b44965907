"""What an analytics table is computed from, read off its SQL: assets, and the columns of each."""

from functools import cache

import dagster as dg

from pipesim.analytics import Query, queries
from pipesim.catalog import IDENTITY
from pipesim.quality_schema import JUDGED, QUALITY_TABLES
from pipesim.schema import TRACE_TABLES

#: The assets that fill the schemas which have no asset for each of their tables.
_FILLED_BY = {
    "observed": "observed",
    "quarantine": "observed",
    "synthetic": "synthetic_trace",
    "simulated": "simulated_runs",
    "quality": "synthetic_quality",
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

    made = {}
    for column, root in lineage(None, query.sql, _known_columns(), dialect="duckdb").items():
        leaves = {
            (leaf.source.db, leaf.source.name, exp.to_column(leaf.name).name)
            for leaf in root.walk()
            if isinstance(leaf.source, exp.Table)
        }
        # One asset may fill several of the tables, and they have columns of the same name.
        read = dict.fromkeys((table_key(schema, table), name) for schema, table, name in sorted(leaves))
        made[column] = [dg.TableColumnDep(key, name) for key, name in read]
    return dg.TableColumnLineage(made)


@cache
def _known_columns() -> dict[str, dict[str, dict[str, str]]]:
    """Return the columns of the tables that queries read, by schema and table; lineage needs no types, only names."""
    traces = {
        name: {**IDENTITY, **{column.name: column.type.sql for column in table.columns}} for name, table in TRACE_TABLES.items()
    }
    quality = {name: {**JUDGED, **{c.name: c.type.sql for c in table.columns}} for name, table in QUALITY_TABLES.items()}
    return {
        "traces": traces,
        "quality": quality,
        "analytics": {q.name: dict.fromkeys((c.name for c in q.columns), "UNKNOWN") for q in queries()},
    }
