"""The canonical tables in which observed, synthetic and simulated traces stand under one roof."""

from collections.abc import Iterator

import dagster as dg

from dagster_project.logs import observed
from dagster_project.metadata import OWNERS, code_version, counts, preview, table_schema
from dagster_project.resources import Home
from dagster_project.simulated import simulated_runs
from dagster_project.synthetic import synthetic_trace
from pipesim.catalog import IDENTITY
from pipesim.schema import TRACE_TABLES

PREFIX = "traces"


@dg.multi_asset(
    name="traces",
    specs=[
        dg.AssetSpec(
            [PREFIX, table.name],
            deps=[observed, synthetic_trace, simulated_runs],
            description=f"{table.doc}\n\nA view over the observed, the synthetic and the simulated traces.",
            group_name=PREFIX,
            kinds={"duckdb", "view"},
            owners=OWNERS,
            tags={"stage": "traces"},
            metadata={"dagster/column_schema": table_schema(table, IDENTITY), "dagster/table_name": f"{PREFIX}.{table.name}"},
            code_version=code_version("catalog.py", "schema.py"),
        )
        for table in TRACE_TABLES.values()
    ],
)
def traces(home: Home) -> Iterator[dg.MaterializeResult[None]]:
    """Count what stands in each canonical table; the views themselves are made anew whenever the catalogue is published."""
    from pipesim.catalog import snapshot_views

    with snapshot_views(home.lake()) as con:
        for name in TRACE_TABLES:
            found = con.sql(f"SELECT origin, count(*) FROM traces.{name} GROUP BY origin ORDER BY origin").fetchall()
            rows = dict(found)
            yield dg.MaterializeResult(
                asset_key=[PREFIX, name],
                metadata={
                    "dagster/row_count": sum(rows.values()),
                    "rows": counts(rows, "origin"),
                    "preview": preview(con.sql(f"FROM traces.{name}")),
                },
            )
