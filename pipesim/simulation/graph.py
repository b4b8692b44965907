"""The dependencies of tasks as arrays, refused where they have a missing end or a cycle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.simulation.describe import name_tasks
from pipesim.simulation.engine import Int32, Int64
from pipesim.words import count


@dataclass(frozen=True)
class Graph:
    """Dependencies of T tasks by E edges.

    Args:
        parents: [T] How many edges lead to the task.
        offsets: [T + 1] Where each task's children begin in `children`.
        children: [E] Child tasks.
    """

    parents: Int32
    offsets: Int64
    children: Int64


def build_graph(edges: pl.DataFrame, attempts: pl.DataFrame) -> Graph:
    """Translate `task_edges` for attempts that carry their `task` number.

    Raises:
        RequestError: If an edge names a task that has no row, or tasks wait for each other in a circle.
    """
    tasks = attempts.select("run_id", "task_id", "task").filter(attempts["task"].is_first_distinct())
    if edges.is_empty():
        return Graph(np.zeros(tasks.height, np.int32), np.zeros(tasks.height + 1, np.int64), np.zeros(0, np.int64))
    parents = tasks.rename({"task_id": "parent_task_id", "task": "parent"})
    ends = edges.join(tasks, on=["run_id", "task_id"], how="left").join(parents, on=["run_id", "parent_task_id"], how="left")
    _refuse_missing(ends)
    child, parent = ends["task"].to_numpy(), ends["parent"].to_numpy()
    order = np.lexsort((child, parent))
    offsets = np.searchsorted(parent[order], np.arange(tasks.height + 1)).astype(np.int64)
    graph = Graph(np.bincount(child, minlength=tasks.height).astype(np.int32), offsets, child[order].astype(np.int64))
    _refuse_cycles(graph, tasks, child[child == parent])
    return graph


def _refuse_missing(ends: pl.DataFrame) -> None:
    missing = ends.filter(pl.col("task").is_null() | pl.col("parent").is_null()).sort("run_id", "task_id", "parent_task_id")
    if missing.is_empty():
        return
    run, task, parent = missing.select("run_id", "task_id", "parent_task_id").row(0)
    absent = parent if missing["parent"][0] is None else task
    raise RequestError(
        f"{count(missing.height, 'edge')} with a missing end: run {run!r} has no task {absent!r}, "
        f"though {task!r} is said to wait for {parent!r}",
        where="task_edges",
        remedy="correct or remove these edges",
    )


def _refuse_cycles(graph: Graph, tasks: pl.DataFrame, own_children: Int64) -> None:
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    n = tasks.height
    edges = csr_matrix((np.ones(len(graph.children), np.int8), graph.children, graph.offsets), shape=(n, n))
    components, component = connected_components(edges, directed=True, connection="strong")
    if components == n and not len(own_children):
        return
    circular = np.bincount(component)[component] > 1
    circular[own_children] = True
    raise RequestError(
        f"the dependencies run in a circle through {name_tasks(tasks, circular)}",
        where="task_edges",
        remedy="remove one edge of each circle",
    )
