"""Intervals of what runs are: who submits them, and the shapes that they have."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from pipesim.trace import Trace
from pipesim.workload.confidence.limits import share_limits
from pipesim.workload.confidence.row import MOST, Interval, by_day, rows, with_day
from pipesim.workload.laws.law import Floats
from pipesim.workload.marks.combinations import GAP_ENDS_S, MARKS, Combinations, gap_bins, repeats_of
from pipesim.workload.structure import Structure, find_places, run_shapes, task_columns
from pipesim.workload.tasks.attempts import KIND

_HOW = "Wilson, days as clusters"
_NAMED = "pipeline_name"


def mark_intervals(
    runs: pl.DataFrame, combinations: Combinations, pipelines: tuple[str, ...], level: float
) -> Iterator[Interval]:
    """Return the intervals of the shares of pipelines, tenants, users, triggers and priorities, and of repeats in sessions.

    Args:
        runs: The log's runs of these pipelines.
        combinations: The model's.
        pipelines: The names of the pipelines, in the order of the structure.
        level: The probability of the intervals.
    """
    dated = with_day(runs.drop("submitted_at"), runs)
    fitted = combinations.frame().with_columns(
        pl.col("pipeline").replace_strict(dict(enumerate(pipelines)), return_dtype=pl.String).alias(_NAMED)
    )
    for column in (_NAMED, *MARKS):
        of_name = fitted.group_by(column).agg(pl.col("runs").sum()).sort(["runs", column], descending=[True, False])
        if of_name.height < 2:
            continue
        frequent = of_name.head(MOST)
        key = frequent.select(column).with_row_index("key")
        keyed = dated.select(column, "place").join(key, on=column, how="left", nulls_equal=True, maintain_order="left")
        hits = by_day(keyed, "key", frequent.height)
        of = np.broadcast_to(by_day(keyed.with_columns(all=0), "all", 1), hits.shape)
        names = ["-" if name is None else str(name) for name in frequent[column]]
        estimate = frequent["runs"].to_numpy() / float(fitted["runs"].sum())
        yield from rows(
            "runs", f"share of the {column.removesuffix('_name')}", names, estimate, share_limits(hits, of, level), _HOW
        )
    yield from _sessions(runs, combinations, level)


def _sessions(runs: pl.DataFrame, combinations: Combinations, level: float) -> Iterator[Interval]:
    """Return the intervals of the probability that a run repeats the one before, by the seconds between them."""
    in_order = runs.filter(pl.col("submitted_at").is_not_null()).sort("submitted_at", "run_id")
    if in_order.height < 2:
        return
    same, chance = repeats_of(in_order)
    ends = ["up to " + f"{end:g} s" for end in GAP_ENDS_S] + [f"over {GAP_ENDS_S[-1]:g} s"]
    gap = gap_bins(in_order["submitted_at"].dt.epoch("us").to_numpy())
    day = np.unique(in_order["submitted_at"].dt.epoch("d").to_numpy()[1:], return_inverse=True)[1]
    hits, of = np.zeros((2, int(day.max()) + 1, len(ends)))
    np.add.at(hits, (day, gap), same)
    np.add.at(of, (day, gap), 1.0)
    seen = of.sum(axis=0) > 0
    if chance < 1:
        limits = tuple(np.clip((limit - chance) / (1 - chance), 0.0, 1.0)[seen] for limit in share_limits(hits, of, level))
        names, estimate = np.array(ends)[seen], np.array(combinations.repeat)[seen]
        yield from rows("runs", "repeats the run before", names, estimate, (limits[0], limits[1]), _HOW)


def structure_intervals(trace: Trace, structure: Structure, level: float) -> Iterator[Interval]:
    """Return the intervals of the shares of shapes among runs, and of the kinds of tasks among tasks.

    Shapes that no run of the log has, and runs whose shape the model does not have, do not count.
    """
    shapes = run_shapes(find_places(trace), structure)
    runs = trace.pipeline_runs
    dated = with_day(shapes, runs)
    if dated.is_empty():
        return
    observed = len(structure.shapes) - structure.recombined
    weights = np.bincount(structure.pair_shape, structure.pair_runs, len(structure.shapes)).astype(np.float64)
    hits = by_day(dated, "shape", len(structure.shapes))
    of = np.broadcast_to(hits.sum(axis=1, keepdims=True), hits.shape)
    chosen = slice(0, min(MOST, observed))
    low, high = share_limits(hits, of, level)
    names = [f"shape {i}: {_words(structure, i)}" for i in range(observed)][chosen]
    share = weights / weights.sum()
    if observed > 1:
        yield from rows("structure", "share of the shape", names, share[chosen], (low[chosen], high[chosen]), _HOW)
    yield from _kinds(structure, hits, weights, level)


def _kinds(structure: Structure, hits: Floats, weights: Floats, level: float) -> Iterator[Interval]:
    nodes, offsets = task_columns(structure)
    names = nodes.select(pl.concat_str([pl.col(c).fill_null("-") for c in KIND], separator="/").alias("kind"))["kind"]
    kinds, place = np.unique(names.to_numpy(), return_inverse=True)
    of_shape: Floats = np.zeros((len(structure.shapes), len(kinds)))
    np.add.at(of_shape, (np.repeat(np.arange(len(structure.shapes)), np.diff(offsets)), place), 1.0)
    if len(kinds) < 2:
        return
    expected = weights @ of_shape
    tasks = hits @ of_shape
    of = np.broadcast_to(tasks.sum(axis=1, keepdims=True), tasks.shape)
    yield from rows(
        "structure", "share of the kind in tasks", kinds, expected / expected.sum(), share_limits(tasks, of, level), _HOW
    )


def _words(structure: Structure, shape: int) -> str:
    """Return what the tasks of a shape are, for a reader."""
    labels = ((task.task_type or task.task_name, task.framework) for task in structure.shapes[shape].tasks)
    return " ".join(f"{name}/{framework}" if framework else name for name, framework in labels)
