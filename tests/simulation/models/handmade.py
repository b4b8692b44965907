"""Platforms of models of which everything is known: versions without chance, retrainings of a given length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pipesim.lifecycle import Decay, Effects, LifecycleModel, ModelLaw
from pipesim.simulation import ENGINES, ModelSource, Scenario, SimulationResult, simulate
from pipesim.trace import Trace
from tests.simulation.conftest import START

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TASKS = (("train", 3_600.0), ("evaluate", 600.0), ("deploy", 0.0))
NO_EFFECT = Effects(learning_exponent=0.0)
#: More than all that is ever asked for at once.
POOLS = {"pools": [{"name": "all", "slots": 1_000}]}
ZERO = tuple((0.0,) * 5 for _ in range(5))


def law(name: str, performance: float = 0.9, *, tenant: str | None = None, gb: float = 0.0, **decay: float) -> ModelLaw:
    """A model whose versions all have one performance."""
    mean = (float(np.log(performance / (1 - performance))), 0.0, -2.0, 10.0, 1.0)
    return ModelLaw(name=name, tenant=tenant, mean=mean, decay=Decay(**decay), data_gb_per_day=gb)


def run_of(name: str, run_id: str, at: datetime | None, tasks: Sequence[tuple[str, float]] = TASKS, **columns: Any) -> Trace:
    """A run that is a chain of tasks, each of a type and so many seconds."""
    return _trace([_rows(name, run_id, at, tasks, columns)])


def _rows(
    name: str, run_id: str, at: datetime | None, tasks: Sequence[tuple[str, float]], columns: Mapping[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    until = columns.get("observed_until", START)
    run = {"run_id": run_id, "pipeline_name": name, "submitted_at": at, "observed_until": until, "time_basis": "utc"}
    own = {name: columns[name] for name in ("trigger", "tenant", "priority") if name in columns}
    rows = [
        {"run_id": run_id, "task_id": f"t{i}", "attempt": 1, "task_name": kind, "task_type": kind, "duration_s": seconds}
        | {"status": columns.get("outcomes", {}).get(kind, "SUCCEEDED"), "raw_status": "x", "is_censored": False}
        | {name: columns[name] for name in ("gpus", "read_bytes") if name in columns}
        for i, (kind, seconds) in enumerate(tasks)
    ]
    edges = [{"run_id": run_id, "task_id": f"t{i}", "parent_task_id": f"t{i - 1}"} for i in range(1, len(tasks))]
    return {**run, **own, "status": "SUCCEEDED", "raw_status": "x"}, rows, edges


def _trace(runs: Sequence[tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]]) -> Trace:
    rows = [row for _, rows, _ in runs for row in rows]
    edges = [edge for _, _, edges in runs for edge in edges]
    frames = {"pipeline_runs": [run for run, _, _ in runs], "task_runs": rows, "task_edges": edges}
    return Trace({name: pl.DataFrame(table, infer_schema_length=None) for name, table in frames.items() if table})


def together(*traces: Trace) -> Trace:
    """All runs of some traces."""
    return Trace({name: pl.concat([trace[name] for trace in traces]) for name in traces[0]})


def source(
    *laws: ModelLaw,
    tasks: Callable[[str, int], Sequence[tuple[str, float]]] = lambda name, number: TASKS,
    effects: Effects = NO_EFFECT,
    covariance: Sequence[Sequence[float]] = ZERO,
    **columns: Any,
) -> ModelSource:
    """What is known of such models; the tasks of the n-th retraining of a model may be given."""

    def draw(number: int) -> Trace:
        named = [(one.name, f"retrain-{one.name}-{number}", tasks(one.name, number)) for one in laws]
        return _trace([_rows(name, run_id, None, chain, columns) for name, run_id, chain in named])

    rows = tuple(tuple(row) for row in covariance)
    return ModelSource(LifecycleModel(models=laws, covariance=rows, effects=effects), draw)


def idle(days: float, begin: datetime = START) -> Trace:
    """A workload of nothing but a task at the beginning; the log ends so many days later."""
    return run_of("other", "first", begin, (("other", 1.0),), observed_until=begin + timedelta(days=days))


def scenario(lifecycle: Mapping[str, Any], **more: Any) -> Scenario:
    """A scenario on pools without limit."""
    return Scenario(name="s", lifecycle=dict(lifecycle), **{"platform": POOLS, **more})


def by_both(trace: Trace, wanted: Scenario, known: ModelSource, **more: Any) -> SimulationResult:
    """Simulate by every engine, which must agree."""
    results = [simulate(trace, wanted, source=known, engine=name, **more) for name in ENGINES]
    for table in results[0].trace:
        assert results[0].trace[table].equals(results[1].trace[table]), table
    one, other = (
        {k: v for k, v in result.summary.as_dict().items() if k not in ("engine", "engine_seconds", "seconds")}
        for result in results
    )
    assert one == other
    return results[0]


def fired(result: SimulationResult, name: str | None = None) -> list[timedelta]:
    """When retrainings were submitted, since the beginning."""
    runs = result.trace.pipeline_runs.filter(pl.col("run_id").str.starts_with("retrain-")).sort("submitted_at")
    if name is not None:
        runs = runs.filter(pl.col("pipeline_name") == name)
    return [at - START for at in runs["submitted_at"]]
