"""One asset for each file of `sql/`: its result is a table of the schema `analytics`."""

import dagster as dg

from dagster_project.lineage import column_lineage, upstream_assets
from dagster_project.metadata import OWNERS, preview, relation_schema
from dagster_project.resources import Home
from pipesim.analytics import Query, build_one, queries
from pipesim.identity import content_hash
from pipesim.lake import connect

GROUP = "analytics"


def table_asset(query: Query) -> dg.AssetsDefinition:
    """Return the asset of one analytics table; what it reads and says about itself is read off its SQL."""

    @dg.asset(
        key=[GROUP, query.name],
        deps=upstream_assets(query),
        description=f"```\n{query.doc}\n```",
        group_name=GROUP,
        kinds={"sql", "duckdb", "parquet"},
        owners=OWNERS,
        tags={"stage": "analytics"},
        code_version=content_hash(query.sql),
        metadata={"dagster/table_name": f"{GROUP}.{query.name}", "sql": dg.MetadataValue.md(f"```sql\n{query.sql}\n```")},
    )
    def table(home: Home) -> dg.MaterializeResult[None]:
        lake = home.lake()
        rows = build_one(lake, query)
        with connect() as con:
            stored = con.read_parquet(str(lake.analytics_file(query.name)))
            return dg.MaterializeResult(
                metadata={
                    "dagster/row_count": rows,
                    "dagster/column_schema": relation_schema(stored, query.columns),
                    "dagster/column_lineage": column_lineage(query),
                    "preview": preview(stored),
                }
            )

    return table


TABLES = [table_asset(query) for query in queries()]
