"""References between rows: a run whose dependencies cannot be right is refused as a whole."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.catalog import quote
from pipesim.ingest.staging import Staging
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES

#: Tables whose rows belong to a run.
RUN_TABLES = ("pipeline_runs", "task_runs", "task_edges", "task_io")


def reject_bad_runs(staging: Staging, lake: Lake) -> None:
    """Refuse all lines of runs whose edges, the known ones included, have a cycle or an end that is no task."""
    con = staging.con
    edges = con.sql(
        "SELECT run_id, task_id, parent_task_id FROM final_task_edges UNION "
        f"SELECT run_id, task_id, parent_task_id FROM ({_stored(lake, 'task_edges')}) "
        "SEMI JOIN final_task_edges USING (run_id) ORDER BY ALL"
    ).pl()
    if edges.is_empty():
        return
    con.execute("CREATE OR REPLACE TEMP TABLE bad_runs (run_id VARCHAR, rule VARCHAR, detail VARCHAR)")
    tasks = f"SELECT run_id, task_id FROM final_task_runs UNION SELECT run_id, task_id FROM ({_stored(lake, 'task_runs')})"
    con.execute(
        "INSERT INTO bad_runs SELECT run_id, 'missing_edge_end', 'no task ' || min(end_) FROM ("
        "SELECT run_id, task_id AS end_ FROM final_task_edges UNION SELECT run_id, parent_task_id FROM final_task_edges) e "
        f"ANTI JOIN ({tasks}) t ON e.run_id = t.run_id AND e.end_ = t.task_id GROUP BY run_id"
    )
    con.register("cyclic", cyclic_runs(edges).to_frame("run_id").to_arrow())
    con.execute("INSERT INTO bad_runs SELECT run_id, 'dependency_cycle', 'its tasks wait for each other' FROM cyclic")
    con.unregister("cyclic")
    for table in RUN_TABLES:
        con.execute(
            f"INSERT INTO rejected SELECT file_no, line, 'reference', rule, 'run ' || run_id || ': ' || detail, NULL "
            f"FROM staged_{table} JOIN bad_runs USING (run_id)"
        )


def _stored(lake: Lake, table: str) -> str:
    folder = lake.lake / "observed" / table
    if not any(folder.glob("*.parquet")):
        return TRACE_TABLES[table].empty_select()
    return f"SELECT * FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true)"


def cyclic_runs(edges: pl.DataFrame) -> pl.Series:
    """Return the distinct run_ids whose edges have a cycle.

    All runs are one sparse graph: a cycle is a strongly connected component of more than one node.

    Args:
        edges: run_id, task_id, parent_task_id.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes = pl.concat(
        [edges.select("run_id", "task_id"), edges.select("run_id", pl.col("parent_task_id").alias("task_id"))]
    ).unique(maintain_order=True)
    nodes = nodes.with_row_index("node")
    child = edges.join(nodes, on=["run_id", "task_id"], how="left", maintain_order="left")["node"].to_numpy()
    parent = edges.join(
        nodes, left_on=["run_id", "parent_task_id"], right_on=["run_id", "task_id"], how="left", maintain_order="left"
    )["node"].to_numpy()
    graph = coo_array((np.ones(len(child), np.int8), (parent, child)), shape=(nodes.height, nodes.height))
    _, component = connected_components(graph, directed=True, connection="strong")
    in_cycle = (np.bincount(component)[component[child]] > 1) & (component[child] == component[parent])
    return edges.filter(pl.Series(in_cycle))["run_id"].unique().sort()
