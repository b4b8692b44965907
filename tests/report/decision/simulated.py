"""Small lakes of simulated scenarios whose figures are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipesim.experiments_schema import CAPACITY, SWEEPS
from pipesim.lake import Lake
from pipesim.report.parts import Part
from pipesim.simulation import RunSummary
from pipesim.trace import Trace


def run(scenario: str, replication: int, wait: float | None, *, cost: float | None = None, busy: float = 0.5) -> RunSummary:
    """A run whose tasks wait so long, and whose other times follow from that."""
    known = wait or 0.0
    return RunSummary(
        scenario=scenario,
        replication=replication,
        engine="compiled",
        pipelines=10,
        tasks=20,
        mean_wait_s=wait,
        p50_wait_s=wait,
        p95_wait_s=None if wait is None else 3 * wait,
        p99_wait_s=wait,
        mean_jct_s=1000 + known,
        p95_jct_s=2000 + known,
        makespan_s=7 * 86_400.0,
        utilization={"gpu": busy},
        engine_seconds=0.0,
        seconds=0.0,
        cost=cost,
        asked=() if cost is None else ("cost",),
    )


def scenario(name: str, gpus: float = 8, order: str = "fifo", **changed: Any) -> dict[str, Any]:
    """The scenario as a manifest holds it."""
    return {
        "name": name,
        "workload": {"kind": "synthetic", "days": 7.0, "scale": 1.0, "seed": 42},
        "platform": {"pools": [{"name": "gpu", "gpus": float(gpus)}, {"name": "cpu", "cpu_cores": 48.0}]},
        "policy": {"order": order, "backfill": "greedy"},
        "replications": 3,
        **changed,
    }


def keep(lake: Lake, content: Mapping[str, Any], runs: Sequence[RunSummary], model: str = "m-1") -> None:
    """Store runs of a scenario as a simulation would."""
    for one in runs:
        work = {**content["workload"], "model": model}
        manifest = {"scenario": dict(content), "workload": work, "engine": one.engine, "replication": one.replication}
        lake.save_simulated(Trace({}, "simulated", one.scenario), one.replication, one.as_frame(), manifest)


def swept(sweep: str, at: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    """The rows of a sweep, by scenario the values of its keys."""
    places: dict[str, list[Any]] = {}
    rows = []
    for name, values in at.items():
        for key, value in values.items():
            known = places.setdefault(key, [])
            known += [] if value in known else [value]
            number = float(value) if isinstance(value, int | float) else None
            rows.append((sweep, name, key, known.index(value), str(value), number))
    return pl.DataFrame(rows, schema=SWEEPS.polars_schema, orient="row")


def trial(search: str, name: str, capacity: int, mean: float | None, **changed: Any) -> dict[str, Any]:
    """A trial of a search for the GPUs that keep 95 % of waits under 600 s."""
    ends = {"low": None, "high": None} if mean is None else {"low": 0.9 * mean, "high": 1.1 * mean}
    return {
        "search": search, "scenario": name, "trial": capacity, "pool": "gpu", "resource": "gpus", "capacity": capacity,
        "simulated_as": None if mean is None else f"{name}-gpu-gpus-{capacity}", "objective": "p95_wait_s < 600",
        "metric": "p95_wait_s", "bound": "<", "threshold": 600.0, "confidence": 0.95, "replications": 10, "mean": mean,
        "met": mean is not None and mean < 545, "is_least": False, "is_answer": False, **ends, **changed,
    }  # fmt: skip


def searched(*trials: dict[str, Any]) -> pl.DataFrame:
    return CAPACITY.conform(pl.DataFrame(list(trials), infer_schema_length=None))


def figures(part: Part) -> dict[str, Any]:
    """The figures of a part by name, each of whose charts keeps to the schema of Vega-Lite."""
    for one in part.sections:
        for panel in one["figure"].panels:
            panel.chart.to_dict()
    return {one["name"]: one["figure"] for one in part.sections}
