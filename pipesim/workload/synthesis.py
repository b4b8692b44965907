"""Synthesis: draw a new trace from a workload model. Loops run over cells, kinds and hours, never over rows."""

from __future__ import annotations

import math
from datetime import datetime, time, timedelta

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from pipesim.errors import RequestError
from pipesim.streams import stream
from pipesim.trace import Trace
from pipesim.workload.arrivals import Instants
from pipesim.workload.assets import draw_assets
from pipesim.workload.attempt_draws import draw_attempts, kind_of_node
from pipesim.workload.attempts import NATURAL
from pipesim.workload.draws import Indices, expand, grouped_choice
from pipesim.workload.model import WorkloadModel
from pipesim.workload.structure import Structure, task_columns

MAX_RUNS = 50_000_000
MAX_DAYS = 36_525


class SynthesisConfig(BaseModel):
    """What to draw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    days: float = Field(description="Length of the horizon in days; fractions are allowed.")
    scale: float = Field(default=1.0, description="Multiplies the arrival rate. Durations and demands stay as they are.")
    seed: int = Field(default=0, ge=0, description="Root seed.")


def synthesize(model: WorkloadModel, config: SynthesisConfig) -> Trace:
    """Return a synthetic trace of `days` from the first midnight at or after the window's end: weekdays keep their meaning.

    The trace says what would be run: every task of every run with its attempts, their outcomes and natural durations
    (seconds on a pool of speed 1, waiting excluded). A simulator leaves out what depends on a task that fails for good.
    A short horizon may hold no arrival at all: the trace is then empty, and valid.

    Raises:
        RequestError: If days or scale is not positive and finite, the horizon is over 100 years, or over 50
            million runs are to be expected.
    """
    _check(model, config)
    start = _midnight_after(model.window.end)
    end = start + timedelta(days=config.days)
    instants = model.arrivals.sample(stream(config.seed, "arrivals"), start, config.days, config.scale)
    mark = model.marks.sample(stream(config.seed, "marks"), instants)
    marks = model.marks.columns()
    pipeline = marks["pipeline"].to_numpy()[mark]
    shape = _shapes(model.structure, pipeline, config.seed)

    nodes, offsets = task_columns(model.structure)
    run, place = expand(np.diff(offsets)[shape])
    node = offsets[shape[run]] + place
    kind = kind_of_node(model.kinds, nodes)[node]
    data = stream(config.seed, "data").standard_normal(len(node))
    attempts = draw_attempts(model, kind, data, config.seed)
    run_ids = _run_ids(len(instants))
    frames = {
        "pipeline_runs": _pipeline_runs(model, marks[mark], instants, run_ids, _run_status(attempts, run, len(instants)), end),
        "task_runs": _task_runs(attempts, nodes, node, run, run_ids),
        "task_edges": _task_edges(model.structure, nodes, offsets, shape, run_ids),
    }
    if model.assets is not None:
        task_ids = pl.DataFrame([run_ids[run], nodes["task_id"][node]])
        reads = np.array([k.reads_asset for k in model.kinds])
        frames |= draw_assets(model.assets, reads, kind, task_ids, data, attempts, config.seed)
    return Trace(frames, origin="synthetic", name=trace_name(model, config))


def trace_name(model: WorkloadModel, config: SynthesisConfig) -> str:
    """Return the name that the model and the configuration give the trace."""
    return f"{model.id}-d{_plain(config.days)}-x{_plain(config.scale)}-s{config.seed}"


def _plain(number: float) -> str:
    return repr(float(number)).removesuffix(".0").replace("+", "")


def _check(model: WorkloadModel, config: SynthesisConfig) -> None:
    for name in ("days", "scale"):
        value = getattr(config, name)
        if not (math.isfinite(value) and value > 0):
            raise RequestError(f"{name} must be a positive number, not {value}", where=name, remedy=f"give --{name} above 0")
    if config.days > MAX_DAYS:
        raise RequestError(
            f"{config.days:g} days are more than a hundred years", where="days", remedy=f"give up to {MAX_DAYS:,}"
        )
    expected = model.arrivals.expected_runs(config.days, config.scale)
    if expected > MAX_RUNS:
        raise RequestError(
            f"{config.days:g} days at scale {config.scale:g} would hold about {expected:.3g} runs; {MAX_RUNS:,} is the most",
            where="days, scale",
            remedy=f"choose days x scale up to {MAX_RUNS / expected * config.days * config.scale:.3g}",
        )


def _midnight_after(end: datetime) -> datetime:
    midnight = datetime.combine(end.date(), time())
    return midnight if end == midnight else midnight + timedelta(days=1)


def _run_ids(count: int) -> pl.Series:
    return pl.select(("s" + (pl.int_range(1, count + 1).cast(pl.String).str.zfill(7))).alias("run_id")).to_series()


def _shapes(structure: Structure, pipeline: Indices, seed: int) -> Indices:
    """Draw each run's shape from those of its pipeline."""
    choose = grouped_choice(np.asarray(structure.pair_pipeline), np.asarray(structure.pair_runs), len(structure.pipelines))
    pair = choose(pipeline, stream(seed, "shapes").random(len(pipeline)))
    return np.asarray(structure.pair_shape, dtype=np.int64)[pair]


def _run_status(attempts: pl.DataFrame, run: Indices, count: int) -> pl.Series:
    """Return each run's outcome: that of its first task, in topological order, that fails for good, if there is one.

    No parent of that task fails, so it is one that is really reached. Otherwise UNKNOWN if the log says so of any task.
    """
    final = attempts.filter(pl.col("final")).select("task", "status")
    ended = final.with_columns(run=pl.Series(run)[final["task"]])
    bad = ended.filter(~pl.col("status").is_in(NATURAL)).group_by("run").agg(pl.col("status").sort_by("task").first())
    silent = ended.filter(pl.col("status") == "UNKNOWN").select("run", other=pl.lit("UNKNOWN")).unique()
    return (
        pl.select(run=pl.int_range(count, dtype=pl.Int64))
        .join(bad, on="run", how="left", maintain_order="left")
        .join(silent, on="run", how="left", maintain_order="left")
        .select(pl.coalesce("status", "other", pl.lit("SUCCEEDED")).alias("status"))
        .to_series()
    )


def _pipeline_runs(
    model: WorkloadModel, marks: pl.DataFrame, instants: Instants, run_ids: pl.Series, status: pl.Series, end: datetime
) -> pl.DataFrame:
    names = pl.Series(model.structure.pipelines, dtype=pl.String)
    return marks.select(
        run_ids,
        names[marks["pipeline"]].alias("pipeline_name"),
        "tenant",
        "user",
        "trigger",
        "priority",
        status,
        status.alias("raw_status"),
        pl.Series("submitted_at", instants).cast(pl.Datetime("us")),
        pl.lit(end, dtype=pl.Datetime("us")).alias("observed_until"),
        pl.lit("utc").alias("time_basis"),
    )


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
