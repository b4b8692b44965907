"""Drawing runs: their shapes, and all that happens in them. Loops run over cells, kinds and shapes, never over rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipesim.streams import stream
from pipesim.workload.draws import Indices, expand, grouped_choice
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.marks.source_runs import UNKNOWN, scores_near
from pipesim.workload.model import WorkloadModel
from pipesim.workload.structure import Structure, task_columns
from pipesim.workload.tasks.assets import draw_assets
from pipesim.workload.tasks.attempt_draws import Tasks, draw_attempts, draw_ends, draw_tasks, kind_of_node
from pipesim.workload.tasks.attempts import NATURAL, UNSUCCESSFUL


def draw_shapes(structure: Structure, weights: NDArray[np.generic], pipeline: Indices, seed: int) -> Indices:
    """Return each run's shape, drawn from those of its pipeline.

    Args:
        structure: The shapes and the pipelines.
        weights: The weight of each pair of a pipeline and a shape; each pipeline that is asked for needs a positive one.
        pipeline: Each run's pipeline.
        seed: Root seed.
    """
    choose = grouped_choice(np.asarray(structure.pair_pipeline), weights, len(structure.pipelines))
    pair = choose(pipeline, stream(seed, "shapes").random(len(pipeline)))
    return np.asarray(structure.pair_shape, dtype=np.int64)[pair]


def shapes_of_sources(model: WorkloadModel, source: Indices | None, shape: Indices) -> tuple[Indices, Indices]:
    """Return each run's shape and the run of the log that lends it and the work of its tasks, -1 where none does.

    Args:
        model: The workload model.
        source: For each run one of its source runs; None where it has none.
        shape: For each run the shape that is drawn by frequency: it counts where it is new, or the source lends none.
    """
    if isinstance(model.marks, IndependentMarks) or source is None:
        return shape, np.full(len(shape), -1)
    lent = np.asarray(model.marks.runs.shape, dtype=np.int64)[source]
    lends = (lent >= 0) & (shape < len(model.structure.shapes) - model.structure.recombined)
    return np.where(lends, lent, shape), np.where(lends, source, -1)


def draw_runs(
    model: WorkloadModel,
    runs: pl.DataFrame,
    shape: Indices,
    observed_until: datetime,
    seed: int,
    source: Indices | None = None,
) -> dict[str, pl.DataFrame]:
    """Return the tables of a trace of runs: every task with its attempts, their outcomes and natural durations, its data.

    Args:
        model: The workload model.
        runs: The runs' run_id, pipeline_name, tenant, user, trigger, priority and submitted_at.
        shape: Each run's shape.
        observed_until: The end of the trace.
        seed: Root seed.
        source: Each run's run of the log whose demands and work its tasks have, of its shape; -1, or None for all, where they
            are drawn.
    """
    nodes, offsets = task_columns(model.structure)
    run, place = expand(np.diff(offsets)[shape])
    node = offsets[shape[run]] + place
    kind = kind_of_node(model.kinds, nodes)[node]
    run_ids = runs["run_id"]
    # What is drawn at the same time has streams of its own, so that threads change nothing but the time.
    with ThreadPoolExecutor() as pool:
        ends = pool.submit(draw_ends, model.kinds, kind, seed)
        edges = pool.submit(_task_edges, model.structure, nodes, offsets, shape, run_ids)
        demand, work = _lent(model, np.diff(offsets), source, run, place)
        tenants, tenant = _numbered(runs["tenant"])
        scores = scores_near(work, stream(seed, "work"))
        tasks = draw_tasks(model, kind, tenant[run], tenants, demand, scores, seed)
        attempts = draw_attempts(model, tasks, ends.result(), seed)
        data = pool.submit(_data, model, nodes, node, run, run_ids, tasks, attempts, seed)
        status = _run_status(attempts, run, runs.height)
        frames = {
            "pipeline_runs": runs.with_columns(
                status,
                status.alias("raw_status"),
                observed_until=pl.lit(observed_until, dtype=pl.Datetime("us")),
                time_basis=pl.lit("utc"),
            ),
            "task_runs": _task_runs(attempts, nodes, node, run, run_ids),
            "task_edges": edges.result(),
        }
        return frames | data.result()


def _lent(
    model: WorkloadModel, sizes: Indices, source: Indices | None, run: Indices, place: Indices
) -> tuple[Indices, Indices]:
    """Return the demand and the work that each task has of its source, -1 and UNKNOWN where none lends them."""
    demand, work = np.full(len(run), -1), np.full(len(run), UNKNOWN)
    if source is not None and not isinstance(model.marks, IndependentMarks):
        lent = model.marks.runs
        known = source[run] >= 0
        rows = lent.tasks(sizes)[source[run[known]]] + place[known]
        demand[known], work[known] = np.asarray(lent.demand)[rows], np.asarray(lent.work)[rows]
    return demand, work


def _data(
    model: WorkloadModel,
    nodes: pl.DataFrame,
    node: Indices,
    run: Indices,
    run_ids: pl.Series,
    tasks: Tasks,
    attempts: pl.DataFrame,
    seed: int,
) -> dict[str, pl.DataFrame]:
    """Return the tables of data assets, none where the log has none."""
    if model.assets is None:
        return {}
    task_ids = pl.DataFrame([run_ids[run], nodes["task_id"][node]])
    reads = np.array([k.reads_asset for k in model.kinds])
    return draw_assets(model.assets, reads, tasks.kind, task_ids, tasks.data, attempts, seed)


def _numbered(names: pl.Series) -> tuple[list[str | None], Indices]:
    """Return the distinct names in order, and the position of each among them."""
    known = names.unique().sort().alias("name")
    numbers = known.to_frame().with_row_index()
    places = names.alias("name").to_frame().join(numbers, on="name", how="left", nulls_equal=True, maintain_order="left")
    return known.to_list(), places["index"].to_numpy().astype(np.int64)


def _run_status(attempts: pl.DataFrame, run: Indices, count: int) -> pl.Series:
    """Return each run's outcome: that of its first task, in topological order, that fails for good, if there is one.

    No parent of that task fails, so it is one that is really reached. Otherwise UNKNOWN if the log says so of any task.
    """
    final = attempts["status"].filter(attempts["final"])  # one a task, in the order of the tasks, hence of the runs
    words = pl.Series(("SUCCEEDED", "UNKNOWN", *UNSUCCESSFUL))
    code = np.zeros(count, dtype=np.uint32)
    code[run[np.flatnonzero(final == "UNKNOWN")]] = 1
    bad = np.flatnonzero(~final.is_in(NATURAL))
    failed, first = np.unique(run[bad], return_index=True)
    code[failed] = final[bad[first]].cast(pl.Enum(words)).to_physical().to_numpy()
    return words[code].alias("status")


def _task_runs(attempts: pl.DataFrame, nodes: pl.DataFrame, node: Indices, run: Indices, run_ids: pl.Series) -> pl.DataFrame:
    task = attempts["task"].to_numpy()
    return attempts.drop("task", "final").with_columns(
        *nodes[node[task]].iter_columns(),
        run_ids[run[task]],
        raw_status=pl.col("status"),
        is_censored=pl.lit(False),
    )


def _task_edges(
    structure: Structure, nodes: pl.DataFrame, offsets: Indices, shape: Indices, run_ids: pl.Series
) -> pl.DataFrame:
    edges = [shape.edges for shape in structure.shapes]
    counts = np.array([len(e) for e in edges], dtype=np.int64)
    begins = np.concatenate([[0], np.cumsum(counts)])
    pairs = (
        np.array([pair for e in edges for pair in e], dtype=np.int64).reshape(-1, 2) + np.repeat(offsets[:-1], counts)[:, None]
    )
    run, place = expand(counts[shape])
    edge = begins[shape[run]] + place
    ids = nodes["task_id"]
    return pl.DataFrame(
        [run_ids[run], ids[pairs[edge, 0]].alias("task_id"), ids[pairs[edge, 1]].alias("parent_task_id")],
    )
