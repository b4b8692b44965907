"""Run structure: the DAG shapes a log holds, and how often each pipeline has which."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipesim.errors import RequestError
from pipesim.trace import Trace
from pipesim.workload.part import Part

_LABEL = ("task_name", "task_type", "raw_type", "framework")
_COMPLETE = ("SUCCEEDED", "UNKNOWN")


class TaskNode(Part):
    """One task of a shape."""

    task_id: str
    task_name: str
    task_type: str | None
    raw_type: str | None
    framework: str | None


class Shape(Part):
    """One DAG: its tasks in topological order, and its edges as (task, parent) positions among them."""

    tasks: tuple[TaskNode, ...]
    edges: tuple[tuple[int, int], ...]


class Structure(Part):
    """The distinct shapes, and for each pipeline (a row per pair) how many runs had which."""

    shapes: tuple[Shape, ...]
    pipelines: tuple[str, ...]
    pair_pipeline: tuple[int, ...] = Field(description="Index into `pipelines`, ascending.")
    pair_shape: tuple[int, ...] = Field(description="Index into `shapes`.")
    pair_runs: tuple[int, ...]


def fit_structure(trace: Trace) -> tuple[Structure, list[str]]:
    """Return the shapes of a trace's runs and their frequencies by pipeline.

    A run that failed or was still open may lack the tasks it never reached. Its shape counts only if some completed run of
    the same pipeline has it too; where no run of a pipeline completed, all its shapes count.

    Raises:
        RequestError: If the dependencies of a run form a cycle.
    """
    tasks, edges = _positions(trace)
    keys = (
        trace.pipeline_runs.select("run_id", "pipeline_name", complete=pl.col("status").is_in(_COMPLETE))
        .join(_keys(tasks, edges), on="run_id")
        .sort("run_id")
    )
    pairs = keys.group_by("pipeline_name", "key").agg(
        pl.len().alias("runs"), pl.col("complete").any(), pl.col("run_id").first().alias("example")
    )
    counted = pairs.filter(pl.col("complete") | ~pl.col("complete").any().over("pipeline_name"))
    notes = []
    if dropped := int(pairs["runs"].sum()) - int(counted["runs"].sum()):
        notes.append(
            f"structure: {dropped} unfinished runs have a shape that no completed run of their pipeline has; not counted"
        )
    examples = (
        counted.group_by("key")
        .agg(pl.col("example").min(), pl.col("runs").sum())
        .sort(["runs", "key"], descending=[True, False])
    )
    shapes = _shapes(examples["example"], tasks, edges)
    names = sorted(counted["pipeline_name"].unique().to_list())
    pairs = (
        counted.join(pl.DataFrame({"pipeline_name": names}).with_row_index("pipeline"), on="pipeline_name")
        .join(examples.select("key").with_row_index("shape"), on="key")
        .sort("pipeline", "shape")
    )
    structure = Structure(
        shapes=shapes,
        pipelines=tuple(names),
        pair_pipeline=tuple(pairs["pipeline"].to_list()),
        pair_shape=tuple(pairs["shape"].to_list()),
        pair_runs=tuple(pairs["runs"].to_list()),
    )
    return structure, notes


def _positions(trace: Trace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every task its canonical position in its run, and the edges in those positions.

    Tasks are ordered by depth, then by what they are; the identifiers, which may differ from run to run, only break ties.
    """
    first = pl.col("attempt").arg_min()
    tasks = trace.task_runs.group_by("run_id", "task_id").agg(*(pl.col(c).get(first) for c in _LABEL)).sort("run_id", "task_id")
    known = tasks.select("run_id", "task_id")
    edges = trace.task_edges.unique().join(known, on=["run_id", "task_id"], how="semi")
    edges = edges.join(known, left_on=["run_id", "parent_task_id"], right_on=["run_id", "task_id"], how="semi")
    tasks = (
        _with_depth(tasks, edges)
        .with_columns(label=pl.concat_str([pl.col(c).fill_null("\x00") for c in _LABEL], separator="\x1f"))
        .sort("run_id", "depth", "label", "task_id")
        .with_columns(position=pl.int_range(pl.len()).over("run_id"))
    )
    place = tasks.select("run_id", "task_id", "position")
    edges = (
        edges.join(place.rename({"position": "child"}), on=["run_id", "task_id"])
        .join(place.rename({"task_id": "parent_task_id", "position": "parent"}), on=["run_id", "parent_task_id"])
        .select("run_id", "child", "parent")
        .sort("run_id", "child", "parent")
    )
    return tasks, edges


def _with_depth(tasks: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Add each task's depth: the length of the longest path from a root."""
    index = tasks.select("run_id", "task_id").with_row_index("row")
    linked = edges.join(index, on=["run_id", "task_id"]).join(
        index.rename({"task_id": "parent_task_id", "row": "parent_row"}), on=["run_id", "parent_task_id"]
    )
    child, parent = linked["row"].to_numpy(), linked["parent_row"].to_numpy()
    depth = np.zeros(tasks.height, dtype=np.int64)
    # A path has fewer edges than its run has tasks, so that many rounds settle every acyclic run.
    longest = int(tasks.group_by("run_id").len()["len"].max() or 0)  # type: ignore[arg-type]
    for _ in range(longest + 1):
        deeper = depth.copy()
        np.maximum.at(deeper, child, depth[parent] + 1)
        if np.array_equal(deeper, depth):
            return tasks.with_columns(depth=pl.Series(depth))
        depth = deeper
    run = tasks["run_id"][int(np.argmax(depth))]
    raise RequestError(
        f"the dependencies of run {run!r} form a cycle",
        where="task_edges",
        remedy="ingest the log again: such runs are quarantined",
    )


def _shapes(examples: pl.Series, tasks: pl.DataFrame, edges: pl.DataFrame) -> tuple[Shape, ...]:
    """Build each shape from the one run that stands for it, in the order of the examples."""
    wanted = examples.to_frame("run_id")
    nodes: dict[str, list[dict[str, Any]]] = {run: [] for run in examples}
    for row in wanted.join(tasks, on="run_id").sort("run_id", "position").iter_rows(named=True):
        nodes[row["run_id"]].append(row)
    links: dict[str, list[tuple[int, int]]] = {run: [] for run in examples}
    for run, child, parent in wanted.join(edges, on="run_id").sort("run_id", "child", "parent").iter_rows():
        links[run].append((child, parent))
    return tuple(Shape(tasks=_nodes(nodes[run]), edges=tuple(links[run])) for run in examples)


def _nodes(rows: list[dict[str, Any]]) -> tuple[TaskNode, ...]:
    """Name each task of a shape after what it is; where two would have one name, the position tells them apart."""
    names = [row["task_name"] for row in rows]
    taken = set(names)
    tasks = []
    for position, row in enumerate(rows):
        name = row["task_name"]
        task_id = name
        if names.count(name) > 1:
            task_id = f"{name}-{position + 1}"
            while task_id in taken:
                task_id += "'"
            taken.add(task_id)
        tasks.append(TaskNode(task_id=task_id, **{c: row[c] for c in _LABEL}))
    return tuple(tasks)


def run_shapes(trace: Trace, structure: Structure) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return which shape each run has, and which of its tasks stands where.

    Returns:
        run_id and shape of the runs that have one of the shapes; run_id, task_id and position of all tasks.
    """
    tasks, edges = _positions(trace)
    keys = pl.DataFrame({"key": [_key(shape) for shape in structure.shapes]}, schema={"key": pl.String}).with_columns(
        shape=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    runs = _keys(tasks, edges).join(keys, on="key").select("run_id", "shape")
    return runs, tasks.select("run_id", "task_id", "position")


def _keys(tasks: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Return run_id and key: equal for runs of the same tasks and dependencies."""
    labels = tasks.group_by("run_id", maintain_order=True).agg(pl.col("label").str.join("\x1e"))
    links = edges.group_by("run_id", maintain_order=True).agg(
        pl.format("{}>{}", "child", "parent").str.join("\x1e").alias("links")
    )
    return labels.join(links, on="run_id", how="left").select(
        "run_id", key=pl.concat_str("label", pl.col("links").fill_null(""), separator="\x1d")
    )


def _key(shape: Shape) -> str:
    labels = ["\x1f".join("\x00" if (v := getattr(task, c)) is None else v for c in _LABEL) for task in shape.tasks]
    return "\x1d".join(("\x1e".join(labels), "\x1e".join(f"{child}>{parent}" for child, parent in shape.edges)))


def task_columns(structure: Structure) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the tasks of all shapes one after the other (TaskNode's columns), and where each shape begins, with the end."""
    rows = [task.model_dump() for shape in structure.shapes for task in shape.tasks]
    schema = {name: pl.String() for name in TaskNode.model_fields}
    offsets = np.concatenate([[0], np.cumsum([len(shape.tasks) for shape in structure.shapes])])
    return pl.DataFrame(rows, schema=schema), offsets.astype(np.int64)
