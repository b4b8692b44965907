"""Private traces: what is drawn for others holds no row, no day and no name of the log."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.errors import RequestError
from pipesim.workload.arrivals.clock import SATURDAY
from pipesim.workload.arrivals.day_ar import FEWEST_DAYS, DayArArrivals, fit_day_ar
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.arrivals.days import SourceDays
from pipesim.workload.arrivals.hour_of_week import HourOfWeekArrivals
from pipesim.workload.arrivals.model import ArrivalModel
from pipesim.workload.laws.law import Floats
from pipesim.workload.marks.combinations import MARKS, Combinations
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.model import WorkloadModel
from pipesim.workload.rare import FEWEST, common, smooth, smooth_quantity
from pipesim.workload.shapes import Shape, canonical
from pipesim.workload.structure import Structure
from pipesim.workload.tasks.assets import AssetCopula, AssetSizes
from pipesim.workload.tasks.attempt_draws import demand_frame
from pipesim.workload.tasks.attempts import size_class
from pipesim.workload.tasks.durations import DurationCell
from pipesim.workload.tasks.kinds import DEMAND, Demands, Kind, Outcome

#: Frameworks that anybody may use; any other name could tell whose log it was.
_PUBLIC_FRAMEWORKS = {
    "caffe", "caffe2", "cntk", "dask", "deepspeed", "horovod", "jax", "keras", "lightgbm", "mxnet", "onnx", "other", "paddle",
    "paddlepaddle", "pytorch", "ray", "scikit-learn", "sklearn", "spark", "sparkml", "tensorflow", "theano", "torch", "vllm",
    "xgboost",
}  # fmt: skip


def private(model: WorkloadModel) -> WorkloadModel:
    """Return a model of which no draw repeats a row of the log, by construction.

    Days: an autoregression of their totals with the hours of two days each, or the mean week of a log of under two weeks.
    Runs: marks are drawn one by one, whatever day it is, and durations from the laws of their cells. Names of pipelines,
    tenants, users, tasks, and frameworks that are not widely known are numbers, given by frequency. Pools have no name: a
    scenario places the tasks.

    What under five runs or tasks share is left out: users and tenants, the users, priorities, triggers and tenants of
    combinations, shapes and the pipelines that have no others, demands, and values that a law would repeat. What remains are
    frequencies and laws.

    Args:
        model: A fitted model.

    Raises:
        RequestError: If no five runs of the log have the same shape.
    """
    pipelines = _pipelines(model.combinations, len(model.structure.pipelines))
    tenants = _names(model.combinations, "tenant")
    users = _names(model.combinations, "user")
    frameworks = _frameworks(model.kinds)
    structure = _structure(model.structure, pipelines, frameworks)
    return model.model_copy(
        update={
            "arrivals": _arrivals(model),
            "combinations": _combinations(model.combinations, tenants, users, set(structure.pair_pipeline)),
            "marks": IndependentMarks(),
            "structure": structure,
            "kinds": tuple(_kind(kind, model.kinds, tenants, frameworks) for kind in model.kinds),
            "durations": tuple(_cell(cell, tenants, frameworks) for cell in model.durations),
            "assets": _assets(model.assets, model.kinds),
        }
    )


def public_names(model: WorkloadModel) -> dict[str, dict[str, str]]:
    """Return, for the columns pipeline_name and tenant, the log's name of each number that private traces hold."""
    pipelines = _pipelines(model.combinations, len(model.structure.pipelines))
    tenants = _names(model.combinations, "tenant")
    return {
        "pipeline_name": dict(zip(pipelines, model.structure.pipelines, strict=True)),
        "tenant": {number: name for name, number in tenants.items() if name is not None and number is not None},
    }


def _pipelines(combinations: Combinations, count: int) -> tuple[str, ...]:
    """Return a number for each pipeline, the most frequent first."""
    runs = np.bincount(np.asarray(combinations.pipeline), weights=np.asarray(combinations.runs), minlength=count)
    rank = np.argsort(np.argsort(-runs, kind="stable"), kind="stable")
    return tuple(f"pipeline-{n + 1}" for n in rank.tolist())


def _names(combinations: Combinations, column: str) -> dict[str | None, str | None]:
    """Return what replaces each name; the seldom ones, which could tell who it was, have none."""
    runs = dict(combinations.frame().group_by(column).agg(pl.col("runs").sum()).drop_nulls(column).iter_rows())
    order = sorted(runs, key=lambda name: (-runs[name], name))
    numbered = {name: f"{column}-{n}" for n, name in enumerate(order, start=1)}
    return {None: None} | {str(name): new if runs[name] >= FEWEST else None for name, new in numbered.items()}


def _frameworks(kinds: tuple[Kind, ...]) -> dict[str | None, str | None]:
    """Return what replaces each framework: nothing if it is widely known, else a number."""
    tasks: dict[str, int] = {}
    for kind in kinds:
        if kind.framework is not None and kind.framework.lower() not in _PUBLIC_FRAMEWORKS:
            tasks[kind.framework] = tasks.get(kind.framework, 0) + sum(kind.demands.tasks)
    order = sorted(tasks, key=lambda name: (-tasks[name], name))
    known = {kind.framework: kind.framework for kind in kinds}
    return known | {name: f"framework-{n}" for n, name in enumerate(order, start=1)}


def _arrivals(model: WorkloadModel) -> ArrivalModel:
    arrivals = model.arrivals
    if isinstance(arrivals, HourOfWeekArrivals):
        if (model.window.end - model.window.start).days >= FEWEST_DAYS:
            return arrivals
        return arrivals.model_copy(update={"runs_per_hour": tuple(_mean_week(arrivals.weekly_rates()).ravel().tolist())})
    if not isinstance(arrivals, DayArArrivals | DayBlockArrivals):
        return arrivals
    cascade = arrivals.cascade.model_copy(update={"patterns": None})
    if isinstance(arrivals, DayArArrivals):
        return arrivals.model_copy(update={"cascade": cascade})
    if len(arrivals.source.day) >= FEWEST_DAYS:
        return fit_day_ar(arrivals.source, cascade)
    first = arrivals.source.day[0] - (arrivals.source.day[0] + 3) % 7
    # Two weeks of it, so that every weekday stands for itself.
    rates = np.tile(_mean_week(arrivals.weekly_rates()), (2, 1))
    source = SourceDays(day=tuple(range(first, first + 14)), intensity=tuple(map(tuple, rates.tolist())))
    return DayBlockArrivals(source=source, cascade=cascade)


def _mean_week(rates: Floats) -> Floats:
    """Return a week, (7, 24), that copies no day of a short log, not even the shares of its hours.

    The totals are the means of Monday to Friday and of the weekend, and each hour has the mean of its three neighbours on the
    mean day.

    Args:
        rates: [168] Mean submissions of each hour of the week.
    """
    week = rates.reshape(7, 24)
    mean = week.mean(axis=0)
    shares = (np.roll(mean, 1) + mean + np.roll(mean, -1)) / 3
    totals = week.sum(axis=1)
    totals[:SATURDAY], totals[SATURDAY:] = totals[:SATURDAY].mean(), totals[SATURDAY:].mean()
    return np.asarray(totals[:, None] * shares / max(float(shares.sum()), 1e-300))


def _combinations(
    combinations: Combinations,
    tenants: dict[str | None, str | None],
    users: dict[str | None, str | None],
    kept: set[int],
) -> Combinations:
    frame = combinations.frame().with_columns(
        tenant=pl.Series([tenants[name] for name in combinations.tenant], dtype=pl.String),
        user=pl.Series([users[name] for name in combinations.user], dtype=pl.String),
    )
    frame = frame.filter(pl.col("pipeline").is_in(sorted(kept))).group_by("pipeline", *MARKS).agg(pl.col("runs").sum())
    counted = common(frame, ("user", "priority", "trigger", "tenant"), "runs").sort("pipeline", *MARKS)
    return Combinations(**{c: tuple(counted[c].to_list()) for c in counted.columns}, repeat=combinations.repeat)


def _structure(structure: Structure, pipelines: tuple[str, ...], frameworks: dict[str | None, str | None]) -> Structure:
    """Return the shapes that enough runs have, of those that are still told apart once their tasks have no names."""
    named = [_shape(shape, frameworks) for shape in structure.shapes]
    observed = {shape.key for shape in named[: len(named) - structure.recombined]}
    runs: dict[str, float] = {}
    pairs: dict[tuple[int, str], float] = {}
    for pipeline, shape, count in zip(structure.pair_pipeline, structure.pair_shape, structure.pair_runs, strict=True):
        key = named[shape].key
        runs[key] = runs.get(key, 0.0) + count
        pairs[pipeline, key] = pairs.get((pipeline, key), 0.0) + count
    often = {shape.key: shape for shape in named if runs[shape.key] >= FEWEST}
    if not often:
        raise RequestError(
            f"no {FEWEST} runs of the log have the same tasks and dependencies, so that any shape could tell whose it was",
            where="private",
            remedy="fit a longer log, or synthesize without --private",
        )
    # Recombined shapes are the last.
    keys = sorted(often, key=lambda key: key not in observed)
    kept = sorted((pipeline, keys.index(key), count) for (pipeline, key), count in pairs.items() if key in often)
    pair_pipeline, pair_shape, pair_runs = zip(*kept, strict=True)
    return Structure(
        shapes=tuple(often[key] for key in keys),
        pipelines=pipelines,
        pair_pipeline=pair_pipeline,
        pair_shape=pair_shape,
        pair_runs=pair_runs,
        recombined=sum(key not in observed for key in keys),
    )


def _shape(shape: Shape, frameworks: dict[str | None, str | None]) -> Shape:
    """Return a shape whose tasks are named after their types, and numbered."""
    words = [task.task_type or "task" for task in shape.tasks]
    labels = [
        (word, task.task_type, task.task_type, frameworks[task.framework])
        for word, task in zip(words, shape.tasks, strict=True)
    ]
    told = canonical(labels, shape.edges)
    words = [task.task_name for task in told.tasks]
    names = [f"{word}-{words[: i + 1].count(word)}" for i, word in enumerate(words)]
    tasks = (task.model_copy(update={"task_id": name, "task_name": name}) for task, name in zip(told.tasks, names, strict=True))
    return told.model_copy(update={"tasks": tuple(tasks)})


def _kind(
    kind: Kind,
    kinds: tuple[Kind, ...],
    tenants: dict[str | None, str | None],
    frameworks: dict[str | None, str | None],
) -> Kind:
    tasks = sum(kind.demands.tasks)
    done = tasks * sum(outcome.probability for outcome in kind.outcomes if outcome.held is None)
    return kind.model_copy(
        update={
            "framework": frameworks[kind.framework],
            "demands": _demands(kind.demands, tenants),
            "outcomes": tuple(_outcome(outcome, kinds) for outcome in kind.outcomes),
            "read": smooth_quantity(kind.read, done),
            "written": smooth_quantity(kind.written, done),
        }
    )


def _demands(demands: Demands, tenants: dict[str | None, str | None]) -> Demands:
    frame = demand_frame((demands,)).with_columns(tasks=pl.Series(demands.tasks), pool=pl.lit(None, dtype=pl.String))
    kept = [i for i, tasks in enumerate(demands.tasks) if tasks >= FEWEST]
    if not kept:  # one part of it after the other is kept back, the most telling first
        frame = common(frame, ("memory_bytes", "cpu_cores", "gpu_type", "gpus"), "tasks")
        often = frame.filter(pl.col("tasks") >= FEWEST)
        frame = (often if often.height else frame).sort(DEMAND)
    else:
        frame = frame[kept]
    frame = frame.with_columns(size=size_class(pl.col("gpus")))
    row = {i: n for n, i in enumerate(kept)}
    of = zip(demands.of_tenant, demands.of_row, demands.of_tasks, strict=True)
    # What too few tasks of a tenant asked for is drawn as all tenants ask for it.
    often_of = sorted(
        (tenants[name], row[i], tasks)
        for name, i, tasks in of
        if i in row and tasks >= FEWEST and name is not None and tenants[name] is not None
    )
    of_tenant, of_row, of_tasks = zip(*often_of, strict=True) if often_of else ((), (), ())
    columns = {c: tuple(frame[c].to_list()) for c in (*DEMAND, "size", "tasks")}
    return Demands(**columns, of_tenant=of_tenant, of_row=of_row, of_tasks=of_tasks)


def _outcome(outcome: Outcome, kinds: tuple[Kind, ...]) -> Outcome:
    """Return an outcome whose law repeats no seldom value. Kinds with few attempts share one: its rows are those of all."""
    if outcome.held is None:
        return outcome
    rows = sum(o.probability * sum(kind.demands.tasks) for kind in kinds for o in kind.outcomes if o.held == outcome.held)
    return outcome.model_copy(update={"held": smooth(outcome.held, rows)})


def _cell(cell: DurationCell, tenants: dict[str | None, str | None], frameworks: dict[str | None, str | None]) -> DurationCell:
    # A tenant without a name is nobody's: its law is never drawn from.
    tenant = None if cell.tenant is None else tenants.get(cell.tenant) or "-"
    choice = cell.choice and cell.choice.model_copy(update={"law": smooth(cell.choice.law, cell.rows)})
    framework = frameworks.get(cell.framework, cell.framework)
    return cell.model_copy(update={"tenant": tenant, "framework": framework, "choice": choice})


def _assets(assets: AssetSizes | None, kinds: tuple[Kind, ...]) -> AssetSizes | None:
    if not isinstance(assets, AssetCopula):
        return assets
    rows = sum(kind.reads_asset * sum(kind.demands.tasks) for kind in kinds)
    columns = ("size_bytes", "row_count", "column_count")
    return assets.model_copy(update={column: smooth_quantity(getattr(assets, column), rows) for column in columns})
