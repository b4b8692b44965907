"""Private traces: what is drawn for others holds no row, no day and no name of the log."""

from __future__ import annotations

import numpy as np
import polars as pl

from pipesim.workload.arrivals.day_ar import FEWEST_DAYS, DayArArrivals, fit_day_ar
from pipesim.workload.arrivals.day_block import DayBlockArrivals
from pipesim.workload.arrivals.days import SourceDays
from pipesim.workload.arrivals.model import ArrivalModel
from pipesim.workload.marks.combinations import MARKS, Combinations
from pipesim.workload.marks.independent import IndependentMarks
from pipesim.workload.model import WorkloadModel
from pipesim.workload.shapes import Shape, TaskNode
from pipesim.workload.structure import Structure
from pipesim.workload.tasks.durations import DurationCell
from pipesim.workload.tasks.kinds import DEMAND, Demands, Kind

#: What fewer runs or tasks than this have in common could tell who they were.
FEWEST = 5


def private(model: WorkloadModel) -> WorkloadModel:
    """Return a model of which no draw repeats a row of the log, by construction.

    Days: an autoregression of their totals with the hours of two days each, or the mean week of a log of under two weeks.
    Runs: marks are drawn one by one, whatever day it is, and durations from the laws of their cells. Names of pipelines,
    tenants, users and tasks are numbers, given by frequency; users and tenants of under five runs have none, and demands of
    under five tasks are left out. Pools have no name: a scenario places the tasks. What remains are frequencies and laws.

    Args:
        model: A fitted model.
    """
    pipelines = _pipelines(model.combinations, len(model.structure.pipelines))
    tenants = _names(model.combinations, "tenant")
    users = _names(model.combinations, "user")
    return model.model_copy(
        update={
            "arrivals": _arrivals(model.arrivals),
            "combinations": _combinations(model.combinations, tenants, users),
            "marks": IndependentMarks(),
            "structure": _structure(model.structure, pipelines),
            "kinds": tuple(_kind(kind, tenants) for kind in model.kinds),
            "durations": tuple(_cell(cell, tenants) for cell in model.durations),
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


def _arrivals(arrivals: ArrivalModel) -> ArrivalModel:
    if isinstance(arrivals, DayArArrivals):
        return arrivals.model_copy(update={"cascade": arrivals.cascade.model_copy(update={"patterns": None})})
    if not isinstance(arrivals, DayBlockArrivals):
        return arrivals
    cascade = arrivals.cascade.model_copy(update={"patterns": None})
    if len(arrivals.source.day) >= FEWEST_DAYS:
        return fit_day_ar(arrivals.source, cascade)
    # Of a few days not even the shares of hours are lent: each hour has the mean of its three neighbours on the mean day.
    week = arrivals.weekly_rates().reshape(7, 24)
    mean = week.mean(axis=0)
    smooth = (np.roll(mean, 1) + mean + np.roll(mean, -1)) / 3
    days = week.sum(axis=1) / max(float(smooth.sum()), 1e-300)
    first = arrivals.source.day[0] - (arrivals.source.day[0] + 3) % 7
    # Two weeks of it, so that every weekday stands for itself.
    rates = np.tile(days[:, None] * smooth, (2, 1))
    source = SourceDays(day=tuple(range(first, first + 14)), intensity=tuple(map(tuple, rates.tolist())))
    return DayBlockArrivals(source=source, cascade=cascade)


def _combinations(
    combinations: Combinations, tenants: dict[str | None, str | None], users: dict[str | None, str | None]
) -> Combinations:
    frame = combinations.frame().with_columns(
        tenant=pl.Series([tenants[name] for name in combinations.tenant], dtype=pl.String),
        user=pl.Series([users[name] for name in combinations.user], dtype=pl.String),
    )
    counted = frame.group_by("pipeline", *MARKS).agg(pl.col("runs").sum()).sort("pipeline", *MARKS)
    return Combinations(**{c: tuple(counted[c].to_list()) for c in counted.columns}, repeat=combinations.repeat)


def _structure(structure: Structure, pipelines: tuple[str, ...]) -> Structure:
    shapes = tuple(shape.model_copy(update={"tasks": _tasks(shape)}) for shape in structure.shapes)
    return structure.model_copy(update={"shapes": shapes, "pipelines": pipelines})


def _tasks(shape: Shape) -> tuple[TaskNode, ...]:
    words = [task.task_type or "task" for task in shape.tasks]
    names = [f"{word}-{words[:i].count(word) + 1}" for i, word in enumerate(words)]
    return tuple(
        task.model_copy(update={"task_id": name, "task_name": name, "raw_type": task.task_type})
        for task, name in zip(shape.tasks, names, strict=True)
    )


def _kind(kind: Kind, tenants: dict[str | None, str | None]) -> Kind:
    demands = kind.demands
    kept = [i for i, tasks in enumerate(demands.tasks) if tasks >= FEWEST] or [int(np.argmax(demands.tasks))]
    columns = {name: tuple(getattr(demands, name)[i] for i in kept) for name in (*DEMAND, "size", "tasks")}
    columns["pool"] = (None,) * len(kept)
    row = {i: n for n, i in enumerate(kept)}
    of = zip(demands.of_tenant, demands.of_row, demands.of_tasks, strict=True)
    # What too few tasks of a tenant asked for is drawn as all tenants ask for it.
    often = sorted(
        (tenants[name], row[i], tasks)
        for name, i, tasks in of
        if i in row and tasks >= FEWEST and name is not None and tenants[name] is not None
    )
    of_tenant, of_row, of_tasks = zip(*often, strict=True) if often else ((), (), ())
    return kind.model_copy(update={"demands": Demands(**columns, of_tenant=of_tenant, of_row=of_row, of_tasks=of_tasks)})


def _cell(cell: DurationCell, tenants: dict[str | None, str | None]) -> DurationCell:
    if cell.tenant is None:
        return cell
    # A tenant without a name is nobody's: its law is never drawn from.
    return cell.model_copy(update={"tenant": tenants.get(cell.tenant) or "-"})
