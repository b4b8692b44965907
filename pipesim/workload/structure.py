"""Run structure: the DAG shapes a log holds, and how often each pipeline has which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from pipesim.errors import RequestError
from pipesim.trace import Trace
from pipesim.words import count
from pipesim.workload.part import Part
from pipesim.workload.shape_shares import Pool, share_shapes
from pipesim.workload.shapes import LABEL, Shape, TaskNode, build, canonical

_COMPLETE = ("SUCCEEDED", "UNKNOWN")


class Structure(Part):
    """The distinct shapes, and for each pipeline (a row per pair) how many runs are to be expected with which.

    The expected runs of a pipeline are as many as the log has of it. The last `recombined` shapes are those of no run of
    the log.
    """

    shapes: tuple[Shape, ...]
    pipelines: tuple[str, ...]
    pair_pipeline: tuple[int, ...] = Field(description="Index into `pipelines`, ascending.")
    pair_shape: tuple[int, ...] = Field(description="Index into `shapes`.")
    pair_runs: tuple[float, ...] = Field(description="Expected runs of the pipeline that have the shape, above 0.")
    recombined: int = Field(default=0, ge=0, description="How many shapes, the last ones, no run of the log has.")


@dataclass(frozen=True)
class Places:
    """Where each task of a trace stands in its run, and what makes runs have the same shape.

    Args:
        tasks: run_id, task_id, position and what each task is.
        edges: run_id, child and parent, both positions.
        keys: run_id, pipeline_name, whether it is complete, and the key of its shape.
        twins: The shapes with tasks that are the same, by key.
    """

    tasks: pl.DataFrame
    edges: pl.DataFrame
    keys: pl.DataFrame
    twins: dict[str, Shape]


def find_places(trace: Trace) -> Places:
    """Give every task of a trace its place.

    Raises:
        RequestError: If the dependencies of a run form a cycle.
    """
    tasks, edges = _positions(trace)
    return Places(tasks, edges, *_keys(trace, tasks, edges))


def fit_structure(places: Places) -> tuple[Structure, list[str]]:
    """Return the shapes of a trace's runs, and some that they recombine to, with their frequencies by pipeline.

    A run that failed or was still open may lack the tasks it never reached. Its shape counts only if some completed run of
    the same pipeline has it too; where no run of a pipeline completed, all its shapes count.

    Args:
        places: Of the tasks of a trace.
    """
    tasks, edges, keys, twins = places.tasks, places.edges, places.keys, places.twins
    pairs = keys.group_by("pipeline_name", "key").agg(
        pl.len().alias("runs"), pl.col("complete").any(), pl.col("run_id").first().alias("example")
    )
    counted = pairs.filter(pl.col("complete") | ~pl.col("complete").any().over("pipeline_name"))
    notes = []
    if dropped := int(pairs["runs"].sum()) - int(counted["runs"].sum()):
        notes.append(
            f"structure: {count(dropped, 'unfinished run')} of a shape that no completed run of the pipeline has; not counted"
        )
    examples = (
        counted.group_by("key")
        .agg(pl.col("example").min(), pl.col("runs").sum())
        .sort(["runs", "key"], descending=[True, False])
    )
    plain = examples.filter(~pl.col("key").is_in(list(twins)))
    told = dict(zip(plain["key"], _shapes(plain["example"], tasks, edges), strict=True)) | twins
    shapes = [told[key] for key in examples["key"]]
    names = sorted(counted["pipeline_name"].unique().to_list())
    pairs = counted.join(pl.DataFrame({"pipeline_name": names}).with_row_index("pipeline"), on="pipeline_name").join(
        examples.select("key").with_row_index("shape"), on="key"
    )
    own = [Pool() for _ in names]
    for pipeline, shape, runs in pairs.select("pipeline", "shape", "runs").sort("pipeline", "shape").iter_rows():
        own[pipeline].runs[shape] = runs
    expected, recombined, share_notes = share_shapes(own, shapes)
    weights = [(pipeline, shape, runs[shape]) for pipeline, runs in enumerate(expected) for shape in sorted(runs)]
    structure = Structure(
        shapes=(*shapes, *recombined),
        pipelines=tuple(names),
        pair_pipeline=tuple(pipeline for pipeline, _, _ in weights),
        pair_shape=tuple(shape for _, shape, _ in weights),
        pair_runs=tuple(runs for _, _, runs in weights),
        recombined=len(recombined),
    )
    return structure, notes + share_notes


def _keys(trace: Trace, tasks: pl.DataFrame, edges: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Shape]]:
    """Return the key of every run's shape, by run, and the shapes whose order of tasks the identifiers must not decide.

    Those are the shapes in which two tasks are the same.
    """
    labels = tasks.group_by("run_id", maintain_order=True).agg(
        pl.col("label").str.join("\x1e"), twins=pl.col("label").is_duplicated().any()
    )
    links = edges.group_by("run_id", maintain_order=True).agg(
        pl.format("{}>{}", "child", "parent").str.join("\x1e").alias("links")
    )
    keys = (
        trace.pipeline_runs.select("run_id", "pipeline_name", "status")
        .join(labels, on="run_id", how="inner")
        .join(links, on="run_id", how="left")
        .select(
            "run_id",
            "pipeline_name",
            "twins",
            complete=pl.col("status").is_in(_COMPLETE),
            key=pl.concat_str("label", pl.col("links").fill_null(""), separator="\x1d"),
        )
        .sort("run_id")
    )
    twins = keys.filter("twins").unique("key", keep="first", maintain_order=True)
    told = [canonical([task.label for task in shape.tasks], shape.edges) for shape in _shapes(twins["run_id"], tasks, edges)]
    renamed = pl.DataFrame(
        {"key": twins["key"], "canonical": [shape.key for shape in told]}, schema={"key": pl.String, "canonical": pl.String}
    )
    keys = keys.join(renamed, on="key", how="left", maintain_order="left")
    return keys.with_columns(key=pl.coalesce("canonical", "key")).drop("canonical"), {shape.key: shape for shape in told}


def _positions(trace: Trace) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Give every task its canonical position in its run, and the edges in those positions.

    Tasks are ordered by depth, then by what they are; the identifiers, which may differ from run to run, only break ties.
    """
    first = pl.col("attempt").arg_min()
    tasks = trace.task_runs.group_by("run_id", "task_id").agg(*(pl.col(c).get(first) for c in LABEL)).sort("run_id", "task_id")
    known = tasks.select("run_id", "task_id")
    edges = trace.task_edges.unique().join(known, on=["run_id", "task_id"], how="semi")
    edges = edges.join(known, left_on=["run_id", "parent_task_id"], right_on=["run_id", "task_id"], how="semi")
    tasks = (
        _with_depth(tasks, edges)
        .with_columns(label=pl.concat_str([pl.col(c).fill_null("\x00") for c in LABEL], separator="\x1f"))
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


def _shapes(examples: pl.Series, tasks: pl.DataFrame, edges: pl.DataFrame) -> list[Shape]:
    """Build each shape from the one run that stands for it, in the order of the examples."""
    wanted = examples.to_frame("run_id")
    nodes: dict[str, list[dict[str, Any]]] = {run: [] for run in examples}
    for row in wanted.join(tasks, on="run_id").sort("run_id", "position").iter_rows(named=True):
        nodes[row["run_id"]].append(row)
    links: dict[str, list[tuple[int, int]]] = {run: [] for run in examples}
    for run, child, parent in wanted.join(edges, on="run_id").sort("run_id", "child", "parent").iter_rows():
        links[run].append((child, parent))
    return [build([tuple(row[c] for c in LABEL) for row in nodes[run]], links[run]) for run in examples]


def run_shapes(places: Places, structure: Structure) -> pl.DataFrame:
    """Return run_id and shape of the runs that have one of the shapes of a structure.

    Of tasks of one run that are the same, which stands where in the shape is arbitrary.
    """
    known = pl.DataFrame({"key": [shape.key for shape in structure.shapes]}, schema={"key": pl.String}).with_columns(
        shape=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    return places.keys.join(known, on="key").select("run_id", "shape")


def tasks_per_run(structure: Structure) -> float:
    """Return the mean number of tasks of a run."""
    sizes = np.array([len(shape.tasks) for shape in structure.shapes])
    return float(np.average(sizes[list(structure.pair_shape)], weights=structure.pair_runs))


def task_columns(structure: Structure) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Return the tasks of all shapes one after the other (TaskNode's columns), and where each shape begins, with the end."""
    rows = [task.model_dump() for shape in structure.shapes for task in shape.tasks]
    schema = {name: pl.String() for name in TaskNode.model_fields}
    offsets = np.concatenate([[0], np.cumsum([len(shape.tasks) for shape in structure.shapes])])
    return pl.DataFrame(rows, schema=schema), offsets.astype(np.int64)
